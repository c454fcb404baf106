use super::*;
use crate::api::Reason;
use crate::domain::test_support::{
    World, apply, at_rest, at_rest_with, change_issuer, refused, reported_reason, unknown,
};

fn waiting_for(mode: LoginCheck, login_result: LoginResult) -> (Outcome, World) {
    let mut observed = at_rest();
    change_issuer(&mut observed, |issuer| issuer.login_check = mode);
    apply(&mut observed, StatusEvent::LoginChecked(LoginResult::Unknown("not verified yet".into())));
    let mut world = World::of(observed).with_login_result(login_result);
    let outcome = world.run(begin());
    (outcome, world)
}

#[test]
fn a_token_whose_login_is_accepted_counts_as_verified() {
    for mode in [LoginCheck::Required, LoginCheck::BestEffort] {
        let (outcome, world) = waiting_for(mode, LoginResult::Accepted);
        assert_eq!((outcome, world.labels), (Outcome::Redecide, vec!["log in".to_owned(), "status".to_owned()]));
        assert!(StatusView::of(&world.observed.object).login_verified);
    }
}

#[test]
fn a_rejection_and_an_unavailable_registry_are_reported_and_retried() {
    let (outcome, world) = waiting_for(LoginCheck::Required, refused());
    assert_eq!(reported_reason(&outcome), Some(Reason::LoginRejected));
    assert!(!StatusView::of(&world.observed.object).ready);
    let (outcome, world) = waiting_for(LoginCheck::Required, unknown());
    assert_eq!(reported_reason(&outcome), Some(Reason::RegistryUnavailable));
    assert!(StatusView::of(&world.observed.object).ready, "its login was accepted before");
}

#[test]
fn with_best_effort_a_registry_that_is_down_blocks_nothing() {
    let (outcome, world) = waiting_for(LoginCheck::BestEffort, unknown());
    assert_eq!(outcome, Outcome::IdleFor(Duration::from_mins(5)));
    assert!(StatusView::of(&world.observed.object).ready);
}

#[test]
fn a_secret_that_lost_its_login_is_inspected_and_not_verified_forever() {
    let (outcome, world) = waiting_for(LoginCheck::Required, LoginResult::NotChecked);
    assert_eq!((outcome, world.labels.len()), (Outcome::RequeueSoon, 1));
    assert!(StatusView::of(&world.observed.object).ready, "it is not conclusive");
}

#[test]
fn what_is_already_reported_is_not_written_again() {
    let mut world = World::of(at_rest_with(|observed| apply(observed, StatusEvent::LoginChecked(refused()))))
        .with_login_result(refused());
    assert_eq!(reported_reason(&world.run(begin())), Some(Reason::LoginRejected));
    assert_eq!(world.labels, ["log in"]);
}

#[test]
fn an_optional_unavailable_registry_does_not_delay_the_end_of_an_overlap() {
    let mut observed = at_rest();
    change_issuer(&mut observed, |issuer| issuer.login_check = LoginCheck::BestEffort);
    apply(
        &mut observed,
        StatusEvent::TokenRetiring(crate::domain::test_support::retiring(
            "12",
            crate::domain::test_support::at(3600 + 90),
        )),
    );
    let mut world = World::of(observed).with_login_result(LoginResult::Unknown("down".into()));
    let begun = begin();
    assert_eq!(world.run(begun), Outcome::IdleFor(Duration::from_secs(90)));
}
