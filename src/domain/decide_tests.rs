use super::*;
use crate::domain::marker::MARKER_LENGTH;
use crate::domain::object::Object;
use crate::domain::status::Fact;
use crate::domain::testing::{
    ME, at, at_rest, but, but_issuer, but_secret, empty_secret, errand, fault, new, not_ready, of_issuer, reserved,
    retiring, stored, tell,
};
use crate::domain::vain::Vain;

/// The reason for waiting, and whether somebody has to change something.
fn reason(action: &Action) -> Option<(Reason, bool)> {
    match action {
        Action::Wait(fault) | Action::WaitFor(_, fault) => Some((fault.reason, fault.stalled)),
        _ => None,
    }
}

fn first() -> Action {
    Action::Attempt(errand(Cause::First))
}

fn lost() -> Action {
    Action::Attempt(errand(Cause::Lost))
}

#[test]
fn nothing_is_done_at_rest() {
    assert_eq!(decide(&at_rest()), Action::Rest);
}

#[test]
fn the_issuer_is_held_before_the_object_and_the_object_before_the_first_attempt() {
    let mut seen = new();
    seen.object.finalizer = false;
    of_issuer(&mut seen, |facts| facts.held = false);
    assert_eq!(decide(&seen), Action::HoldIssuer);
    of_issuer(&mut seen, |facts| facts.held = true);
    assert_eq!(decide(&seen), Action::AddFinalizer);
    seen.object.finalizer = true;
    assert_eq!(decide(&seen), first());
}

#[test]
fn what_forbids_an_attempt_keeps_the_finalizer_off_too() {
    let bare = || {
        let mut seen = new();
        seen.object.finalizer = false;
        seen
    };
    let mut suspended = bare();
    suspended.object.suspended = true;
    let mut going = bare();
    of_issuer(&mut going, |facts| (facts.deleting, facts.held) = (true, false));
    let mut long = bare();
    of_issuer(&mut long, |facts| facts.description_max = Some(MARKER_LENGTH + 3));
    for (seen, why) in [
        (suspended, (Reason::Suspended, false)),
        (going, (Reason::IssuerDeleting, true)),
        (long, (Reason::DescriptionTooLong, true)),
    ] {
        assert_eq!(reason(&decide(&seen)), Some(why));
        let held = Observed { object: crate::domain::object::Object { finalizer: true, ..seen.object }, ..seen };
        assert_eq!(reason(&decide(&held)), Some(why), "nor is one begun that has it");
    }
}

#[test]
fn a_description_too_long_with_its_mark_says_how_short_it_must_be() {
    let mut seen = new();
    of_issuer(&mut seen, |facts| facts.description_max = Some(MARKER_LENGTH + 3));
    assert!(format!("{:?}", decide(&seen)).contains("shorten it to 3"));
    of_issuer(&mut seen, |facts| facts.description_max = Some(MARKER_LENGTH + 4));
    assert_eq!(decide(&seen), first(), "\"prod\" just fits");
}

#[test]
fn only_what_is_guarded_by_its_version_may_be_begun_on_a_cache() {
    for action in [
        first(),
        Action::RemoveFinalizer,
        Action::RestoreOwnership,
        Action::Recover,
        Action::Adopt,
        Action::Inspect,
        Action::Verify,
        Action::Vanished,
        Action::RevokeRetiring,
        Action::Settle,
        Action::Leave,
    ] {
        assert!(!action.may_use_cache(), "{action:?}");
    }
    assert!(Action::AddFinalizer.may_use_cache() && Action::RestoreFinalizer.may_use_cache());
}

#[test]
fn without_its_issuer_a_new_object_waits_and_says_why() {
    let missing = Observed { issuer: IssuerView::Missing, ..new() };
    assert_eq!(reason(&decide(&missing)), Some((Reason::IssuerNotFound, true)));
    let action = decide(&Observed { issuer: not_ready(), ..new() });
    assert_eq!(reason(&action), Some((Reason::IssuerNotReady, true)), "a person writes another password");
    assert!(format!("{action:?}").contains("Unauthorised"));
    assert_eq!(decide(&Observed { issuer: IssuerView::Unknown, ..new() }), Action::Rest, "nothing is known yet");
}

#[test]
fn an_issuer_that_fails_costs_a_working_object_no_write() {
    for issuer in [not_ready(), IssuerView::Missing, IssuerView::Unknown] {
        assert_eq!(decide(&Observed { issuer: issuer.clone(), ..at_rest() }), Action::Rest);
        let lost = but(|seen| (seen.issuer, seen.secret) = (issuer, None));
        assert_ne!(reason(&decide(&lost)).is_some(), lost.issuer == IssuerView::Unknown, "this one does not work");
    }
}

#[test]
fn an_issuer_that_goes_gets_no_new_request_and_costs_a_working_object_nothing() {
    let going = |seen: &mut Observed| of_issuer(seen, |facts| facts.deleting = true);
    let mut seen = new();
    going(&mut seen);
    assert_eq!(reason(&decide(&seen)), Some((Reason::IssuerDeleting, true)));
    assert_eq!(decide(&but(going)), Action::Rest);
}

