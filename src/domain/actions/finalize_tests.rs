use super::*;
use crate::api::{LoginCheck, Reason};
use crate::domain::model::issuer::IssuerState;
use crate::domain::model::login_result::LoginResult;
use crate::domain::model::pull_secret::{Ownership, SecretMeta};
use crate::domain::test_support::{
    World, apply, at, at_rest, at_rest_with, at_rest_with_secret, attempt_id, change_issuer, deleting, empty_secret,
    first_attempt, marker, new_object, not_ready, problem, reservation, retiring, row, secret,
};

fn run(world: &mut World) -> Outcome {
    let begun = begin(&world.observed);
    world.run(begun)
}

/// Finalizes the object and returns what was done.
fn left(observed: Observed) -> Vec<String> {
    finalized(World::of(deleting(observed)))
}

fn finalized(mut world: World) -> Vec<String> {
    assert_eq!(run(&mut world), Outcome::Idle);
    assert!(!world.observed.object.has_finalizer);
    world.labels
}

fn orphaned(observed: Observed) -> Observed {
    let mut observed = deleting(observed);
    observed.object.revoke_on_deletion = false;
    observed
}

fn closed() -> SecretMeta {
    SecretMeta { closed: true, ..secret() }
}

#[test]
fn an_object_ends_closed_revoked_and_only_then_finalized() {
    assert_eq!(left(at_rest()), ["close", "find 17", "revoke 17", "remove finalizer"]);
    let retiring = at_rest_with(|observed| apply(observed, StatusEvent::TokenRetiring(retiring("12", at(99_999)))));
    let all = ["close", "find 17", "revoke 17", "find 12", "revoke 12", "remove finalizer"];
    assert_eq!(left(retiring), all, "an overlap ends when its object is deleted");
}

#[test]
fn a_deleted_closed_or_foreign_secret_is_not_closed() {
    let then = ["find 17", "revoke 17", "remove finalizer"];
    assert_eq!(left(at_rest_with(|observed| observed.secret = None)), then);
    assert_eq!(left(at_rest_with(|observed| observed.secret = Some(closed()))), then);
    assert_eq!(left(at_rest_with_secret(|secret| secret.ownership = Ownership::Foreign)), then);
}

#[test]
fn the_tokens_of_an_unfinished_attempt_are_queried_after_its_reservation_is_cleared() {
    let reserved = Observed {
        secret: Some(SecretMeta { reservation: reservation(9, "another"), ..empty_secret() }),
        ..new_object()
    };
    let made =
        [row("12", &marker(&attempt_id(9)).append_to("prod")), row("13", &marker(&attempt_id(8)).append_to("prod"))];
    let world = World::of(deleting(reserved.clone())).listing(&made);
    let asked = finalized(world);
    assert_eq!(asked, ["close", "audit", "find marker", "revoke 12", "remove finalizer"]);
    let mut hidden = World::of(deleting(reserved.clone()));
    change_issuer(&mut hidden.observed, |issuer| issuer.list_visible = false);
    assert_eq!(finalized(hidden), ["close", "audit", "remove finalizer"]);
    let mut failing = World::of(deleting(reserved))
        .listing(&made)
        .on("revoke 12", Response::PortalOutcomeUnknown(problem(Reason::TimedOut)));
    assert!(matches!(run(&mut failing), Outcome::Failed(_)));
    assert!(failing.observed.object.has_finalizer);
}

#[test]
fn a_stored_token_that_status_does_not_name_is_recorded_before_it_is_revoked() {
    let unnamed = || World::of(deleting(at_rest_with(|observed| observed.object.status = None)));
    let world = unnamed().listing(&[row("17", &marker(&first_attempt()).append_to("prod"))]);
    let asked = finalized(world);
    assert_eq!(asked, ["close", "find 17", "status", "find 17", "revoke 17", "remove finalizer"]);
    let mut forged = unnamed().listing(&[row("17", "another's")]);
    let secret = forged.observed.secret.as_mut().and_then(|secret| secret.stored.as_mut()).expect("a token");
    secret.signature.mac = crate::domain::test_support::mac("16", crate::domain::model::token_mac::TokenRole::Stored);
    assert_eq!(finalized(forged), ["close", "find 17", "remove finalizer"], "unproved tokens are kept");
}

#[test]
fn nothing_is_revoked_before_the_secret_is_closed() {
    for response in
        [Response::Conflict, Response::OutcomeUnknown("no answer".into()), Response::WriteRejected("webhook".into())]
    {
        let mut world = World::of(deleting(at_rest())).on("close", response);
        assert_ne!(run(&mut world), Outcome::Idle);
        assert_eq!((world.labels, world.rows.len()), (vec!["close".to_owned()], 1));
    }
}

