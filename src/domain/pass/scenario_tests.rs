//! Complete passes: what is reported, adopted, replaced and finalized.

use super::*;
use crate::api::Reason;
use crate::domain::model::hash::hash64;
use crate::domain::model::login_result::LoginResult;
use crate::domain::model::request_cause::Cause;
use crate::domain::model::status_view::StatusView;
use crate::domain::observed::UpstreamState;
use crate::domain::protocol::SecretContent;
use crate::domain::test_support::{
    World, annotations, apply, at, at_rest, at_rest_with, change_issuer, deleting, first_attempt, marker, new_object,
    not_ready, problem, row, token_stored,
};

fn done(mut world: World) -> (Vec<String>, PassResult) {
    let end = world.pass();
    (world.labels, end)
}

#[test]
fn a_problem_is_reported_once_and_a_working_object_stays_ready() {
    let observed = at_rest_with(|observed| observed.object.requested_annotations = annotations(&[("rotate", "1")]));
    let mut world = World::of(observed).on("token", Response::Rejected(problem(Reason::RequestRejected)));
    assert!(matches!(world.pass(), PassResult::RequeueAfter(_)), "the next request waits");
    let status = StatusView::of(&world.observed.object);
    assert!(status.ready && status.has_problem);
    let mut first = World::of(new_object()).on("token", Response::Rejected(problem(Reason::RequestRejected)));
    assert!(matches!(first.pass(), PassResult::RequeueAfter(_)));
    assert_eq!(first.statuses().count(), 1);
    let mut again = World::of(first.observed).on("token", Response::Rejected(problem(Reason::RequestRejected)));
    assert!(matches!(again.pass(), PassResult::RequeueAfter(_)));
    assert_eq!((again.statuses().count(), again.labels.contains(&"token".to_owned())), (0, true));
}

#[test]
fn a_problem_that_cannot_be_reported_still_ends_the_pass() {
    for response in
        [Response::Conflict, Response::WriteRejected("webhook".into()), Response::OutcomeUnknown("no answer".into())]
    {
        let mut world = World::of(Observed { issuer: not_ready(), ..new_object() }).on("status", response);
        assert!(matches!(world.pass(), PassResult::Failed(problem) if problem.reason == Reason::IssuerNotReady));
    }
}

#[test]
fn an_audit_result_is_dropped_after_an_action() {
    let mut world = World::of(at_rest_with(|observed| {
        observed.upstream = UpstreamState::Present(hash64("mine now"));
    }))
    .listing(&[row("17", "mine now")]);
    assert_eq!(world.pass(), PassResult::Idle, "{:?}", world.labels);
    assert_eq!(world.labels, ["read object", "read secret", "find 17", "edit 17", "find 17"]);
}

#[test]
fn a_token_left_by_a_crash_after_its_commit_is_adopted_verified_and_synced() {
    let crashed = at_rest_with(|observed| observed.object.status = None);
    let mut world = World::of(crashed).listing(&[row("17", &marker(&first_attempt()).append_to("prod"))]);
    world.content = crate::domain::test_support::login_content("tw-17");
    assert_eq!(world.pass(), PassResult::Idle);
    let order = [
        "read object",
        "read secret",
        "read secret",
        "find 17",
        "read object",
        "read secret",
        "status",
        "read content",
        "status",
        "log in",
        "status",
        "find 17",
        "edit 17",
        "status",
    ];
    assert_eq!(world.labels, order);
    assert!(StatusView::of(&world.observed.object).ready);
}

#[test]
fn a_token_revoked_by_a_colleague_is_replaced_once_and_then_kept_revoked() {
    let mut world = World::of(at_rest_with(|observed| observed.upstream = UpstreamState::Absent(at(3000))))
        .listing(&[])
        .on("log in", Response::Login(LoginResult::Rejected("no".into())));
    let end = world.pass();
    assert_eq!(end, PassResult::Idle, "{:?}", world.labels);
    let known = StatusView::of(&world.observed.object);
    assert!(known.ready && known.retiring.is_empty(), "its predecessor is known to be revoked");
    let mut later =
        Observed { now: at(3600 + 7200), upstream: UpstreamState::Absent(at(3600 + 7000)), ..world.observed.clone() };
    apply(&mut later, StatusEvent::TokensRevoked(vec![crate::domain::test_support::token_ref("17")]));
    let mut again = World::of(later).listing(&[]).on("log in", Response::Login(LoginResult::Rejected("no".into())));
    let end = again.pass();
    assert!(matches!(&end, PassResult::RequeueAfter(left) if *left == std::time::Duration::from_hours(24)), "{end:?}");
    assert!(!again.labels.contains(&"token".to_owned()));
    let status = again.observed.object.status.as_ref().expect("a status");
    assert!(crate::domain::model::conditions::is_true(&status.conditions, crate::api::ConditionType::Stalled));
}

