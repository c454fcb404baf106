use super::*;
use crate::domain::cause::Cause;
use crate::domain::testing::{
    KEYS, REQUESTED, at, errand, every, fault, named, recorded_secret, retiring, stored, stored_with, token,
};
use jiff::Timestamp;

fn saying() -> Saying<'static> {
    Saying {
        uid: crate::domain::testing::UID,
        generation: 1,
        secret_name: "pull",
        now: at(0),
        login: LoginMode::Required,
        rotation: None,
        suspended: false,
        keys: &KEYS,
        portal: None,
    }
}

fn later(seconds: i64) -> Saying<'static> {
    Saying { now: at(seconds), ..saying() }
}

/// What is said after all this, one after the other.
fn after(facts: impl IntoIterator<Item = Fact>) -> RegistryTokenStatus {
    on(&saying(), facts)
}

fn on(saying: &Saying<'_>, facts: impl IntoIterator<Item = Fact>) -> RegistryTokenStatus {
    facts.into_iter().fold(RegistryTokenStatus::default(), |status, fact| next(Some(&status), saying, fact))
}

fn hindered(stalled: bool, working: bool) -> Fact {
    Fact::Hindered { fault: Fault { stalled, ..fault(Reason::IssuerNotReady) }, working }
}

/// Every condition in a word.
fn words(status: &RegistryTokenStatus) -> Vec<String> {
    status.conditions.iter().map(|one| format!("{}={}", one.type_, one.status)).collect()
}

fn dues(status: &RegistryTokenStatus) -> Vec<(&str, Timestamp)> {
    status.retiring.iter().map(|token| (token.id.as_str(), token.revocation_time.0)).collect()
}

#[test]
fn a_token_that_was_let_in_makes_the_object_ready() {
    let status = after([stored("1", Cause::First)]);
    assert_eq!(words(&status), ["DescriptionSynced=False", "LoginVerified=True", "Ready=True"]);
    assert_eq!((status.token, status.retiring), (Some(token("1")), vec![]));
    assert_eq!((status.uid.as_deref(), status.observed_generation), (Some(saying().uid), Some(1)));
}

#[test]
fn a_token_that_was_found_revoked_retires_as_such() {
    let revoked = Fact::RevokedUpstream { fault: fault(Reason::RevokedUpstream), again: false };
    let first = after([stored("1", Cause::First)]);
    let found = next(Some(&first), &later(100), revoked);
    let found_out = |former: &RegistryTokenStatus, cause| {
        next(Some(former), &later(200), stored("2", cause)).retiring.iter().all(|token| token.revoked_upstream)
    };
    assert!(found_out(&found, Cause::RevokedUpstream));
    assert!(found_out(&found, Cause::Replace), "held, and then asked for");
    assert!(!found_out(&first, Cause::Replace));
    let back = next(Some(&found), &later(150), Fact::SecretInOrder(recorded_secret()));
    assert!(!found_out(&back, Cause::Rotate), "it was there again");
}

#[test]
fn what_was_taken_for_a_second_revocation_leaves_the_first_one_its_day() {
    let revoked = |again| Fact::RevokedUpstream { fault: fault(Reason::RevokedUpstream), again };
    let second = after([stored("1", Cause::First)]);
    let known = |status: &RegistryTokenStatus| status.upstream_revocation.clone();
    let wrong = next(Some(&second), &later(100), revoked(true));
    let back = next(Some(&wrong), &later(150), Fact::SecretInOrder(recorded_secret()));
    assert_eq!(known(&back), Some(UpstreamRevocation { time: Time(at(REQUESTED)), again: false }));
    let once = next(Some(&second), &later(100), revoked(false));
    assert_eq!(known(&next(Some(&once), &later(150), Fact::SecretInOrder(recorded_secret()))), None);
}

#[test]
fn a_replaced_token_lives_on_for_the_overlap_and_a_bad_one_does_not() {
    let overlap = Saying { rotation: Some(every(10, 7)), ..later(100) };
    let first = after([stored("1", Cause::First)]);
    let due = |saying: &Saying<'_>, cause| next(Some(&first), saying, stored("2", cause)).retiring[0].clone();
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
    let rotated = after([stored("1", Cause::First), stored("2", Cause::Rotate)]);
    let replaced = next(Some(&rotated), &later(60), stored("3", Cause::Replace));
    assert_eq!(dues(&replaced), [("1", at(60)), ("2", at(60))]);
    let again = next(Some(&rotated), &later(60), stored("3", Cause::Lost));
    assert_eq!(dues(&again), [("1", at(15 * 60)), ("2", at(60))]);
}

