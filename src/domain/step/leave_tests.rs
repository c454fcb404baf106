use super::*;
use crate::api::Reason;
use crate::domain::effect::Verdict;
use crate::domain::observed::{IssuerView, LoginMode};
use crate::domain::testing::{
    World, at, at_rest, attempt, but, but_secret, empty_secret, fault, former, going, mark, new, not_ready, of_issuer,
    reserved, retiring, row, secret, tell,
};

fn run(world: &mut World) -> Outcome {
    let begun = begin(&world.seen);
    world.run(begun, Leaving::step)
}

/// Leaves and gives what was done.
fn left(seen: Observed) -> Vec<String> {
    seen_off(World::of(going(seen)))
}

fn seen_off(mut world: World) -> Vec<String> {
    assert_eq!(run(&mut world), Outcome::Rest);
    assert!(!world.seen.object.finalizer);
    world.asked
}

fn orphaned(seen: Observed) -> Observed {
    let mut seen = going(seen);
    seen.object.revoke = false;
    seen
}

fn closed() -> SecretMeta {
    SecretMeta { closed: true, ..secret() }
}

#[test]
fn an_object_ends_closed_revoked_and_only_then_released() {
    assert_eq!(left(at_rest()), ["close", "find 17", "revoke 17", "release object"]);
    let retiring = but(|seen| tell(seen, Fact::Retiring(retiring("12", at(99_999)))));
    let all = ["close", "find 17", "revoke 17", "find 12", "revoke 12", "release object"];
    assert_eq!(left(retiring), all, "an overlap ends with its object");
}

#[test]
fn a_secret_that_is_gone_closed_or_somebody_elses_is_not_closed() {
    let then = ["find 17", "revoke 17", "release object"];
    assert_eq!(left(but(|seen| seen.secret = None)), then);
    assert_eq!(left(but(|seen| seen.secret = Some(closed()))), then);
    assert_eq!(left(but_secret(|held| held.ownership = Ownership::Foreign)), then);
}

#[test]
fn what_an_unfinished_attempt_made_is_sought_after_its_reservation_is_gone() {
    let reserved =
        Observed { secret: Some(SecretMeta { reservation: reserved(9, "another"), ..empty_secret() }), ..new() };
    let made = [row("12", &mark(&attempt(9)).mark("prod")), row("13", &mark(&attempt(8)).mark("prod"))];
    let world = World::of(going(reserved.clone())).listing(&made);
    let asked = seen_off(world);
    assert_eq!(asked, ["close", "audit", "find mark", "revoke 12", "release object"]);
    let mut hidden = World::of(going(reserved.clone()));
    of_issuer(&mut hidden.seen, |facts| facts.list_visible = false);
    assert_eq!(seen_off(hidden), ["close", "audit", "release object"]);
    let mut failing =
        World::of(going(reserved)).listing(&made).on("revoke 12", Answer::Ambiguous(fault(Reason::TimedOut)));
    assert!(matches!(run(&mut failing), Outcome::Failed(_)));
    assert!(failing.seen.object.finalizer);
}

#[test]
fn a_stored_token_that_status_does_not_name_is_named_before_it_is_revoked() {
    let unnamed = || World::of(going(but(|seen| seen.object.status = None)));
    let world = unnamed().listing(&[row("17", &mark(&former()).mark("prod"))]);
    let asked = seen_off(world);
    assert_eq!(asked, ["close", "find 17", "status", "find 17", "revoke 17", "release object"]);
    let mut forged = unnamed().listing(&[row("17", "another's")]);
    let held = forged.seen.secret.as_mut().and_then(|held| held.stored.as_mut()).expect("a token");
    held.seal.mac = crate::domain::testing::mac("16", crate::domain::token_mac::Role::Stored);
    assert_eq!(seen_off(forged), ["close", "find 17", "release object"], "what it does not prove stays");
}

#[test]
fn nothing_is_revoked_before_the_secret_is_closed() {
    for answer in [Answer::Conflict, Answer::Unclear("no answer".into()), Answer::Refused("webhook".into())] {
        let mut world = World::of(going(at_rest())).on("close", answer);
        assert_ne!(run(&mut world), Outcome::Rest);
        assert_eq!((world.asked, world.rows.len()), (vec!["close".to_owned()], 1));
    }
}

#[test]
fn while_a_token_lives_the_object_stays_and_what_is_revoked_is_noted() {
    let seen = but(|seen| tell(seen, Fact::Retiring(retiring("12", at(0)))));
    let mut world = World::of(going(seen)).on("revoke 12", Answer::NotSent(fault(Reason::Unreachable)));
    let outcome = run(&mut world);
    assert!(matches!(outcome, Outcome::Failed(fault) if fault.message.contains("tw-12")));
    assert_eq!(world.asked.last().map(String::as_str), Some("revoke 12"), "the current one stays in status");
    assert!(world.seen.object.finalizer);
    let both = but(|seen| {
        tell(seen, Fact::Retiring(retiring("12", at(0))));
        tell(seen, Fact::Retiring(retiring("13", at(0))));
        seen.object.revoke = false;
    });
    let mut world = World::of(going(both)).on("revoke 12", Answer::NotSent(fault(Reason::Unreachable)));
    assert!(matches!(run(&mut world), Outcome::Failed(_)));
    assert_eq!(world.asked.last().map(String::as_str), Some("status"));
    assert_eq!(recorded(&world.seen.object).retiring.len(), 1);
}

