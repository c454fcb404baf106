use super::*;
use crate::domain::decide::{Action, decide};
use crate::domain::model::request_cause::Cause;
use crate::domain::model::status_view::StatusView;
use crate::domain::observed::Observed;
use crate::domain::pass::PassResult;
use crate::domain::status::StatusEvent;
use crate::domain::test_support::{
    World, annotations, apply, at, at_rest, deleting, problem, retiring, rotation_every, token, token_ref,
};
use std::time::Duration;

const TEN_YEARS: i64 = 10 * 365 * 24 * 3600;

/// At rest, and rotated while the clock was ten years ahead.
fn rotated_ahead() -> Observed {
    let mut observed = at_rest();
    observed.object.rotation = Some(rotation_every(24, 15));
    observed.object.requested_annotations = annotations(&[("rotate", "1")]);
    observed.now = at(TEN_YEARS);
    let mut world = World::of(observed);
    assert!(matches!(world.pass(), PassResult::IdleFor(_)), "{:?}", world.labels);
    let status = StatusView::of(&world.observed.object);
    assert_eq!((status.token.expect("a token").id.as_str(), status.retiring.len()), ("18", 1));
    world.observed
}

#[test]
fn a_clock_that_jumped_and_came_back_delays_nothing_for_years() {
    let mut observed = rotated_ahead();
    observed.now = at(7200);
    let mut world = World::of(observed);
    let end = world.pass();
    let status = StatusView::of(&world.observed.object);
    assert_eq!(status.token.as_ref().expect("a token").request_time.0, at(7200));
    assert_eq!(status.retiring[0].revocation_time.0, at(7200 + 900), "the overlap starts again");
    assert!(status.next_rotation.expect("a time") <= at(7200 + 24 * 3600));
    assert_eq!(end, PassResult::IdleFor(Duration::from_mins(15)), "{:?}", world.labels);
    let writes = world.statuses().count();
    assert_eq!(
        (world.pass(), world.statuses().count()),
        (PassResult::IdleFor(Duration::from_mins(15)), writes),
        "and it rests"
    );
    world.observed.now = at(7200 + 900);
    world.pass();
    assert_eq!(StatusView::of(&world.observed.object).retiring, []);
    world.observed.now = at(7200 + 900 + 25 * 3600);
    assert_eq!(
        decide(&world.observed),
        Action::RequestToken(crate::domain::test_support::request_cause(Cause::Rotation))
    );
}

#[test]
fn a_deletion_waits_for_a_list_no_longer_than_the_response_deadline() {
    let mut observed = deleting(rotated_ahead());
    observed.now = at(7200);
    let mut world = World::of(observed)
        .listing(&[])
        .with_login_result(crate::domain::model::login_result::LoginResult::Rejected("no".into()));
    assert!(
        matches!(world.pass(), PassResult::RequeueAfter(left) if left < Duration::from_mins(2)),
        "{:?}",
        world.labels
    );
    world.observed.now = at(7200 + 101);
    assert_eq!(world.pass(), PassResult::Idle);
    assert!(!world.observed.object.has_finalizer);
}

#[test]
fn a_skew_of_one_minute_between_two_operators_is_ignored() {
    let mut observed = at_rest();
    observed.now = at(-59);
    assert_eq!(decide(&observed), Action::Idle);
    observed.now = at(-61);
    assert_eq!(decide(&observed), Action::ClampTimestamps);
}

#[test]
fn revocations_in_the_portal_and_other_ends_of_overlaps_are_kept() {
    let mut observed = at_rest();
    observed.now = at(TEN_YEARS);
    let problem = problem(crate::api::Reason::RevokedUpstream);
    apply(&mut observed, StatusEvent::RevokedUpstream { problem, again: false });
    assert!(StatusView::of(&observed.object).revoked_upstream);
    observed.now = at(3600);
    apply(&mut observed, StatusEvent::TimestampsClamped);
    let status = StatusView::of(&observed.object);
    assert_eq!((status.revoked_upstream, status.upstream_revocation), (true, Some((at(3600), false))));
    let mut both = crate::domain::test_support::at_rest().object.status.expect("a status");
    both.token = Some(crate::api::RecordedToken { request_time: Time(at(TEN_YEARS)), ..token("17") });
    both.upstream_revocation = Some(crate::api::UpstreamRevocation { time: Time(at(TEN_YEARS + 9)), again: false });
    both.retiring = vec![retiring("12", at(0)), retiring("13", at(TEN_YEARS + 60))];
    clamp_timestamps(&mut both, at(3600));
    assert!(both.upstream_revocation.expect("one").time.0 > both.token.expect("one").request_time.0);
    let due: Vec<_> = both.retiring.iter().map(|one| one.revocation_time.0).collect();
    assert_eq!(due, [at(0), at(3660)]);
    let mut plain = at_rest();
    apply(&mut plain, StatusEvent::TokenRetiring(retiring(&token_ref("12").id, at(99_999))));
    let before = plain.object.status.clone();
    apply(&mut plain, StatusEvent::TimestampsClamped);
    assert_eq!(plain.object.status, before);
}
