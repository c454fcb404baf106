//! Invariants of a status after any sequence of events, and the time of the next rotation.

use super::*;
use crate::api::LoginCheck;
use crate::domain::model::conditions;
use crate::domain::model::namespace_access::NamespaceAccess;
use crate::domain::model::request_cause::Cause;
use crate::domain::test_support::{
    KEYS, NO_WINDOWS, UID, at, problem, recorded_secret, retiring, rotation_every, token_ref, token_stored_with,
};
use jiff::Timestamp;
use std::collections::HashSet;
use std::time::Duration;

fn context(login: LoginCheck) -> StatusContext<'static> {
    StatusContext {
        uid: UID,
        generation: 1,
        secret_name: "pull",
        now: at(0),
        login_check: login,
        rotation: None,
        windows: &NO_WINDOWS,
        namespace_access: NamespaceAccess::Allowed,
        suspended: false,
        keys: &KEYS,
        portal: None,
    }
}

/// Every event of an object that has had a token.
fn events() -> Vec<StatusEvent> {
    let verdicts = || {
        [
            LoginResult::Accepted,
            LoginResult::Rejected("no".into()),
            LoginResult::Unknown("down".into()),
            LoginResult::NotChecked,
        ]
    };
    let mut all: Vec<StatusEvent> = verdicts().map(StatusEvent::LoginChecked).into();
    for id in ["1", "2"] {
        all.extend(verdicts().map(|login_result| token_stored_with(id, Cause::Rotate, login_result)));
    }
    for (terminal, pods_can_pull) in [(false, false), (false, true), (true, false), (true, true)] {
        all.push(StatusEvent::ProblemFound {
            problem: Problem { terminal, ..problem(Reason::IssuerNotReady) },
            pods_can_pull,
        });
    }
    all.extend([
        StatusEvent::SecretInspected(recorded_secret(), None),
        StatusEvent::SecretLost("lost".into()),
        StatusEvent::RevokedUpstream { problem: problem(Reason::RevokedUpstream), again: false },
        StatusEvent::NotRevoked,
        StatusEvent::DescriptionSynced,
        StatusEvent::DescriptionNotSynced(Reason::DescriptionAltered, "no".into()),
        StatusEvent::TokensRevoked(vec![token_ref("1")]),
        StatusEvent::NamespaceDenied,
        StatusEvent::TokenRetiring(retiring("3", at(9))),
    ]);
    all
}

/// A status, and whether a registry has accepted the login of the current token.
type StatusAndLogin = (RegistryTokenStatus, bool);

fn apply_to((status, let_in): &StatusAndLogin, context: &StatusContext<'_>, event: &StatusEvent) -> StatusAndLogin {
    let next = next_status(Some(status), context, event.clone());
    let accepted = match event {
        StatusEvent::LoginChecked(login_result) | StatusEvent::TokenStored { login_result, .. } => {
            *login_result == LoginResult::Accepted
        }
        _ => false,
    };
    let same = status.token == next.token;
    (next, accepted || same && *let_in)
}

/// All statuses that four events can produce for an object that has a token.
fn all_statuses(context: &StatusContext<'_>) -> Vec<StatusAndLogin> {
    let mut said: Vec<StatusAndLogin> = vec![];
    let mut met = HashSet::new();
    let mut level = vec![(RegistryTokenStatus::default(), false)];
    for depth in 0..4 {
        let issuer: Vec<StatusEvent> = events()
            .into_iter()
            .filter(|event| depth > 0 || matches!(event, StatusEvent::TokenStored { .. }))
            .collect();
        let steps = level.iter().flat_map(|before| issuer.iter().map(|event| apply_to(before, context, event)));
        level = steps.filter(|after| met.insert(format!("{after:?}"))).collect();
        said.extend(level.iter().cloned());
    }
    assert!(said.len() > 100, "only {} were met", said.len());
    said
}

fn holds(status: &RegistryTokenStatus, kind: ConditionType) -> bool {
    conditions::is_true(&status.conditions, kind)
}

