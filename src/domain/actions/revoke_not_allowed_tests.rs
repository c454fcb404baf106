use super::*;
use crate::api::ConditionType;
use crate::domain::decide::{Action, decide};
use crate::domain::model::conditions::find;
use crate::domain::model::namespace_access::{NamespaceAccess, not_allowed};
use crate::domain::model::status_view::StatusView;
use crate::domain::pass::PassResult;
use crate::domain::status::next_status;
use crate::domain::status::{StatusContext, StatusEvent};
use crate::domain::test_support::{World, apply, at, at_rest, at_rest_with, change_issuer, now, problem};
use crate::domain::test_support::{attempt_id, reservation, stored_token};

const HOUR: Duration = Duration::from_hours(1);
const SECOND: Duration = Duration::from_secs(1);

fn noticed_at(observed: &mut Observed, noticed: jiff::Timestamp) {
    observed.namespace_access = NamespaceAccess::NotAllowed { noticed, grace: HOUR };
}

/// At rest, and status says that the namespace is not allowed any more since this many seconds.
fn denied_for(seconds: i64) -> Observed {
    let mut observed = at_rest_with(|observed| observed.now = now() - jiff::SignedDuration::from_secs(seconds));
    let since = observed.now;
    noticed_at(&mut observed, since);
    apply(&mut observed, StatusEvent::NamespaceChecked);
    observed.now = now();
    noticed_at(&mut observed, now());
    observed
}

fn denied() -> Response {
    Response::IssuerDenied(not_allowed(now()))
}

/// The message of the condition, if it is present.
fn message(observed: &Observed) -> Option<String> {
    let status = observed.object.status.as_ref()?;
    find(&status.conditions, ConditionType::NamespaceAllowed).map(|condition| condition.message.clone())
}

#[test]
fn a_denied_namespace_is_recorded_with_the_time_of_the_revocation_and_nothing_else_happens() {
    let mut world = World::of(at_rest_with(|observed| noticed_at(observed, now())));
    assert_eq!(world.pass(), PassResult::IdleFor(HOUR));
    assert_eq!(world.labels, ["status"]);
    let message = message(&world.observed).expect("the condition");
    assert!(message.contains(&(now() + HOUR).strftime("revoked at %Y-%m-%dT%H:%M:%SZ").to_string()), "{message}");
    assert!(StatusView::of(&world.observed.object).ready && !StatusView::of(&world.observed.object).has_problem);
    assert_eq!((world.pass(), world.labels.len()), (PassResult::IdleFor(HOUR), 1), "it is written once");
}

#[test]
fn nothing_is_revoked_before_the_grace_period_ends_and_nothing_is_requested() {
    let mut world = World::of(denied_for(3599));
    assert_eq!((world.pass(), world.labels.len()), (PassResult::IdleFor(SECOND), 0));
    let mut rotates = denied_for(3000);
    rotates.object.requested_annotations = crate::domain::test_support::annotations(&[("replace", "1")]);
    let mut world = World::of(rotates);
    assert_eq!(world.pass(), PassResult::RequeueAfter(600 * SECOND));
    assert!(!world.labels.iter().any(|label| label == "reserve" || label == "read issuer"), "{:?}", world.labels);
    assert!(StatusView::of(&world.observed.object).ready, "pods can pull");
}

#[test]
fn a_namespace_that_is_allowed_again_only_loses_the_condition() {
    let mut again = denied_for(3000);
    again.namespace_access = NamespaceAccess::Allowed;
    let mut world = World::of(again);
    assert_eq!(world.pass(), PassResult::Idle);
    assert_eq!((world.labels.as_slice(), message(&world.observed)), (["status".to_owned()].as_slice(), None));
}

#[test]
fn the_grace_period_begins_when_it_was_recorded_whatever_this_process_has_noticed() {
    let over = denied_for(3601);
    assert_eq!(decide(&over), Action::RevokeNotAllowed, "after a restart");
    // Others removed the condition, or dated it later: an earlier time that this process knows counts.
    for seconds in [0, 100] {
        let mut forged = denied_for(0);
        let earlier = now() - jiff::SignedDuration::from_secs(3601);
        noticed_at(&mut forged, earlier);
        let status = forged.object.status.as_mut().expect("a status");
        match seconds {
            0 => status.conditions.retain(|one| one.type_ != "NamespaceAllowed"),
            later => status.conditions.iter_mut().for_each(|one| one.last_transition_time.0 = at(3600 + later)),
        }
        assert_eq!(decide(&forged), Action::RecordNamespaceAccess);
        apply(&mut forged, StatusEvent::NamespaceChecked);
        assert_eq!(decide(&forged), Action::RevokeNotAllowed);
    }
}

#[test]
fn after_the_grace_period_the_login_is_removed_and_every_token_revoked() {
    let mut observed = denied_for(3600);
    observed.object.revoke_on_deletion = false;
    observed.object.suspended = true;
    let mut world = World::of(observed).on("read issuer", denied());
    assert!(matches!(world.pass(), PassResult::RequeueAfter(_)));
    let order =
        ["read object", "read secret", "read issuer", "remove login", "status", "find 17", "revoke 17", "status"];
    assert_eq!(world.labels, order);
    let status = StatusView::of(&world.observed.object);
    assert!(!status.ready && !status.has_tokens());
    assert!(message(&world.observed).is_some_and(|message| message.contains("no valid token")));
    let before = world.labels.len();
    assert!(matches!(world.pass(), PassResult::RequeueAfter(_)));
    assert_eq!(world.labels.len(), before, "silence: {:?}", world.labels);
}

