use super::*;
use crate::domain::decide::{Action, decide};
use crate::domain::model::login_result::LoginResult;
use crate::domain::model::status_view::StatusView;
use crate::domain::model::token_mac::MacKeys;
use crate::domain::pass::PassResult;
use crate::domain::status::StatusEvent;
use crate::domain::test_support::{
    World, at, at_rest, at_rest_with, deleting, login_content, retiring, row, token_ref,
};

/// A status that another user wrote: its retiring token does not belong to this object and has been due for a long
/// time.
fn forged() -> crate::domain::observed::Observed {
    at_rest_with(|observed| {
        let status = observed.object.status.as_mut().expect("a status");
        status.retiring.push(RetiringToken {
            mac: status.token.as_ref().and_then(|token| token.mac.clone()),
            ..retiring("12", at(0))
        });
    })
}

#[test]
fn an_unverified_retiring_token_is_reported_and_neither_revoked_nor_forgotten() {
    let mut world = World::of(forged());
    assert!(matches!(world.pass(), PassResult::RequeueAfter(_)));
    assert_eq!(world.labels, ["status"], "reported once, without a call to the portal");
    let conditions = &world.observed.object.status.as_ref().expect("a status").conditions;
    let said = conditions.iter().find(|one| one.type_ == "Stalled").expect("it is said");
    assert!(
        said.reason == "TokenUnverified" && said.message.contains("registry-token.dev/confirmed-revoked=12"),
        "{said:?}"
    );
    assert!(StatusView::of(&world.observed.object).ready, "pods can pull");
    let mut again = World::of(world.observed);
    assert!(matches!(again.pass(), PassResult::RequeueAfter(_)));
    assert!(again.labels.is_empty(), "{:?}", again.labels);
}

#[test]
fn an_unverified_retiring_token_is_forgotten_when_its_user_confirms_the_revocation() {
    let mut observed = forged();
    observed.object.confirmed_revoked = vec!["12".into()];
    assert_eq!(decide(&observed), Action::ForgetConfirmedTokens);
    let mut world = World::of(observed);
    let _ = world.pass();
    assert!(StatusView::of(&world.observed.object).unverified.retiring.is_empty());
    assert!(!world.labels.iter().any(|word| word.contains("revoke")), "{:?}", world.labels);
}

#[test]
fn a_current_token_moved_among_the_retiring_ones_is_not_revoked() {
    let mut observed = at_rest();
    let status = observed.object.status.as_mut().expect("a status");
    let mac = status.token.take().and_then(|token| token.mac);
    status.retiring.push(RetiringToken { mac, ..retiring("17", at(0)) });
    let mut world = World::of(observed).listing(&[row("17", "prod")]);
    world.content = login_content("tw-17");
    let _ = world.pass();
    assert_eq!(
        StatusView::of(&world.observed.object).token.map(|token| token.id),
        Some("17".to_owned()),
        "{:?}",
        world.labels
    );
    assert!(!world.labels.iter().any(|word| word.contains("revoke") || word == "token"), "{:?}", world.labels);
}

#[test]
fn an_object_with_only_forged_tokens_is_removed_without_revoking_them() {
    let mut observed = deleting(forged());
    observed.secret = None;
    let status = observed.object.status.as_mut().expect("a status");
    status.token = None;
    assert_eq!(decide(&observed), Action::RemoveFinalizer);
}

#[test]
fn an_object_older_than_the_key_stays_until_its_user_confirms_the_revocation() {
    let mut observed = deleting(forged());
    observed.object.keys = MacKeys::new(&[9; 32], [], at(4000)).expect("keys");
    (observed.secret, observed.object.status.as_mut().expect("a status").token) = (None, None);
    let Action::Report(problem) = decide(&observed) else { panic!("{:?}", decide(&observed)) };
    assert_eq!((problem.reason, problem.terminal), (Reason::TokenUnverified, true));
    let orphan = {
        let mut observed = observed.clone();
        observed.object.revoke_on_deletion = false;
        observed
    };
    assert_eq!(decide(&orphan), Action::RemoveFinalizer);
    observed.object.confirmed_revoked = vec!["12".into()];
    assert_eq!(decide(&observed), Action::RemoveFinalizer);
}

#[test]
fn without_tokens_there_is_no_problem() {
    assert!(unverified_problem(&[]).is_none());
    let problem = unverified_problem(&[token_ref("1"), token_ref("2")]).expect("a fault");
    assert!(problem.message.contains("registry-token.dev/confirmed-revoked=1,2"), "{}", problem.message);
}

#[test]
fn an_object_whose_login_is_rejected_too_is_written_once_and_not_at_each_pass() {
    let mut observed = forged();
    crate::domain::test_support::change_issuer(&mut observed, |issuer| {
        issuer.login_check = crate::api::LoginCheck::BestEffort;
    });
    crate::domain::test_support::apply(&mut observed, StatusEvent::LoginChecked(LoginResult::Rejected("no".into())));
    let mut world = World::of(observed).with_login_result(LoginResult::Rejected("no".into()));
    let _ = world.pass();
    let conditions = world.observed.object.status.clone().expect("a status").conditions;
    let ready = conditions.iter().find(|one| one.type_ == "Ready").expect("it is said");
    assert!(ready.reason == "LoginRejected" && ready.message.contains("Also: "), "{ready:?}");
    let mut again = World::of(world.observed).with_login_result(LoginResult::Rejected("no".into()));
    let _ = again.pass();
    assert!(
        again.labels.contains(&"log in".to_owned()) && !again.labels.contains(&"status".to_owned()),
        "{:?}",
        again.labels
    );
}
