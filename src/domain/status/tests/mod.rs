mod ready;

use super::*;
use crate::api::{LoginCheck, UpstreamRevocation};
use crate::domain::model::namespace_access::NamespaceAccess;
use crate::domain::model::request_cause::{Cause, RequestCause};
use crate::domain::test_support::{
    KEYS, NO_WINDOWS, REQUESTED, at, problem, recorded_secret, request_cause, retiring, rotation_every, token,
    token_ref, token_stored, token_stored_with,
};
use jiff::Timestamp;

fn context() -> StatusContext<'static> {
    StatusContext {
        uid: crate::domain::test_support::UID,
        generation: 1,
        secret_name: "pull",
        now: at(0),
        login_check: LoginCheck::Required,
        rotation: None,
        windows: &NO_WINDOWS,
        namespace_access: NamespaceAccess::Allowed,
        suspended: false,
        keys: &KEYS,
        portal: None,
    }
}

fn later(seconds: i64) -> StatusContext<'static> {
    StatusContext { now: at(seconds), ..context() }
}

/// The status after these events, one after the other.
fn after(issuer: impl IntoIterator<Item = StatusEvent>) -> RegistryTokenStatus {
    on(&context(), issuer)
}

fn on(context: &StatusContext<'_>, issuer: impl IntoIterator<Item = StatusEvent>) -> RegistryTokenStatus {
    issuer.into_iter().fold(RegistryTokenStatus::default(), |status, event| next_status(Some(&status), context, event))
}

fn problem_found(terminal: bool, pods_can_pull: bool) -> StatusEvent {
    StatusEvent::ProblemFound { problem: Problem { terminal, ..problem(Reason::IssuerNotReady) }, pods_can_pull }
}

/// A label for every condition.
fn condition_labels(status: &RegistryTokenStatus) -> Vec<String> {
    status.conditions.iter().map(|one| format!("{}={}", one.type_, one.status)).collect()
}

fn revocation_times(status: &RegistryTokenStatus) -> Vec<(&str, Timestamp)> {
    status.retiring.iter().map(|token| (token.id.as_str(), token.revocation_time.0)).collect()
}

#[test]
fn a_token_whose_login_was_accepted_makes_the_object_ready() {
    let status = after([token_stored("1", Cause::First)]);
    assert_eq!(condition_labels(&status), ["DescriptionSynced=False", "LoginVerified=True", "Ready=True"]);
    assert_eq!((status.token, status.retiring), (Some(token("1")), vec![]));
    assert_eq!((status.uid.as_deref(), status.observed_generation), (Some(context().uid), Some(1)));
}

#[test]
fn a_token_that_was_found_revoked_retires_as_such() {
    let revoked = StatusEvent::RevokedUpstream { problem: problem(Reason::RevokedUpstream), again: false };
    let first = after([token_stored("1", Cause::First)]);
    let found = next_status(Some(&first), &later(100), revoked);
    let found_out = |former: &RegistryTokenStatus, cause| {
        next_status(Some(former), &later(200), token_stored("2", cause))
            .retiring
            .iter()
            .all(|token| token.revoked_upstream)
    };
    assert!(found_out(&found, Cause::RevokedUpstream));
    assert!(found_out(&found, Cause::Replace), "not replaced, and then requested");
    assert!(!found_out(&first, Cause::Replace));
    let back = next_status(Some(&found), &later(150), StatusEvent::SecretInspected(recorded_secret(), None));
    assert!(!found_out(&back, Cause::Rotate), "it was listed again");
}

#[test]
fn a_withdrawn_second_revocation_keeps_the_first_one_for_its_day() {
    let revoked = |again| StatusEvent::RevokedUpstream { problem: problem(Reason::RevokedUpstream), again };
    let second = after([token_stored("1", Cause::First)]);
    let known = |status: &RegistryTokenStatus| status.upstream_revocation.clone();
    let wrong = next_status(Some(&second), &later(100), revoked(true));
    let back = next_status(Some(&wrong), &later(150), StatusEvent::SecretInspected(recorded_secret(), None));
    assert_eq!(known(&back), Some(UpstreamRevocation { time: Time(at(REQUESTED)), again: false }));
    let once = next_status(Some(&second), &later(100), revoked(false));
    assert_eq!(
        known(&next_status(Some(&once), &later(150), StatusEvent::SecretInspected(recorded_secret(), None))),
        None
    );
}

