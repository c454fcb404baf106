//! What an object whose token is stored needs.

use super::*;
use crate::domain::inventory::digest;
use crate::domain::status::Fact;
use crate::domain::testing::{
    LONGEST, REQUESTED, at, at_rest, but, but_secret, every, fault, new, not_ready, now, of_issuer, retiring, tell,
};
use crate::domain::vain::{PATIENCE, Vain};

fn reason(action: &Action) -> Option<(Reason, bool)> {
    match action {
        Action::Wait(fault) | Action::WaitFor(_, fault) => Some((fault.reason, fault.stalled)),
        _ => None,
    }
}

#[test]
fn the_registry_is_asked_about_a_token_that_was_not_let_in_yet() {
    let unsaid = |mode, ready: bool| {
        but(|seen| {
            of_issuer(seen, |facts| facts.login = mode);
            let status = seen.object.status.as_mut().expect("a status");
            status.conditions.retain(|one| one.type_ != "LoginVerified" && (ready || one.type_ != "Ready"));
        })
    };
    for ready in [false, true] {
        assert_eq!(decide(&unsaid(LoginMode::Required, ready)), Action::Verify);
        assert_eq!(decide(&unsaid(LoginMode::BestEffort, ready)), Action::Verify);
    }
    assert_eq!(decide(&unsaid(LoginMode::Disabled, true)), Action::Rest);
    assert_eq!(decide(&unsaid(LoginMode::Disabled, false)), Action::Inspect);
    let mut busy = unsaid(LoginMode::BestEffort, true);
    tell(&mut busy, Fact::Retiring(retiring("12", now())));
    assert_eq!(decide(&busy), Action::RevokeRetiring, "where it need not answer, it holds nothing up");
}

#[test]
fn a_list_that_had_to_show_the_token_and_does_not_makes_the_registry_be_asked() {
    let missing = |begun| but(|seen| seen.listed = Listed::Missing(begun));
    let longest = i64::try_from(LONGEST.as_secs()).expect("seconds");
    assert_eq!(decide(&missing(at(REQUESTED + longest))), Action::Vanished);
    assert_eq!(decide(&missing(at(REQUESTED + longest - 1))), Action::Rest, "it may lag");
    let mut another = missing(now());
    of_issuer(&mut another, |facts| facts.portal.user = "another".into());
    assert_eq!(decide(&another), Action::Rest, "another user may see less");
}

#[test]
fn where_there_is_no_list_a_registrys_refusal_is_asked_about_again() {
    let hidden = |listed, login| {
        but(|seen| {
            seen.listed = listed;
            of_issuer(seen, |facts| (facts.list_visible, facts.login) = (false, login));
        })
    };
    let longest = i64::try_from(LONGEST.as_secs()).expect("seconds");
    let ago = |seconds: i64| Listed::Missing(at(3600 - seconds));
    assert_eq!(decide(&hidden(ago(longest), LoginMode::Required)), Action::Vanished);
    let soon = decide(&hidden(ago(longest - 5), LoginMode::Required));
    assert_eq!(soon, Action::RestFor(Duration::from_secs(5)), "it may have been out of order for a moment");
    assert_eq!(decide(&hidden(ago(longest), LoginMode::Disabled)), Action::Rest, "nobody can say so now");
    let mut another = hidden(ago(longest), LoginMode::Required);
    of_issuer(&mut another, |facts| facts.portal.user = "another".into());
    assert_eq!(decide(&another), Action::Vanished, "the registry's word does not depend on the portal's user");
    assert_eq!(decide(&hidden(Listed::LetIn, LoginMode::Required)), Action::Rest);
    let back = but(|seen| {
        tell(seen, Fact::RevokedUpstream { fault: fault(Reason::RevokedUpstream), again: false });
        seen.object.reissue = false;
        seen.listed = Listed::LetIn;
    });
    assert_eq!(decide(&back), Action::Inspect, "it was taken for revoked, and logs in");
}

#[test]
fn a_secret_that_cannot_be_put_right_hides_no_token_that_is_gone() {
    let immutable = |listed| {
        but(|seen| {
            seen.secret.as_mut().expect("a Secret").resource_version = "6".into();
            seen.vain = vec![Vain::new(Deed::Inspect, crate::domain::faults::immutable())];
            seen.listed = listed;
        })
    };
    assert!(matches!(decide(&immutable(Listed::Unknown)), Action::WaitFor(..)));
    assert_eq!(decide(&immutable(Listed::Missing(now()))), Action::Vanished);
    let mut changed = immutable(Listed::Missing(now()));
    changed.vain = vec![];
    assert_eq!(decide(&changed), Action::Inspect, "what can be put right is looked at first");
}

#[test]
fn a_retiring_token_is_revoked_when_it_is_due_and_not_before() {
    let due = |seconds: i64| but(|seen| tell(seen, Fact::Retiring(retiring("12", at(3600 + seconds)))));
    assert_eq!(decide(&due(0)), Action::RevokeRetiring);
    assert_eq!(decide(&due(90)), Action::RestFor(Duration::from_secs(90)));
    let mut suspended = due(0);
    suspended.object.suspended = true;
    tell(&mut suspended, Fact::SecretInOrder(crate::domain::testing::recorded_secret()));
    assert_eq!(decide(&suspended), Action::RevokeRetiring, "cleaning up goes on");
}