#[test]
fn tokens_that_share_a_login_name_are_told_apart_by_their_ids() {
    let shared = |id: &str, cause| match stored(id, cause) {
        Fact::TokenStored { token, portal, secret, errand, login, .. } => {
            let token = RecordedToken { username: "robot".into(), ..token };
            Fact::TokenStored { token, portal, secret, errand, login, after: None }
        }
        other => other,
    };
    let twice = after([shared("1", Cause::First), shared("2", Cause::Rotate), shared("3", Cause::Replace)]);
    assert_eq!(dues(&twice).iter().map(|due| due.0).collect::<Vec<_>>(), ["1", "2"], "both are still to be revoked");
    let one = Named { id: "1".into(), username: "robot".into() };
    let revoked = next(Some(&twice), &saying(), Fact::Revoked(vec![one]));
    assert_eq!(dues(&revoked).iter().map(|due| due.0).collect::<Vec<_>>(), ["2"]);
    let other = RetiringToken { username: "robot".into(), ..retiring("4", at(0)) };
    assert_eq!(next(Some(&revoked), &saying(), Fact::Retiring(other)).retiring.len(), 2);
}

#[test]
fn a_token_never_retires_from_itself() {
    let twice = after([stored("1", Cause::First), stored("1", Cause::Lost)]);
    assert!(twice.retiring.is_empty());
    let back = after([stored("1", Cause::First), Fact::Retiring(retiring("2", at(0))), stored("2", Cause::Lost)]);
    assert_eq!(dues(&back), [("1", at(0))], "one that is current again does not retire");
}

#[test]
fn what_is_revoked_is_known_by_id_and_name() {
    let portal = crate::domain::testing::portal();
    let saying = Saying { portal: Some(&portal), ..saying() };
    let status = on(&saying, [Fact::Retiring(retiring("1", at(0))), Fact::Retiring(retiring("2", at(0)))]);
    let another = Named { username: "another".into(), ..named("1") };
    assert_eq!(next(Some(&status), &saying, Fact::Revoked(vec![another])), status);
    assert_eq!(dues(&next(Some(&status), &saying, Fact::Revoked(vec![named("1")]))), [("2", at(0))]);
}

#[test]
fn a_status_of_another_object_is_void() {
    let foreign = on(&Saying { uid: "other", ..saying() }, [stored("1", Cause::First), Fact::DescriptionSynced]);
    let own = next(Some(&foreign), &saying(), stored("2", Cause::First));
    assert_eq!(own, after([stored("2", Cause::First)]), "nothing of it is taken over, least of all its tokens");
}

#[test]
fn the_same_fact_said_later_changes_nothing() {
    let whole_life = [
        stored("1", Cause::First),
        stored("2", Cause::Rotate),
        Fact::SecretInOrder(recorded_secret()),
        Fact::LoggedIn(Verdict::Accepted),
        Fact::LoggedIn(Verdict::Refused("no".into())),
        Fact::LoggedIn(Verdict::Unknown("down".into())),
        Fact::LoggedIn(Verdict::NotAsked),
        hindered(false, true),
        hindered(true, false),
        Fact::SecretLost("lost".into()),
        Fact::DescriptionSynced,
        Fact::DescriptionNotSynced(Reason::EditRefused, "no".into()),
        Fact::Retiring(retiring("9", at(5))),
        Fact::Revoked(vec![named("9")]),
    ];
    for mode in [LoginMode::Required, LoginMode::BestEffort, LoginMode::Disabled] {
        let saying = Saying { login: mode, rotation: Some(every(720, 15)), suspended: true, ..saying() };
        let later = Saying { now: at(999_999), ..saying.clone() };
        let mut status = RegistryTokenStatus::default();
        for fact in whole_life.clone() {
            status = next(Some(&status), &saying, fact.clone());
            assert_eq!(next(Some(&status), &later, fact.clone()), status, "{fact:?} under {mode:?}");
        }
    }
}

#[test]
fn a_transition_time_changes_with_its_status_alone() {
    let since = |status: &RegistryTokenStatus, kind| {
        conditions::find(&status.conditions, kind).map(|one| one.last_transition_time.0)
    };
    let first = after([hindered(false, false)]);
    let other = next(Some(&first), &later(10), Fact::SecretLost("another reason".into()));
    assert_eq!(since(&other, ConditionType::Ready), Some(at(0)), "still false, though for another reason");
    assert_ne!(first, other);
    let ready = next(Some(&other), &later(20), stored("1", Cause::First));
    assert_eq!(since(&ready, ConditionType::Ready), Some(at(20)));
    let later = next(Some(&ready), &Saying { generation: 2, ..later(30) }, Fact::SecretInOrder(recorded_secret()));
    assert_eq!(since(&later, ConditionType::Ready), Some(at(20)));
    let condition = conditions::find(&later.conditions, ConditionType::Ready).expect("a condition");
    assert_eq!(condition.observed_generation, Some(2));
}

#[test]
fn a_working_token_stays_ready_whatever_hinders() {
    for stalled in [false, true] {
        let status = after([stored("1", Cause::First), hindered(stalled, true)]);
        assert!(words(&status).contains(&"Ready=True".to_owned()));
        let status = after([stored("1", Cause::First), hindered(stalled, false)]);
        assert!(words(&status).contains(&"Ready=False".to_owned()));
    }
}

