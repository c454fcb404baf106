use super::*;
use crate::domain::decide::decide;
use crate::domain::model::pull_secret::Ownership;
use crate::domain::status::StatusEvent;
use crate::domain::test_support::{
    IDENTITY, apply, at_rest, at_rest_with, at_rest_with_issuer, at_rest_with_secret, change_issuer, deleting,
    empty_secret, new_object, not_ready, now, reservation, retiring,
};

fn reason(action: &Action) -> Option<Reason> {
    match action {
        Action::Report(problem) => Some(problem.reason),
        _ => None,
    }
}

fn orphaned(mut observed: Observed) -> Observed {
    observed.object.revoke_on_deletion = false;
    observed
}

#[test]
fn an_object_without_the_finalizer_is_ignored() {
    let mut observed = deleting(at_rest());
    observed.object.has_finalizer = false;
    assert_eq!(decide(&observed), Action::Idle);
}

#[test]
fn an_object_with_anything_left_is_finalized() {
    assert_eq!(decide(&deleting(at_rest())), Action::Finalize);
    assert_eq!(decide(&deleting(at_rest_with_secret(|secret| secret.closed = true))), Action::Finalize);
    assert_eq!(
        decide(&deleting(at_rest_with(|observed| observed.secret = None))),
        Action::Finalize,
        "the token stays valid without it"
    );
    assert_eq!(
        decide(&deleting(at_rest_with(|observed| observed.object.status = None))),
        Action::Finalize,
        "stored but not recorded yet"
    );
    let only_retiring = at_rest_with(|observed| {
        (observed.secret, observed.object.status) = (None, None);
        apply(observed, StatusEvent::TokenRetiring(retiring("12", now())));
    });
    assert_eq!(decide(&deleting(only_retiring)), Action::Finalize);
}

#[test]
fn an_object_without_tokens_is_removed_once_no_attempt_is_possible() {
    assert_eq!(decide(&deleting(new_object())), Action::RemoveFinalizer, "there is no Secret to reserve in");
    let with = |closed| Observed { secret: Some(SecretMeta { closed, ..empty_secret() }), ..deleting(new_object()) };
    assert_eq!(decide(&with(false)), Action::Finalize, "it is closed first");
    assert_eq!(decide(&with(true)), Action::RemoveFinalizer);
    let mut reserving = with(true);
    reserving.secret.as_mut().expect("a Secret").reservation = reservation(9, IDENTITY);
    assert_eq!(decide(&reserving), Action::Finalize);
}

#[test]
fn a_foreign_secret_neither_blocks_nor_counts() {
    let mut observed = deleting(at_rest_with_secret(|secret| secret.ownership = Ownership::Foreign));
    assert_eq!(decide(&observed), Action::Finalize, "what status names is revoked");
    observed.object.status = None;
    assert_eq!(decide(&observed), Action::RemoveFinalizer);
}

#[test]
fn without_its_issuer_a_token_that_must_be_revoked_waits_and_reports_what_to_do() {
    let missing = Observed { issuer: IssuerState::Missing, ..deleting(at_rest()) };
    assert_eq!(reason(&decide(&missing)), Some(Reason::IssuerNotFound));
    assert!(format!("{:?}", decide(&missing)).contains("spec.deletionPolicy: Orphan"));
    let failing = Observed { issuer: not_ready(), ..deleting(at_rest()) };
    assert_eq!(reason(&decide(&failing)), Some(Reason::IssuerNotReady));
    let unknown = Observed { issuer: IssuerState::Unknown, ..deleting(at_rest()) };
    assert_eq!(decide(&unknown), Action::Idle, "the issuer is not known yet");
}

#[test]
fn without_its_issuer_an_object_without_tokens_is_removed() {
    for issuer in [IssuerState::Missing, not_ready(), IssuerState::Unknown] {
        let nothing = Observed { issuer: issuer.clone(), ..deleting(new_object()) };
        assert_eq!(decide(&nothing), Action::RemoveFinalizer);
        let emptied = Observed { secret: Some(empty_secret()), ..nothing };
        assert_eq!(decide(&emptied), Action::Finalize, "its Secret is closed first");
    }
}

