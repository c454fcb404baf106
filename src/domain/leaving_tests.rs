use super::*;
use crate::domain::decide::decide;
use crate::domain::status::Fact;
use crate::domain::testing::{
    ME, at_rest, but, but_issuer, but_secret, empty_secret, going, new, not_ready, now, of_issuer, reserved, retiring,
    tell,
};

fn reason(action: &Action) -> Option<Reason> {
    match action {
        Action::Wait(fault) => Some(fault.reason),
        _ => None,
    }
}

fn orphaned(mut seen: Observed) -> Observed {
    seen.object.revoke = false;
    seen
}

#[test]
fn an_object_that_we_do_not_hold_goes_without_us() {
    let mut seen = going(at_rest());
    seen.object.finalizer = false;
    assert_eq!(decide(&seen), Action::Rest);
}

#[test]
fn an_object_with_anything_left_is_seen_off() {
    assert_eq!(decide(&going(at_rest())), Action::Leave);
    assert_eq!(decide(&going(but_secret(|held| held.closed = true))), Action::Leave);
    assert_eq!(decide(&going(but(|seen| seen.secret = None))), Action::Leave, "the token lives on without it");
    assert_eq!(decide(&going(but(|seen| seen.object.status = None))), Action::Leave, "stored and not named yet");
    let only_retiring = but(|seen| {
        (seen.secret, seen.object.status) = (None, None);
        tell(seen, Fact::Retiring(retiring("12", now())));
    });
    assert_eq!(decide(&going(only_retiring)), Action::Leave);
}

#[test]
fn an_object_that_has_nothing_goes_once_no_attempt_can_be_made_any_more() {
    assert_eq!(decide(&going(new())), Action::RemoveFinalizer, "there is no Secret to reserve in");
    let with = |closed| Observed { secret: Some(SecretMeta { closed, ..empty_secret() }), ..going(new()) };
    assert_eq!(decide(&with(false)), Action::Leave, "it is closed first");
    assert_eq!(decide(&with(true)), Action::RemoveFinalizer);
    let mut reserving = with(true);
    reserving.secret.as_mut().expect("a Secret").reservation = reserved(9, ME);
    assert_eq!(decide(&reserving), Action::Leave);
}

#[test]
fn a_secret_of_somebody_else_neither_holds_up_nor_counts() {
    let mut seen = going(but_secret(|held| held.ownership = Ownership::Foreign));
    assert_eq!(decide(&seen), Action::Leave, "what status names is revoked");
    seen.object.status = None;
    assert_eq!(decide(&seen), Action::RemoveFinalizer);
}

#[test]
fn without_its_issuer_a_token_that_is_to_be_revoked_waits_and_says_what_to_do() {
    let missing = Observed { issuer: IssuerView::Missing, ..going(at_rest()) };
    assert_eq!(reason(&decide(&missing)), Some(Reason::IssuerNotFound));
    assert!(format!("{:?}", decide(&missing)).contains("spec.deletionPolicy: Orphan"));
    let failing = Observed { issuer: not_ready(), ..going(at_rest()) };
    assert_eq!(reason(&decide(&failing)), Some(Reason::IssuerNotReady));
    let unknown = Observed { issuer: IssuerView::Unknown, ..going(at_rest()) };
    assert_eq!(decide(&unknown), Action::Rest, "nothing is known yet");
}

#[test]
fn without_its_issuer_an_object_with_nothing_goes() {
    for issuer in [IssuerView::Missing, not_ready(), IssuerView::Unknown] {
        let nothing = Observed { issuer: issuer.clone(), ..going(new()) };
        assert_eq!(decide(&nothing), Action::RemoveFinalizer);
        let emptied = Observed { secret: Some(empty_secret()), ..nothing };
        assert_eq!(decide(&emptied), Action::Leave, "its Secret is closed first");
    }
}

#[test]
fn orphaning_is_the_way_out_when_a_portal_is_gone_for_good() {
    for issuer in [IssuerView::Missing, not_ready()] {
        assert_eq!(decide(&Observed { issuer, ..orphaned(going(at_rest())) }), Action::Leave);
    }
    let unknown = Observed { issuer: IssuerView::Unknown, ..orphaned(going(at_rest())) };
    assert_eq!(decide(&unknown), Action::Rest, "it may be there in a moment");
}

#[test]
fn what_is_left_to_its_user_is_known_by_name_first() {
    let unnamed = but(|seen| seen.object.status = None);
    assert_eq!(decide(&orphaned(going(unnamed.clone()))), Action::Adopt);
    assert_eq!(decide(&going(unnamed)), Action::Leave);
    assert_eq!(decide(&orphaned(going(at_rest()))), Action::Leave);
    let retiring = but(|seen| tell(seen, Fact::Retiring(retiring("17", now()))));
    assert_eq!(decide(&orphaned(going(retiring))), Action::Leave);
    let mut moved = orphaned(going(but(|seen| seen.object.status = None)));
    tell(&mut moved, crate::domain::testing::stored("16", crate::domain::cause::Cause::First));
    of_issuer(&mut moved, |facts| facts.portal.url = "https://q".into());
    assert_eq!(decide(&moved), Action::Leave, "another portal is not asked");
}

#[test]
fn what_no_list_shows_is_known_by_name_before_it_is_revoked() {
    let mut hidden = going(but(|seen| seen.object.status = None));
    of_issuer(&mut hidden, |facts| facts.list_visible = false);
    assert_eq!(decide(&hidden), Action::Adopt);
}

#[test]
fn a_moved_portal_revokes_nothing() {
    let moved = going(but_issuer(|facts| facts.portal.url = "https://q".into()));
    assert_eq!(reason(&decide(&moved)), Some(Reason::PortalChanged));
    assert_eq!(decide(&orphaned(moved)), Action::Leave);
}

#[test]
fn a_suspended_object_is_seen_off_like_any_other() {
    let mut seen = going(at_rest());
    seen.object.suspended = true;
    of_issuer(&mut seen, |facts| facts.deleting = true);
    assert_eq!(decide(&seen), Action::Leave);
}

#[test]
fn whoever_waits_for_a_portal_to_be_revoked_is_told_the_way_out() {
    let mut moved = going(at_rest());
    of_issuer(&mut moved, |facts| facts.portal.url = "https://q".into());
    for seen in [moved, Observed { issuer: not_ready(), ..going(at_rest()) }] {
        let action = decide(&seen);
        let Action::Wait(fault) = &action else { panic!("{action:?}") };
        assert!(fault.message.contains("spec.deletionPolicy: Orphan"), "{}", fault.message);
    }
}

#[test]
fn what_is_stored_of_another_portal_is_left_to_its_user_without_a_look_at_this_one() {
    let moved = |revoke: bool| {
        let mut seen = going(but(|seen| seen.object.status = None));
        seen.object.revoke = revoke;
        of_issuer(&mut seen, |facts| {
            facts.portal.url = "https://elsewhere".into();
            facts.list_visible = false;
        });
        seen
    };
    let Action::Wait(told) = decide(&moved(true)) else { panic!("{:?}", decide(&moved(true))) };
    assert!(told.reason == Reason::PortalChanged && told.message.contains("deletionPolicy: Orphan"), "{told:?}");
    let mut world = crate::domain::testing::World::of(moved(false));
    assert_eq!(world.pass(), crate::domain::pass::End::Rest);
    assert_eq!(world.asked, ["read object", "read secret", "close", "release, marked", "release object"]);
}