#[test]
fn an_issuer_without_our_finalizer_is_requeued_and_nothing_else_is_done() {
    let mut observed = new_object();
    observed.object.has_finalizer = false;
    change_issuer(&mut observed, |issuer| issuer.has_finalizer = false);
    assert_eq!(done(World::of(observed)), (vec!["requeue issuer".to_owned()], PassResult::Idle));
}

#[test]
fn a_requested_resync_checks_the_whole_object_once() {
    let mut world = World::of(at_rest_with(|observed| observed.resync_requested = true));
    assert_eq!(world.pass(), PassResult::Idle);
    assert_eq!(world.labels, ["read object", "read secret", "read content"]);
}

#[test]
fn a_spec_that_is_edited_while_nothing_works_is_not_forgotten() {
    let mut observed = at_rest();
    apply(&mut observed, StatusEvent::LoginChecked(LoginResult::Rejected("no".into())));
    observed.object.generation = 2;
    let mut outage = World::of(Observed { issuer: not_ready(), ..observed });
    assert!(matches!(outage.pass(), PassResult::Failed(_)));
    let mut over = World::of(Observed { issuer: at_rest().issuer, ..outage.observed });
    over.content = SecretContent::Login {
        username: "tw-17".into(),
        registries_match: true,
        checksum_valid: true,
        template_applied: false,
    };
    assert_eq!(over.pass(), PassResult::Idle);
    assert!(over.labels.contains(&"repair".to_owned()), "labels of the spec are applied: {:?}", over.labels);
}

#[test]
fn a_deleted_object_is_finalized_in_one_pass() {
    let mut world = World::of(deleting(at_rest_with(|observed| apply(observed, token_stored("17", Cause::First)))));
    assert_eq!(world.pass(), PassResult::Idle);
    assert_eq!(world.labels, ["read object", "read secret", "close", "find 17", "revoke 17", "remove finalizer"]);
    assert!(world.rows.is_empty());
}

#[test]
fn a_spec_that_was_edited_while_its_token_was_requested_is_synced_also_where_the_marker_stays() {
    for visible in [true, false] {
        let mut observed = new_object();
        change_issuer(&mut observed, |issuer| (issuer.keep_marker, issuer.list_visible) = (true, visible));
        let mut world = World::of(observed).meanwhile("commit 18", |world| {
            (world.observed.object.description, world.observed.object.generation) = ("edited".into(), 2);
        });
        assert_eq!(world.pass(), PassResult::Idle, "{:?}", world.labels);
        assert!(world.rows[0].description.starts_with("edited ["), "{:?}", world.rows);
        assert_eq!(StatusView::of(&world.observed.object).description_synced, Some(2));
    }
}

#[test]
fn a_token_that_is_listed_again_is_not_called_revoked_though_its_secret_cannot_be_repaired() {
    for content in [SecretContent::WrongType, SecretContent::Immutable { username: Some("tw-17".into()) }] {
        let mut world = World::of(at_rest_with(|observed| {
            let problem = problem(Reason::RevokedUpstream);
            apply(observed, StatusEvent::RevokedUpstream { problem, again: false });
            observed.object.reissue_revoked = false;
            observed.upstream = UpstreamState::Present(hash64("prod"));
            observed.secret.as_mut().expect("a Secret").resource_version = "6".into();
        }));
        world.content = content.clone();
        world.pass();
        assert!(!StatusView::of(&world.observed.object).revoked_upstream, "{:?}", world.labels);
        // A restart: what the portal lists is not known yet.
        let mut again = World::of(Observed { upstream: UpstreamState::Unknown, ..world.observed });
        again.content = content;
        again.pass();
        assert_eq!(again.statuses().count(), 0, "{:?}", again.labels);
    }
}
