//! Decisions for an object whose token is stored.

use super::*;
use crate::api::{LoginCheck, Reason};
use crate::domain::model::cooldown::{COOLDOWN, Cooldown, Operation};
use crate::domain::model::hash::hash64;
use crate::domain::model::issuer::IssuerState;
use crate::domain::model::pull_secret::Ownership;
use crate::domain::model::token_mac::MacKeys;
use crate::domain::observed::UpstreamState;
use crate::domain::status::StatusEvent;
use crate::domain::test_support::{
    REQUESTED, RESPONSE_DEADLINE, apply, at, at_rest, at_rest_with, at_rest_with_secret, change_issuer, new_object,
    not_ready, now, problem, retiring, rotation_every,
};
use std::time::Duration;

fn reason(action: &Action) -> Option<(Reason, bool)> {
    match action {
        Action::Report(problem) | Action::ReportFor(_, problem) => Some((problem.reason, problem.terminal)),
        _ => None,
    }
}

#[test]
fn a_token_whose_login_was_not_accepted_yet_is_verified() {
    let unsaid = |mode, ready: bool| {
        at_rest_with(|observed| {
            change_issuer(observed, |issuer| issuer.login_check = mode);
            let status = observed.object.status.as_mut().expect("a status");
            status.conditions.retain(|one| one.type_ != "LoginVerified" && (ready || one.type_ != "Ready"));
        })
    };
    for ready in [false, true] {
        assert_eq!(decide(&unsaid(LoginCheck::Required, ready)), Action::VerifyLogin);
        assert_eq!(decide(&unsaid(LoginCheck::BestEffort, ready)), Action::VerifyLogin);
    }
    assert_eq!(decide(&unsaid(LoginCheck::Disabled, true)), Action::Idle);
    assert_eq!(decide(&unsaid(LoginCheck::Disabled, false)), Action::InspectSecret);
    let mut busy = unsaid(LoginCheck::BestEffort, true);
    apply(&mut busy, StatusEvent::TokenRetiring(retiring("12", now())));
    assert_eq!(decide(&busy), Action::RevokeRetiring, "an optional registry does not block");
}

#[test]
fn a_token_that_is_missing_from_a_conclusive_list_is_verified_at_the_registry() {
    let missing = |begun| at_rest_with(|observed| observed.upstream = UpstreamState::Absent(begun));
    let longest = i64::try_from(RESPONSE_DEADLINE.as_secs()).expect("seconds");
    assert_eq!(decide(&missing(at(REQUESTED + longest))), Action::ConfirmRevocation);
    assert_eq!(decide(&missing(at(REQUESTED + longest - 1))), Action::Idle, "it may lag");
    let mut another = missing(now());
    change_issuer(&mut another, |issuer| issuer.portal.user = "another".into());
    assert_eq!(decide(&another), Action::Idle, "another user may see less");
}

#[test]
fn without_a_list_a_rejected_login_is_verified_again() {
    let hidden = |listed, login| {
        at_rest_with(|observed| {
            observed.upstream = listed;
            change_issuer(observed, |issuer| (issuer.list_visible, issuer.login_check) = (false, login));
        })
    };
    let longest = i64::try_from(RESPONSE_DEADLINE.as_secs()).expect("seconds");
    let ago = |seconds: i64| UpstreamState::Absent(at(3600 - seconds));
    assert_eq!(decide(&hidden(ago(longest), LoginCheck::Required)), Action::ConfirmRevocation);
    let soon = decide(&hidden(ago(longest - 5), LoginCheck::Required));
    assert_eq!(soon, Action::IdleFor(Duration::from_secs(5)), "it may have failed temporarily");
    assert_eq!(decide(&hidden(ago(longest), LoginCheck::Disabled)), Action::Idle, "this cannot be determined now");
    let mut another = hidden(ago(longest), LoginCheck::Required);
    change_issuer(&mut another, |issuer| issuer.portal.user = "another".into());
    assert_eq!(decide(&another), Action::ConfirmRevocation, "a login does not depend on the portal user");
    assert_eq!(decide(&hidden(UpstreamState::LoginAccepted, LoginCheck::Required)), Action::Idle);
    let back = at_rest_with(|observed| {
        apply(observed, StatusEvent::RevokedUpstream { problem: problem(Reason::RevokedUpstream), again: false });
        observed.object.reissue_revoked = false;
        observed.upstream = UpstreamState::LoginAccepted;
    });
    assert_eq!(decide(&back), Action::InspectSecret, "it counted as revoked, and logs in");
}