#[test]
fn orphaning_is_the_way_out_when_a_portal_no_longer_exists() {
    for issuer in [IssuerState::Missing, not_ready()] {
        assert_eq!(decide(&Observed { issuer, ..orphaned(deleting(at_rest())) }), Action::Finalize);
    }
    let unknown = Observed { issuer: IssuerState::Unknown, ..orphaned(deleting(at_rest())) };
    assert_eq!(decide(&unknown), Action::Idle, "it may appear in a moment");
}

#[test]
fn a_token_that_is_released_to_its_user_is_recorded_first() {
    let unnamed = at_rest_with(|observed| observed.object.status = None);
    assert_eq!(decide(&orphaned(deleting(unnamed.clone()))), Action::Adopt);
    assert_eq!(decide(&deleting(unnamed)), Action::Finalize);
    assert_eq!(decide(&orphaned(deleting(at_rest()))), Action::Finalize);
    let retiring = at_rest_with(|observed| apply(observed, StatusEvent::TokenRetiring(retiring("17", now()))));
    assert_eq!(decide(&orphaned(deleting(retiring))), Action::Finalize);
    let mut moved = orphaned(deleting(at_rest_with(|observed| observed.object.status = None)));
    apply(
        &mut moved,
        crate::domain::test_support::token_stored("16", crate::domain::model::request_cause::Cause::First),
    );
    change_issuer(&mut moved, |issuer| issuer.portal.url = "https://q".into());
    assert_eq!(decide(&moved), Action::Finalize, "another portal is not called");
}

#[test]
fn a_token_that_no_list_shows_is_recorded_before_it_is_revoked() {
    let mut hidden = deleting(at_rest_with(|observed| observed.object.status = None));
    change_issuer(&mut hidden, |issuer| issuer.list_visible = false);
    assert_eq!(decide(&hidden), Action::Adopt);
}

#[test]
fn a_moved_portal_revokes_nothing() {
    let moved = deleting(at_rest_with_issuer(|issuer| issuer.portal.url = "https://q".into()));
    assert_eq!(reason(&decide(&moved)), Some(Reason::PortalChanged));
    assert_eq!(decide(&orphaned(moved)), Action::Finalize);
}

#[test]
fn a_suspended_object_is_finalized_like_any_other() {
    let mut observed = deleting(at_rest());
    observed.object.suspended = true;
    change_issuer(&mut observed, |issuer| issuer.deleting = true);
    assert_eq!(decide(&observed), Action::Finalize);
}

#[test]
fn a_revocation_that_waits_for_its_portal_names_orphan_as_a_way_out() {
    let mut moved = deleting(at_rest());
    change_issuer(&mut moved, |issuer| issuer.portal.url = "https://q".into());
    for observed in [moved, Observed { issuer: not_ready(), ..deleting(at_rest()) }] {
        let action = decide(&observed);
        let Action::Report(problem) = &action else { panic!("{action:?}") };
        assert!(problem.message.contains("spec.deletionPolicy: Orphan"), "{}", problem.message);
    }
}

#[test]
fn a_token_of_another_portal_is_released_without_a_read_at_this_one() {
    let moved = |revoke: bool| {
        let mut observed = deleting(at_rest_with(|observed| observed.object.status = None));
        observed.object.revoke_on_deletion = revoke;
        change_issuer(&mut observed, |issuer| {
            issuer.portal.url = "https://elsewhere".into();
            issuer.list_visible = false;
        });
        observed
    };
    let Action::Report(told) = decide(&moved(true)) else { panic!("{:?}", decide(&moved(true))) };
    assert!(told.reason == Reason::PortalChanged && told.message.contains("deletionPolicy: Orphan"), "{told:?}");
    let mut world = crate::domain::test_support::World::of(moved(false));
    assert_eq!(world.pass(), crate::domain::pass::PassResult::Idle);
    assert_eq!(world.labels, ["read object", "read secret", "close", "orphan, marked", "remove finalizer"]);
}