#[test]
fn an_edited_description_is_settled_and_a_refused_one_is_left() {
    let with = |fact| but(|seen| tell(seen, fact));
    let edited = but(|seen| {
        seen.object.generation = 2;
        tell(seen, Fact::SecretInOrder(crate::domain::testing::recorded_secret()));
    });
    assert_eq!(decide(&edited), Action::Settle);
    let not_kept = with(Fact::DescriptionNotSynced(Reason::EditNotKept, String::new()));
    assert_eq!(decide(&not_kept), Action::Rest);
    let mut rejected = with(Fact::DescriptionNotSynced(Reason::EditRefused, String::new()));
    assert_eq!(decide(&rejected), Action::RestFor(PATIENCE), "a restart repeats none at once");
    rejected.edit_retry = Some(Duration::from_secs(9));
    assert_eq!(decide(&rejected), Action::RestFor(Duration::from_secs(9)));
    rejected.edit_retry = Some(Duration::ZERO);
    assert_eq!(decide(&rejected), Action::Settle, "what the portal rejects it may accept later");
    rejected.object.suspended = true;
    tell(&mut rejected, Fact::Redated);
    assert_eq!(decide(&rejected), Action::Rest);
    assert_eq!(decide(&with(Fact::DescriptionNotSynced(Reason::EditPending, String::new()))), Action::Settle);
    let suspended = but(|seen| {
        seen.object.suspended = true;
        tell(seen, Fact::DescriptionNotSynced(Reason::EditPending, String::new()));
    });
    assert_eq!(decide(&suspended), Action::Rest, "a suspended object is not edited");
}

#[test]
fn a_description_that_somebody_changed_in_the_portal_is_set_back() {
    let shown = |text: &str| but(|seen| seen.listed = Listed::Shown(digest(text)));
    assert_eq!(decide(&shown("prod")), Action::Rest);
    assert_eq!(decide(&shown("mine now")), Action::Settle);
    let mut permanent = shown("prod");
    of_issuer(&mut permanent, |facts| facts.permanent = true);
    assert_eq!(decide(&permanent), Action::Settle, "where the mark stays, it belongs to the text");
}

#[test]
fn a_suspended_object_asks_for_nothing() {
    let mut seen = new();
    seen.object.suspended = true;
    assert_eq!(reason(&decide(&seen)), Some((Reason::Suspended, false)));
    let due = but(|seen| {
        seen.object.suspended = true;
        seen.object.rotation = Some(every(1, 5));
        tell(seen, Fact::DescriptionSynced);
    });
    assert_eq!(decide(&due), Action::Rest);
}

#[test]
fn an_edit_during_an_outage_is_said_to_wait_once_and_the_object_stays_ready() {
    use crate::domain::recorded::recorded;
    let edits: [fn(&mut crate::domain::object::Object); 2] =
        [|object| object.generation = 2, |object| (object.generation, object.suspended) = (2, true)];
    for edit in edits {
        for issuer in [not_ready(), IssuerView::Missing] {
            let mut world = crate::domain::testing::World::of(but(|seen| edit(&mut seen.object)));
            world.seen.issuer = issuer;
            world.pass();
            assert_eq!(world.asked, ["status"]);
            let known = recorded(&world.seen.object);
            assert_eq!((known.ready, known.hindered, known.observed_generation), (true, true, Some(2)));
            assert_eq!(known.suspended, world.seen.object.suspended);
            assert_eq!(decide(&world.seen), Action::Rest);
            world.seen.issuer = at_rest().issuer;
            assert_eq!(decide(&world.seen), Action::Inspect, "the edit is taken up when it is over");
        }
    }
}

#[test]
fn what_the_portal_made_of_an_edit_is_left_and_what_a_colleague_made_of_that_is_not() {
    let shown = |kept: Option<&str>, shown: &str| {
        but(|seen| {
            tell(seen, Fact::DescriptionNotSynced(Reason::EditNotKept, String::new()));
            (seen.kept, seen.listed) = (kept.map(digest), Listed::Shown(digest(shown)));
        })
    };
    assert_eq!(decide(&shown(Some("pro"), "pro")), Action::Rest);
    assert_eq!(decide(&shown(Some("pro"), "mine now")), Action::Settle);
    assert_eq!(decide(&shown(None, "mine now")), Action::Rest, "after a restart nobody knows");
}

#[test]
fn a_secret_with_a_controller_is_not_said_to_be_handed_over_by_an_annotation() {
    let message = |controlled| {
        let seen = but_secret(|held| (held.ownership, held.controlled) = (Ownership::Foreign, controlled));
        format!("{:?}", decide(&seen))
    };
    assert!(message(false).contains("adopt=true") && !message(true).contains("adopt=true"));
}

#[test]
fn a_secret_that_was_made_anew_is_not_called_good_before_it_is_read() {
    assert!(works(&at_rest()));
    let anew = but_secret(|held| (held.uid, held.resource_version) = ("another".into(), "9".into()));
    assert!(!works(&anew), "its metadata may be a copy, its type another");
    assert_eq!(decide(&anew), Action::Inspect);
}
