use super::*;
use crate::api::Reason;
use crate::domain::model::cooldown::Cooldown;
use crate::domain::model::cooldown::Operation;
use crate::domain::model::issuer::IssuerState;
use crate::domain::model::marker::MARKER_LENGTH;
use crate::domain::model::object::Object;
use crate::domain::model::problem::messages::outcome_unknown;
use crate::domain::model::pull_secret::Ownership;
use crate::domain::model::request_cause::Cause;
use crate::domain::status::StatusEvent;
use crate::domain::test_support::{
    IDENTITY, apply, at, at_rest, at_rest_with, at_rest_with_issuer, at_rest_with_secret, change_issuer, empty_secret,
    new_object, not_ready, problem, request_cause, reservation, retiring, token_stored,
};
use std::time::Duration;

/// The reason for waiting, and whether manual action is required.
fn reason(action: &Action) -> Option<(Reason, bool)> {
    match action {
        Action::Report(problem) | Action::ReportFor(_, problem) => Some((problem.reason, problem.terminal)),
        _ => None,
    }
}

fn first() -> Action {
    Action::RequestToken(request_cause(Cause::First))
}

fn lost() -> Action {
    Action::RequestToken(request_cause(Cause::Lost))
}

#[test]
fn nothing_is_done_at_rest() {
    assert_eq!(decide(&at_rest()), Action::Idle);
}

#[test]
fn the_issuer_is_protected_before_the_object_and_the_object_before_the_first_request() {
    let mut observed = new_object();
    observed.object.has_finalizer = false;
    change_issuer(&mut observed, |issuer| issuer.has_finalizer = false);
    assert_eq!(decide(&observed), Action::ProtectIssuer);
    change_issuer(&mut observed, |issuer| issuer.has_finalizer = true);
    assert_eq!(decide(&observed), Action::AddFinalizer);
    observed.object.has_finalizer = true;
    assert_eq!(decide(&observed), first());
    change_issuer(&mut observed, |issuer| issuer.has_finalizer = false);
    assert_eq!(decide(&observed), Action::ProtectIssuer, "an object may be created with the finalizer");
}

#[test]
fn what_prevents_an_attempt_prevents_the_finalizer_too() {
    let bare = || {
        let mut observed = new_object();
        observed.object.has_finalizer = false;
        observed
    };
    let mut suspended = bare();
    suspended.object.suspended = true;
    let mut going = bare();
    change_issuer(&mut going, |issuer| (issuer.deleting, issuer.has_finalizer) = (true, false));
    let mut long = bare();
    change_issuer(&mut long, |issuer| issuer.max_description_chars = Some(MARKER_LENGTH + 3));
    let mut limited = bare();
    limited.object.projects = vec!["a".to_owned()];
    for (observed, why) in [
        (limited, (Reason::ScopeNotAllowed, true)),
        (suspended, (Reason::Suspended, false)),
        (going, (Reason::IssuerDeleting, true)),
        (long, (Reason::DescriptionTooLong, true)),
    ] {
        assert_eq!(reason(&decide(&observed)), Some(why));
        let with_finalizer = Observed {
            object: crate::domain::model::object::Object { has_finalizer: true, ..observed.object },
            ..observed
        };
        assert_eq!(reason(&decide(&with_finalizer)), Some(why), "nor is a pass started that has it");
    }
}

#[test]
fn a_description_that_is_too_long_with_its_marker_reports_the_limit() {
    let mut observed = new_object();
    change_issuer(&mut observed, |issuer| issuer.max_description_chars = Some(MARKER_LENGTH + 3));
    assert!(format!("{:?}", decide(&observed)).contains("shorten it to 3"));
    change_issuer(&mut observed, |issuer| issuer.max_description_chars = Some(MARKER_LENGTH + 4));
    assert_eq!(decide(&observed), first(), "\"prod\" just fits");
}

