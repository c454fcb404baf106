//! Every schedule up to a bound, for one object and two operators.

use crate::simulation::deed::Deed;
use crate::simulation::model::Schedules;
use crate::simulation::setting::{Keys, Setting};
use registry_token_operator::domain::observed::LoginMode;

/// One object, two operators, one fault, one death, and caches that lag.
pub const BIRTH: Setting = Setting {
    operators: 2,
    objects: 1,
    unlisted: false,
    id_in_answer: true,
    permanent: false,
    login: LoginMode::Disabled,
    rotation: false,
    keys: Keys::FIRST,
    settled: false,
    faults: 1,
    people: 0,
    crashes: 1,
    ticks: 1,
    deeds: &[Deed::Create],
};

/// The same, with a person who does one thing more.
pub const LIFE: Setting = Setting {
    people: 1,
    deeds: &[
        Deed::Create,
        Deed::Delete,
        Deed::EditDescription,
        Deed::Rotate,
        Deed::Replace,
        Deed::DeleteSecret,
        Deed::RevokeUpstream,
    ],
    ..BIRTH
};

fn bound(name: &str, otherwise: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// All of them, each kind up to its bound; `EVENTS` and `EVENTS_OF_A_LIFE` set others.
pub fn every_schedule(threads: usize, from_nothing: usize, from_a_life: usize) -> Result<(), String> {
    let (from_nothing, from_a_life) = (bound("EVENTS", from_nothing), bound("EVENTS_OF_A_LIFE", from_a_life));
    println!("{}", Schedules::from_nothing(BIRTH, None).go_through(from_nothing, threads)?);
    println!("{}", Schedules::from_a_life(LIFE, None).go_through(from_a_life, threads)?);
    Ok(())
}

#[test]
fn every_schedule_of_two_operators_up_to_a_bound_comes_to_rest() {
    // A first token takes eleven events from nothing on: what follows upon its request is gone through
    // from the points of a life that nothing disturbed.
    assert_eq!(every_schedule(1, 8, 1), Ok(()));
}