#[test]
fn a_replaced_token_stays_valid_for_the_overlap_and_a_compromised_one_does_not() {
    let overlap = StatusContext { rotation: Some(rotation_every(10, 7)), ..later(100) };
    let first = after([token_stored("1", Cause::First)]);
    let due = |context: &StatusContext<'_>, cause| {
        next_status(Some(&first), context, token_stored("2", cause)).retiring[0].clone()
    };
    for cause in [Cause::Rotation, Cause::Rotate] {
        assert_eq!(due(&overlap, cause), retiring("1", at(100 + 7 * 60)), "{cause}");
        assert_eq!(due(&later(100), cause), retiring("1", at(100 + 15 * 60)), "{cause}: a quarter of an hour");
    }
    for cause in [Cause::Replace, Cause::Lost, Cause::RevokedUpstream] {
        assert_eq!(due(&overlap, cause), retiring("1", at(100)), "{cause}");
    }
}

#[test]
fn a_compromise_ends_the_overlap_of_an_earlier_token_too() {
    let rotated = after([token_stored("1", Cause::First), token_stored("2", Cause::Rotate)]);
    let replaced = next_status(Some(&rotated), &later(60), token_stored("3", Cause::Replace));
    assert_eq!(revocation_times(&replaced), [("1", at(60)), ("2", at(60))]);
    let again = next_status(Some(&rotated), &later(60), token_stored("3", Cause::Lost));
    assert_eq!(revocation_times(&again), [("1", at(15 * 60)), ("2", at(60))]);
}

#[test]
fn a_token_that_is_revoked_in_the_second_of_its_request_counts_as_revoked_and_its_successor_does_not() {
    let revoked = StatusEvent::RevokedUpstream { problem: problem(Reason::RevokedUpstream), again: false };
    let current = |status: &RegistryTokenStatus| {
        let token = status.token.as_ref().expect("a token");
        status.upstream_revocation.as_ref().is_some_and(|revocation| revocation.applies_to(&token.request_time))
    };
    let revoked = next_status(Some(&after([token_stored("1", Cause::First)])), &later(0), revoked);
    assert!(current(&revoked), "{:?}", revoked.upstream_revocation);
    let replaced = next_status(Some(&revoked), &later(0), token_stored("2", Cause::RevokedUpstream));
    assert!(replaced.upstream_revocation.is_some() && !current(&replaced), "{:?}", replaced.upstream_revocation);
    assert!(replaced.retiring.iter().all(|former| former.id == "1" && former.revoked_upstream));
}

#[test]
fn tokens_that_share_a_login_name_are_told_apart_by_their_ids() {
    let shared = |id: &str, cause| match token_stored(id, cause) {
        StatusEvent::TokenStored { token, portal, secret, request_cause, login_result: login, .. } => {
            let token = RecordedToken { username: "robot".into(), ..token };
            StatusEvent::TokenStored { token, portal, secret, request_cause, login_result: login, previous_id: None }
        }
        other => other,
    };
    let twice = after([shared("1", Cause::First), shared("2", Cause::Rotate), shared("3", Cause::Replace)]);
    assert_eq!(
        revocation_times(&twice).iter().map(|due| due.0).collect::<Vec<_>>(),
        ["1", "2"],
        "both must still be revoked"
    );
    let one = TokenRef { id: "1".into(), username: "robot".into() };
    let revoked = next_status(Some(&twice), &context(), StatusEvent::TokensRevoked(vec![one]));
    assert_eq!(revocation_times(&revoked).iter().map(|due| due.0).collect::<Vec<_>>(), ["2"]);
    let other = RetiringToken { username: "robot".into(), ..retiring("4", at(0)) };
    assert_eq!(next_status(Some(&revoked), &context(), StatusEvent::TokenRetiring(other)).retiring.len(), 2);
}

#[test]
fn a_token_never_retires_from_itself() {
    let twice = after([token_stored("1", Cause::First), token_stored("1", Cause::Lost)]);
    assert!(twice.retiring.is_empty());
    let back = after([
        token_stored("1", Cause::First),
        StatusEvent::TokenRetiring(retiring("2", at(0))),
        token_stored("2", Cause::Lost),
    ]);
    assert_eq!(revocation_times(&back), [("1", at(0))], "a token that is current again does not retire");
}

#[test]
fn a_revoked_token_is_identified_by_id_and_username() {
    let portal = crate::domain::test_support::portal();
    let context = StatusContext { portal: Some(&portal), ..context() };
    let status = on(
        &context,
        [StatusEvent::TokenRetiring(retiring("1", at(0))), StatusEvent::TokenRetiring(retiring("2", at(0)))],
    );
    let another = TokenRef { username: "another".into(), ..token_ref("1") };
    assert_eq!(next_status(Some(&status), &context, StatusEvent::TokensRevoked(vec![another])), status);
    assert_eq!(
        revocation_times(&next_status(Some(&status), &context, StatusEvent::TokensRevoked(vec![token_ref("1")]))),
        [("2", at(0))]
    );
}