#[test]
fn only_writes_guarded_by_a_version_may_start_from_a_cache() {
    for action in [
        first(),
        Action::RemoveFinalizer,
        Action::RestoreOwnership,
        Action::Recover,
        Action::Adopt,
        Action::InspectSecret,
        Action::VerifyLogin,
        Action::ConfirmRevocation,
        Action::RevokeRetiring,
        Action::SyncDescription,
        Action::Finalize,
    ] {
        assert!(!action.may_use_cache(), "{action:?}");
    }
    assert!(Action::AddFinalizer.may_use_cache() && Action::RestoreFinalizer.may_use_cache());
}

#[test]
fn without_its_issuer_a_new_object_waits_and_reports_why() {
    let missing = Observed { issuer: IssuerState::Missing, ..new_object() };
    assert_eq!(reason(&decide(&missing)), Some((Reason::IssuerNotFound, true)));
    let action = decide(&Observed { issuer: not_ready(), ..new_object() });
    assert_eq!(reason(&action), Some((Reason::IssuerNotReady, true)), "a user writes another password");
    assert!(format!("{action:?}").contains("Unauthorized"));
    assert_eq!(
        decide(&Observed { issuer: IssuerState::Unknown, ..new_object() }),
        Action::Idle,
        "the issuer is not known yet"
    );
}

#[test]
fn an_issuer_that_fails_costs_a_working_object_no_write() {
    for issuer in [not_ready(), IssuerState::Missing, IssuerState::Unknown] {
        assert_eq!(decide(&Observed { issuer: issuer.clone(), ..at_rest() }), Action::Idle);
        let lost = at_rest_with(|observed| (observed.issuer, observed.secret) = (issuer, None));
        assert_ne!(reason(&decide(&lost)).is_some(), lost.issuer == IssuerState::Unknown, "this object does not work");
    }
}

#[test]
fn a_deleted_issuer_gets_no_new_request_and_costs_a_working_object_nothing() {
    let going = |observed: &mut Observed| change_issuer(observed, |issuer| issuer.deleting = true);
    let mut observed = new_object();
    going(&mut observed);
    assert_eq!(reason(&decide(&observed)), Some((Reason::IssuerDeleting, true)));
    assert_eq!(decide(&at_rest_with(going)), Action::Idle);
}

#[test]
fn a_moved_portal_is_not_acted_on() {
    let moved = |change: fn(&mut crate::api::RecordedPortal)| at_rest_with_issuer(|issuer| change(&mut issuer.portal));
    for mut observed in [moved(|portal| portal.url = "https://q".into()), moved(|portal| portal.scope = "x".into())] {
        assert_eq!(decide(&observed), Action::Idle, "pods can pull, and the failing issuer reports it for all objects");
        observed.secret = None;
        assert_eq!(reason(&decide(&observed)), Some((Reason::PortalChanged, true)), "nor is a lost token replaced");
    }
    assert_eq!(decide(&moved(|portal| portal.user = "another".into())), Action::Idle, "another user changes nothing");
}

#[test]
fn a_foreign_secret_is_left_alone() {
    let foreign = at_rest_with_secret(|secret| secret.ownership = Ownership::Foreign);
    assert_eq!(reason(&decide(&foreign)), Some((Reason::SecretNotOwned, true)));
}

#[test]
fn the_reservation_of_another_operator_is_awaited_and_then_cleared() {
    let reserved_by = |identity: &str, seconds| {
        at_rest_with_secret(|secret| {
            secret.reservation = reservation(9, identity);
            secret.reservation_age = Duration::from_secs(seconds);
        })
    };
    assert_eq!(decide(&reserved_by(IDENTITY, 0)), Action::Recover, "this instance's own reservation is not another's");
    let waiting = decide(&reserved_by("another", 40));
    assert_eq!(waiting, Action::ReportFor(Duration::from_mins(1), outcome_unknown()));
    assert_eq!(decide(&reserved_by("another", 100)), Action::Recover);
}

#[test]
fn what_an_attempt_left_behind_comes_before_everything_else() {
    let observed = at_rest_with(|observed| {
        let secret = observed.secret.as_mut().expect("a Secret");
        (secret.reservation, secret.resource_version) = (reservation(9, IDENTITY), "6".into());
        observed.object.suspended = true;
    });
    assert_eq!(decide(&observed), Action::Recover);
}

