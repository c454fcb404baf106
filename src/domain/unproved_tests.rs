use super::*;
use crate::domain::decide::{Action, decide};
use crate::domain::effect::Verdict;
use crate::domain::pass::End;
use crate::domain::recorded::recorded;
use crate::domain::status::Fact;
use crate::domain::testing::{World, at, at_rest, but, going, login, named, retiring, row};
use crate::domain::token_mac::MacKeys;

/// A status that somebody else wrote: as a former token it names one that is not this object's, due long ago.
fn forged() -> crate::domain::observed::Observed {
    but(|seen| {
        let status = seen.object.status.as_mut().expect("a status");
        status.retiring.push(RetiringToken {
            mac: status.token.as_ref().and_then(|token| token.mac.clone()),
            ..retiring("12", at(0))
        });
    })
}

#[test]
fn a_former_token_without_proof_is_said_and_neither_revoked_nor_forgotten() {
    let mut world = World::of(forged());
    assert!(matches!(world.pass(), End::After(_)));
    assert_eq!(world.asked, ["status"], "said once, and nothing is asked of the portal");
    let conditions = &world.seen.object.status.as_ref().expect("a status").conditions;
    let said = conditions.iter().find(|one| one.type_ == "Stalled").expect("it is said");
    assert!(said.reason == "TokenUnverified" && said.message.contains("registry-token.dev/gone=12"), "{said:?}");
    assert!(recorded(&world.seen.object).ready, "pods can pull");
    let mut again = World::of(world.seen);
    assert!(matches!(again.pass(), End::After(_)));
    assert!(again.asked.is_empty(), "{:?}", again.asked);
}

#[test]
fn a_former_token_without_proof_is_forgotten_when_its_user_says_that_it_is_gone() {
    let mut seen = forged();
    seen.object.gone = vec!["12".into()];
    assert_eq!(decide(&seen), Action::Confirm);
    let mut world = World::of(seen);
    let _ = world.pass();
    assert!(recorded(&world.seen.object).unproved.retiring.is_empty());
    assert!(!world.asked.iter().any(|word| word.contains("revoke")), "{:?}", world.asked);
}

#[test]
fn a_current_token_moved_among_the_former_ones_is_not_revoked() {
    let mut seen = at_rest();
    let status = seen.object.status.as_mut().expect("a status");
    let mac = status.token.take().and_then(|token| token.mac);
    status.retiring.push(RetiringToken { mac, ..retiring("17", at(0)) });
    let mut world = World::of(seen).listing(&[row("17", "prod")]);
    world.content = login("tw-17");
    let _ = world.pass();
    assert_eq!(recorded(&world.seen.object).token.map(|token| token.id), Some("17".to_owned()), "{:?}", world.asked);
    assert!(!world.asked.iter().any(|word| word.contains("revoke") || word == "token"), "{:?}", world.asked);
}

#[test]
fn an_object_with_nothing_but_forged_tokens_goes_without_revoking_them() {
    let mut seen = going(forged());
    seen.secret = None;
    let status = seen.object.status.as_mut().expect("a status");
    status.token = None;
    assert_eq!(decide(&seen), Action::RemoveFinalizer);
}

#[test]
fn an_object_that_is_older_than_the_key_stays_until_its_user_says_that_such_tokens_are_gone() {
    let mut seen = going(forged());
    seen.object.keys = MacKeys::new(&[9; 32], [], at(4000)).expect("keys");
    (seen.secret, seen.object.status.as_mut().expect("a status").token) = (None, None);
    let Action::Wait(fault) = decide(&seen) else { panic!("{:?}", decide(&seen)) };
    assert_eq!((fault.reason, fault.stalled), (Reason::TokenUnverified, true));
    let orphan = {
        let mut seen = seen.clone();
        seen.object.revoke = false;
        seen
    };
    assert_eq!(decide(&orphan), Action::RemoveFinalizer);
    seen.object.gone = vec!["12".into()];
    assert_eq!(decide(&seen), Action::RemoveFinalizer);
}

#[test]
fn nothing_is_said_of_no_tokens() {
    assert!(unverified(&[]).is_none());
    let fault = unverified(&[named("1"), named("2")]).expect("a fault");
    assert!(fault.message.contains("registry-token.dev/gone=1,2"), "{}", fault.message);
}

#[test]
fn an_object_whose_login_is_refused_too_is_written_once_and_not_at_each_look() {
    let mut seen = forged();
    crate::domain::testing::of_issuer(&mut seen, |facts| facts.login = crate::domain::observed::LoginMode::BestEffort);
    crate::domain::testing::tell(&mut seen, Fact::LoggedIn(Verdict::Refused("no".into())));
    let mut world = World::of(seen).saying(Verdict::Refused("no".into()));
    let _ = world.pass();
    let conditions = world.seen.object.status.clone().expect("a status").conditions;
    let ready = conditions.iter().find(|one| one.type_ == "Ready").expect("it is said");
    assert!(ready.reason == "LoginRefused" && ready.message.contains("Besides"), "{ready:?}");
    let mut again = World::of(world.seen).saying(Verdict::Refused("no".into()));
    let _ = again.pass();
    assert!(
        again.asked.contains(&"log in".to_owned()) && !again.asked.contains(&"status".to_owned()),
        "{:?}",
        again.asked
    );
}
