use super::*;
use crate::domain::testing::{World, at, at_rest, but, fault, now, of_issuer, tell};

fn waiting_for(mode: LoginMode, verdict: Verdict) -> (Outcome, World) {
    let mut seen = at_rest();
    of_issuer(&mut seen, |facts| facts.login = mode);
    tell(&mut seen, Fact::LoggedIn(Verdict::Unknown("not asked yet".into())));
    let mut world = World::of(seen).saying(verdict);
    let outcome = world.run(begin(), Verifying::step);
    (outcome, world)
}

/// The portal lacks the token, and the registry says this.
fn doubting(seen: Observed, verdict: Verdict) -> (Outcome, World) {
    let mut world = World::of(seen).listing(&[]).saying(verdict);
    let begun = doubt(&world.seen);
    let outcome = world.run(begun, Verifying::step);
    (outcome, world)
}

fn refused() -> Verdict {
    Verdict::Refused("no".into())
}

fn unknown() -> Verdict {
    Verdict::Unknown("down".into())
}

fn reason(outcome: &Outcome) -> Option<Reason> {
    match outcome {
        Outcome::Failed(fault) | Outcome::WaitFor(_, fault) => Some(fault.reason),
        _ => None,
    }
}

#[test]
fn a_token_that_is_let_in_counts_as_verified() {
    for mode in [LoginMode::Required, LoginMode::BestEffort] {
        let (outcome, world) = waiting_for(mode, Verdict::Accepted);
        assert_eq!((outcome, world.asked), (Outcome::Again, vec!["log in".to_owned(), "status".to_owned()]));
        assert!(recorded(&world.seen.object).verified);
    }
}

#[test]
fn a_registry_that_refuses_or_is_down_is_named_and_asked_again() {
    let (outcome, world) = waiting_for(LoginMode::Required, refused());
    assert_eq!(reason(&outcome), Some(Reason::LoginRefused));
    assert!(!recorded(&world.seen.object).ready);
    let (outcome, world) = waiting_for(LoginMode::Required, unknown());
    assert_eq!(reason(&outcome), Some(Reason::RegistryUnavailable));
    assert!(recorded(&world.seen.object).ready, "it was let in before");
}

#[test]
fn where_it_need_not_answer_a_registry_that_is_down_holds_nothing_up() {
    let (outcome, world) = waiting_for(LoginMode::BestEffort, unknown());
    assert_eq!(outcome, Outcome::RestFor(Duration::from_mins(5)));
    assert!(recorded(&world.seen.object).ready);
}

#[test]
fn a_secret_that_lost_its_login_is_looked_at_and_not_asked_about_for_ever() {
    let (outcome, world) = waiting_for(LoginMode::Required, Verdict::NotAsked);
    assert_eq!((outcome, world.asked.len()), (Outcome::LookAgain, 1));
    assert!(recorded(&world.seen.object).ready, "nothing is concluded from it");
}

#[test]
fn what_is_said_already_is_not_written_again() {
    let mut world = World::of(but(|seen| tell(seen, Fact::LoggedIn(refused())))).saying(refused());
    assert_eq!(reason(&world.run(begin(), Verifying::step)), Some(Reason::LoginRefused));
    assert_eq!(world.asked, ["log in"]);
}

#[test]
fn a_token_that_neither_portal_nor_registry_knows_was_revoked_by_somebody() {
    for verdict in [refused(), Verdict::NotAsked] {
        let (outcome, world) = doubting(at_rest(), verdict);
        assert_eq!((outcome, world.asked), (Outcome::Again, vec!["log in".to_owned(), "status".to_owned()]));
        let known = recorded(&world.seen.object);
        assert_eq!((known.ready, known.revoked_upstream), (false, true));
        assert_eq!(known.upstream_revocation, Some((now(), false)));
    }
    let mut unchecked = at_rest();
    of_issuer(&mut unchecked, |facts| facts.login = LoginMode::Disabled);
    let (outcome, world) = doubting(unchecked, Verdict::Accepted);
    assert_eq!((outcome, world.asked), (Outcome::Again, vec!["status".to_owned()]), "the list alone counts");
}

