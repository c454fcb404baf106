use super::*;
use crate::api::Reason;
use crate::domain::model::conditions::ConditionStatus;

fn name(name: &str) -> ObjectName {
    name.parse().expect("a name")
}

fn named(names: &[&str]) -> Vec<ServiceAccountRef> {
    names.iter().map(|one| ServiceAccountRef { name: name(one) }).collect()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_900_000_000 + seconds).expect("a time")
}

fn account(version: &str, secrets: &[&str]) -> Account {
    Account {
        uid: "account-uid".to_owned(),
        resource_version: version.to_owned(),
        pull_secrets: secrets.iter().map(|name| (*name).to_owned()).collect(),
    }
}

fn found(version: &str, secrets: &[&str]) -> Reading {
    Reading::Found(account(version, secrets))
}

fn decide_at(record: &mut RecordedServiceAccount, reading: Reading, seconds: i64) -> Decision {
    decide(record, Wish::Named, reading, "pull", at(seconds))
}

fn synced() -> RecordedServiceAccount {
    RecordedServiceAccount {
        uid: Some("account-uid".to_owned()),
        resource_version: Some("5".to_owned()),
        ..new_record(name("ci"))
    }
}

fn written(decision: Decision) -> Vec<String> {
    match decision {
        Decision::Write(_, list) => list,
        other @ Decision::Done(_) => panic!("{other:?}"),
    }
}

#[test]
fn names_are_recorded_before_their_accounts_are_changed_and_kept_until_the_secret_is_removed() {
    let first = prepare(&named(&["default", "ci"]), &[]);
    assert_eq!(first, [new_record(name("default")), new_record(name("ci"))]);
    let next = prepare(&named(&["build"]), &first);
    let names: Vec<&str> = next.iter().map(|record| record.name.as_str()).collect();
    assert_eq!(names, ["default", "ci", "build"], "nothing is forgotten");
    assert_eq!(prepare(&named(&["ci", "build"]), &next), next);
}

