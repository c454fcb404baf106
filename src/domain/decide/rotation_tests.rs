use super::*;
use crate::api::Reason;
use crate::domain::decide::{Action, decide};
use crate::domain::model::cooldown::{Cooldown, Operation};
use crate::domain::model::issuer::IssuerState;
use crate::domain::status::StatusEvent;
use crate::domain::test_support::{
    annotations, apply, at, at_rest, at_rest_with, change_issuer, new_object, now, problem, recorded_secret,
    request_cause, retiring, rotation_every, token, token_stored,
};
use std::time::Duration;

/// At rest, with these annotations of object and issuer.
fn annotated(object: &[(&str, &str)], issuer: &[(&str, &str)]) -> Observed {
    at_rest_with(|observed| annotate(observed, object, issuer))
}

fn annotate(observed: &mut Observed, object: &[(&str, &str)], issuer: &[(&str, &str)]) {
    observed.object.requested_annotations = annotations(object);
    change_issuer(observed, |info| info.requested_annotations = annotations(issuer));
}

fn attempt(cause: Cause, handles: &[(&str, &str)]) -> Action {
    Action::RequestToken(RequestCause { cause, handles: annotations(handles) })
}

/// Stores the token that this decision requested.
fn handled(observed: &mut Observed) -> Action {
    let Action::RequestToken(request_cause) = decide(observed) else { panic!("{:?}", decide(observed)) };
    let StatusEvent::TokenStored { token, portal, mut secret, login_result: login, .. } =
        token_stored("17", request_cause.cause)
    else {
        panic!()
    };
    secret.clone_from(&recorded_secret());
    apply(
        observed,
        StatusEvent::TokenStored { token, portal, secret, request_cause, login_result: login, previous_id: None },
    );
    apply(observed, StatusEvent::DescriptionSynced);
    decide(observed)
}

#[test]
fn a_new_value_requests_a_token_and_records_what_it_handles() {
    for (key, cause) in [("rotate", Cause::Rotate), ("replace", Cause::Replace)] {
        assert_eq!(decide(&annotated(&[(key, "1")], &[])), attempt(cause, &[(key, "1")]));
    }
    for (key, cause) in [("issuerRotate", Cause::Rotate), ("issuerReplace", Cause::Replace)] {
        assert_eq!(decide(&annotated(&[], &[(key, "1")])), attempt(cause, &[(key, "1")]));
    }
}

#[test]
fn a_replacement_takes_precedence_over_a_rotation_and_one_token_handles_both() {
    let both = annotated(&[("rotate", "1")], &[("issuerReplace", "x")]);
    assert_eq!(decide(&both), attempt(Cause::Replace, &[("issuerReplace", "x"), ("rotate", "1")]));
}

#[test]
fn a_value_is_handled_once() {
    for key in ["rotate", "replace"] {
        let mut observed = annotated(&[(key, "1")], &[("issuerRotate", "x")]);
        assert_eq!(handled(&mut observed), Action::Idle, "{key}");
        annotate(&mut observed, &[], &[]);
        assert_eq!(decide(&observed), Action::Idle, "a removed annotation requests nothing");
        annotate(&mut observed, &[(key, "1")], &[("issuerRotate", "x")]);
        assert_eq!(decide(&observed), Action::Idle, "nor does one that is restored");
        annotate(&mut observed, &[(key, "2")], &[("issuerRotate", "x")]);
        assert!(
            matches!(decide(&observed), Action::RequestToken(RequestCause { handles, .. }) if handles == annotations(&[(key, "2")]))
        );
    }
}

#[test]
fn a_value_that_was_present_at_creation_counts_as_handled() {
    let mut observed = new_object();
    annotate(&mut observed, &[("rotate", "1"), ("replace", "a")], &[("issuerReplace", "x")]);
    let all = [("issuerReplace", "x"), ("replace", "a"), ("rotate", "1")];
    assert_eq!(decide(&observed), attempt(Cause::First, &all));
    observed.secret = at_rest().secret;
    assert!(matches!(decide(&observed), Action::Adopt), "it does not concern the stored token");
    observed.secret = None;
    let Action::RequestToken(request_cause) = decide(&observed) else { panic!("an attempt") };
    let StatusEvent::TokenStored { token, portal, secret, login_result: login, .. } = token_stored("17", Cause::First)
    else {
        panic!()
    };
    apply(
        &mut observed,
        StatusEvent::TokenStored { token, portal, secret, request_cause, login_result: login, previous_id: None },
    );
    apply(&mut observed, StatusEvent::DescriptionSynced);
    observed.secret = at_rest().secret;
    assert_eq!(decide(&observed), Action::Idle);
}

#[test]
fn a_token_for_another_cause_handles_pending_annotations_too() {
    let mut observed = annotated(&[("replace", "1")], &[]);
    observed.secret = None;
    assert_eq!(decide(&observed), attempt(Cause::Lost, &[("replace", "1")]));
}

