use super::*;
use crate::api::Reason;
use crate::domain::decide::{Action, decide};
use crate::domain::observed::IssuerView;
use crate::domain::status::Fact;
use crate::domain::testing::{
    asked, at, at_rest, but, errand, every, fault, new, now, of_issuer, recorded_secret, retiring, stored, tell, token,
};
use crate::domain::vain::{Deed, Vain};
use std::time::Duration;

/// At rest, with these annotations of object and issuer.
fn annotated(object: &[(&str, &str)], issuer: &[(&str, &str)]) -> Observed {
    but(|seen| annotate(seen, object, issuer))
}

fn annotate(seen: &mut Observed, object: &[(&str, &str)], issuer: &[(&str, &str)]) {
    seen.object.asked = asked(object);
    of_issuer(seen, |facts| facts.asked = asked(issuer));
}

fn attempt(cause: Cause, handles: &[(&str, &str)]) -> Action {
    Action::Attempt(Errand { cause, handles: asked(handles) })
}

/// The token that was asked for by this decision is stored.
fn answered(seen: &mut Observed) -> Action {
    let Action::Attempt(errand) = decide(seen) else { panic!("{:?}", decide(seen)) };
    let Fact::TokenStored { token, portal, mut secret, login, .. } = stored("17", errand.cause) else { panic!() };
    secret.clone_from(&recorded_secret());
    tell(seen, Fact::TokenStored { token, portal, secret, errand, login, after: None });
    tell(seen, Fact::DescriptionSynced);
    decide(seen)
}

#[test]
fn a_new_value_asks_for_a_token_and_says_what_it_handles() {
    for (key, cause) in [("rotate", Cause::Rotate), ("replace", Cause::Replace)] {
        assert_eq!(decide(&annotated(&[(key, "1")], &[])), attempt(cause, &[(key, "1")]));
    }
    for (key, cause) in [("issuerRotate", Cause::Rotate), ("issuerReplace", Cause::Replace)] {
        assert_eq!(decide(&annotated(&[], &[(key, "1")])), attempt(cause, &[(key, "1")]));
    }
}

#[test]
fn a_compromised_token_goes_before_a_wish_and_both_are_answered_at_once() {
    let both = annotated(&[("rotate", "1")], &[("issuerReplace", "x")]);
    assert_eq!(decide(&both), attempt(Cause::Replace, &[("issuerReplace", "x"), ("rotate", "1")]));
}

#[test]
fn a_value_is_acted_on_once() {
    for key in ["rotate", "replace"] {
        let mut seen = annotated(&[(key, "1")], &[("issuerRotate", "x")]);
        assert_eq!(answered(&mut seen), Action::Rest, "{key}");
        annotate(&mut seen, &[], &[]);
        assert_eq!(decide(&seen), Action::Rest, "one that is taken away asks for nothing");
        annotate(&mut seen, &[(key, "1")], &[("issuerRotate", "x")]);
        assert_eq!(decide(&seen), Action::Rest, "nor does one that comes back");
        annotate(&mut seen, &[(key, "2")], &[("issuerRotate", "x")]);
        assert!(matches!(decide(&seen), Action::Attempt(Errand { handles, .. }) if handles == asked(&[(key, "2")])));
    }
}

#[test]
fn a_value_that_was_there_at_creation_counts_as_handled() {
    let mut seen = new();
    annotate(&mut seen, &[("rotate", "1"), ("replace", "a")], &[("issuerReplace", "x")]);
    let all = [("issuerReplace", "x"), ("replace", "a"), ("rotate", "1")];
    assert_eq!(decide(&seen), attempt(Cause::First, &all));
    seen.secret = at_rest().secret;
    assert!(matches!(decide(&seen), Action::Adopt), "what the Secret stores is not judged by it");
    seen.secret = None;
    let Action::Attempt(errand) = decide(&seen) else { panic!("an attempt") };
    let Fact::TokenStored { token, portal, secret, login, .. } = stored("17", Cause::First) else { panic!() };
    tell(&mut seen, Fact::TokenStored { token, portal, secret, errand, login, after: None });
    tell(&mut seen, Fact::DescriptionSynced);
    seen.secret = at_rest().secret;
    assert_eq!(decide(&seen), Action::Rest);
}

#[test]
fn a_token_that_comes_for_another_reason_answers_what_is_asked_for_too() {
    let mut seen = annotated(&[("replace", "1")], &[]);
    seen.secret = None;
    assert_eq!(decide(&seen), attempt(Cause::Lost, &[("replace", "1")]));
}