#[test]
fn retiring_tokens_are_revoked_before_their_overlap_ends() {
    let mut observed = denied_for(3600);
    let retiring =
        crate::domain::test_support::token_stored("18", crate::domain::model::request_cause::Cause::Rotation);
    observed.secret.as_mut().expect("a Secret").stored = Some(stored_token("18", attempt_id(2)));
    apply(&mut observed, retiring);
    let mut world = World::of(observed).on("read issuer", denied());
    let _ = world.pass();
    let revoked: Vec<&String> = world.labels.iter().filter(|label| label.starts_with("revoke")).collect();
    assert_eq!(revoked, ["revoke 18", "revoke 17"], "{:?}", world.labels);
}

#[test]
fn what_the_live_read_does_not_show_revokes_nothing() {
    for response in [
        Response::Done,
        Response::IssuerDenied(problem(Reason::IssuerNotFound)),
        Response::IssuerDenied(problem(Reason::IssuerDeleting)),
        Response::IssuerDenied(problem(Reason::IssuerNotReady)),
        Response::IssuerDenied(problem(Reason::APIServerUnavailable)),
        Response::OutcomeUnknown("no answer".into()),
        Response::IssuerChanged,
    ] {
        let mut world = World::of(denied_for(3600)).on("read issuer", response.clone());
        let end = world.pass();
        let expected = match response {
            Response::IssuerChanged => PassResult::RequeueSoon,
            _ => PassResult::IdleFor(RETRY),
        };
        assert_eq!(end, expected, "{response:?}");
        assert_eq!(world.labels, ["read object", "read secret", "read issuer"], "{response:?}");
    }
}

#[test]
fn an_unknown_access_and_an_issuer_that_is_deleted_change_nothing() {
    let mut unknown = denied_for(3601);
    unknown.namespace_access = NamespaceAccess::Unknown;
    assert_eq!(decide(&unknown), Action::Idle);
    let mut deleted = denied_for(3601);
    change_issuer(&mut deleted, |issuer| issuer.deleting = true);
    assert_eq!(decide(&deleted), Action::Idle);
    let mut gone = denied_for(3601);
    gone.issuer = crate::domain::model::issuer::IssuerState::Missing;
    assert!(matches!(decide(&gone), Action::Idle));
}

#[test]
fn an_unfinished_request_and_an_unnamed_token_are_handled_first() {
    let mut unfinished = denied_for(3601);
    unfinished.secret.as_mut().expect("a Secret").reservation = reservation(3, "me");
    assert_eq!(decide(&unfinished), Action::Recover);
    let mut unnamed = denied_for(3601);
    unnamed.secret.as_mut().expect("a Secret").stored = Some(stored_token("18", attempt_id(2)));
    assert_eq!(decide(&unnamed), Action::Adopt);
}

#[test]
fn a_crash_after_any_request_loses_no_token() {
    for lost in ["remove login", "status"] {
        let mut world = World::of(denied_for(3600)).on("read issuer", denied());
        world = world.on(lost, Response::OutcomeUnknown("no answer".into()));
        let _ = world.pass();
        assert!(StatusView::of(&world.observed.object).has_tokens(), "{lost}");
        let mut world = World::of(world.observed).on("read issuer", denied());
        let _ = world.pass();
        assert!(world.labels.contains(&"revoke 17".to_owned()), "{lost}: {:?}", world.labels);
    }
}

#[test]
fn a_secret_that_cannot_be_written_is_reported_and_its_token_stays() {
    let rejected = Response::WriteRejected("denied by a policy".into());
    let mut world = World::of(denied_for(3600)).on("read issuer", denied()).on("remove login", rejected);
    assert!(matches!(world.pass(), PassResult::Failed(problem) if problem.reason == Reason::SecretRejected));
    assert!(StatusView::of(&world.observed.object).token.is_some());
}

#[test]
fn a_namespace_that_is_allowed_again_after_the_revocation_gets_a_new_token() {
    let mut world = World::of(denied_for(3600)).on("read issuer", denied());
    let _ = world.pass();
    world.observed.namespace_access = NamespaceAccess::Allowed;
    let mut world = World::of(world.observed);
    let _ = world.pass();
    assert_eq!(world.labels.iter().filter(|label| *label == "token").count(), 1, "{:?}", world.labels);
    assert!(StatusView::of(&world.observed.object).ready && message(&world.observed).is_none());
}

#[test]
fn a_token_without_proof_stays_where_it_is() {
    let mut observed = at_rest();
    let status = observed.object.status.as_mut().expect("a status");
    status.token.as_mut().expect("a token").mac = None;
    noticed_at(&mut observed, now());
    let next =
        next_status(observed.object.status.as_ref(), &StatusContext::of(&observed), StatusEvent::NamespaceDenied);
    assert!(next.token.is_some() && next.retiring.is_empty());
}
