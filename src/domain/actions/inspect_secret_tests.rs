use super::*;
use crate::api::Reason;
use crate::domain::protocol::Verdict;
use crate::domain::test_support::{
    World, apply, at_rest, at_rest_with, at_rest_with_issuer, at_rest_with_secret, login_content, new_object,
    not_ready, problem,
};

fn run(world: &mut World) -> Outcome {
    world.run(begin(), InspectingSecret::step)
}

fn holding(mut world: World, content: SecretContent) -> World {
    world.content = content;
    world
}

#[test]
fn a_secret_in_order_is_noted_once() {
    let mut world = World::of(at_rest_with_secret(|held| held.resource_version = "6".into()));
    assert_eq!(run(&mut world), Outcome::Redecide);
    assert_eq!(world.labels, ["read content", "status"]);
    assert_eq!(status_view(&world.observed.object).secret_version, Some("6".into()));
    let mut again = World::of(world.observed);
    assert_eq!(run(&mut again), Outcome::Redecide);
    assert_eq!(again.labels, ["read content"], "nothing changed, and nothing is written");
}

#[test]
fn a_problem_is_cleared_when_the_secret_is_in_order() {
    let hindered = StatusEvent::ProblemFound { problem: problem(Reason::IssuerNotReady), pods_can_pull: false };
    let mut world = World::of(at_rest_with(|observed| apply(observed, hindered)));
    assert_eq!(run(&mut world), Outcome::Redecide);
    let status = status_view(&world.observed.object);
    assert!(status.ready && !status.has_problem);
}

#[test]
fn a_token_that_was_cleared_meanwhile_is_not_called_good_for_its_data() {
    let observed = at_rest_with(|observed| {
        observed.secret.as_mut().expect("a Secret").stored = None;
        apply(observed, StatusEvent::ProblemFound { problem: problem(Reason::SecretUnverified), pods_can_pull: false });
    });
    let mut world = World::of(observed);
    assert_eq!((run(&mut world), world.labels.clone()), (Outcome::Redecide, vec!["read content".to_owned()]));
    assert!(!status_view(&world.observed.object).ready);
}

#[test]
fn what_is_not_secret_is_put_right_in_place() {
    let bad = |registries, dressed| SecretContent::Login {
        username: "tw-17".into(),
        registries_match: registries,
        checksum_valid: true,
        template_applied: dressed,
    };
    let worlds = [
        holding(World::of(at_rest()), bad(false, true)),
        holding(World::of(at_rest()), bad(true, false)),
        World::of(at_rest_with_secret(|held| held.owned_and_labeled = false)),
        World::of(at_rest_with_secret(|held| held.registries_hash = None)),
        World::of(at_rest_with_issuer(|facts| facts.registries_hash = "others".into())),
    ];
    for mut world in worlds {
        assert_eq!(run(&mut world), Outcome::Redecide);
        world.labels.retain(|word| word != "status");
        assert_eq!(world.labels, ["read content", "repair"]);
        let held = world.observed.secret.expect("a Secret");
        assert_eq!(status_view(&world.observed.object).secret_version, Some(held.resource_version), "as it is now");
        assert!(held.stored.is_some(), "the login stays");
    }
}

#[test]
fn a_login_that_is_not_the_current_token_is_cleared_and_nothing_is_revoked() {
    let changed = SecretContent::Login {
        username: "tw-17".into(),
        registries_match: true,
        checksum_valid: false,
        template_applied: true,
    };
    let immutable = [None, Some("somebody".into())].map(|holds| SecretContent::Immutable { username: holds });
    for content in [SecretContent::Empty, login_content("somebody"), changed].into_iter().chain(immutable) {
        let mut world = holding(World::of(at_rest()), content);
        assert_eq!(run(&mut world), Outcome::Redecide);
        assert_eq!(world.labels, ["read content", "disown"]);
    }
}