#[test]
fn an_unrepairable_secret_hides_no_revoked_token() {
    let immutable = |listed| {
        at_rest_with(|observed| {
            observed.secret.as_mut().expect("a Secret").resource_version = "6".into();
            observed.cooldowns = vec![Cooldown::new(
                Operation::InspectSecret,
                crate::domain::model::problem::messages::secret_immutable(),
            )];
            observed.upstream = listed;
        })
    };
    assert!(matches!(decide(&immutable(UpstreamState::Unknown)), Action::ReportFor(..)));
    assert_eq!(decide(&immutable(UpstreamState::Absent(now()))), Action::ConfirmRevocation);
    let mut changed = immutable(UpstreamState::Absent(now()));
    changed.cooldowns = vec![];
    assert_eq!(decide(&changed), Action::InspectSecret, "what can be repaired is inspected first");
}

#[test]
fn a_retiring_token_is_revoked_when_it_is_due_and_not_before() {
    let due = |seconds: i64| {
        at_rest_with(|observed| apply(observed, StatusEvent::TokenRetiring(retiring("12", at(3600 + seconds)))))
    };
    assert_eq!(decide(&due(0)), Action::RevokeRetiring);
    assert_eq!(decide(&due(90)), Action::IdleFor(Duration::from_secs(90)));
    let mut suspended = due(0);
    suspended.object.suspended = true;
    apply(&mut suspended, StatusEvent::SecretInspected(crate::domain::test_support::recorded_secret(), None));
    assert_eq!(decide(&suspended), Action::RevokeRetiring, "cleanup continues");
}

#[test]
fn an_edited_description_is_synced_and_a_rejected_one_is_left() {
    let with = |event| at_rest_with(|observed| apply(observed, event));
    let edited = at_rest_with(|observed| {
        observed.object.generation = 2;
        apply(observed, StatusEvent::SecretInspected(crate::domain::test_support::recorded_secret(), None));
    });
    assert_eq!(decide(&edited), Action::SyncDescription);
    let not_kept = with(StatusEvent::DescriptionNotSynced(Reason::DescriptionAltered, String::new()));
    assert_eq!(decide(&not_kept), Action::Idle);
    let mut rejected = with(StatusEvent::DescriptionNotSynced(Reason::DescriptionRejected, String::new()));
    assert_eq!(decide(&rejected), Action::IdleFor(COOLDOWN), "a restart repeats none at once");
    rejected.edit_retry_after = Some(Duration::from_secs(9));
    assert_eq!(decide(&rejected), Action::IdleFor(Duration::from_secs(9)));
    rejected.edit_retry_after = Some(Duration::ZERO);
    assert_eq!(decide(&rejected), Action::SyncDescription, "what the portal rejects it may accept later");
    rejected.object.suspended = true;
    apply(&mut rejected, StatusEvent::TimestampsClamped);
    assert_eq!(decide(&rejected), Action::Idle);
    assert_eq!(
        decide(&with(StatusEvent::DescriptionNotSynced(Reason::DescriptionPending, String::new()))),
        Action::SyncDescription
    );
    let suspended = at_rest_with(|observed| {
        observed.object.suspended = true;
        apply(observed, StatusEvent::DescriptionNotSynced(Reason::DescriptionPending, String::new()));
    });
    assert_eq!(decide(&suspended), Action::Idle, "a suspended object is not edited");
}

