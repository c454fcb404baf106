//! Injects random faults into the portal's tasks.

use super::rng::Rng;
use crate::fake_portal::{Fault, Faults, Operation};
use std::time::Duration;

/// The longest pause between two faults, in milliseconds.
const PAUSE: u64 = 400;
/// The maximum number of faults that wait for a request.
const MAX_PENDING: usize = 8;

/// Injects faults until it is dropped.
pub async fn inject_faults(faults: Faults, mut rng: Rng) {
    loop {
        tokio::time::sleep(rng.millis(20, PAUSE)).await;
        if faults.in_force().len() < MAX_PENDING {
            let (operation, fault) = draw_fault(&mut rng);
            faults.once(operation, fault);
        }
    }
}

fn draw_fault(rng: &mut Rng) -> (Operation, Fault) {
    use Operation::{Edit, List, Request, Revoke};
    // Shorter than the operator's response deadline.
    let late = rng.below(8_000);
    match rng.below(14) {
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
