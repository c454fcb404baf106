//! Every schedule up to a bound, for one object and two operators.

use crate::simulation::model::Schedules;
use crate::simulation::people::Deed;
use crate::simulation::world::Setting;
use registry_token_operator::domain::observed::LoginMode;
use stateright::{Checker, Model};

/// Events in a row, in `cargo test`; `DEPTH` sets another bound.
const DEPTH: usize = 12;

/// One object, two operators, one fault, one death, and caches that lag.
const SETTING: Setting = Setting {
    operators: 2,
    objects: 1,
    id_in_answer: true,
    permanent: false,
    login: LoginMode::Disabled,
    rotation: false,
    faults: 1,
    people: 0,
    crashes: 1,
    ticks: 1,
    deeds: &[Deed::Create],
};

#[test]
fn every_schedule_of_two_operators_up_to_a_bound_comes_to_rest() {
    let depth = std::env::var("DEPTH").ok().and_then(|text| text.parse().ok()).unwrap_or(DEPTH);
    let schedules = Schedules { setting: SETTING, mutant: None };
    let checker = schedules.checker().threads(2).target_max_depth(depth).spawn_bfs().join();
    println!("depth {depth}: {} states, {} of them distinct", checker.state_count(), checker.unique_state_count());
    let found = checker.discoveries().into_iter().map(|(name, path)| (name, path.into_actions()));
    assert_eq!(found.collect::<Vec<_>>(), []);
    assert!(checker.unique_state_count() > 1000, "something was gone through");
}
