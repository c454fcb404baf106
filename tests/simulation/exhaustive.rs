//! Every schedule up to a bound, for one object and two operators.

use crate::simulation::action::UserAction;
use crate::simulation::config::{KeyConfig, SimulationConfig};
use crate::simulation::model::Schedules;
use registry_token_operator::domain::observed::LoginMode;

/// One object, two operators, one fault, one death, and caches that lag.
pub const FIRST_TOKEN: SimulationConfig = SimulationConfig {
    operators: 2,
    objects: 1,
    list_denied: false,
    id_in_response: true,
    keep_marker: false,
    login: LoginMode::Disabled,
    rotation: false,
    keys: KeyConfig::FIRST,
    start_at_rest: false,
    faults: 1,
    user_actions: 0,
    crashes: 1,
    ticks: 1,
    actions: &[UserAction::Create],
};

/// The same, with a person who does one thing more.
pub const ONE_ACTION_MORE: SimulationConfig = SimulationConfig {
    user_actions: 1,
    actions: &[
        UserAction::Create,
        UserAction::Delete,
        UserAction::EditDescription,
        UserAction::Rotate,
        UserAction::Replace,
        UserAction::DeleteSecret,
        UserAction::RevokeUpstream,
    ],
    ..FIRST_TOKEN
};

fn bound(name: &str, otherwise: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// All of them, each kind up to its bound; `EVENTS` and `EVENTS_OF_A_LIFE` set others.
pub fn every_schedule(threads: usize, from_nothing: usize, from_a_life: usize) -> Result<(), String> {
    let (from_nothing, from_a_life) = (bound("EVENTS", from_nothing), bound("EVENTS_OF_A_LIFE", from_a_life));
    println!("{}", Schedules::from_empty(FIRST_TOKEN, None).explore(from_nothing, threads)?);
    println!("{}", Schedules::from_first_token(ONE_ACTION_MORE, None).explore(from_a_life, threads)?);
    Ok(())
}

#[test]
fn every_schedule_of_two_operators_up_to_a_bound_comes_to_rest() {
    // A first token takes eleven events from nothing on: what follows upon its request is gone through
    // from the points of a life that nothing disturbed.
    assert_eq!(every_schedule(1, 8, 1), Ok(()));
}