#[test]
fn a_moved_portal_is_not_acted_on() {
    let moved = |change: fn(&mut crate::api::RecordedPortal)| but_issuer(|facts| change(&mut facts.portal));
    for mut seen in [moved(|portal| portal.url = "https://q".into()), moved(|portal| portal.scope = "x".into())] {
        assert_eq!(decide(&seen), Action::Rest, "pods can pull, and one red issuer says it for all");
        seen.secret = None;
        assert_eq!(reason(&decide(&seen)), Some((Reason::PortalChanged, true)), "nor is a lost token replaced");
    }
    assert_eq!(decide(&moved(|portal| portal.user = "another".into())), Action::Rest, "another user moves nothing");
}

#[test]
fn a_secret_of_somebody_else_is_left_alone() {
    let foreign = but_secret(|held| held.ownership = Ownership::Foreign);
    assert_eq!(reason(&decide(&foreign)), Some((Reason::SecretNotOurs, true)));
}

#[test]
fn anothers_reservation_is_waited_for_and_then_given_up() {
    let reserved_by = |holder: &str, seconds| {
        but_secret(|held| {
            held.reservation = reserved(9, holder);
            held.reservation_seen = Duration::from_secs(seconds);
        })
    };
    assert_eq!(decide(&reserved_by(ME, 0)), Action::Recover, "our own is nobody else's");
    let waiting = decide(&reserved_by("another", 40));
    assert_eq!(waiting, Action::WaitFor(Duration::from_mins(1), unanswered()));
    assert_eq!(decide(&reserved_by("another", 100)), Action::Recover);
    let leading = Observed { leads: true, ..reserved_by("another", 0) };
    assert_eq!(decide(&leading), Action::Recover, "whoever leads need not wait");
}

#[test]
fn what_an_attempt_left_behind_comes_before_everything_else() {
    let seen = but(|seen| {
        let held = seen.secret.as_mut().expect("a Secret");
        (held.reservation, held.resource_version) = (reserved(9, ME), "6".into());
        seen.object.suspended = true;
    });
    assert_eq!(decide(&seen), Action::Recover);
}

#[test]
fn a_stored_token_that_status_does_not_name_is_judged_for_adoption() {
    assert_eq!(decide(&but(|seen| seen.object.status = None)), Action::Adopt);
    let another = but(|seen| {
        seen.object.status = None;
        tell(seen, stored("16", Cause::First));
    });
    assert_eq!(decide(&another), Action::Adopt);
}

#[test]
fn a_status_of_another_object_names_nothing() {
    let copied = but(|seen| seen.object.uid = "restored".into());
    assert_eq!(decide(&copied), Action::Adopt, "its tokens are another's, and the Secret's is to be proved");
}

#[test]
fn a_lost_token_is_replaced_and_an_object_without_one_gets_its_first() {
    assert_eq!(decide(&but(|seen| seen.secret = None)), lost());
    assert_eq!(decide(&but_secret(|held| held.stored = None)), lost());
    let retired = but(|seen| tell(seen, Fact::Retiring(retiring("17", at(0)))));
    assert_eq!(decide(&retired), lost(), "one that retires counts as none");
    assert_eq!(decide(&Observed { secret: Some(empty_secret()), ..new() }), first());
}

#[test]
fn every_difference_makes_the_secret_be_read() {
    assert_eq!(decide(&but_secret(|held| held.resource_version = "6".into())), Action::Inspect);
    assert_eq!(decide(&but_secret(|held| held.registries = None)), Action::Inspect);
    assert_eq!(decide(&but_secret(|held| (held.tied, held.claimed) = (false, false))), Action::Inspect);
    assert_eq!(decide(&but_issuer(|facts| facts.registries = "others".into())), Action::Inspect);
    assert_eq!(decide(&but(|seen| seen.object.generation = 2)), Action::Inspect);
    assert_eq!(decide(&but(|seen| seen.object.suspended = true)), Action::Inspect);
    assert_eq!(decide(&but(|seen| seen.look_closer = true)), Action::Inspect);
}

#[test]
fn what_hindered_is_cleared_when_it_is_over() {
    let hindered = |working| but(|seen| tell(seen, Fact::Hindered { fault: fault(Reason::IssuerNotReady), working }));
    assert_eq!(decide(&hindered(true)), Action::Inspect);
    assert_eq!(decide(&hindered(false)), Action::Inspect);
}

#[test]
fn a_description_is_edited_though_the_secret_is_missing_or_another_ones() {
    let edited = |seen: &mut Observed| seen.object.generation = 2;
    let refused = Vain::new(Deed::Attempt, fault(Reason::SecretRefused));
    let missing = but(|seen| {
        edited(seen);
        seen.secret = None;
        seen.vain.push(refused.clone());
    });
    assert_eq!(decide(&missing), Action::Settle);
    let foreign = but(|seen| {
        edited(seen);
        seen.secret.as_mut().expect("a Secret").ownership = Ownership::Foreign;
    });
    assert_eq!(decide(&foreign), Action::Settle);
    let suspended = Observed { object: Object { suspended: true, ..foreign.object.clone() }, ..foreign.clone() };
    assert!(matches!(decide(&suspended), Action::Wait(_)));
    let in_vain = Observed { vain: vec![Vain::new(Deed::Settle, fault(Reason::EditRefused))], ..foreign };
    assert!(matches!(decide(&in_vain), Action::Wait(_)), "the wait is reported when that cannot be done");
}
