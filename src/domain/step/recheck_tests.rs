use super::*;
use crate::api::Reason;
use crate::domain::observed::LoginMode;
use crate::domain::pass::{End, Next as PassNext, Pass};
use crate::domain::testing::{LONGEST, REQUESTED, World, at, but, fault, of_issuer};

fn refused() -> Verdict {
    Verdict::Refused("no".into())
}

/// Asked to look at everything, so many seconds after the request; pods use the token.
fn asked_after(seconds: i64) -> Observed {
    let mut seen = but(|seen| (seen.look_closer, seen.recheck) = (true, Recheck::Asked));
    seen.object.reissue = false;
    seen.now = at(REQUESTED + seconds);
    seen
}

fn says(world: &World) -> Option<(String, String)> {
    let conditions = &world.seen.object.status.as_ref()?.conditions;
    let one = conditions.iter().find(|one| ["Stalled", "Reconciling"].contains(&one.type_.as_str()))?;
    Some((one.reason.clone(), one.message.clone()))
}

/// Runs a pass; gives what is still to be looked at after it.
fn run(world: &mut World) -> (Recheck, End) {
    let (mut pass, mut next) = Pass::begin(world.seen.clone());
    loop {
        match next {
            PassNext::End(end) => return (pass.seen().recheck, end),
            PassNext::Do(request) => {
                let answer = world.answer(request);
                (pass, next) = pass.step(answer, world.seen.now);
            }
        }
    }
}

#[test]
fn a_token_that_is_there_costs_two_looks_and_no_write() {
    let mut world = World::of(asked_after(10));
    assert_eq!(run(&mut world), (Recheck::No, End::Rest), "{:?}", world.asked);
    assert_eq!(world.asked, ["read object", "read secret", "read content", "find 17", "log in"]);
}

#[test]
fn a_young_token_that_was_revoked_is_found_at_once_by_list_and_login_together() {
    let mut world = World::of(asked_after(10)).listing(&[]).saying(refused());
    let (left, _) = run(&mut world);
    let known = recorded(&world.seen.object);
    assert!(known.revoked_upstream && !known.ready && left == Recheck::No, "{:?}", world.asked);
}

#[test]
fn a_young_token_that_the_list_alone_lacks_is_not_called_revoked() {
    let mut world = World::of(asked_after(10)).listing(&[]);
    assert_eq!(run(&mut world), (Recheck::No, End::Rest), "its login works, and lists lag");
    assert_eq!(says(&world), None);
    let mut unasked = asked_after(10);
    of_issuer(&mut unasked, |facts| facts.login = LoginMode::Disabled);
    let mut world = World::of(unasked).listing(&[]);
    let (left, end) = run(&mut world);
    assert!(matches!(end, End::After(left) if left <= LONGEST) && left == Recheck::Asked, "{end:?}");
    let (reason, message) = says(&world).expect("it says when it will be known");
    assert!(reason == Reason::TokenNotListed.to_string() && message.contains("looked at again at 20"), "{message}");
    // Then the list counts.
    let mut later = world.seen.clone();
    (later.now, later.recheck, later.vain) = (at(REQUESTED + 200), left, vec![]);
    let mut world = World::of(later).listing(&[]);
    let _ = run(&mut world);
    assert!(recorded(&world.seen.object).revoked_upstream, "{:?}", world.asked);
}

#[test]
fn a_listed_token_that_the_registry_refuses_is_not_ready() {
    let mut world = World::of(asked_after(3600)).saying(refused());
    let _ = run(&mut world);
    let known = recorded(&world.seen.object);
    assert!(!known.ready && !known.verified && !known.revoked_upstream);
}

#[test]
fn without_a_list_a_second_refusal_counts_and_the_first_says_when_it_comes() {
    let mut first = asked_after(3600);
    of_issuer(&mut first, |facts| facts.list_visible = false);
    let mut world = World::of(first).saying(refused());
    let (left, end) = run(&mut world);
    assert!(matches!(end, End::After(left) if left <= LONGEST + MARGIN), "{end:?}");
    assert!(says(&world).is_some_and(|(_, message)| message.contains("counts as revoked")));
    assert!(recorded(&world.seen.object).ready, "the registry may have been out of order for a moment");
    let mut later = world.seen.clone();
    (later.now, later.recheck, later.vain) = (at(REQUESTED + 3600 + 101), left, vec![]);
    let mut world = World::of(later).saying(refused());
    let (left, _) = run(&mut world);
    assert!(recorded(&world.seen.object).revoked_upstream && left == Recheck::No, "{:?}", world.asked);
}

#[test]
fn a_portal_or_a_registry_that_cannot_be_asked_changes_nothing() {
    for (word, answer, left) in [
        ("log in", Answer::Login(Verdict::Unknown("down".into())), Recheck::No),
        ("find 17", Answer::NotSent(fault(Reason::Unreachable)), Recheck::Asked),
    ] {
        let mut world = World::of(asked_after(3600)).on(word, answer);
        assert_eq!(run(&mut world).0, left, "{word}");
        assert!(recorded(&world.seen.object).ready, "{word}");
    }
}
