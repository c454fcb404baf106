use super::*;
use crate::domain::argocd_repository;
use crate::domain::decide::{Action, decision};
use crate::domain::model::login_result::LoginResult;
use crate::domain::model::request_cause::Cause;
use crate::domain::observed::Observed;
use crate::domain::status::StatusEvent;
use crate::domain::test_support::{
    apply, at, at_rest, at_rest_with, now, problem, retiring, rotation_every, token, token_ref, token_stored,
};

fn after(event: StatusEvent) -> StatusView {
    StatusView::of(&at_rest_with(|observed| apply(observed, event)).object)
}

#[test]
fn an_object_at_rest_is_known_as_such() {
    let status = StatusView::of(&at_rest().object);
    assert_eq!((status.token.clone(), status.retiring.len()), (Some(token("17")), 0));
    assert!(
        status.ready && status.login_verified && !status.has_problem && !status.suspended && !status.revoked_upstream
    );
    assert_eq!(
        (status.observed_generation, status.description_synced, status.description_rejected),
        (Some(1), Some(1), None)
    );
    assert_eq!(status.secret_version.as_deref(), Some("5"));
}

#[test]
fn a_status_of_another_object_is_ignored() {
    assert_eq!(
        StatusView::of(&at_rest_with(|observed| observed.object.uid = "restored".into()).object),
        StatusView::default()
    );
    let nameless = at_rest_with(|observed| observed.object.status.as_mut().expect("a status").uid = None);
    assert_eq!(StatusView::of(&nameless.object), StatusView::default());
}

#[test]
fn a_description_counts_for_its_generation_only() {
    let known = after(StatusEvent::DescriptionNotSynced(Reason::DescriptionRejected, String::new()));
    assert_eq!((known.description_synced, known.description_rejected), (None, Some(1)));
    let known = after(StatusEvent::DescriptionNotSynced(Reason::DescriptionAltered, String::new()));
    assert_eq!(known.description_rejected, Some(1));
    let known = after(StatusEvent::DescriptionNotSynced(Reason::DescriptionPending, String::new()));
    assert_eq!((known.description_synced, known.description_rejected), (None, None));
    let edited = at_rest_with(|observed| {
        observed.object.generation = 2;
        apply(observed, StatusEvent::LoginChecked(LoginResult::Accepted));
    });
    let known = StatusView::of(&edited.object);
    assert_eq!((known.observed_generation, known.description_synced), (Some(2), Some(1)));
}

#[test]
fn a_revocation_concerns_the_token_that_was_current_then() {
    let revoked = StatusEvent::RevokedUpstream { problem: problem(Reason::RevokedUpstream), again: true };
    let known = after(revoked.clone());
    assert!(known.revoked_upstream && !known.ready);
    assert_eq!(known.upstream_revocation.map(|(_, again)| again), Some(true));
    let before = StatusView::of(
        &at_rest_with(|observed| {
            observed.now = at(-5);
            apply(observed, revoked);
        })
        .object,
    );
    assert!(!before.revoked_upstream && before.upstream_revocation.is_some(), "that concerned a previous token");
}

#[test]
fn every_token_is_named_the_current_one_first() {
    let observed = at_rest_with(|observed| apply(observed, StatusEvent::TokenRetiring(retiring("12", at(0)))));
    let status = StatusView::of(&observed.object);
    assert_eq!(status.tokens(), [token_ref("17"), token_ref("12")]);
    assert!(status.is_retiring("12") && !status.is_retiring("17"));
    assert_eq!(StatusView::default().tokens(), []);
}

#[test]
fn problems_and_due_revocations_are_known() {
    for terminal in [false, true] {
        let problem = crate::domain::model::problem::Problem { terminal, ..problem(Reason::IssuerNotReady) };
        let known = after(StatusEvent::ProblemFound { problem, pods_can_pull: true });
        assert!(known.has_problem && known.ready);
    }
    let due = at_rest_with(|observed| {
        observed.object.rotation = Some(rotation_every(1, 5));
        apply(observed, token_stored("17", Cause::Lost));
    });
    assert!(StatusView::of(&due.object).next_rotation.is_some());
}