#[test]
fn where_a_login_is_required_nothing_is_ready_without_one() {
    for (status, let_in) in all_statuses(&context(LoginCheck::Required)) {
        assert!(let_in || !holds(&status, ConditionType::Ready), "{status:?}");
        assert!(let_in || !holds(&status, ConditionType::LoginVerified), "{status:?}");
    }
}

#[test]
fn reconciling_and_stalled_exclude_each_other() {
    for mode in [LoginCheck::Required, LoginCheck::BestEffort, LoginCheck::Disabled] {
        for (status, _) in all_statuses(&context(mode)) {
            let progress = [ConditionType::Reconciling, ConditionType::Stalled].map(|kind| holds(&status, kind));
            assert_ne!(progress, [true, true], "{status:?}");
            let ready = holds(&status, ConditionType::Ready);
            assert!(ready || progress != [false, false], "not ready without a reason: {status:?}");
            let mut kinds: Vec<_> = status.conditions.iter().map(|one| &one.type_).collect();
            kinds.sort_unstable();
            kinds.dedup();
            assert_eq!(kinds.len(), status.conditions.len(), "each condition once");
        }
    }
}

#[test]
fn no_token_is_named_twice() {
    for (status, _) in all_statuses(&context(LoginCheck::Required)) {
        let mut names: Vec<_> = status.retiring.iter().map(|token| &token.username).collect();
        names.extend(status.token.as_ref().map(|token| &token.username));
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "{status:?}");
    }
}

/// When the token of this object, requested at the start, is rotated with an interval of one hundred hours.
fn rotates(uid: &str, nonce: &str) -> Timestamp {
    let context = StatusContext { uid, rotation: Some(rotation_every(100, 15)), ..context(LoginCheck::Required) };
    let StatusEvent::TokenStored { mut token, portal, secret, request_cause, login_result: login, .. } =
        token_stored_with("1", Cause::First, LoginResult::Accepted)
    else {
        panic!()
    };
    token.nonce = nonce.to_owned();
    let status = next_status(
        None,
        &context,
        StatusEvent::TokenStored { token, portal, secret, request_cause, login_result: login, previous_id: None },
    );
    status.next_rotation_time.expect("a time").0
}

#[test]
fn rotations_are_spread_over_a_tenth_of_the_interval_at_most() {
    let hours = |number| Duration::from_hours(number);
    let (early, late) = (at(0) + hours(90), at(0) + hours(100));
    let times: Vec<_> = (0..1000).map(|number| rotates(&format!("uid-{number}"), "n")).collect();
    assert!(times.iter().all(|time| *time > early && *time <= late));
    for tenth in 0..10 {
        let begin = early + hours(tenth);
        let within = times.iter().filter(|time| **time > begin && **time <= begin + hours(1)).count();
        assert!((50..200).contains(&within), "{within} of 1000 in hour {tenth} of ten");
    }
}

#[test]
fn the_rotation_time_is_deterministic() {
    assert_eq!(rotates("uid", "nonce"), rotates("uid", "nonce"));
    assert_ne!(rotates("uid", "nonce"), rotates("uid", "another"), "and at another for the next token");
    let context = StatusContext { rotation: Some(rotation_every(100, 15)), ..context(LoginCheck::Required) };
    let status = next_status(None, &context, token_stored_with("1", Cause::First, LoginResult::Accepted));
    let later = next_status(
        Some(&status),
        &StatusContext { now: at(99_999), ..context.clone() },
        StatusEvent::DescriptionSynced,
    );
    assert_eq!(later.next_rotation_time, status.next_rotation_time);
    let never = next_status(
        Some(&status),
        &StatusContext { rotation: None, ..context.clone() },
        StatusEvent::DescriptionSynced,
    );
    assert_eq!(never.next_rotation_time, None);
    let sooner = StatusContext { rotation: Some(rotation_every(10, 15)), ..context };
    let sooner =
        next_status(Some(&never), &sooner, StatusEvent::DescriptionSynced).next_rotation_time.expect("a time").0;
    assert!(sooner <= at(36_000), "an edited interval counts from the request");
}
