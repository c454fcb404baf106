//! Tokens that expire: when they are rotated, and that this ends.

use super::*;
use crate::api::Reason;
use crate::domain::decide::{Action, decide};
use crate::domain::model::request_cause::{Cause, RequestCause};
use crate::domain::model::status_view::StatusView;
use crate::domain::observed::{Observed, UpstreamState};
use crate::domain::status::StatusEvent;
use crate::domain::test_support::{
    World, apply, at, at_rest_with, first_attempt, login_content, marker, new_object, retiring, rotation_every, row,
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::time::Duration;

const DAY: i64 = 24 * 3600;
const DAYS: Duration = Duration::from_hours(24);

/// At rest, with a token that expires this many seconds after its request, and this change.
fn expiring_with(lifetime: i64, change: impl FnOnce(&mut Observed)) -> Observed {
    at_rest_with(|observed| {
        change(observed);
        let token = observed.object.status.as_mut().and_then(|status| status.token.as_mut()).expect("a token");
        token.expiration_time = Some(Time(at(lifetime)));
        apply(observed, StatusEvent::DescriptionSynced);
    })
}

fn expiring(lifetime: i64) -> Observed {
    expiring_with(lifetime, |_| {})
}

fn next_rotation(observed: &Observed) -> Timestamp {
    StatusView::of(&observed.object).next_rotation.expect("a time")
}

fn expiration(observed: &Observed) -> Option<Timestamp> {
    StatusView::of(&observed.object).token.and_then(|token| token.expiration_time).map(|time| time.0)
}

fn is_rotation(action: &Action) -> bool {
    matches!(action, Action::RequestToken(RequestCause { cause: Cause::Rotation, .. }))
}

fn idle_for(observed: &Observed) -> Duration {
    match decide(observed) {
        Action::IdleFor(left) => left,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_token_that_expires_is_rotated_when_a_third_of_its_lifetime_is_left() {
    let mut observed = expiring(30 * DAY);
    let due = next_rotation(&observed);
    assert!(due > at(18 * DAY - 1) && due <= at(20 * DAY), "{due}");
    observed.now = due.checked_sub(Duration::from_secs(1)).expect("a time");
    assert_eq!(idle_for(&observed), Duration::from_secs(1));
    observed.now = due;
    assert!(is_rotation(&decide(&observed)));
    observed.object.suspended = true;
    apply(&mut observed, StatusEvent::DescriptionSynced);
    assert!(idle_for(&observed) > 9 * DAYS, "a suspended object keeps its token, until it expires");
}

#[test]
fn the_earlier_of_interval_and_expiry_counts() {
    let every = |hours| expiring_with(30 * DAY, |observed| observed.object.rotation = Some(rotation_every(hours, 5)));
    assert!(next_rotation(&every(24)) <= at(DAY));
    let seldom = next_rotation(&every(100 * 24));
    assert!(seldom > at(18 * DAY - 1) && seldom <= at(20 * DAY), "{seldom}");
}

/// The same, with the time also in the Secret.
fn expiring_in_secret(lifetime: i64) -> Observed {
    expiring_with(lifetime, |observed| {
        let stored = observed.secret.as_mut().and_then(|secret| secret.stored.as_mut()).expect("a token");
        stored.provenance.expires_at = Some(at(lifetime).as_second());
    })
}

#[test]
fn a_time_that_another_user_changed_in_status_is_restored_from_the_secret() {
    for changed in [None, Some(at(300 * DAY)), Some(at(30 * DAY + 1))] {
        let mut observed = expiring_in_secret(30 * DAY);
        let token = observed.object.status.as_mut().and_then(|status| status.token.as_mut()).expect("a token");
        token.expiration_time = changed.map(Time);
        let mut world = World::of(observed);
        world.pass();
        assert_eq!(world.labels, ["read object", "read secret", "read content", "status"], "{changed:?}");
        assert_eq!(expiration(&world.observed), Some(at(30 * DAY)));
        assert!(next_rotation(&world.observed) <= at(20 * DAY));
        world.labels.clear();
        world.pass();
        assert!(world.labels.is_empty(), "it is restored once: {:?}", world.labels);
    }
    let mut fraction = expiring_in_secret(30 * DAY);
    let token = fraction.object.status.as_mut().and_then(|status| status.token.as_mut()).expect("a token");
    token.expiration_time = at(30 * DAY).checked_add(Duration::from_millis(400)).ok().map(Time);
    assert!(matches!(decide(&fraction), Action::IdleFor(_)), "the Secret records whole seconds");
}

#[test]
fn a_secret_that_records_no_time_keeps_the_one_in_status() {
    let mut observed = expiring(30 * DAY);
    observed.secret.as_mut().expect("a Secret").resource_version = "6".into();
    let mut world = World::of(observed);
    world.pass();
    assert_eq!(expiration(&world.observed), Some(at(30 * DAY)));
    let mut invalid = expiring(30 * DAY);
    let stored = invalid.secret.as_mut().and_then(|secret| secret.stored.as_mut()).expect("a token");
    stored.provenance.expires_at = Some(i64::MAX);
    assert!(matches!(decide(&invalid), Action::IdleFor(_)), "what is no time is ignored");
}

#[test]
fn an_expired_token_is_replaced_once() {
    for (lifetime, now) in [(30 * DAY, 40 * DAY), (30 * DAY, 30 * DAY), (30 * DAY, 29 * DAY), (60, 3600), (-DAY, 3600)]
    {
        let mut world = World::of(Observed { now: at(now), ..expiring(lifetime) });
        let expires = at(now + 30 * DAY);
        world.expiration_time = Some(expires);
        let PassResult::IdleFor(_) = world.pass() else { panic!("{:?}", world.labels) };
        let count = |world: &World| world.labels.iter().filter(|label| *label == "token").count();
        assert_eq!((count(&world), expiration(&world.observed)), (1, Some(expires)), "{:?}", world.labels);
        assert!(next_rotation(&world.observed) > at(now + 18 * DAY - 1));
        let before = world.labels.len();
        world.pass();
        assert_eq!(world.labels.len(), before, "at rest nothing is done");
    }
}

#[test]
fn a_portal_whose_tokens_are_expired_at_once_is_not_asked_again_at_once() {
    for expires in [at(40 * DAY), at(0)] {
        let mut world = World::of(Observed { now: at(40 * DAY), ..expiring(30 * DAY) });
        world.expiration_time = Some(expires);
        let PassResult::IdleFor(_) = world.pass() else { panic!("{:?}", world.labels) };
        let before = world.labels.len();
        world.pass();
        assert!(world.labels[before..].iter().all(|label| label != "token"), "{:?}", world.labels);
        let wait = next_rotation(&world.observed).duration_since(at(40 * DAY));
        assert!(wait >= jiff::SignedDuration::from_mins(9), "{wait}");
    }
}

#[test]
fn the_overlap_ends_before_the_new_token_is_rotated() {
    for (lifetime, most) in [(DAY, DAY / 2), (400 * DAY, 4 * DAY)] {
        let start =
            expiring_with(30 * DAY, |observed| observed.object.rotation = Some(rotation_every(100 * 24, 4 * 24 * 60)));
        let mut world = World::of(Observed { now: at(20 * DAY), ..start });
        world.expiration_time = Some(at(20 * DAY + lifetime));
        world.pass();
        let status = StatusView::of(&world.observed.object);
        let [former] = &status.retiring[..] else { panic!("{:?}", world.labels) };
        assert_eq!(former.revocation_time.0, at(20 * DAY + most));
    }
}

#[test]
fn a_token_that_is_about_to_expire_does_not_wait_for_a_revocation() {
    let mut observed = expiring(30 * DAY);
    apply(&mut observed, StatusEvent::TokenRetiring(retiring("12", at(100 * DAY))));
    observed.now = at(20 * DAY);
    assert_eq!(idle_for(&observed), 5 * DAYS, "two tokens are valid");
    observed.now = at(25 * DAY);
    assert!(is_rotation(&decide(&observed)));
}

#[test]
fn a_token_left_by_a_crash_after_its_commit_still_expires() {
    let expires = at(30 * DAY);
    let crashed = at_rest_with(|observed| {
        observed.object.status = None;
        let stored = observed.secret.as_mut().and_then(|secret| secret.stored.as_mut()).expect("a token");
        stored.provenance.expires_at = Some(expires.as_second());
    });
    let mut world = World::of(crashed).listing(&[row("17", &marker(&first_attempt()).append_to("prod"))]);
    world.content = login_content("tw-17");
    assert!(matches!(world.pass(), PassResult::IdleFor(_)), "{:?}", world.labels);
    assert_eq!(expiration(&world.observed), Some(expires));
    assert!(next_rotation(&world.observed) < expires);
}

#[test]
fn the_expiry_of_a_first_token_is_recorded_in_secret_and_status() {
    let mut world = World::of(new_object());
    let expires = at(30 * DAY);
    world.expiration_time = Some(expires);
    assert!(matches!(world.pass(), PassResult::IdleFor(_)), "{:?}", world.labels);
    assert_eq!(expiration(&world.observed), Some(expires));
    let stored = world.observed.own_stored().expect("a token");
    assert_eq!(stored.provenance.expiration_time(), Some(Time(expires)));
}

/// Thirty days after the request, when the token that is valid for thirty days is expired.
fn expired_with(change: impl FnOnce(&mut Observed)) -> Observed {
    let mut observed = expiring(30 * DAY);
    observed.now = at(30 * DAY);
    change(&mut observed);
    observed
}

#[test]
fn an_expired_token_that_the_portal_does_not_list_any_more_is_not_taken_for_revoked() {
    for reissues in [true, false] {
        let observed = expired_with(|observed| {
            observed.object.reissue_revoked = reissues;
            observed.upstream = UpstreamState::Absent(at(30 * DAY));
        });
        assert!(is_rotation(&decide(&observed)), "{reissues}");
        let mut world = World::of(observed);
        world.expiration_time = Some(at(60 * DAY));
        assert!(matches!(world.pass(), PassResult::IdleFor(_)), "{:?}", world.labels);
        let status = StatusView::of(&world.observed.object);
        assert_eq!((status.upstream_revocation, expiration(&world.observed)), (None, Some(at(60 * DAY))));
    }
}

#[test]
fn a_token_that_was_revoked_before_it_expired_stays_revoked_under_hold() {
    let observed = expired_with(|observed| {
        observed.object.reissue_revoked = false;
        let status = observed.object.status.as_mut().expect("a status");
        status.upstream_revocation = Some(crate::api::UpstreamRevocation { time: Time(at(20 * DAY)), again: false });
    });
    let Action::Report(problem) = decide(&observed) else { panic!("{:?}", decide(&observed)) };
    assert_eq!(problem.reason, Reason::RevokedUpstream);
}

#[test]
fn a_suspended_object_says_when_its_token_is_expired() {
    let mut observed = expiring(30 * DAY);
    observed.object.suspended = true;
    apply(&mut observed, StatusEvent::DescriptionSynced);
    observed.now = at(29 * DAY);
    assert_eq!(idle_for(&observed), DAYS);
    observed.now = at(30 * DAY);
    let mut world = World::of(observed);
    world.pass();
    let status = StatusView::of(&world.observed.object);
    assert!(!status.ready && !world.labels.iter().any(|label| label == "token"), "{:?}", world.labels);
    let Action::Report(problem) = decide(&world.observed) else { panic!("{:?}", decide(&world.observed)) };
    assert_eq!(problem.reason, Reason::TokenExpired);
    let before = world.labels.len();
    world.pass();
    assert_eq!(world.labels.len(), before, "it is said once");
}

#[test]
fn while_the_issuer_is_not_ready_an_object_is_ready_until_its_token_expires() {
    use crate::domain::model::issuer::IssuerState;
    use crate::domain::test_support::problem;
    let mut observed = expiring(30 * DAY);
    observed.issuer = IssuerState::NotReady(problem(Reason::Unreachable));
    observed.now = at(29 * DAY);
    assert_eq!(idle_for(&observed), DAYS, "nothing is written before");
    observed.now = at(30 * DAY);
    let mut world = World::of(observed);
    world.pass();
    assert!(!StatusView::of(&world.observed.object).ready, "{:?}", world.labels);
}