#[test]
fn the_records_are_bounded() {
    let many: Vec<String> = (0..200).map(|number| format!("a{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(prepare(&named(&many), &[synced()]).len(), MAX_RECORDS);
}

#[test]
fn our_entry_is_added_last_and_foreign_entries_keep_their_order() {
    let mut record = new_record(name("ci"));
    let decision = decide_at(&mut record, found("5", &["b", "a", "b"]), 0);
    assert_eq!(written(decision), ["b", "a", "b", "pull"]);
    assert_eq!(record, new_record(name("ci")), "what was not written yet is not recorded");
    let state = after_write(&mut record, Wish::Named, account("6", &["b", "a", "b", "pull"]), "pull", at(0));
    assert_eq!((state, record.resource_version.as_deref()), (AccountState::Synced, Some("6")));
}

#[test]
fn an_entry_that_is_there_needs_no_write_wherever_it_is() {
    let mut record = new_record(name("ci"));
    assert_eq!(decide_at(&mut record, found("5", &["pull", "a"]), 0), Decision::Done(AccountState::Synced));
    assert_eq!(record, synced());
}

#[test]
fn an_account_at_the_recorded_version_is_not_read() {
    assert!(!must_read(&synced(), Wish::Named, false, at(0)));
    assert_eq!(known_state(&synced(), at(0)), AccountState::Synced);
    assert!(must_read(&synced(), Wish::Named, true, at(0)));
    assert!(must_read(&synced(), Wish::NotNamed, false, at(0)));
    assert!(must_read(&new_record(name("ci")), Wish::Named, false, at(0)));
}

#[test]
fn the_entry_is_removed_where_it_is_no_longer_wanted_and_others_stay() {
    let remove = |reading| decide(&mut synced(), Wish::NotNamed, reading, "pull", at(0));
    assert_eq!(written(remove(found("9", &["a", "pull", "b"]))), ["a", "b"]);
    assert!(written(remove(found("9", &["pull"]))).is_empty());
    assert_eq!(remove(found("9", &["a"])), Decision::Done(AccountState::Removed));
    assert_eq!(remove(Reading::NotFound), Decision::Done(AccountState::Removed));
    let rejected = remove(Reading::Rejected("no".to_owned()));
    assert_eq!(rejected, Decision::Done(AccountState::Rejected("no".to_owned())));
}

#[test]
fn an_account_that_is_created_again_gets_the_entry_at_once() {
    let mut record = synced();
    assert_eq!(decide_at(&mut record, Reading::NotFound, 0), Decision::Done(AccountState::NotFound));
    assert_eq!(record, new_record(name("ci")));
    let other = |uid: &str| Reading::Found(Account { uid: uid.to_owned(), ..account("9", &[]) });
    assert_eq!(written(decide_at(&mut record, other("u2"), 0)), ["pull"]);
    // Its deletion was not noticed.
    let mut record = synced();
    assert_eq!(written(decide_at(&mut record, other("u3"), 0)), ["pull"]);
}

/// Removes the entry from a synced account, and returns the delay of its addition.
fn taken_away(record: &mut RecordedServiceAccount, seconds: i64) -> Duration {
    match decide_at(record, found("100", &["a"]), seconds) {
        Decision::Done(AccountState::Overwritten(left)) => left,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_entry_that_is_taken_away_is_added_again_after_a_delay_that_doubles_up_to_an_hour() {
    let (mut record, mut seconds, mut delays) = (synced(), 0, vec![]);
    for _ in 0..12 {
        let left = taken_away(&mut record, seconds);
        delays.push(left.as_secs());
        // Further changes of the account neither count nor end the delay.
        assert_eq!(taken_away(&mut record, seconds + 4), left.checked_sub(Duration::from_secs(4)).expect("longer"));
        seconds += i64::try_from(left.as_secs()).expect("short");
        assert!(must_read(&record, Wish::Named, false, at(seconds)));
        assert_eq!(written(decide_at(&mut record, found("101", &["a"]), seconds)), ["a", "pull"]);
        let state = after_write(&mut record, Wish::Named, account("102", &["a", "pull"]), "pull", at(seconds));
        assert_eq!(state, AccountState::Synced);
        seconds += 600;
    }
    assert_eq!(delays, [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600, 3600]);
    // It was kept long enough.
    assert_eq!(taken_away(&mut record, seconds + 4 * 3600), Duration::from_secs(10));
}

#[test]
fn during_the_delay_nothing_is_read_unless_the_account_changes() {
    let mut record = synced();
    taken_away(&mut record, 0);
    assert!(!must_read(&record, Wish::Named, false, at(9)) && must_read(&record, Wish::Named, true, at(9)));
    assert_eq!(known_state(&record, at(9)), AccountState::Overwritten(Duration::from_secs(1)));
    // The other client added it itself.
    assert_eq!(decide_at(&mut record, found("101", &["pull"]), 9), Decision::Done(AccountState::Synced));
}

#[test]
fn a_time_in_the_future_delays_no_longer_than_the_delay() {
    let mut record = synced();
    taken_away(&mut record, 1_000_000);
    assert_eq!(known_state(&record, at(0)), AccountState::Overwritten(Duration::from_secs(10)));
    record.overwritten.as_mut().expect("there").count = i32::MAX;
    assert_eq!(known_state(&record, at(0)), AccountState::Overwritten(MAX_DELAY));
    record.overwritten.as_mut().expect("there").count = i32::MIN;
    assert_eq!(known_state(&record, at(0)), AccountState::Overwritten(INITIAL_DELAY));
}

#[test]
fn a_webhook_that_drops_the_entry_counts_as_a_client_that_takes_it_away() {
    let mut record = new_record(name("ci"));
    let state = after_write(&mut record, Wish::Named, account("6", &["a"]), "pull", at(0));
    assert_eq!(state, AccountState::Overwritten(Duration::from_secs(10)));
    let state = after_write(&mut record, Wish::NotNamed, account("6", &["pull"]), "pull", at(0));
    assert!(matches!(state, AccountState::Rejected(_)));
}

fn reported(names: &[&str], checked: Vec<(RecordedServiceAccount, AccountState)>) -> (Report, String) {
    let report = report(&named(names), checked);
    let text = report.condition.as_ref().map_or_else(String::new, |(value, reason, message)| {
        assert_eq!(*value == ConditionStatus::True, *reason == Reason::Synced);
        format!("{reason}: {message}")
    });
    (report, text)
}

#[test]
fn the_condition_is_present_only_while_accounts_are_named_or_left_to_clean() {
    assert_eq!(reported(&[], vec![]).0, Report { records: vec![], condition: None, retry_after: None });
    let (done, text) = reported(&[], vec![(synced(), AccountState::Removed)]);
    assert_eq!((done.records.len(), text.as_str()), (0, ""));
    let (left, text) = reported(&[], vec![(synced(), AccountState::Rejected("forbidden".to_owned()))]);
    assert_eq!((left.records.len(), left.retry_after), (1, Some(Duration::from_mins(10))));
    assert_eq!(text, r#"ServiceAccountRejected: the Secret cannot be removed from the ServiceAccount "ci": forbidden"#);
    assert_eq!(
        reported(&["ci"], vec![(synced(), AccountState::Synced)]).1,
        "Synced: the ServiceAccounts name the Secret"
    );
}

#[test]
fn the_condition_names_the_most_urgent_problem_first_and_the_next_retry() {
    let record = |one: &str| RecordedServiceAccount { name: name(one), ..synced() };
    let mut taken = record("taken");
    taken.overwritten = Some(OverwrittenServiceAccount {
        count: 3,
        time: Time(at(0)),
        manager: Some("kustomize-controller".to_owned()),
    });
    let (report, text) = reported(
        &["absent", "taken", "later"],
        vec![
            (record("absent"), AccountState::NotFound),
            (taken, AccountState::Overwritten(Duration::from_secs(40))),
            (record("gone"), AccountState::Unavailable("timeout".to_owned())),
        ],
    );
    assert!(
        text.starts_with("ServiceAccountOverwritten: the field manager \"kustomize-controller\" removed"),
        "{text}"
    );
    assert!(text.contains("\"taken\" (3 times in a row)") && text.contains("removed from the ServiceAccount \"gone\""));
    assert!(text.ends_with("that are not listed here: 1"), "{text}");
    assert_eq!((report.retry_after, report.records.len()), (Some(Duration::from_secs(20)), 3));
}

#[test]
fn nothing_is_added_before_the_secret_contains_a_token() {
    let (report, text) = reported(&["ci"], vec![]);
    assert!(report.records.is_empty() && text.starts_with("ServiceAccountsPending: "), "{text}");
}