#[test]
fn a_status_of_another_object_is_discarded() {
    let foreign = on(
        &StatusContext { uid: "other", ..context() },
        [token_stored("1", Cause::First), StatusEvent::DescriptionSynced],
    );
    let own = next_status(Some(&foreign), &context(), token_stored("2", Cause::First));
    assert_eq!(own, after([token_stored("2", Cause::First)]), "nothing of it is kept, in particular not its tokens");
}

#[test]
fn the_same_event_later_changes_nothing() {
    let whole_life = [
        token_stored("1", Cause::First),
        token_stored("2", Cause::Rotate),
        StatusEvent::SecretInspected(recorded_secret(), None),
        StatusEvent::LoginChecked(LoginResult::Accepted),
        StatusEvent::LoginChecked(LoginResult::Rejected("no".into())),
        StatusEvent::LoginChecked(LoginResult::Unknown("down".into())),
        StatusEvent::LoginChecked(LoginResult::NotChecked),
        problem_found(false, true),
        problem_found(true, false),
        StatusEvent::SecretLost("lost".into()),
        StatusEvent::DescriptionSynced,
        StatusEvent::DescriptionNotSynced(Reason::DescriptionRejected, "no".into()),
        StatusEvent::TokenRetiring(retiring("9", at(5))),
        StatusEvent::TokensRevoked(vec![token_ref("9")]),
    ];
    for mode in [LoginCheck::Required, LoginCheck::BestEffort, LoginCheck::Disabled] {
        let context =
            StatusContext { login_check: mode, rotation: Some(rotation_every(720, 15)), suspended: true, ..context() };
        let later = StatusContext { now: at(999_999), ..context.clone() };
        let mut status = RegistryTokenStatus::default();
        for event in whole_life.clone() {
            status = next_status(Some(&status), &context, event.clone());
            assert_eq!(next_status(Some(&status), &later, event.clone()), status, "{event:?} under {mode:?}");
        }
    }
}

#[test]
fn what_a_token_handles_is_recorded_with_it() {
    let with = |id: &str, handles: &[(&str, &str)]| {
        let StatusEvent::TokenStored { token, portal, secret, login_result: login, .. } =
            token_stored(id, Cause::Rotate)
        else {
            panic!()
        };
        let request_cause =
            RequestCause { handles: crate::domain::test_support::annotations(handles), ..request_cause(Cause::Rotate) };
        StatusEvent::TokenStored { token, portal, secret, request_cause, login_result: login, previous_id: None }
    };
    let status = after([with("1", &[("rotate", "1"), ("replace", "a")]), with("2", &[("rotate", "2")])]);
    assert_eq!(
        status.handled_annotations,
        crate::domain::test_support::annotations(&[("replace", "a"), ("rotate", "2")])
    );
}

#[test]
fn a_revocation_by_another_user_is_remembered_beyond_the_next_token() {
    let event = |again| StatusEvent::RevokedUpstream { problem: problem(Reason::RevokedUpstream), again };
    let first = after([token_stored("1", Cause::First)]);
    let revoked = next_status(Some(&first), &later(50), event(false));
    assert_eq!(revoked.upstream_revocation, Some(UpstreamRevocation { time: Time(at(50)), again: false }));
    assert!(condition_labels(&revoked).contains(&"Ready=False".to_owned()));
    let mut new = token("2");
    new.request_time = Time(at(60));
    let StatusEvent::TokenStored { portal, secret, request_cause, login_result: login, .. } =
        token_stored("2", Cause::RevokedUpstream)
    else {
        panic!()
    };
    let replaced = next_status(
        Some(&revoked),
        &later(61),
        StatusEvent::TokenStored { token: new, portal, secret, request_cause, login_result: login, previous_id: None },
    );
    assert_eq!(replaced.upstream_revocation, revoked.upstream_revocation, "the next one is the second within 24 hours");
    let kept = next_status(Some(&replaced), &later(70), StatusEvent::SecretInspected(recorded_secret(), None));
    assert_eq!(kept.upstream_revocation, revoked.upstream_revocation);
    let wrong = next_status(Some(&revoked), &later(70), StatusEvent::SecretInspected(recorded_secret(), None));
    assert_eq!(wrong.upstream_revocation, None, "it was valid throughout");
}