#[test]
fn a_token_is_rotated_when_its_time_has_come() {
    let mut seen = but(|seen| {
        seen.object.rotation = Some(every(1, 5));
        tell(seen, Fact::DescriptionSynced);
    });
    let due = recorded(&seen.object).next_rotation.expect("a time");
    assert!(due > at(3600 * 9 / 10 - 1) && due <= at(3600), "{due}");
    seen.now = due.checked_sub(Duration::from_secs(1)).expect("a time");
    assert_eq!(decide(&seen), Action::RestFor(Duration::from_secs(1)));
    seen.now = due;
    assert_eq!(decide(&seen), attempt(Cause::Rotation, &[]));
}

#[test]
fn rotations_that_were_missed_are_made_up_for_once() {
    let mut seen = but(|seen| {
        seen.object.rotation = Some(every(1, 5));
        tell(seen, Fact::DescriptionSynced);
        seen.now = at(3600 * 50);
    });
    assert_eq!(decide(&seen), attempt(Cause::Rotation, &[]));
    let mut new = token("18");
    new.request_time.0 = seen.now;
    let Fact::TokenStored { portal, secret, login, .. } = stored("18", Cause::Rotation) else { panic!() };
    tell(
        &mut seen,
        Fact::TokenStored { token: new, portal, secret, errand: errand(Cause::Rotation), login, after: None },
    );
    tell(&mut seen, Fact::Revoked(vec![crate::domain::testing::named("17")]));
    tell(&mut seen, Fact::DescriptionSynced);
    seen.secret.as_mut().expect("a Secret").stored =
        Some(crate::domain::testing::note_of("18", crate::domain::testing::former()));
    assert!(matches!(decide(&seen), Action::RestFor(left) if left > Duration::from_mins(50)), "{:?}", decide(&seen));
}

#[test]
fn during_an_overlap_only_a_compromised_token_is_replaced() {
    let overlapping = |object: &[(&str, &str)]| {
        but(|seen| {
            annotate(seen, object, &[]);
            seen.object.rotation = Some(every(1, 5));
            tell(seen, Fact::Retiring(retiring("12", at(3660))));
        })
    };
    let until_it_ends = Action::RestFor(Duration::from_mins(1));
    assert_eq!(decide(&overlapping(&[])), until_it_ends, "the clock waits");
    assert_eq!(decide(&overlapping(&[("rotate", "1")])), until_it_ends, "so does a wish");
    assert_eq!(decide(&overlapping(&[("replace", "1")])), attempt(Cause::Replace, &[("replace", "1")]));
    let mut over = overlapping(&[("rotate", "1")]);
    tell(&mut over, Fact::Revoked(vec![crate::domain::testing::named("12")]));
    assert_eq!(decide(&over), attempt(Cause::Rotate, &[("rotate", "1")]), "and is heard afterwards");
}

#[test]
fn a_suspended_object_hears_of_it_afterwards() {
    let mut seen = annotated(&[("replace", "1")], &[]);
    seen.object.suspended = true;
    tell(&mut seen, Fact::DescriptionSynced);
    let Action::Wait(said) = decide(&seen) else { panic!("{:?}", decide(&seen)) };
    assert!(said.reason == crate::api::Reason::Suspended && said.message.contains("registry-token.dev/replace"));
    let mut rotated = annotated(&[("rotate", "1")], &[]);
    rotated.object.suspended = true;
    tell(&mut rotated, Fact::DescriptionSynced);
    assert_eq!(decide(&rotated), Action::Rest, "what is not compromised waits silently");
    seen.object.suspended = false;
    tell(&mut seen, Fact::DescriptionSynced);
    assert_eq!(decide(&seen), attempt(Cause::Replace, &[("replace", "1")]));
}

#[test]
fn an_issuer_that_is_not_ready_asks_for_nothing() {
    let mut seen = annotated(&[("rotate", "1")], &[]);
    seen.issuer = IssuerView::Missing;
    assert_eq!((decide(&seen), seen.now), (Action::Rest, now()));
    let mut compromised = annotated(&[("replace", "1")], &[]);
    compromised.issuer = IssuerView::Missing;
    assert!(matches!(decide(&compromised), Action::Wait(_)), "that a compromised token stays is reported");
}

#[test]
fn a_successor_that_was_refused_holds_up_no_token_that_pods_wait_for() {
    let refused = |reason| {
        let mut seen = annotated(&[("rotate", "1")], &[]);
        seen.vain = vec![Vain { left: Duration::from_mins(9), ..Vain::new(Deed::Attempt, fault(reason)) }];
        seen
    };
    assert!(
        matches!(decide(&refused(Reason::LoginRefused)), Action::WaitFor(..) | Action::RestFor(_)),
        "the successor waits"
    );
    let mut lost = refused(Reason::LoginRefused);
    lost.secret.as_mut().expect("a Secret").stored = None;
    assert_eq!(decide(&lost), attempt(Cause::Lost, &[("rotate", "1")]));
    let mut refused = refused(Reason::RequestRefused);
    refused.secret = lost.secret;
    assert!(matches!(decide(&refused), Action::WaitFor(..)), "what the portal refuses it refuses for every cause");
}
