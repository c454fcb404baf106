//! The portal's moods: each moment another fault befalls another of its tasks.

use crate::fake_portal::{Fault, Faults, Operation};
use crate::rng::Rng;
use std::time::Duration;

/// The longest pause between two faults, in milliseconds.
const PAUSE: u64 = 400;
/// A fault that nothing met yet is enough trouble to come.
const MAX_PENDING: usize = 8;

/// Orders faults until it is dropped.
pub async fn inject_faults(faults: Faults, mut chance: Rng) {
    loop {
        tokio::time::sleep(chance.millis(20, PAUSE)).await;
        if faults.in_force().len() < MAX_PENDING {
            let (operation, fault) = draw_fault(&mut chance);
            faults.once(operation, fault);
        }
    }
}

fn draw_fault(chance: &mut Rng) -> (Operation, Fault) {
    use Operation::{Edit, List, Request, Revoke};
    // No longer than the operator takes a late answer to be possible.
    let late = chance.below(8_000);
    match chance.below(14) {
        0 => (Request, Fault::StatusAfter(504)),
        1 => (Request, Fault::DropAfter),
        2 => (Request, Fault::HangAfter),
        3 => (Request, Fault::DelayBefore(late)),
        4 => (Request, Fault::DropLate(late)),
        5 => (Request, Fault::Status(500)),
        6 => (Request, Fault::DropBefore),
        7 => (Edit, Fault::Status(503)),
        8 => (Edit, Fault::StatusAfter(504)),
        9 => (Edit, Fault::DropAfter),
        10 => (Revoke, Fault::Status(500)),
        11 => (Revoke, Fault::StatusAfter(502)),
        12 => (Revoke, Fault::HangAfter),
        _ => (List, Fault::RetryAfter { status: 429, seconds: Duration::from_secs(1).as_secs() }),
    }
}
