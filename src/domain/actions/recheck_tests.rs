use super::*;
use crate::api::Reason;
use crate::domain::observed::LoginMode;
use crate::domain::pass::{Pass, PassResult, Step as PassNext};
use crate::domain::test_support::{REQUESTED, RESPONSE_DEADLINE, World, at, at_rest_with, change_issuer, problem};

fn refused() -> Verdict {
    Verdict::Rejected("no".into())
}

/// Asked to look at everything, so many seconds after the request; pods use the token.
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

/// Runs a pass; gives what is still to be looked at after it.
fn run(world: &mut World) -> (Recheck, PassResult) {
    let (mut pass, mut next) = Pass::begin(world.observed.clone());
    loop {
        match next {
            PassNext::Done(end) => return (pass.observed().recheck, end),
            PassNext::Perform(request) => {
                let answer = world.respond(request);
                (pass, next) = pass.step(answer, world.observed.now);
            }
        }
    }
}

#[test]
fn a_token_that_is_there_costs_two_looks_and_no_write() {
    let mut world = World::of(requested_after(10));
    assert_eq!(run(&mut world), (Recheck::NotRequested, PassResult::Idle), "{:?}", world.labels);
    assert_eq!(world.labels, ["read object", "read secret", "read content", "find 17", "log in"]);
}

#[test]
fn a_young_token_that_was_revoked_is_found_at_once_by_list_and_login_together() {
    let mut world = World::of(requested_after(10)).listing(&[]).with_login_result(refused());
    let (left, _) = run(&mut world);
    let status = status_view(&world.observed.object);
    assert!(status.revoked_upstream && !status.ready && left == Recheck::NotRequested, "{:?}", world.labels);
}

#[test]
fn a_young_token_that_the_list_alone_lacks_is_not_called_revoked() {
    let mut world = World::of(requested_after(10)).listing(&[]);
    assert_eq!(run(&mut world), (Recheck::NotRequested, PassResult::Idle), "its login works, and lists lag");
    assert_eq!(login_condition(&world), None);
    let mut unasked = requested_after(10);
    change_issuer(&mut unasked, |facts| facts.login_check = LoginMode::Disabled);
    let mut world = World::of(unasked).listing(&[]);
    let (left, end) = run(&mut world);
    assert!(
        matches!(end, PassResult::RequeueAfter(left) if left <= RESPONSE_DEADLINE) && left == Recheck::Requested,
        "{end:?}"
    );
    let (reason, message) = login_condition(&world).expect("it says when it will be known");
    assert!(reason == Reason::TokenNotFound.to_string() && message.contains("looked at again at 20"), "{message}");
    // Then the list counts.
    let mut later = world.observed.clone();
    (later.now, later.recheck, later.cooldowns) = (at(REQUESTED + 200), left, vec![]);
    let mut world = World::of(later).listing(&[]);
    let _ = run(&mut world);
    assert!(status_view(&world.observed.object).revoked_upstream, "{:?}", world.labels);
}

#[test]
fn a_listed_token_that_the_registry_refuses_is_not_ready() {
    let mut world = World::of(requested_after(3600)).with_login_result(refused());
    let _ = run(&mut world);
    let status = status_view(&world.observed.object);
    assert!(!status.ready && !status.login_verified && !status.revoked_upstream);
}

#[test]
fn without_a_list_a_second_refusal_counts_and_the_first_says_when_it_comes() {
    let mut first = requested_after(3600);
    change_issuer(&mut first, |facts| facts.list_visible = false);
    let mut world = World::of(first).with_login_result(refused());
    let (left, end) = run(&mut world);
    assert!(matches!(end, PassResult::RequeueAfter(left) if left <= RESPONSE_DEADLINE + MARGIN), "{end:?}");
    assert!(login_condition(&world).is_some_and(|(_, message)| message.contains("counts as revoked")));
    assert!(status_view(&world.observed.object).ready, "the registry may have been out of order for a moment");
    let mut later = world.observed.clone();
    (later.now, later.recheck, later.cooldowns) = (at(REQUESTED + 3600 + 101), left, vec![]);
    let mut world = World::of(later).with_login_result(refused());
    let (left, _) = run(&mut world);
    assert!(
        status_view(&world.observed.object).revoked_upstream && left == Recheck::NotRequested,
        "{:?}",
        world.labels
    );
}

#[test]
fn a_portal_or_a_registry_that_cannot_be_asked_changes_nothing() {
    for (word, answer, left) in [
        ("log in", Response::Login(Verdict::Unknown("down".into())), Recheck::NotRequested),
        ("find 17", Response::NotSent(problem(Reason::Unreachable)), Recheck::Requested),
    ] {
        let mut world = World::of(requested_after(3600)).on(word, answer);
        assert_eq!(run(&mut world).0, left, "{word}");
        assert!(status_view(&world.observed.object).ready, "{word}");
    }
}
