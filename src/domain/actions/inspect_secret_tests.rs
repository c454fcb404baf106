use super::*;
use crate::api::Reason;
use crate::domain::model::login_result::LoginResult;
use crate::domain::test_support::{
    World, apply, at_rest, at_rest_with, at_rest_with_issuer, at_rest_with_secret, login_content, new_object,
    not_ready, problem,
};

fn run(world: &mut World) -> Outcome {
    world.run(begin())
}

fn holding(mut world: World, content: SecretContent) -> World {
    world.content = content;
    world
}

#[test]
fn a_valid_secret_is_recorded_once() {
    let mut world = World::of(at_rest_with_secret(|secret| secret.resource_version = "6".into()));
    assert_eq!(run(&mut world), Outcome::Redecide);
    assert_eq!(world.labels, ["read content", "status"]);
    assert_eq!(StatusView::of(&world.observed.object).secret_version, Some("6".into()));
    let mut again = World::of(world.observed);
    assert_eq!(run(&mut again), Outcome::Redecide);
    assert_eq!(again.labels, ["read content"], "nothing changed, and nothing is written");
}

#[test]
fn a_problem_is_cleared_when_the_secret_is_valid() {
    let not_ready_before = StatusEvent::ProblemFound { problem: problem(Reason::IssuerNotReady), pods_can_pull: false };
    let mut world = World::of(at_rest_with(|observed| apply(observed, not_ready_before)));
    assert_eq!(run(&mut world), Outcome::Redecide);
    let status = StatusView::of(&world.observed.object);
    assert!(status.ready && !status.has_problem);
}

#[test]
fn a_token_that_was_cleared_in_the_meantime_does_not_count_as_valid_because_of_its_data() {
    let observed = at_rest_with(|observed| {
        observed.secret.as_mut().expect("a Secret").stored = None;
        apply(observed, StatusEvent::ProblemFound { problem: problem(Reason::SecretUnverified), pods_can_pull: false });
    });
    let mut world = World::of(observed);
    assert_eq!((run(&mut world), world.labels.clone()), (Outcome::Redecide, vec!["read content".to_owned()]));
    assert!(!StatusView::of(&world.observed.object).ready);
}

#[test]
fn metadata_is_repaired_in_place() {
    let bad = |registries, template_applied| SecretContent::Login {
        username: "tw-17".into(),
        registries_match: registries,
        checksum_valid: true,
        template_applied,
    };
    let worlds = [
        holding(World::of(at_rest()), bad(false, true)),
        holding(World::of(at_rest()), bad(true, false)),
        World::of(at_rest_with_secret(|secret| secret.owned_and_labeled = false)),
        World::of(at_rest_with_secret(|secret| secret.registries_hash = None)),
        World::of(at_rest_with_issuer(|issuer| issuer.registries_hash = "others".into())),
    ];
    for mut world in worlds {
        assert_eq!(run(&mut world), Outcome::Redecide);
        world.labels.retain(|word| word != "status");
        assert_eq!(world.labels, ["read content", "repair"]);
        let secret = world.observed.secret.expect("a Secret");
        assert_eq!(
            StatusView::of(&world.observed.object).secret_version,
            Some(secret.resource_version),
            "as it is now"
        );
        assert!(secret.stored.is_some(), "the login stays");
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
        assert_eq!(world.labels, ["read content", "clear token"]);
    }
}

#[test]
fn a_token_that_another_operator_stored_meanwhile_is_not_cleared_by_the_object_read_before() {
    let newer = |observed: &mut crate::domain::observed::Observed| {
        let stored = observed.secret.as_mut().and_then(|secret| secret.stored.as_mut());
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
fn what_cannot_be_changed_in_place_is_reported_and_not_deleted() {
    let immutable = SecretContent::Immutable { username: Some("tw-17".into()) };
    for (content, why) in [(SecretContent::WrongType, Reason::SecretTypeMismatch), (immutable, Reason::SecretImmutable)]
    {
        let mut world = holding(World::of(at_rest()), content);
        let outcome = run(&mut world);
        assert!(matches!(outcome, Outcome::Failed(problem) if problem.reason == why && problem.terminal));
        assert_eq!(world.labels, ["read content"]);
    }
}

#[test]
fn a_deleted_or_foreign_secret_is_decided_again() {
    let mut deleted = World::of(at_rest()).meanwhile("read content", |world| world.observed.secret = None);
    let mut foreign = World::of(at_rest_with_secret(|secret| secret.ownership = Ownership::Foreign));
    for world in [&mut deleted, &mut foreign] {
        assert_eq!(run(world), Outcome::Redecide);
        assert_eq!(world.labels, ["read content"]);
    }
}

#[test]
fn a_failure_changes_nothing() {
    let mut unread = World::of(at_rest()).on("read content", Response::OutcomeUnknown("no answer".into()));
    assert!(matches!(run(&mut unread), Outcome::Failed(_)));
    let untied = || World::of(at_rest_with_secret(|secret| secret.owned_and_labeled = false));
    let mut conflict = untied().on("repair", Response::Conflict);
    assert_eq!(run(&mut conflict), Outcome::RequeueSoon);
    let mut refused = untied().on("repair", Response::WriteRejected("webhook".into()));
    assert!(matches!(run(&mut refused), Outcome::Failed(_)));
    for world in [unread, conflict, refused] {
        assert_eq!(world.statuses().count(), 0);
    }
    let mut deleted = World::of(at_rest()).meanwhile("read content", |world| world.observed.issuer = not_ready());
    assert_eq!(run(&mut deleted), Outcome::RequeueSoon);
}

#[test]
fn a_token_that_never_logged_in_is_not_made_ready_by_its_secret() {
    let mut observed = crate::domain::observed::Observed { secret: at_rest().secret, ..new_object() };
    let unknown = LoginResult::Unknown("not verified yet".into());
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
    assert!(!StatusView::of(&world.observed.object).ready);
}

#[test]
fn other_registries_have_to_accept_the_login_before_it_counts_as_verified() {
    let mut world =
        World::of(crate::domain::test_support::at_rest_with_issuer(|issuer| issuer.registries_hash = "others".into()));
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
        (StatusView::of(&doubted).ready, StatusView::of(&doubted).login_verified),
        (true, false),
        "pods are not affected"
    );
    assert!(StatusView::of(&world.observed.object).login_verified);
}