#[test]
fn while_a_token_is_valid_the_object_stays_and_revocations_are_recorded() {
    let observed = at_rest_with(|observed| apply(observed, StatusEvent::TokenRetiring(retiring("12", at(0)))));
    let mut world = World::of(deleting(observed)).on("revoke 12", Response::NotSent(problem(Reason::Unreachable)));
    let outcome = run(&mut world);
    assert!(matches!(outcome, Outcome::Failed(problem) if problem.message.contains("tw-12")));
    assert_eq!(world.labels.last().map(String::as_str), Some("status"));
    let status = StatusView::of(&world.observed.object);
    let current = status.token.as_ref().map(|token| token.id.as_str());
    assert_eq!((current, status.retiring.len()), (Some("17"), 1), "the current token stays in status");
    assert!(status.revoked_upstream && world.observed.object.has_finalizer, "and counts as revoked");
    let both = at_rest_with(|observed| {
        apply(observed, StatusEvent::TokenRetiring(retiring("12", at(0))));
        apply(observed, StatusEvent::TokenRetiring(retiring("13", at(0))));
        observed.object.revoke_on_deletion = false;
    });
    let mut world = World::of(deleting(both)).on("revoke 12", Response::NotSent(problem(Reason::Unreachable)));
    assert!(matches!(run(&mut world), Outcome::Failed(_)));
    assert_eq!(world.labels.last().map(String::as_str), Some("status"));
    assert_eq!(StatusView::of(&world.observed.object).retiring.len(), 1);
}

#[test]
fn a_current_token_that_another_process_revoked_needs_no_confirmation_where_the_list_is_hidden() {
    let blocked = at_rest_with(|observed| {
        apply(observed, StatusEvent::TokenRetiring(retiring("12", at(0))));
        change_issuer(observed, |issuer| issuer.list_visible = false);
    });
    let mut world = World::of(deleting(blocked)).on("revoke 12", Response::NotSent(problem(Reason::Unreachable)));
    assert!(matches!(run(&mut world), Outcome::Failed(_)));
    // Another process remembers nothing, and the portal rejects the second revocation.
    let mut successor = World::of(Observed { revoked_tokens: vec![], ..world.observed })
        .on("revoke 17", Response::Rejected(problem(Reason::RequestRejected)))
        .with_login_result(LoginResult::NotChecked);
    assert_eq!(run(&mut successor), Outcome::Idle);
    assert!(!successor.observed.object.has_finalizer);
}

#[test]
fn an_unlisted_current_token_counts_as_revoked_when_the_registry_rejects_it() {
    let world = |login_result| World::of(deleting(at_rest())).listing(&[]).with_login_result(login_result);
    let asked = finalized(world(LoginResult::Rejected("no".into())));
    assert_eq!(asked, ["close", "find 17", "log in", "remove finalizer"]);
    let mut alive = world(LoginResult::Accepted);
    assert!(matches!(run(&mut alive), Outcome::Failed(problem) if problem.reason == Reason::TokenNotFound));
    assert!(alive.observed.object.has_finalizer);
}

#[test]
fn an_orphan_loses_its_marker_and_its_owner_and_keeps_its_token() {
    let unsettled = World::of(orphaned(at_rest())).listing(&[row("17", &marker(&first_attempt()).append_to("prod"))]);
    let mut world = unsettled;
    assert_eq!(run(&mut world), Outcome::Idle);
    assert_eq!(world.labels, ["close", "find 17", "edit 17", "orphan", "remove finalizer"]);
    assert_eq!(world.rows, [row("17", "prod")]);
    let settled = World::of(orphaned(at_rest()));
    assert_eq!(finalized(settled), ["close", "find 17", "orphan", "remove finalizer"]);
}

#[test]
fn an_orphans_retiring_tokens_are_revoked() {
    let observed = at_rest_with(|observed| apply(observed, StatusEvent::TokenRetiring(retiring("12", at(99_999)))));
    let asked = finalized(World::of(orphaned(observed)));
    assert_eq!(asked, ["close", "find 12", "revoke 12", "find 17", "orphan", "remove finalizer"]);
}

#[test]
fn an_orphan_is_not_finalized_with_its_marker_on() {
    let marked = || World::of(orphaned(at_rest())).listing(&[row("17", &marker(&first_attempt()).append_to("prod"))]);
    let mut world = marked().on("edit 17", Response::Rejected(problem(Reason::RequestRejected)));
    assert!(matches!(run(&mut world), Outcome::Failed(_)));
    assert!(world.observed.object.has_finalizer && !world.labels.contains(&"orphan".to_owned()));
    let mut young = World::of(orphaned(at_rest_with(|observed| observed.now = at(40)))).listing(&[]);
    let outcome = run(&mut young);
    assert!(matches!(outcome, Outcome::ReportFor(_, problem) if problem.reason == Reason::TokenNotFound));
    let old = World::of(orphaned(at_rest())).listing(&[]);
    assert_eq!(finalized(old), ["close", "find 17", "orphan", "remove finalizer"], "it is already revoked");
}

#[test]
fn with_a_hidden_list_no_audit_sees_an_orphans_marker() {
    let mut world = World::of(orphaned(at_rest()));
    change_issuer(&mut world.observed, |issuer| issuer.list_visible = false);
    assert_eq!(
        finalized(world),
        ["close", "orphan, marked", "remove finalizer"],
        "not even one that sees the list later"
    );
}