#[test]
fn a_stored_token_that_status_does_not_name_is_adopted() {
    assert_eq!(decide(&at_rest_with(|observed| observed.object.status = None)), Action::Adopt);
    let another = at_rest_with(|observed| {
        observed.object.status = None;
        apply(observed, token_stored("16", Cause::First));
    });
    assert_eq!(decide(&another), Action::Adopt);
}

#[test]
fn a_status_of_another_object_names_nothing() {
    let copied = at_rest_with(|observed| observed.object.uid = "restored".into());
    assert_eq!(
        decide(&copied),
        Action::Adopt,
        "its tokens belong to another object, and the Secret's token must be proved"
    );
}

#[test]
fn a_lost_token_is_replaced_and_an_object_without_one_gets_its_first() {
    assert_eq!(decide(&at_rest_with(|observed| observed.secret = None)), lost());
    assert_eq!(decide(&at_rest_with_secret(|secret| secret.stored = None)), lost());
    let retired = at_rest_with(|observed| apply(observed, StatusEvent::TokenRetiring(retiring("17", at(0)))));
    assert_eq!(decide(&retired), lost(), "a retiring token does not count");
    assert_eq!(decide(&Observed { secret: Some(empty_secret()), ..new_object() }), first());
}

#[test]
fn every_difference_causes_a_read_of_the_secret() {
    assert_eq!(decide(&at_rest_with_secret(|secret| secret.resource_version = "6".into())), Action::InspectSecret);
    assert_eq!(decide(&at_rest_with_secret(|secret| secret.registries_hash = None)), Action::InspectSecret);
    assert_eq!(
        decide(&at_rest_with_secret(|secret| (secret.owned_and_labeled, secret.is_own) = (false, false))),
        Action::InspectSecret
    );
    assert_eq!(decide(&at_rest_with_issuer(|issuer| issuer.registries_hash = "others".into())), Action::InspectSecret);
    assert_eq!(decide(&at_rest_with(|observed| observed.object.generation = 2)), Action::InspectSecret);
    assert_eq!(decide(&at_rest_with(|observed| observed.object.suspended = true)), Action::InspectSecret);
    assert_eq!(decide(&at_rest_with(|observed| observed.resync_requested = true)), Action::InspectSecret);
}

#[test]
fn a_problem_is_cleared_when_it_is_over() {
    let with_problem = |pods_can_pull| {
        at_rest_with(|observed| {
            apply(observed, StatusEvent::ProblemFound { problem: problem(Reason::IssuerNotReady), pods_can_pull });
        })
    };
    assert_eq!(decide(&with_problem(true)), Action::InspectSecret);
    assert_eq!(decide(&with_problem(false)), Action::InspectSecret);
}

#[test]
fn a_description_is_edited_though_the_secret_is_missing_or_foreign() {
    let edited = |observed: &mut Observed| observed.object.generation = 2;
    let refused = Cooldown::new(Operation::RequestToken, problem(Reason::SecretRejected));
    let missing = at_rest_with(|observed| {
        edited(observed);
        observed.secret = None;
        observed.cooldowns.push(refused.clone());
    });
    assert_eq!(decide(&missing), Action::SyncDescription);
    let foreign = at_rest_with(|observed| {
        edited(observed);
        observed.secret.as_mut().expect("a Secret").ownership = Ownership::Foreign;
    });
    assert_eq!(decide(&foreign), Action::SyncDescription);
    let suspended = Observed { object: Object { suspended: true, ..foreign.object.clone() }, ..foreign.clone() };
    assert!(matches!(decide(&suspended), Action::Report(_)));
    let in_vain = Observed {
        cooldowns: vec![Cooldown::new(Operation::SyncDescription, problem(Reason::DescriptionRejected))],
        ..foreign
    };
    assert!(matches!(decide(&in_vain), Action::Report(_)), "the wait is reported when that cannot be done");
}