#[test]
fn a_token_is_rotated_when_its_time_has_come() {
    let mut observed = at_rest_with(|observed| {
        observed.object.rotation = Some(rotation_every(1, 5));
        apply(observed, StatusEvent::DescriptionSynced);
    });
    let due = StatusView::of(&observed.object).next_rotation.expect("a time");
    assert!(due > at(3600 * 9 / 10 - 1) && due <= at(3600), "{due}");
    observed.now = due.checked_sub(Duration::from_secs(1)).expect("a time");
    assert_eq!(decide(&observed), Action::IdleFor(Duration::from_secs(1)));
    observed.now = due;
    assert_eq!(decide(&observed), attempt(Cause::Rotation, &[]));
}

#[test]
fn rotations_that_were_missed_are_made_up_for_once() {
    let mut observed = at_rest_with(|observed| {
        observed.object.rotation = Some(rotation_every(1, 5));
        apply(observed, StatusEvent::DescriptionSynced);
        observed.now = at(3600 * 50);
    });
    assert_eq!(decide(&observed), attempt(Cause::Rotation, &[]));
    let mut new = token("18");
    new.request_time.0 = observed.now;
    let StatusEvent::TokenStored { portal, secret, login_result: login, .. } = token_stored("18", Cause::Rotation)
    else {
        panic!()
    };
    apply(
        &mut observed,
        StatusEvent::TokenStored {
            token: new,
            portal,
            secret,
            request_cause: request_cause(Cause::Rotation),
            login_result: login,
            previous_id: None,
        },
    );
    apply(&mut observed, StatusEvent::TokensRevoked(vec![crate::domain::test_support::token_ref("17")]));
    apply(&mut observed, StatusEvent::DescriptionSynced);
    observed.secret.as_mut().expect("a Secret").stored =
        Some(crate::domain::test_support::stored_token("18", crate::domain::test_support::first_attempt()));
    assert!(
        matches!(decide(&observed), Action::IdleFor(left) if left > Duration::from_mins(50)),
        "{:?}",
        decide(&observed)
    );
}

#[test]
fn during_an_overlap_only_a_compromised_token_is_replaced() {
    let overlapping = |object: &[(&str, &str)]| {
        at_rest_with(|observed| {
            annotate(observed, object, &[]);
            observed.object.rotation = Some(rotation_every(1, 5));
            apply(observed, StatusEvent::TokenRetiring(retiring("12", at(3660))));
        })
    };
    let until_it_ends = Action::IdleFor(Duration::from_mins(1));
    assert_eq!(decide(&overlapping(&[])), until_it_ends, "the clock waits");
    assert_eq!(decide(&overlapping(&[("rotate", "1")])), until_it_ends, "so does an annotation");
    assert_eq!(decide(&overlapping(&[("replace", "1")])), attempt(Cause::Replace, &[("replace", "1")]));
    let mut over = overlapping(&[("rotate", "1")]);
    apply(&mut over, StatusEvent::TokensRevoked(vec![crate::domain::test_support::token_ref("12")]));
    assert_eq!(decide(&over), attempt(Cause::Rotate, &[("rotate", "1")]), "and is handled afterwards");
}

#[test]
fn a_suspended_object_handles_the_annotation_afterwards() {
    let mut observed = annotated(&[("replace", "1")], &[]);
    observed.object.suspended = true;
    apply(&mut observed, StatusEvent::DescriptionSynced);
    let Action::Report(said) = decide(&observed) else { panic!("{:?}", decide(&observed)) };
    assert!(said.reason == crate::api::Reason::Suspended && said.message.contains("registry-token.dev/replace"));
    let mut rotated = annotated(&[("rotate", "1")], &[]);
    rotated.object.suspended = true;
    apply(&mut rotated, StatusEvent::DescriptionSynced);
    assert_eq!(decide(&rotated), Action::Idle, "a token that is not compromised waits without a report");
    observed.object.suspended = false;
    apply(&mut observed, StatusEvent::DescriptionSynced);
    assert_eq!(decide(&observed), attempt(Cause::Replace, &[("replace", "1")]));
}

#[test]
fn an_issuer_that_is_not_ready_requests_nothing() {
    let mut observed = annotated(&[("rotate", "1")], &[]);
    observed.issuer = IssuerState::Missing;
    assert_eq!((decide(&observed), observed.now), (Action::Idle, now()));
    let mut compromised = annotated(&[("replace", "1")], &[]);
    compromised.issuer = IssuerState::Missing;
    assert!(matches!(decide(&compromised), Action::Report(_)), "that a compromised token stays is reported");
}

#[test]
fn a_rejected_successor_blocks_no_token_that_pods_wait_for() {
    let refused = |reason| {
        let mut observed = annotated(&[("rotate", "1")], &[]);
        observed.cooldowns = vec![Cooldown {
            remaining: Duration::from_mins(9),
            ..Cooldown::new(Operation::RequestToken, problem(reason))
        }];
        observed
    };
    assert!(
        matches!(decide(&refused(Reason::LoginRejected)), Action::ReportFor(..) | Action::IdleFor(_)),
        "the successor waits"
    );
    let mut lost = refused(Reason::LoginRejected);
    lost.secret.as_mut().expect("a Secret").stored = None;
    assert_eq!(decide(&lost), attempt(Cause::Lost, &[("rotate", "1")]));
    let mut refused = refused(Reason::RequestRejected);
    refused.secret = lost.secret;
    assert!(matches!(decide(&refused), Action::ReportFor(..)), "a rejection by the portal applies to every cause");
}