#[test]
fn a_marker_that_cannot_be_removed_stays_known_in_the_secret() {
    let mut world = World::of(orphaned(at_rest()));
    change_issuer(&mut world.observed, |issuer| (issuer.can_edit, issuer.keep_marker) = (false, true));
    assert_eq!(finalized(world), ["close", "orphan, marked", "remove finalizer"], "no edit is sent");
}

#[test]
fn a_permanent_marker_that_a_late_edit_may_put_back_stays_known_in_the_secret() {
    let mut world = World::of(orphaned(at_rest())).listing(&[row("17", &marker(&first_attempt()).append_to("prod"))]);
    change_issuer(&mut world.observed, |issuer| issuer.keep_marker = true);
    assert_eq!(run(&mut world), Outcome::Idle);
    assert_eq!(world.labels, ["close", "find 17", "edit 17", "orphan, marked", "remove finalizer"]);
    let markers = vec![marker(&first_attempt()).nonce().clone()];
    assert!(world.requests.contains(&Request::WriteSecret(SecretWrite::Orphan(markers))));
    assert_eq!(world.rows, [row("17", "prod")], "it is removed in the portal all the same");
}

#[test]
fn without_its_issuer_an_orphan_is_finalized_as_it_is_and_its_markers_stay_known() {
    for issuer in [IssuerState::Missing, not_ready()] {
        let observed = Observed { issuer: issuer.clone(), ..orphaned(at_rest()) };
        let mut world = World::of(observed);
        assert_eq!(run(&mut world), Outcome::Idle);
        assert_eq!(world.labels, ["orphan, marked", "remove finalizer"]);
        let markers = vec![marker(&first_attempt()).nonce().clone()];
        assert!(world.requests.contains(&Request::WriteSecret(SecretWrite::Orphan(markers))));
        let deleted = Observed { issuer, secret: None, ..orphaned(at_rest()) };
        assert_eq!(finalized(World::of(deleted)), ["remove finalizer"]);
    }
}

#[test]
fn at_another_portal_nothing_is_looked_up_edited_or_revoked() {
    let mut observed =
        orphaned(at_rest_with(|observed| apply(observed, StatusEvent::TokenRetiring(retiring("12", at(0))))));
    change_issuer(&mut observed, |issuer| issuer.portal.url = "https://copy-of-the-portal".into());
    let world = World::of(observed);
    assert_eq!(finalized(world), ["orphan, marked", "remove finalizer"]);
}

/// A tenant who can write status could otherwise protect another object's leaked token from an audit.
#[test]
fn only_the_marker_of_the_stored_token_is_recorded_and_never_one_from_status() {
    let forged = marker(&attempt_id(9)).nonce().to_string();
    let markers_of = |stored: Option<u8>| {
        let mut observed = at_rest_with_secret(|secret| {
            let of_attempt =
                |number| StoredToken { attempt_id: attempt_id(number), ..secret.stored.clone().expect("a token") };
            secret.stored = stored.map(of_attempt);
        });
        let status = observed.object.status.as_mut().expect("a status");
        status.token.as_mut().expect("a token").nonce = forged.clone();
        let mut hidden = World::of(orphaned(observed.clone()));
        change_issuer(&mut hidden.observed, |issuer| issuer.list_visible = false);
        let unavailable = World::of(Observed { issuer: not_ready(), ..orphaned(observed) });
        [hidden, unavailable].map(|mut world| {
            assert_eq!(run(&mut world), Outcome::Idle);
            let orphaned = |request: &Request| match request {
                Request::WriteSecret(SecretWrite::Orphan(markers)) => Some(markers.clone()),
                _ => None,
            };
            world.requests.iter().find_map(orphaned).expect("an orphaned Secret")
        })
    };
    let own = vec![marker(&attempt_id(5)).nonce().clone()];
    assert_eq!(markers_of(Some(5)), [own.clone(), own]);
    assert_eq!(markers_of(None), [vec![], vec![]]);
}

#[test]
fn an_object_without_tokens_is_finalized_without_an_issuer() {
    for issuer in [IssuerState::Missing, not_ready()] {
        let observed = Observed { issuer, secret: Some(empty_secret()), ..deleting(new_object()) };
        assert_eq!(finalized(World::of(observed)), ["close", "remove finalizer"]);
    }
}

#[test]
fn a_disabled_login_check_is_not_requested() {
    let mut world = World::of(deleting(at_rest())).listing(&[]);
    change_issuer(&mut world.observed, |issuer| issuer.login_check = LoginCheck::Disabled);
    assert_eq!(finalized(world), ["close", "find 17", "remove finalizer"]);
}

#[test]
fn an_object_whose_finalizer_cannot_be_removed_stays() {
    let mut world = World::of(deleting(at_rest())).on("remove finalizer", Response::Conflict);
    assert_eq!(run(&mut world), Outcome::RequeueSoon);
    let mut deleted = World::of(deleting(at_rest())).on("remove finalizer", Response::Object(None));
    assert_eq!(run(&mut deleted), Outcome::Idle, "it was deleted in the meantime");
}
