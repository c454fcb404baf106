//! Every schedule up to a bound, for one object and two operators.

use crate::simulation::action::UserAction;
use crate::simulation::config::{KeyConfig, SimulationConfig};
use crate::simulation::model::Schedules;
use crate::simulation::portal_traits::PortalTraits;
use registry_token_operator::api::LoginCheck;

/// One object, two operators, one fault, one crash, and stale caches.
pub const FIRST_TOKEN: SimulationConfig = SimulationConfig {
    operators: 2,
    objects: 1,
    portal: PortalTraits::DEFAULT,
    list_denied: false,
    id_in_response: true,
    keep_marker: false,
    login: LoginCheck::Disabled,
    finalizer_at_creation: false,
    rotation: false,
    keys: KeyConfig::FIRST,
    start_at_rest: false,
    faults: 1,
    user_actions: 0,
    crashes: 1,
    ticks: 1,
    actions: &[UserAction::Create],
};

/// The same, with one more user action.
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

/// All schedules from the empty state and from each point of a first token, up to a bound each. `EVENTS` and
/// `AFTER` set other bounds.
pub fn every_schedule(threads: usize, from_empty: usize, from_first_token: usize) -> Result<(), String> {
    let (from_empty, from_first_token) = (bound("EVENTS", from_empty), bound("AFTER", from_first_token));
    println!("{}", Schedules::from_empty(FIRST_TOKEN, None).explore(from_empty, threads)?);
    let protected = SimulationConfig { finalizer_at_creation: true, ..FIRST_TOKEN };
    println!("{}", Schedules::from_empty(protected, None).explore(from_empty, threads)?);
    println!("{}", Schedules::from_first_token(ONE_ACTION_MORE, None).explore(from_first_token, threads)?);
    Ok(())
}
