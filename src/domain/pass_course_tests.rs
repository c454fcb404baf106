//! Whole courses of a pass: what is said, taken in, replaced and let go.

use super::*;
use crate::api::Reason;
use crate::domain::cause::Cause;
use crate::domain::effect::{Content, Verdict};
use crate::domain::inventory::digest;
use crate::domain::observed::Listed;
use crate::domain::recorded::recorded;
use crate::domain::testing::{
    World, asked, at, at_rest, but, fault, former, going, mark, new, not_ready, of_issuer, row, stored, tell,
};

fn done(mut world: World) -> (Vec<String>, End) {
    let end = world.pass();
    (world.asked, end)
}

#[test]
fn what_hinders_is_said_once_and_a_working_object_stays_ready() {
    let seen = but(|seen| seen.object.asked = asked(&[("rotate", "1")]));
    let mut world = World::of(seen).on("token", Answer::Denied(fault(Reason::RequestRefused)));
    assert!(matches!(world.pass(), End::After(_)), "the next request waits");
    let known = recorded(&world.seen.object);
    assert!(known.ready && known.hindered);
    let mut first = World::of(new()).on("token", Answer::Denied(fault(Reason::RequestRefused)));
    assert!(matches!(first.pass(), End::After(_)));
    assert_eq!(first.statuses().count(), 1);
    let mut again = World::of(first.seen).on("token", Answer::Denied(fault(Reason::RequestRefused)));
    assert!(matches!(again.pass(), End::After(_)));
    assert_eq!((again.statuses().count(), again.asked.contains(&"token".to_owned())), (0, true));
}

#[test]
fn what_cannot_be_said_ends_the_pass_as_what_could() {
    for answer in [Answer::Conflict, Answer::Refused("webhook".into()), Answer::Unclear("no answer".into())] {
        let mut world = World::of(Observed { issuer: not_ready(), ..new() }).on("status", answer);
        assert!(matches!(world.pass(), End::Failed(fault) if fault.reason == Reason::IssuerNotReady));
    }
}

#[test]
fn what_an_audit_saw_is_not_believed_after_something_was_done() {
    let mut world = World::of(but(|seen| {
        seen.listed = Listed::Shown(digest("mine now"));
    }))
    .listing(&[row("17", "mine now")]);
    assert_eq!(world.pass(), End::Rest, "{:?}", world.asked);
    assert_eq!(world.asked, ["read object", "read secret", "find 17", "edit 17", "find 17"]);
}

#[test]
fn a_token_left_by_a_crash_after_its_commit_is_taken_in_checked_and_settled() {
    let crashed = but(|seen| seen.object.status = None);
    let mut world = World::of(crashed).listing(&[row("17", &mark(&former()).mark("prod"))]);
    world.content = crate::domain::testing::login("tw-17");
    assert_eq!(world.pass(), End::Rest);
    let order = [
        "read object",
        "read secret",
        "read secret",
        "find 17",
        "read object",
        "read secret",
        "status",
        "read content",
        "status",
        "log in",
        "status",
        "find 17",
        "edit 17",
        "status",
    ];
    assert_eq!(world.asked, order);
    assert!(recorded(&world.seen.object).ready);
}

#[test]
fn a_token_revoked_by_a_colleague_is_replaced_once_and_then_held() {
    let mut world = World::of(but(|seen| seen.listed = Listed::Missing(at(3000))))
        .listing(&[])
        .on("log in", Answer::Login(Verdict::Refused("no".into())));
    let end = world.pass();
    assert_eq!(end, End::Rest, "{:?}", world.asked);
    let known = recorded(&world.seen.object);
    assert!(known.ready && known.retiring.is_empty(), "its predecessor is known to be gone");
    let mut later = Observed { now: at(3600 + 7200), listed: Listed::Missing(at(3600 + 7000)), ..world.seen.clone() };
    tell(&mut later, Fact::Revoked(vec![crate::domain::testing::named("17")]));
    let mut again = World::of(later).listing(&[]).on("log in", Answer::Login(Verdict::Refused("no".into())));
    let end = again.pass();
    assert!(matches!(&end, End::After(left) if *left == std::time::Duration::from_hours(24)), "{end:?}");
    assert!(!again.asked.contains(&"token".to_owned()));
    let status = again.seen.object.status.as_ref().expect("a status");
    assert!(crate::domain::conditions::holds(&status.conditions, crate::api::ConditionType::Stalled));
}

#[test]
fn an_issuer_that_is_not_held_yet_is_woken_and_nothing_else_is_done() {
    let mut seen = new();
    seen.object.finalizer = false;
    of_issuer(&mut seen, |facts| facts.held = false);
    assert_eq!(done(World::of(seen)), (vec!["wake issuer".to_owned()], End::Rest));
}

#[test]
fn an_object_is_looked_at_as_a_whole_when_somebody_asks_for_it_and_once() {
    let mut world = World::of(but(|seen| seen.look_closer = true));
    assert_eq!(world.pass(), End::Rest);
    assert_eq!(world.asked, ["read object", "read secret", "read content"]);
}

#[test]
fn a_spec_that_is_edited_while_nothing_works_is_not_forgotten() {
    let mut seen = at_rest();
    tell(&mut seen, Fact::LoggedIn(Verdict::Refused("no".into())));
    seen.object.generation = 2;
    let mut outage = World::of(Observed { issuer: not_ready(), ..seen });
    assert!(matches!(outage.pass(), End::Failed(_)));
    let mut over = World::of(Observed { issuer: at_rest().issuer, ..outage.seen });
    over.content = Content::Login { username: "tw-17".into(), registries: true, intact: true, dressed: false };
    assert_eq!(over.pass(), End::Rest);
    assert!(over.asked.contains(&"repair".to_owned()), "labels of the spec are put on: {:?}", over.asked);
}

#[test]
fn an_object_that_goes_takes_its_tokens_with_it_in_one_pass() {
    let mut world = World::of(going(but(|seen| tell(seen, stored("17", Cause::First)))));
    assert_eq!(world.pass(), End::Rest);
    assert_eq!(world.asked, ["read object", "read secret", "close", "find 17", "revoke 17", "release object"]);
    assert!(world.rows.is_empty());
}

#[test]
fn a_spec_that_was_edited_while_its_token_was_asked_for_is_shown_also_where_the_mark_stays() {
    for visible in [true, false] {
        let mut seen = new();
        of_issuer(&mut seen, |facts| (facts.permanent, facts.list_visible) = (true, visible));
        let mut world = World::of(seen).meanwhile("commit 18", |world| {
            (world.seen.object.description, world.seen.object.generation) = ("edited".into(), 2);
        });
        assert_eq!(world.pass(), End::Rest, "{:?}", world.asked);
        assert!(world.rows[0].description.starts_with("edited ["), "{:?}", world.rows);
        assert_eq!(recorded(&world.seen.object).description_synced, Some(2));
    }
}
