//! The login audit, which replaces a list.

use super::*;
use crate::domain::model::status_view::StatusView;
use crate::domain::observed::Observed;
use crate::domain::status::StatusEvent;
use crate::domain::test_support::{REQUESTED, RESPONSE_DEADLINE, apply, at, at_rest_with, token_ref};

fn refused() -> LoginResult {
    LoginResult::Rejected("401".into())
}

fn unknown() -> LoginResult {
    LoginResult::Unknown("down".into())
}

/// A login audit with this many rejected tokens.
fn recorded_audit(missing: usize, of: usize) -> LoginAudit {
    let mut heard = LoginAudit::new(at(1000), None);
    for id in 0..of {
        let login_result = if id < missing { refused() } else { LoginResult::Accepted };
        heard.record(&token_ref(&id.to_string()), &login_result);
    }
    heard
}

#[test]
fn a_token_whose_login_was_accepted_before_is_verified_and_no_other() {
    let asked = |begun: i64, change: fn(&mut Observed)| {
        let status = StatusView::of(&at_rest_with(change).object);
        LoginAudit::new(at(begun), None).target(&status, RESPONSE_DEADLINE)
    };
    let longest = i64::try_from(RESPONSE_DEADLINE.as_secs()).expect("seconds");
    assert_eq!(asked(REQUESTED + longest, |_| {}), Some(token_ref("17")));
    assert_eq!(asked(REQUESTED + longest - 1, |_| {}), None, "a registry may lag");
    let never_let_in = |observed: &mut Observed| apply(observed, StatusEvent::LoginChecked(refused()));
    assert_eq!(asked(1000, never_let_in), None, "its rejection is not conclusive");
    assert_eq!(asked(1000, |observed| observed.object.status = None), None);
}

#[test]
fn what_is_rejected_is_absent_and_what_is_accepted_is_not() {
    let heard = recorded_audit(1, 2);
    assert_eq!(heard.upstream_state(&token_ref("0"), true), UpstreamState::Absent(at(1000)));
    assert_eq!(heard.upstream_state(&token_ref("1"), true), UpstreamState::LoginAccepted);
    assert_eq!(heard.upstream_state(&token_ref("7"), true), UpstreamState::Unknown, "not verified");
    assert_eq!(
        heard.upstream_state(&token_ref("0"), false),
        UpstreamState::Unknown,
        "this many at once are implausible"
    );
}

#[test]
fn tokens_that_share_a_login_name_are_told_apart_by_their_ids() {
    let shared = |id: &str| TokenRef { id: id.into(), username: "robot".into() };
    let mut heard = LoginAudit::new(at(1000), None);
    heard.record(&shared("1"), &refused());
    heard.record(&shared("2"), &LoginResult::Accepted);
    assert_eq!(heard.upstream_state(&shared("1"), true), UpstreamState::Absent(at(1000)));
    assert_eq!(heard.upstream_state(&shared("2"), true), UpstreamState::LoginAccepted);
}

#[test]
fn a_token_that_is_rejected_again_is_rejected_since_the_first_time() {
    let first = recorded_audit(1, 2);
    let mut second = LoginAudit::new(at(2000), Some(&first));
    for (id, login_result) in [("0", refused()), ("1", refused())] {
        second.record(&token_ref(id), &login_result);
    }
    assert_eq!(second.upstream_state(&token_ref("0"), true), UpstreamState::Absent(at(1000)));
    assert_eq!(second.upstream_state(&token_ref("1"), true), UpstreamState::Absent(at(2000)));
    let mut third = LoginAudit::new(at(3000), Some(&second));
    third.record(&token_ref("0"), &LoginResult::Accepted);
    let mut fourth = LoginAudit::new(at(4000), Some(&third));
    fourth.record(&token_ref("0"), &refused());
    assert_eq!(
        fourth.upstream_state(&token_ref("0"), true),
        UpstreamState::Absent(at(4000)),
        "it was accepted in between"
    );
}

#[test]
fn rejecting_every_login_is_implausible_and_rejecting_a_few_is_plausible() {
    assert_eq!(
        recorded_audit(11, 100).missing_tokens(10),
        MissingTokens { missing: 11, expected: 100, plausible: false, only_implausible_namespace: None }
    );
    assert!(recorded_audit(10, 100).missing_tokens(10).plausible);
    assert!(recorded_audit(4, 5).missing_tokens(10).plausible);
    assert!(recorded_audit(1, 1).missing_tokens(10).plausible);
    for all in [2, 4, 5, 100] {
        assert!(!recorded_audit(all, all).missing_tokens(99).plausible, "it refuses everybody");
        assert!(recorded_audit(all, all).missing_tokens(100).plausible, "unless the user considers that plausible");
    }
}

#[test]
fn inconclusive_results_are_not_counted() {
    let mut heard = recorded_audit(0, 3);
    heard.record(&token_ref("8"), &LoginResult::NotChecked);
    heard.record(&token_ref("9"), &unknown());
    assert_eq!(
        heard.missing_tokens(10),
        MissingTokens { missing: 0, expected: 3, plausible: true, only_implausible_namespace: None }
    );
    assert_eq!(heard.upstream_state(&token_ref("9"), true), UpstreamState::Unknown);
}

#[test]
fn a_registry_that_is_down_is_not_asked_ten_thousand_times() {
    let mut heard = LoginAudit::new(at(1000), None);
    for login_result in [unknown(), unknown(), LoginResult::Accepted, unknown(), unknown()] {
        heard.record(&token_ref("1"), &login_result);
        assert!(heard.should_continue(), "a result in between resets the count");
    }
    heard.record(&token_ref("1"), &unknown());
    assert!(!heard.should_continue());
    heard.mark_complete();
    assert!(!heard.is_complete(), "the audit continues as soon as possible");
}

#[test]
fn an_interrupted_audit_continues() {
    let mut call = recorded_audit(0, 3);
    assert!(!AuditEvidence::LoginAudit(call.clone()).is_complete());
    call.mark_complete();
    assert!(AuditEvidence::LoginAudit(call).is_complete());
}

#[test]
fn only_a_list_shows_unknown_tokens() {
    let call = AuditEvidence::LoginAudit(recorded_audit(0, 3));
    assert_eq!((call.is_inventory(), call.token_count(), call.started_at()), (false, None, at(1000)));
    assert_eq!(call.upstream_state(&token_ref("1"), true), UpstreamState::LoginAccepted);
    let list = crate::domain::audit::inventory::Inventory::new(at(5), "k8s".into(), crate::domain::test_support::tag());
    let list = AuditEvidence::Inventory(list);
    assert_eq!((list.is_inventory(), list.token_count(), list.started_at()), (true, Some(0), at(5)));
    assert_eq!(list.upstream_state(&token_ref("1"), true), UpstreamState::Absent(at(5)));
}
