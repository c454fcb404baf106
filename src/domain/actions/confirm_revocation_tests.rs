use super::*;
use crate::api::LoginCheck;
use crate::domain::test_support::{
    World, apply, at, at_rest, at_rest_with, change_issuer, now, problem, refused, reported_reason, unknown,
};

/// The portal's list lacks the token, and the registry gives this result.
fn confirming(observed: Observed, login_result: LoginResult) -> (Outcome, World) {
    let mut world = World::of(observed).listing(&[]).with_login_result(login_result);
    let begun = begin(&world.observed);
    let outcome = world.run(begun);
    (outcome, world)
}

#[test]
fn a_token_that_neither_portal_nor_registry_knows_counts_as_revoked() {
    for login_result in [refused(), LoginResult::NotChecked] {
        let (outcome, world) = confirming(at_rest(), login_result);
        assert_eq!((outcome, world.labels), (Outcome::Redecide, vec!["log in".to_owned(), "status".to_owned()]));
        let status = StatusView::of(&world.observed.object);
        assert_eq!((status.ready, status.revoked_upstream), (false, true));
        assert_eq!(status.upstream_revocation, Some((now(), false)));
    }
    let mut unchecked = at_rest();
    change_issuer(&mut unchecked, |issuer| issuer.login_check = LoginCheck::Disabled);
    let (outcome, world) = confirming(unchecked, LoginResult::Accepted);
    assert_eq!((outcome, world.labels), (Outcome::Redecide, vec!["status".to_owned()]), "the list alone counts");
}

#[test]
fn without_a_list_only_a_second_rejection_counts() {
    let hidden = || {
        let mut observed = at_rest();
        change_issuer(&mut observed, |issuer| issuer.list_visible = false);
        observed
    };
    let (outcome, world) = confirming(hidden(), refused());
    assert_eq!((outcome, StatusView::of(&world.observed.object).revoked_upstream), (Outcome::Redecide, true));
    for login_result in [LoginResult::Accepted, LoginResult::NotChecked, unknown()] {
        let (outcome, world) = confirming(hidden(), login_result);
        assert_eq!((outcome, world.labels), (Outcome::Redecide, vec!["log in".to_owned()]));
        assert!(StatusView::of(&world.observed.object).ready, "nothing is reported");
    }
}

#[test]
fn the_condition_of_an_unrepairable_secret_does_not_alternate() {
    let mut observed = at_rest();
    observed.cooldowns = vec![crate::domain::model::cooldown::Cooldown::new(
        Operation::InspectSecret,
        crate::domain::model::problem::messages::secret_immutable(),
    )];
    let (outcome, world) = confirming(observed, LoginResult::Accepted);
    assert_eq!((outcome, world.labels), (Outcome::Redecide, vec!["log in".to_owned()]));
}

#[test]
fn a_token_whose_login_is_still_accepted_is_not_replaced() {
    let (outcome, world) = confirming(at_rest(), LoginResult::Accepted);
    assert_eq!(reported_reason(&outcome), Some(Reason::TokenNotFound));
    assert!(matches!(outcome, Outcome::ReportFor(wait, _) if wait >= Duration::from_mins(1)));
    assert_eq!(world.labels, ["log in"]);
}

#[test]
fn while_the_registry_is_unavailable_nothing_is_done() {
    let (outcome, world) = confirming(at_rest(), unknown());
    assert_eq!((reported_reason(&outcome), world.labels.len()), (Some(Reason::TokenNotFound), 1));
    let mut mute = World::of(at_rest()).on("log in", Response::IssuerChanged);
    let begun = begin(&mute.observed);
    assert_eq!(mute.run(begun), Outcome::RequeueSoon);
}

#[test]
fn a_colleagues_decision_is_overridden_once_and_not_twice_within_a_day() {
    let again = |seconds: i64| {
        let observed = at_rest_with(|observed| {
            observed.now = at(-10);
            apply(observed, StatusEvent::RevokedUpstream { problem: problem(Reason::RevokedUpstream), again: false });
            observed.now = at(-10 + seconds);
        });
        let (_, world) = confirming(observed, refused());
        let (_, again) = StatusView::of(&world.observed.object).upstream_revocation.expect("a revocation");
        let message = world.statuses().next().and_then(|status| crate::domain::status::ready_condition(Some(status)));
        (again, message.expect("a message").2.contains("registry-token.dev/replace"))
    };
    assert_eq!(again(24 * 3600 - 1), (true, true), "not replaced, and the message explains how to get a new token");
    assert_eq!(again(24 * 3600), (false, false));
    let not_reissued = at_rest_with(|observed| observed.object.reissue_revoked = false);
    let (_, world) = confirming(not_reissued, refused());
    let status = world.statuses().next().expect("a status");
    assert!(crate::domain::status::ready_condition(Some(status)).expect("a message").2.contains("Hold"));
    assert!(!StatusView::of(&world.observed.object).upstream_revocation.expect("a revocation").1);
}
