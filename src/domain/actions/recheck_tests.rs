use super::*;
use crate::api::{LoginCheck, Reason};
use crate::domain::pass::{Pass, PassResult, Step as PassNext};
use crate::domain::test_support::{
    REQUESTED, RESPONSE_DEADLINE, World, at, at_rest_with, change_issuer, problem, refused,
};

/// A recheck was requested this many seconds after the token request; pods use the token.
fn requested_after(seconds: i64) -> Observed {
    let mut observed =
        at_rest_with(|observed| (observed.resync_requested, observed.recheck) = (true, Recheck::Requested));
    observed.object.reissue_revoked = false;
    observed.now = at(REQUESTED + seconds);
    observed
}

fn login_condition(world: &World) -> Option<(String, String)> {
    let conditions = &world.observed.object.status.as_ref()?.conditions;
    let one = conditions.iter().find(|one| ["Stalled", "Reconciling"].contains(&one.type_.as_str()))?;
    Some((one.reason.clone(), one.message.clone()))
}

/// Runs a pass and returns the recheck that is left after it.
fn run(world: &mut World) -> (Recheck, PassResult) {
    let (mut pass, mut next) = Pass::begin(world.observed.clone());
    loop {
        match next {
            PassNext::Done(end) => return (pass.observed().recheck, end),
            PassNext::Perform(request) => {
                let response = world.respond(request);
                (pass, next) = pass.step(response, world.observed.now);
            }
        }
    }
}

#[test]
fn an_existing_token_costs_two_reads_and_no_write() {
    let mut world = World::of(requested_after(10));
    assert_eq!(run(&mut world), (Recheck::NotRequested, PassResult::Idle), "{:?}", world.labels);
    assert_eq!(world.labels, ["read object", "read secret", "read content", "find 17", "log in"]);
}

#[test]
fn a_revoked_young_token_is_detected_at_once_by_list_and_login_together() {
    let mut world = World::of(requested_after(10)).listing(&[]).with_login_result(refused());
    let (left, _) = run(&mut world);
    let status = StatusView::of(&world.observed.object);
    assert!(status.revoked_upstream && !status.ready && left == Recheck::NotRequested, "{:?}", world.labels);
}

#[test]
fn a_young_token_that_only_the_list_lacks_does_not_count_as_revoked() {
    let mut world = World::of(requested_after(10)).listing(&[]);
    assert_eq!(run(&mut world), (Recheck::NotRequested, PassResult::Idle), "its login is accepted, and lists lag");
    assert_eq!(login_condition(&world), None);
    let mut unasked = requested_after(10);
    change_issuer(&mut unasked, |issuer| issuer.login_check = LoginCheck::Disabled);
    let mut world = World::of(unasked).listing(&[]);
    let (left, end) = run(&mut world);
    assert!(
        matches!(end, PassResult::RequeueAfter(left) if left <= RESPONSE_DEADLINE) && left == Recheck::Requested,
        "{end:?}"
    );
    let (reason, message) = login_condition(&world).expect("the message says when it will be known");
    assert!(reason == Reason::TokenNotFound.to_string() && message.contains("checked again at 20"), "{message}");
    // Then the list is conclusive.
    let mut later = world.observed.clone();
    (later.now, later.recheck, later.cooldowns) = (at(REQUESTED + 200), left, vec![]);
    let mut world = World::of(later).listing(&[]);
    let _ = run(&mut world);
    assert!(StatusView::of(&world.observed.object).revoked_upstream, "{:?}", world.labels);
}

#[test]
fn a_listed_token_that_the_registry_rejects_is_not_ready() {
    let mut world = World::of(requested_after(3600)).with_login_result(refused());
    let _ = run(&mut world);
    let status = StatusView::of(&world.observed.object);
    assert!(!status.ready && !status.login_verified && !status.revoked_upstream);
}

#[test]
fn without_a_list_a_second_rejection_counts_and_the_first_one_reports_when() {
    let mut first = requested_after(3600);
    change_issuer(&mut first, |issuer| issuer.list_visible = false);
    let mut world = World::of(first).with_login_result(refused());
    let (left, end) = run(&mut world);
    assert!(matches!(end, PassResult::RequeueAfter(left) if left <= RESPONSE_DEADLINE + MARGIN), "{end:?}");
    assert!(login_condition(&world).is_some_and(|(_, message)| message.contains("counts as revoked")));
    assert!(StatusView::of(&world.observed.object).ready, "the registry may have failed temporarily");
    let mut later = world.observed.clone();
    (later.now, later.recheck, later.cooldowns) = (at(REQUESTED + 3600 + 101), left, vec![]);
    let mut world = World::of(later).with_login_result(refused());
    let (left, _) = run(&mut world);
    assert!(
        StatusView::of(&world.observed.object).revoked_upstream && left == Recheck::NotRequested,
        "{:?}",
        world.labels
    );
}

#[test]
fn an_unavailable_portal_or_registry_changes_nothing() {
    for (word, response, left) in [
        ("log in", Response::Login(LoginResult::Unknown("down".into())), Recheck::NotRequested),
        ("find 17", Response::NotSent(problem(Reason::Unreachable)), Recheck::Requested),
    ] {
        let mut world = World::of(requested_after(3600)).on(word, response);
        assert_eq!(run(&mut world).0, left, "{word}");
        assert!(StatusView::of(&world.observed.object).ready, "{word}");
    }
}