#[test]
fn a_current_token_that_is_not_listed_is_gone_when_the_registry_refuses_it() {
    let world = |verdict| World::of(going(at_rest())).listing(&[]).saying(verdict);
    let asked = seen_off(world(Verdict::Refused("no".into())));
    assert_eq!(asked, ["close", "find 17", "log in", "release object"]);
    let mut alive = world(Verdict::Accepted);
    assert!(matches!(run(&mut alive), Outcome::Failed(fault) if fault.reason == Reason::TokenNotListed));
    assert!(alive.seen.object.finalizer);
}

#[test]
fn an_orphan_loses_its_mark_and_its_owner_and_keeps_its_token() {
    let unsettled = World::of(orphaned(at_rest())).listing(&[row("17", &mark(&former()).mark("prod"))]);
    let mut world = unsettled;
    assert_eq!(run(&mut world), Outcome::Rest);
    assert_eq!(world.asked, ["close", "find 17", "edit 17", "release", "release object"]);
    assert_eq!(world.rows, [row("17", "prod")]);
    let settled = World::of(orphaned(at_rest()));
    assert_eq!(seen_off(settled), ["close", "find 17", "release", "release object"]);
}

#[test]
fn an_orphans_former_tokens_are_revoked() {
    let seen = but(|seen| tell(seen, Fact::Retiring(retiring("12", at(99_999)))));
    let asked = seen_off(World::of(orphaned(seen)));
    assert_eq!(asked, ["close", "find 12", "revoke 12", "find 17", "release", "release object"]);
}

#[test]
fn an_orphan_is_not_released_with_its_mark_on() {
    let marked = || World::of(orphaned(at_rest())).listing(&[row("17", &mark(&former()).mark("prod"))]);
    let mut world = marked().on("edit 17", Answer::Denied(fault(Reason::RequestRefused)));
    assert!(matches!(run(&mut world), Outcome::Failed(_)));
    assert!(world.seen.object.finalizer && !world.asked.contains(&"release".to_owned()));
    let mut young = World::of(orphaned(but(|seen| seen.now = at(40)))).listing(&[]);
    let outcome = run(&mut young);
    assert!(matches!(outcome, Outcome::WaitFor(_, fault) if fault.reason == Reason::TokenNotListed));
    let old = World::of(orphaned(at_rest())).listing(&[]);
    assert_eq!(seen_off(old), ["close", "find 17", "release", "release object"], "it is gone anyway");
}

#[test]
fn where_the_list_is_hidden_no_audit_sees_an_orphans_mark() {
    let mut world = World::of(orphaned(at_rest()));
    of_issuer(&mut world.seen, |facts| facts.list_visible = false);
    assert_eq!(seen_off(world), ["close", "release, marked", "release object"], "nor one that sees it later");
}

#[test]
fn without_its_issuer_an_orphan_is_released_as_it_is_and_its_marks_stay_known() {
    for issuer in [IssuerView::Missing, not_ready()] {
        let seen = Observed { issuer: issuer.clone(), ..orphaned(at_rest()) };
        let mut world = World::of(seen);
        assert_eq!(run(&mut world), Outcome::Rest);
        assert_eq!(world.asked, ["release, marked", "release object"]);
        let marks = vec![mark(&former()).nonce().clone()];
        assert!(world.requests.contains(&Request::Secret(Write::Release(marks))));
        let gone = Observed { issuer, secret: None, ..orphaned(at_rest()) };
        assert_eq!(seen_off(World::of(gone)), ["release object"]);
    }
}

#[test]
fn at_another_portal_nothing_is_looked_for_edited_or_revoked() {
    let mut seen = orphaned(but(|seen| tell(seen, Fact::Retiring(retiring("12", at(0))))));
    of_issuer(&mut seen, |facts| facts.portal.url = "https://copy-of-the-portal".into());
    let world = World::of(seen);
    assert_eq!(seen_off(world), ["release, marked", "release object"]);
}

#[test]
fn a_stored_token_that_status_does_not_name_stays_known_too() {
    let other = but_secret(|held| held.stored.as_mut().expect("a token").attempt = attempt(5));
    let mut world = World::of(Observed { issuer: not_ready(), ..orphaned(other) });
    assert_eq!(run(&mut world), Outcome::Rest);
    let mut marks = vec![mark(&former()).nonce().clone(), mark(&attempt(5)).nonce().clone()];
    marks.sort_unstable();
    assert!(world.requests.contains(&Request::Secret(Write::Release(marks))));
}

#[test]
fn an_object_that_has_nothing_needs_no_issuer_to_go() {
    for issuer in [IssuerView::Missing, not_ready()] {
        let seen = Observed { issuer, secret: Some(empty_secret()), ..going(new()) };
        assert_eq!(seen_off(World::of(seen)), ["close", "release object"]);
    }
}

#[test]
fn a_login_check_that_is_off_is_not_asked_for() {
    let mut world = World::of(going(at_rest())).listing(&[]);
    of_issuer(&mut world.seen, |facts| facts.login = LoginMode::Disabled);
    assert_eq!(seen_off(world), ["close", "find 17", "release object"]);
}

#[test]
fn an_object_whose_finalizer_cannot_be_taken_off_stays() {
    let mut world = World::of(going(at_rest())).on("release object", Answer::Conflict);
    assert_eq!(run(&mut world), Outcome::LookAgain);
    let mut gone = World::of(going(at_rest())).on("release object", Answer::Object(None));
    assert_eq!(run(&mut gone), Outcome::Rest, "it went meanwhile");
}