#[test]
fn where_there_is_no_list_only_a_second_refusal_counts() {
    let hidden = || {
        let mut seen = at_rest();
        of_issuer(&mut seen, |facts| facts.list_visible = false);
        seen
    };
    let (outcome, world) = doubting(hidden(), refused());
    assert_eq!((outcome, recorded(&world.seen.object).revoked_upstream), (Outcome::Again, true));
    for verdict in [Verdict::Accepted, Verdict::NotAsked, unknown()] {
        let (outcome, world) = doubting(hidden(), verdict);
        assert_eq!((outcome, world.asked), (Outcome::Again, vec!["log in".to_owned()]));
        assert!(recorded(&world.seen.object).ready, "nothing is said of it");
    }
}

#[test]
fn of_a_secret_that_cannot_be_put_right_nothing_else_is_said_in_turns() {
    let mut seen = at_rest();
    seen.vain = vec![crate::domain::vain::Vain::new(Deed::Inspect, crate::domain::faults::immutable())];
    let (outcome, world) = doubting(seen, Verdict::Accepted);
    assert_eq!((outcome, world.asked), (Outcome::Again, vec!["log in".to_owned()]));
}

#[test]
fn a_token_that_the_registry_still_lets_in_is_not_replaced() {
    let (outcome, world) = doubting(at_rest(), Verdict::Accepted);
    assert_eq!(reason(&outcome), Some(Reason::TokenNotListed));
    assert!(matches!(outcome, Outcome::WaitFor(wait, _) if wait >= Duration::from_mins(1)));
    assert_eq!(world.asked, ["log in"]);
}

#[test]
fn while_the_registry_cannot_be_asked_nothing_is_done() {
    let (outcome, world) = doubting(at_rest(), unknown());
    assert_eq!((reason(&outcome), world.asked.len()), (Some(Reason::TokenNotListed), 1));
    let mut mute = World::of(at_rest()).on("log in", Answer::Changed);
    let begun = doubt(&mute.seen);
    assert_eq!(mute.run(begun, Verifying::step), Outcome::LookAgain);
}

#[test]
fn a_colleagues_decision_is_overridden_once_and_not_twice_within_a_day() {
    let again = |seconds: i64| {
        let seen = but(|seen| {
            seen.now = at(-10);
            tell(seen, Fact::RevokedUpstream { fault: fault(Reason::RevokedUpstream), again: false });
            seen.now = at(-10 + seconds);
        });
        let (_, world) = doubting(seen, refused());
        let (_, again) = recorded(&world.seen.object).upstream_revocation.expect("a revocation");
        let message = world.statuses().next().and_then(|status| crate::domain::status::ready_word(Some(status)));
        (again, message.expect("a message").2.contains("registry-token.dev/replace"))
    };
    assert_eq!(again(24 * 3600 - 1), (true, true), "held, and it is said how to have a new one");
    assert_eq!(again(24 * 3600), (false, false));
    let held = but(|seen| seen.object.reissue = false);
    let (_, world) = doubting(held, refused());
    let status = world.statuses().next().expect("a status");
    assert!(crate::domain::status::ready_word(Some(status)).expect("a message").2.contains("Hold"));
    assert!(!recorded(&world.seen.object).upstream_revocation.expect("a revocation").1);
}

#[test]
fn a_registry_that_is_down_and_not_waited_for_hides_no_end_of_an_overlap() {
    let mut seen = at_rest();
    of_issuer(&mut seen, |facts| facts.login = LoginMode::BestEffort);
    tell(&mut seen, Fact::Retiring(crate::domain::testing::retiring("12", crate::domain::testing::at(3600 + 90))));
    let mut world = World::of(seen).saying(Verdict::Unknown("down".into()));
    let begun = begin();
    assert_eq!(world.run(begun, Verifying::step), Outcome::RestFor(Duration::from_secs(90)));
}
