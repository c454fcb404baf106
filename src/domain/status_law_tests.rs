//! What holds of a status after whatever was said, and when the next rotation is.

use super::*;
use crate::domain::cause::Cause;
use crate::domain::testing::{KEYS, UID, at, every, fault, named, recorded_secret, retiring, stored_with};
use jiff::Timestamp;
use std::collections::HashSet;
use std::time::Duration;

fn saying(login: LoginMode) -> Saying<'static> {
    Saying {
        uid: UID,
        generation: 1,
        secret_name: "pull",
        now: at(0),
        login,
        rotation: None,
        suspended: false,
        keys: &KEYS,
        portal: None,
    }
}

/// Everything that can be said of an object that has had a token.
fn sayings() -> Vec<Fact> {
    let verdicts =
        || [Verdict::Accepted, Verdict::Refused("no".into()), Verdict::Unknown("down".into()), Verdict::NotAsked];
    let mut all: Vec<Fact> = verdicts().map(Fact::LoggedIn).into();
    for id in ["1", "2"] {
        all.extend(verdicts().map(|verdict| stored_with(id, Cause::Rotate, verdict)));
    }
    for (stalled, working) in [(false, false), (false, true), (true, false), (true, true)] {
        all.push(Fact::Hindered { fault: Fault { stalled, ..fault(Reason::IssuerNotReady) }, working });
    }
    all.extend([
        Fact::SecretInOrder(recorded_secret()),
        Fact::SecretLost("lost".into()),
        Fact::RevokedUpstream { fault: fault(Reason::RevokedUpstream), again: false },
        Fact::DescriptionSynced,
        Fact::DescriptionNotSynced(Reason::EditNotKept, "no".into()),
        Fact::Revoked(vec![named("1")]),
        Fact::Retiring(retiring("3", at(9))),
    ]);
    all
}

/// A status, and whether the registry has let the current token in.
type Said = (RegistryTokenStatus, bool);

fn say_on((status, let_in): &Said, saying: &Saying<'_>, fact: &Fact) -> Said {
    let next = next(Some(status), saying, fact.clone());
    let accepted = match fact {
        Fact::LoggedIn(verdict) | Fact::TokenStored { login: verdict, .. } => *verdict == Verdict::Accepted,
        _ => false,
    };
    let same = status.token == next.token;
    (next, accepted || same && *let_in)
}

/// Whatever can be said in four steps of an object that has a token.
fn everything_said(saying: &Saying<'_>) -> Vec<Said> {
    let mut said: Vec<Said> = vec![];
    let mut met = HashSet::new();
    let mut level = vec![(RegistryTokenStatus::default(), false)];
    for depth in 0..4 {
        let facts: Vec<Fact> =
            sayings().into_iter().filter(|fact| depth > 0 || matches!(fact, Fact::TokenStored { .. })).collect();
        let steps = level.iter().flat_map(|before| facts.iter().map(|fact| say_on(before, saying, fact)));
        level = steps.filter(|after| met.insert(format!("{after:?}"))).collect();
        said.extend(level.iter().cloned());
    }
    assert!(said.len() > 100, "only {} were met", said.len());
    said
}

fn holds(status: &RegistryTokenStatus, kind: ConditionType) -> bool {
    conditions::holds(&status.conditions, kind)
}

#[test]
fn where_a_login_is_required_nothing_is_ready_without_one() {
    for (status, let_in) in everything_said(&saying(LoginMode::Required)) {
        assert!(let_in || !holds(&status, ConditionType::Ready), "{status:?}");
        assert!(let_in || !holds(&status, ConditionType::LoginVerified), "{status:?}");
    }
}

#[test]
fn nobody_is_told_to_wait_and_to_act_at_once() {
    for mode in [LoginMode::Required, LoginMode::BestEffort, LoginMode::Disabled] {
        for (status, _) in everything_said(&saying(mode)) {
            let progress = [ConditionType::Reconciling, ConditionType::Stalled].map(|kind| holds(&status, kind));
            assert_ne!(progress, [true, true], "{status:?}");
            let ready = holds(&status, ConditionType::Ready);
            assert!(ready || progress != [false, false], "not ready, and nobody says why: {status:?}");
            let mut kinds: Vec<_> = status.conditions.iter().map(|one| &one.type_).collect();
            kinds.sort_unstable();
            kinds.dedup();
            assert_eq!(kinds.len(), status.conditions.len(), "each condition once");
        }
    }
}

#[test]
fn no_token_is_named_twice() {
    for (status, _) in everything_said(&saying(LoginMode::Required)) {
        let mut names: Vec<_> = status.retiring.iter().map(|token| &token.username).collect();
        names.extend(status.token.as_ref().map(|token| &token.username));
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "{status:?}");
    }
}

/// When the token of this object, requested at the beginning, is replaced every hundred hours.
fn rotates(uid: &str, nonce: &str) -> Timestamp {
    let saying = Saying { uid, rotation: Some(every(100, 15)), ..saying(LoginMode::Required) };
    let Fact::TokenStored { mut token, portal, secret, errand, login, .. } =
        stored_with("1", Cause::First, Verdict::Accepted)
    else {
        panic!()
    };
    token.nonce = nonce.to_owned();
    let status = next(None, &saying, Fact::TokenStored { token, portal, secret, errand, login, after: None });
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
fn a_rotation_is_at_the_same_time_for_whoever_reckons() {
    assert_eq!(rotates("uid", "nonce"), rotates("uid", "nonce"));
    assert_ne!(rotates("uid", "nonce"), rotates("uid", "another"), "and at another for the next token");
    let saying = Saying { rotation: Some(every(100, 15)), ..saying(LoginMode::Required) };
    let status = next(None, &saying, stored_with("1", Cause::First, Verdict::Accepted));
    let later = next(Some(&status), &Saying { now: at(99_999), ..saying.clone() }, Fact::DescriptionSynced);
    assert_eq!(later.next_rotation_time, status.next_rotation_time);
    let never = next(Some(&status), &Saying { rotation: None, ..saying.clone() }, Fact::DescriptionSynced);
    assert_eq!(never.next_rotation_time, None);
    let sooner = Saying { rotation: Some(every(10, 15)), ..saying };
    let sooner = next(Some(&never), &sooner, Fact::DescriptionSynced).next_rotation_time.expect("a time").0;
    assert!(sooner <= at(36_000), "an edited interval counts from the request");
}
