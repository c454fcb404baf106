use super::*;
use crate::api::Reason;
use crate::domain::effect::Verdict;
use crate::domain::testing::{World, at_rest, but, but_issuer, but_secret, fault, login, new, not_ready, tell};

fn run(world: &mut World) -> Outcome {
    world.run(begin(), Inspecting::step)
}

fn holding(mut world: World, content: Content) -> World {
    world.content = content;
    world
}

#[test]
fn a_secret_in_order_is_noted_once() {
    let mut world = World::of(but_secret(|held| held.resource_version = "6".into()));
    assert_eq!(run(&mut world), Outcome::Again);
    assert_eq!(world.asked, ["read content", "status"]);
    assert_eq!(recorded(&world.seen.object).secret_version, Some("6".into()));
    let mut again = World::of(world.seen);
    assert_eq!(run(&mut again), Outcome::Again);
    assert_eq!(again.asked, ["read content"], "nothing changed, and nothing is written");
}

#[test]
fn what_hindered_is_taken_back_when_the_secret_is_in_order() {
    let hindered = Fact::Hindered { fault: fault(Reason::IssuerNotReady), working: false };
    let mut world = World::of(but(|seen| tell(seen, hindered)));
    assert_eq!(run(&mut world), Outcome::Again);
    let known = recorded(&world.seen.object);
    assert!(known.ready && !known.hindered);
}

#[test]
fn a_token_that_was_disowned_meanwhile_is_not_called_good_for_its_data() {
    let seen = but(|seen| {
        seen.secret.as_mut().expect("a Secret").stored = None;
        tell(seen, Fact::Hindered { fault: fault(Reason::SecretUnread), working: false });
    });
    let mut world = World::of(seen);
    assert_eq!((run(&mut world), world.asked.clone()), (Outcome::Again, vec!["read content".to_owned()]));
    assert!(!recorded(&world.seen.object).ready);
}

#[test]
fn what_is_not_secret_is_put_right_in_place() {
    let bad = |registries, dressed| Content::Login { username: "tw-17".into(), registries, intact: true, dressed };
    let worlds = [
        holding(World::of(at_rest()), bad(false, true)),
        holding(World::of(at_rest()), bad(true, false)),
        World::of(but_secret(|held| held.tied = false)),
        World::of(but_secret(|held| held.registries = None)),
        World::of(but_issuer(|facts| facts.registries = "others".into())),
    ];
    for mut world in worlds {
        assert_eq!(run(&mut world), Outcome::Again);
        world.asked.retain(|word| word != "status");
        assert_eq!(world.asked, ["read content", "repair"]);
        let held = world.seen.secret.expect("a Secret");
        assert_eq!(recorded(&world.seen.object).secret_version, Some(held.resource_version), "as it is now");
        assert!(held.stored.is_some(), "the login stays");
    }
}

#[test]
fn a_login_that_is_not_the_current_token_loses_its_mark_and_nothing_is_revoked_by_it() {
    let changed = Content::Login { username: "tw-17".into(), registries: true, intact: false, dressed: true };
    let immutable = [None, Some("somebody".into())].map(|holds| Content::Immutable { holds });
    for content in [Content::Nothing, login("somebody"), changed].into_iter().chain(immutable) {
        let mut world = holding(World::of(at_rest()), content);
        assert_eq!(run(&mut world), Outcome::Again);
        assert_eq!(world.asked, ["read content", "disown"]);
    }
}

#[test]
fn a_token_that_another_operator_stored_meanwhile_is_not_disowned_by_the_object_read_before() {
    let newer = |seen: &mut crate::domain::observed::Observed| {
        let stored = seen.secret.as_mut().and_then(|held| held.stored.as_mut());
        stored.expect("a token").id = "18".into();
    };
    for status in [at_rest().object.status, None] {
        let mut world = holding(World::of(but(|seen| seen.object.status = status.clone())), login("tw-18"));
        newer(&mut world.seen);
        assert_eq!((run(&mut world), world.asked.clone()), (Outcome::Again, vec!["read content".to_owned()]));
    }
}

#[test]
fn what_cannot_be_changed_in_place_is_said_and_not_deleted() {
    let immutable = Content::Immutable { holds: Some("tw-17".into()) };
    for (content, why) in [(Content::WrongType, Reason::SecretTypeWrong), (immutable, Reason::SecretImmutable)] {
        let mut world = holding(World::of(at_rest()), content);
        let outcome = run(&mut world);
        assert!(matches!(outcome, Outcome::Failed(fault) if fault.reason == why && fault.stalled));
        assert_eq!(world.asked, ["read content"]);
    }
}

#[test]
fn a_secret_that_is_gone_or_somebody_elses_is_decided_upon_anew() {
    let mut gone = World::of(at_rest()).meanwhile("read content", |world| world.seen.secret = None);
    let mut foreign = World::of(but_secret(|held| held.ownership = Ownership::Foreign));
    for world in [&mut gone, &mut foreign] {
        assert_eq!(run(world), Outcome::Again);
        assert_eq!(world.asked, ["read content"]);
    }
}

#[test]
fn a_failure_changes_nothing() {
    let mut unread = World::of(at_rest()).on("read content", Answer::Unclear("no answer".into()));
    assert!(matches!(run(&mut unread), Outcome::Failed(_)));
    let untied = || World::of(but_secret(|held| held.tied = false));
    let mut conflict = untied().on("repair", Answer::Conflict);
    assert_eq!(run(&mut conflict), Outcome::LookAgain);
    let mut refused = untied().on("repair", Answer::Refused("webhook".into()));
    assert!(matches!(run(&mut refused), Outcome::Failed(_)));
    for world in [unread, conflict, refused] {
        assert_eq!(world.statuses().count(), 0);
    }
    let mut gone = World::of(at_rest()).meanwhile("read content", |world| world.seen.issuer = not_ready());
    assert_eq!(run(&mut gone), Outcome::LookAgain);
}

#[test]
fn a_token_that_was_never_let_in_is_not_made_ready_by_its_secret() {
    let mut seen = crate::domain::observed::Observed { secret: at_rest().secret, ..new() };
    let unknown = Verdict::Unknown("not asked yet".into());
    tell(&mut seen, crate::domain::testing::stored_with("17", crate::domain::cause::Cause::First, unknown));
    let mut world = World::of(seen);
    assert_eq!(run(&mut world), Outcome::Again);
    assert!(!recorded(&world.seen.object).ready);
}

#[test]
fn other_registries_have_to_let_the_token_in_before_it_counts_as_verified() {
    let mut world = World::of(crate::domain::testing::but_issuer(|facts| facts.registries = "others".into()));
    world.content = Content::Login { username: "tw-17".into(), registries: false, intact: true, dressed: true };
    let end = world.pass();
    let order = ["read object", "read secret", "read content", "status", "repair", "status", "log in", "status"];
    assert_eq!((world.asked.as_slice(), end), (order.map(String::from).as_slice(), crate::domain::pass::End::Rest));
    let doubted = world.statuses().next().cloned();
    let doubted = crate::domain::object::Object { status: doubted, ..world.seen.object.clone() };
    assert_eq!((recorded(&doubted).ready, recorded(&doubted).verified), (true, false), "pods go on meanwhile");
    assert!(recorded(&world.seen.object).verified);
}