#[test]
fn progress_stands_alone_and_goes_when_ready() {
    let waiting = after([hindered(false, false)]);
    assert_eq!(words(&waiting), ["Ready=False", "Reconciling=True"]);
    let stuck = next(Some(&waiting), &saying(), hindered(true, false));
    assert_eq!(words(&stuck), ["Ready=False", "Stalled=True"]);
    let ready = next(Some(&stuck), &saying(), stored("1", Cause::First));
    assert!(!words(&ready).iter().any(|word| word.starts_with("Stalled") || word.starts_with("Reconciling")));
}

#[test]
fn suspension_shows_while_it_lasts() {
    let suspended = Saying { suspended: true, ..saying() };
    let status = next(None, &suspended, stored("1", Cause::First));
    assert!(words(&status).contains(&"Suspended=True".to_owned()) && words(&status).contains(&"Ready=True".to_owned()));
    let resumed = next(Some(&status), &saying(), Fact::DescriptionSynced);
    assert!(!words(&resumed).contains(&"Suspended=True".to_owned()));
}

#[test]
fn a_registry_that_is_down_takes_nothing_back_and_one_that_refuses_does() {
    let first = stored("1", Cause::First);
    let after_word = |verdict| words(&after([first.clone(), Fact::LoggedIn(verdict)]));
    let down = after_word(Verdict::Unknown("down".into()));
    assert!(down.contains(&"Ready=True".to_owned()) && down.contains(&"LoginVerified=Unknown".to_owned()), "{down:?}");
    let refused = after_word(Verdict::Refused("no".into()));
    assert!(refused.contains(&"Ready=False".to_owned()) && refused.contains(&"LoginVerified=False".to_owned()));
}

#[test]
fn a_secret_that_was_not_read_in_full_makes_nothing_ready() {
    let Fact::TokenStored { token, portal, mut secret, errand, login, .. } = stored("1", Cause::First) else {
        panic!()
    };
    secret.resource_version = None;
    let unread = after([Fact::TokenStored { token, portal, secret, errand, login, after: None }]);
    assert!(words(&unread).contains(&"Ready=False".to_owned()));
    let read = next(Some(&unread), &saying(), Fact::SecretInOrder(recorded_secret()));
    assert!(words(&read).contains(&"Ready=True".to_owned()));
}

#[test]
fn without_a_login_check_no_word_of_a_login_is_left() {
    let off = Saying { login: LoginMode::Disabled, ..saying() };
    let checked = after([stored("1", Cause::First)]);
    let status = next(Some(&checked), &off, Fact::SecretInOrder(recorded_secret()));
    assert_eq!(words(&status), ["DescriptionSynced=False", "Ready=True"]);
}

#[test]
fn where_the_registry_need_not_answer_it_holds_nothing_up() {
    let loose = Saying { login: LoginMode::BestEffort, ..saying() };
    let with = |verdict| words(&next(None, &loose, stored_with("1", Cause::First, verdict)));
    assert!(with(Verdict::Unknown("down".into())).contains(&"Ready=True".to_owned()));
    assert!(with(Verdict::Refused("no".into())).contains(&"Ready=False".to_owned()), "but a no is a no");
}

#[test]
fn what_a_token_handles_is_noted_with_it() {
    let with = |id: &str, handles: &[(&str, &str)]| {
        let Fact::TokenStored { token, portal, secret, login, .. } = stored(id, Cause::Rotate) else { panic!() };
        let errand = Errand { handles: crate::domain::testing::asked(handles), ..errand(Cause::Rotate) };
        Fact::TokenStored { token, portal, secret, errand, login, after: None }
    };
    let status = after([with("1", &[("rotate", "1"), ("replace", "a")]), with("2", &[("rotate", "2")])]);
    assert_eq!(status.handled_annotations, crate::domain::testing::asked(&[("replace", "a"), ("rotate", "2")]));
}

#[test]
fn a_revocation_by_somebody_else_is_remembered_beyond_the_next_token() {
    let revoked = |again| Fact::RevokedUpstream { fault: fault(Reason::RevokedUpstream), again };
    let first = after([stored("1", Cause::First)]);
    let gone = next(Some(&first), &later(50), revoked(false));
    assert_eq!(gone.upstream_revocation, Some(UpstreamRevocation { time: Time(at(50)), again: false }));
    assert!(words(&gone).contains(&"Ready=False".to_owned()));
    let mut new = token("2");
    new.request_time = Time(at(60));
    let Fact::TokenStored { portal, secret, errand, login, .. } = stored("2", Cause::RevokedUpstream) else { panic!() };
    let replaced =
        next(Some(&gone), &later(61), Fact::TokenStored { token: new, portal, secret, errand, login, after: None });
    assert_eq!(replaced.upstream_revocation, gone.upstream_revocation, "the next one is the second in a day");
    let kept = next(Some(&replaced), &later(70), Fact::SecretInOrder(recorded_secret()));
    assert_eq!(kept.upstream_revocation, gone.upstream_revocation);
    let wrong = next(Some(&gone), &later(70), Fact::SecretInOrder(recorded_secret()));
    assert_eq!(wrong.upstream_revocation, None, "it was there all the time");
}
