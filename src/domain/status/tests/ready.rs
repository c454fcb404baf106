use super::*;
use crate::domain::model::conditions;

#[test]
fn a_transition_time_changes_with_its_status_alone() {
    let since = |status: &RegistryTokenStatus, kind| {
        conditions::find(&status.conditions, kind).map(|one| one.last_transition_time.0)
    };
    let first = after([problem_found(false, false)]);
    let other = next_status(Some(&first), &later(10), StatusEvent::SecretLost("another reason".into()));
    assert_eq!(since(&other, ConditionType::Ready), Some(at(0)), "still false, though for another reason");
    assert_ne!(first, other);
    let ready = next_status(Some(&other), &later(20), token_stored("1", Cause::First));
    assert_eq!(since(&ready, ConditionType::Ready), Some(at(20)));
    let later = next_status(
        Some(&ready),
        &StatusContext { generation: 2, ..later(30) },
        StatusEvent::SecretInspected(recorded_secret(), None),
    );
    assert_eq!(since(&later, ConditionType::Ready), Some(at(20)));
    let condition = conditions::find(&later.conditions, ConditionType::Ready).expect("a condition");
    assert_eq!(condition.observed_generation, Some(2));
}

#[test]
fn a_working_token_stays_ready_whatever_the_problem() {
    for terminal in [false, true] {
        let status = after([token_stored("1", Cause::First), problem_found(terminal, true)]);
        assert!(condition_labels(&status).contains(&"Ready=True".to_owned()));
        let status = after([token_stored("1", Cause::First), problem_found(terminal, false)]);
        assert!(condition_labels(&status).contains(&"Ready=False".to_owned()));
    }
}

#[test]
fn there_is_one_progress_condition_at_most_and_none_when_ready() {
    let waiting = after([problem_found(false, false)]);
    assert_eq!(condition_labels(&waiting), ["Ready=False", "Reconciling=True"]);
    let stuck = next_status(Some(&waiting), &context(), problem_found(true, false));
    assert_eq!(condition_labels(&stuck), ["Ready=False", "Stalled=True"]);
    let ready = next_status(Some(&stuck), &context(), token_stored("1", Cause::First));
    assert!(
        !condition_labels(&ready).iter().any(|word| word.starts_with("Stalled") || word.starts_with("Reconciling"))
    );
}

#[test]
fn suspension_shows_while_it_lasts() {
    let suspended = StatusContext { suspended: true, ..context() };
    let status = next_status(None, &suspended, token_stored("1", Cause::First));
    assert!(
        condition_labels(&status).contains(&"Suspended=True".to_owned())
            && condition_labels(&status).contains(&"Ready=True".to_owned())
    );
    let resumed = next_status(Some(&status), &context(), StatusEvent::DescriptionSynced);
    assert!(!condition_labels(&resumed).contains(&"Suspended=True".to_owned()));
}

#[test]
fn an_unavailable_registry_does_not_clear_ready_and_a_rejection_does() {
    let first = token_stored("1", Cause::First);
    let after_word = |login_result| condition_labels(&after([first.clone(), StatusEvent::LoginChecked(login_result)]));
    let down = after_word(LoginResult::Unknown("down".into()));
    assert!(down.contains(&"Ready=True".to_owned()) && down.contains(&"LoginVerified=Unknown".to_owned()), "{down:?}");
    let refused = after_word(LoginResult::Rejected("no".into()));
    assert!(refused.contains(&"Ready=False".to_owned()) && refused.contains(&"LoginVerified=False".to_owned()));
}

#[test]
fn a_secret_that_was_not_read_in_full_makes_nothing_ready() {
    let StatusEvent::TokenStored { token, portal, mut secret, request_cause, login_result: login, .. } =
        token_stored("1", Cause::First)
    else {
        panic!()
    };
    secret.resource_version = None;
    let unread = after([StatusEvent::TokenStored {
        token,
        portal,
        secret,
        request_cause,
        login_result: login,
        previous_id: None,
    }]);
    assert!(condition_labels(&unread).contains(&"Ready=False".to_owned()));
    let read = next_status(Some(&unread), &context(), StatusEvent::SecretInspected(recorded_secret(), None));
    assert!(condition_labels(&read).contains(&"Ready=True".to_owned()));
}

#[test]
fn without_a_login_check_there_is_no_login_condition() {
    let off = StatusContext { login_check: LoginCheck::Disabled, ..context() };
    let checked = after([token_stored("1", Cause::First)]);
    let status = next_status(Some(&checked), &off, StatusEvent::SecretInspected(recorded_secret(), None));
    assert_eq!(condition_labels(&status), ["DescriptionSynced=False", "Ready=True"]);
}

#[test]
fn with_best_effort_an_unknown_login_blocks_nothing() {
    let loose = StatusContext { login_check: LoginCheck::BestEffort, ..context() };
    let with =
        |login_result| condition_labels(&next_status(None, &loose, token_stored_with("1", Cause::First, login_result)));
    assert!(with(LoginResult::Unknown("down".into())).contains(&"Ready=True".to_owned()));
    assert!(with(LoginResult::Rejected("no".into())).contains(&"Ready=False".to_owned()), "but a rejection counts");
}