#[test]
fn a_token_that_another_operator_stored_meanwhile_is_not_cleared_by_the_object_read_before() {
    let newer = |observed: &mut crate::domain::observed::Observed| {
        let stored = observed.secret.as_mut().and_then(|held| held.stored.as_mut());
        stored.expect("a token").id = "18".into();
    };
    for status in [at_rest().object.status, None] {
        let mut world = holding(
            World::of(at_rest_with(|observed| observed.object.status = status.clone())),
            login_content("tw-18"),
        );
        newer(&mut world.observed);
        assert_eq!((run(&mut world), world.labels.clone()), (Outcome::Redecide, vec!["read content".to_owned()]));
    }
}

#[test]
fn what_cannot_be_changed_in_place_is_said_and_not_deleted() {
    let immutable = SecretContent::Immutable { username: Some("tw-17".into()) };
    for (content, why) in [(SecretContent::WrongType, Reason::SecretTypeMismatch), (immutable, Reason::SecretImmutable)] {
        let mut world = holding(World::of(at_rest()), content);
        let outcome = run(&mut world);
        assert!(matches!(outcome, Outcome::Failed(fault) if fault.reason == why && fault.terminal));
        assert_eq!(world.labels, ["read content"]);
    }
}

#[test]
fn a_secret_that_is_gone_or_foreign_is_decided_again() {
    let mut gone = World::of(at_rest()).meanwhile("read content", |world| world.observed.secret = None);
    let mut foreign = World::of(at_rest_with_secret(|held| held.ownership = Ownership::Foreign));
    for world in [&mut gone, &mut foreign] {
        assert_eq!(run(world), Outcome::Redecide);
        assert_eq!(world.labels, ["read content"]);
    }
}

#[test]
fn a_failure_changes_nothing() {
    let mut unread = World::of(at_rest()).on("read content", Response::OutcomeUnknown("no answer".into()));
    assert!(matches!(run(&mut unread), Outcome::Failed(_)));
    let untied = || World::of(at_rest_with_secret(|held| held.owned_and_labeled = false));
    let mut conflict = untied().on("repair", Response::Conflict);
    assert_eq!(run(&mut conflict), Outcome::RequeueSoon);
    let mut refused = untied().on("repair", Response::WriteRejected("webhook".into()));
    assert!(matches!(run(&mut refused), Outcome::Failed(_)));
    for world in [unread, conflict, refused] {
        assert_eq!(world.statuses().count(), 0);
    }
    let mut gone = World::of(at_rest()).meanwhile("read content", |world| world.observed.issuer = not_ready());
    assert_eq!(run(&mut gone), Outcome::RequeueSoon);
}

#[test]
fn a_token_that_never_logged_in_is_not_made_ready_by_its_secret() {
    let mut observed = crate::domain::observed::Observed { secret: at_rest().secret, ..new_object() };
    let unknown = Verdict::Unknown("not asked yet".into());
    apply(
        &mut observed,
        crate::domain::test_support::token_stored_with(
            "17",
            crate::domain::model::request_cause::Cause::First,
            unknown,
        ),
    );
    let mut world = World::of(observed);
    assert_eq!(run(&mut world), Outcome::Redecide);
    assert!(!status_view(&world.observed.object).ready);
}

#[test]
fn other_registries_have_to_accept_the_login_before_it_counts_as_verified() {
    let mut world =
        World::of(crate::domain::test_support::at_rest_with_issuer(|facts| facts.registries_hash = "others".into()));
    world.content = SecretContent::Login {
        username: "tw-17".into(),
        registries_match: false,
        checksum_valid: true,
        template_applied: true,
    };
    let end = world.pass();
    let order = ["read object", "read secret", "read content", "status", "repair", "status", "log in", "status"];
    assert_eq!(
        (world.labels.as_slice(), end),
        (order.map(String::from).as_slice(), crate::domain::pass::PassResult::Idle)
    );
    let doubted = world.statuses().next().cloned();
    let doubted = crate::domain::model::object::Object { status: doubted, ..world.observed.object.clone() };
    assert_eq!(
        (status_view(&doubted).ready, status_view(&doubted).login_verified),
        (true, false),
        "pods go on meanwhile"
    );
    assert!(status_view(&world.observed.object).login_verified);
}