#[test]
fn a_description_that_another_user_changed_in_the_portal_is_restored() {
    let shown = |text: &str| at_rest_with(|observed| observed.upstream = UpstreamState::Present(hash64(text)));
    assert_eq!(decide(&shown("prod")), Action::Idle);
    assert_eq!(decide(&shown("mine now")), Action::SyncDescription);
    let mut permanent = shown("prod");
    change_issuer(&mut permanent, |issuer| issuer.keep_marker = true);
    assert_eq!(decide(&permanent), Action::SyncDescription, "a permanent marker belongs to the text");
}

#[test]
fn a_suspended_object_requests_nothing() {
    let mut observed = new_object();
    observed.object.suspended = true;
    assert_eq!(reason(&decide(&observed)), Some((Reason::Suspended, false)));
    let due = at_rest_with(|observed| {
        observed.object.suspended = true;
        observed.object.rotation = Some(rotation_every(1, 5));
        apply(observed, StatusEvent::DescriptionSynced);
    });
    assert_eq!(decide(&due), Action::Idle);
}

#[test]
fn an_edit_during_an_outage_is_reported_once_and_the_object_stays_ready() {
    use crate::domain::model::status_view::StatusView;
    let edits: [fn(&mut crate::domain::model::object::Object); 2] =
        [|object| object.generation = 2, |object| (object.generation, object.suspended) = (2, true)];
    for edit in edits {
        for issuer in [not_ready(), IssuerState::Missing] {
            let mut world = crate::domain::test_support::World::of(at_rest_with(|observed| edit(&mut observed.object)));
            world.observed.issuer = issuer;
            world.pass();
            assert_eq!(world.labels, ["status"]);
            let status = StatusView::of(&world.observed.object);
            assert_eq!((status.ready, status.has_problem, status.observed_generation), (true, true, Some(2)));
            assert_eq!(status.suspended, world.observed.object.suspended);
            assert_eq!(decide(&world.observed), Action::Idle);
            world.observed.issuer = at_rest().issuer;
            assert_eq!(decide(&world.observed), Action::InspectSecret, "the edit continues when it is over");
        }
    }
}

#[test]
fn an_edit_that_the_portal_altered_is_left_and_a_colleagues_edit_is_not() {
    let shown = |kept: Option<&str>, shown: &str| {
        at_rest_with(|observed| {
            apply(observed, StatusEvent::DescriptionNotSynced(Reason::DescriptionAltered, String::new()));
            (observed.normalized_description, observed.upstream) =
                (kept.map(hash64), UpstreamState::Present(hash64(shown)));
        })
    };
    assert_eq!(decide(&shown(Some("pro"), "pro")), Action::Idle);
    assert_eq!(decide(&shown(Some("pro"), "mine now")), Action::SyncDescription);
    assert_eq!(decide(&shown(None, "mine now")), Action::Idle, "after a restart it is unknown");
}

#[test]
fn adoption_is_not_suggested_for_a_secret_with_a_controller() {
    let message = |controlled| {
        let observed =
            at_rest_with_secret(|secret| (secret.ownership, secret.has_controller) = (Ownership::Foreign, controlled));
        format!("{:?}", decide(&observed))
    };
    assert!(message(false).contains("adopt=true") && !message(true).contains("adopt=true"));
}

#[test]
fn a_token_whose_key_is_lost_still_lets_pods_pull() {
    let mut observed = at_rest();
    observed.object.keys = MacKeys::new(&[9; 32], [], observed.now).expect("a key");
    let status = StatusView::of(&observed.object);
    assert!(status.token.is_none() && pods_can_pull(&observed, &status));
}

#[test]
fn a_recreated_secret_does_not_count_as_valid_before_it_is_read() {
    let pulls = |observed: &Observed| pods_can_pull(observed, &StatusView::of(&observed.object));
    assert!(pulls(&at_rest()));
    let recreated =
        at_rest_with_secret(|secret| (secret.uid, secret.resource_version) = ("another".into(), "9".into()));
    assert!(!pulls(&recreated), "its metadata may be a copy, its type another");
    assert_eq!(decide(&recreated), Action::InspectSecret);
}