#[test]
fn the_uid_of_a_secret_counts_with_a_proof_of_this_object_only() {
    let object = at_rest().object;
    let status = object.status.clone().expect("a status");
    let proved = |uid: &str, change: fn(&mut RegistryTokenStatus)| {
        let mut status = status.clone();
        change(&mut status);
        verified_secret_uid(&status, uid, &object.keys).map(str::to_owned)
    };
    assert_eq!(proved(&object.uid, |_| {}).as_deref(), Some("uid-of-the-secret"));
    assert_eq!(proved("another", |_| {}), None);
    let forged =
        |status: &mut RegistryTokenStatus| status.secret.as_mut().expect("a Secret").uid = Some("theirs".into());
    assert_eq!(proved(&object.uid, forged), None, "another writer set this UID");
    let bare = |status: &mut RegistryTokenStatus| status.secret.as_mut().expect("a Secret").mac = None;
    assert_eq!(proved(&object.uid, bare), None);
}

#[test]
fn a_forged_uid_of_a_secret_is_not_signed_by_the_next_write_of_the_status() {
    let observed = at_rest_with(|observed| {
        let status = observed.object.status.as_mut().expect("a status");
        status.secret.as_mut().expect("a Secret").uid = Some("theirs".into());
        apply(observed, StatusEvent::LoginChecked(LoginResult::Accepted));
    });
    assert_eq!(
        verified_secret_uid(
            observed.object.status.as_ref().expect("a status"),
            &observed.object.uid,
            &observed.object.keys
        ),
        None
    );
}

#[test]
fn if_the_key_may_be_lost_the_secrets_mac_replaces_the_proof_of_its_uid() {
    let object = at_rest().object;
    let status = object.status.as_ref().expect("a status");
    let lost = crate::domain::model::token_mac::MacKeys::new(&[9; 32], [], at(4000)).expect("keys");
    let counts = |created: i64, mac| recorded_secret_uid(status, &object.uid, at(created), &lost, mac).is_some();
    let mac = Some("v1.lost.mac");
    assert!(counts(0, mac));
    assert!(!counts(0, None), "a user who may write statuses alone could have named any Secret");
    assert!(!counts(4001, mac), "no lost key can have signed it");
    assert!(recorded_secret_uid(status, &object.uid, object.created, &object.keys, None).is_some());
}

#[test]
fn a_note_without_a_mac_makes_no_secret_the_objects_own_though_the_key_may_be_lost() {
    let object = at_rest().object;
    let status = object.status.as_ref().expect("a status");
    let lost = crate::domain::model::token_mac::MacKeys::new(&[9; 32], [], at(4000)).expect("keys");
    assert_eq!(recorded_secret_uid(status, &object.uid, at(0), &lost, Some("")), None, "no operator wrote it");
}

#[test]
fn a_token_whose_login_the_second_secret_has_is_revoked_when_that_secret_has_the_next_one_or_an_hour_later() {
    let with_record = |id: Option<&str>| {
        at_rest_with(|observed| {
            apply(observed, StatusEvent::TokenRetiring(retiring("12", now())));
            let record = id.map(|id| argocd_repository::new_record("pull-argocd", id));
            let report = argocd_repository::report(record, None, &argocd_repository::State::Synced);
            apply(observed, StatusEvent::ArgoCDRepositoryChecked(report));
        })
    };
    let hour = Duration::from_hours(1);
    let due = |observed: &Observed| {
        StatusView::of(&observed.object).due_revocations(observed.now, observed.own_stored()).count()
    };
    for id in [None, Some("17")] {
        let observed = with_record(id);
        assert_eq!((due(&observed), decision(&observed).action), (1, Action::RevokeRetiring), "{id:?}");
    }
    let held = with_record(Some("12"));
    assert_eq!((due(&held), decision(&held).action), (0, Action::IdleFor(hour)));
    let mut last = held.clone();
    last.object.status.as_mut().expect("a status").token = None;
    assert_eq!(due(&last), 1, "there is no next login");
    let later = Observed { now: now() + hour, ..held };
    assert_eq!((due(&later), decision(&later).action), (1, Action::RevokeRetiring), "the wait ends");
}
