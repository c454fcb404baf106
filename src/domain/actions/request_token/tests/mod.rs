mod lookup;

use super::*;
use crate::api::{LoginCheck, Reason};
use crate::domain::model::pull_secret::{Reservation, SecretMeta};
use crate::domain::model::token::RowQuery;
use crate::domain::protocol::SecretWrite;
use crate::domain::test_support::{
    World, apply, at_rest, at_rest_with, at_rest_with_secret, attempt_id, change_issuer, marker, new_object, not_ready,
    now, problem, request_cause, row,
};

/// Runs an attempt for this cause to its end.
fn run(world: &mut World, cause: Cause) -> Outcome {
    let start = begin(&world.observed, request_cause(cause));
    world.run(start)
}

fn first(mut world: World) -> (Vec<String>, Outcome) {
    let outcome = run(&mut world, Cause::First);
    (world.labels, outcome)
}

fn reason(outcome: &Outcome) -> Option<Reason> {
    match outcome {
        Outcome::Failed(problem) => Some(problem.reason),
        _ => None,
    }
}

fn marked() -> String {
    marker(&attempt_id(2)).append_to("prod")
}

const UP_TO_TOKEN: [&str; 3] = ["reserve", "read issuer", "token"];

/// Asserts that exactly these requests followed the token request.
fn after_token(asked: &[String], then: &[&str]) {
    assert_eq!(asked, [&UP_TO_TOKEN[..], then].concat());
}

#[test]
fn the_request_names_the_projects_of_the_object() {
    let mut world = World::of(new_object());
    world.observed.object.projects = vec!["a".to_owned(), "b".to_owned()];
    run(&mut world, Cause::First);
    let named = |request: &Request| match request {
        Request::RequestToken { projects, .. } => Some(projects.clone()),
        _ => None,
    };
    let named: Vec<_> = world.requests.iter().filter_map(named).collect();
    assert_eq!(named, [["a", "b"]]);
}

#[test]
fn where_the_marker_stays_one_status_says_that_the_description_is_synced() {
    for (permanent, can_edit, synced) in [(true, true, true), (true, false, true), (false, true, false)] {
        let mut world = World::of(new_object());
        change_issuer(&mut world.observed, |issuer| (issuer.keep_marker, issuer.can_edit) = (permanent, can_edit));
        assert_eq!(run(&mut world, Cause::First), Outcome::Stored);
        assert_eq!(world.labels.iter().filter(|label| *label == "status").count(), 1, "{:?}", world.labels);
        let status = StatusView::of(&world.observed.object);
        assert_eq!((status.description_synced == Some(1), status.ready), (synced, true));
    }
}

#[test]
fn a_first_token_is_reserved_requested_stored_verified_and_recorded_in_this_order() {
    let mut world = World::of(new_object());
    assert_eq!(run(&mut world, Cause::First), Outcome::Stored);
    after_token(&world.labels, &["commit 18", "log in", "status"]);
    let sent =
        |request: &Request| matches!(request, Request::RequestToken { description, .. } if *description == marked());
    assert!(world.requests.iter().any(sent), "{:?}", world.requests);
    let status = StatusView::of(&world.observed.object);
    let (token, secret) = (status.token.expect("a token"), world.observed.secret.expect("a Secret"));
    assert_eq!((token.id.as_str(), token.username.as_str()), ("18", "tw-18"));
    assert_eq!((token.nonce, token.request_time.0), (marker(&attempt_id(2)).nonce().to_string(), now()));
    assert_eq!(status.secret_version, Some(secret.resource_version));
    assert_eq!(secret.stored.map(|stored| (stored.attempt_id, stored.id)), Some((attempt_id(2), "18".into())));
    assert!(status.ready && status.login_verified && secret.reservation.is_none());
}

#[test]
fn a_working_token_is_replaced_only_after_the_new_ones_login_was_accepted() {
    for cause in [Cause::Rotation, Cause::Rotate, Cause::Replace] {
        let mut world = World::of(at_rest());
        assert_eq!(run(&mut world, cause), Outcome::Stored);
        let order =
            ["read content", "log in", "dry run", "reserve", "read issuer", "token", "log in", "commit 18", "status"];
        assert_eq!(world.labels, order);
        let status = StatusView::of(&world.observed.object);
        assert!(status.is_retiring("17") && status.ready && status.login_verified, "{cause}");
    }
}

#[test]
fn a_lost_token_is_reported_before_another_is_requested() {
    let mut lost = World::of(at_rest_with(|observed| observed.secret = None));
    assert_eq!(run(&mut lost, Cause::Lost), Outcome::Stored);
    assert_eq!(lost.labels, ["status", "reserve", "read issuer", "token", "commit 18", "log in", "status"]);
    let said =
        lost.statuses().next().and_then(|status| crate::domain::status::ready_condition(Some(status))).expect("said");
    assert_eq!((said.0, said.1), ("False", "SecretLost"));
    let known = StatusView::of(&lost.observed.object);
    assert_eq!(known.retiring.first().map(|token| token.revocation_time.0), Some(now()), "it is revoked immediately");
    let mut emptied = World::of(at_rest_with_secret(|secret| secret.stored = None));
    assert_eq!(run(&mut emptied, Cause::Lost), Outcome::Stored);
    assert_eq!(emptied.labels[..4], ["status", "read content", "dry run", "reserve"]);
}

#[test]
fn without_a_login_check_the_registry_is_not_asked() {
    for (mut observed, cause) in [(new_object(), Cause::First), (at_rest(), Cause::Rotate)] {
        change_issuer(&mut observed, |issuer| issuer.login_check = LoginCheck::Disabled);
        let mut world = World::of(observed);
        assert_eq!(run(&mut world, cause), Outcome::Stored);
        assert!(!world.labels.contains(&"log in".to_owned()) && StatusView::of(&world.observed.object).ready);
    }
}

#[test]
fn a_secret_that_another_writer_created_again_is_not_reserved() {
    let mut world = World::of(at_rest_with_secret(|secret| secret.stored = None)).meanwhile("read content", |world| {
        let secret = world.observed.secret.as_mut().expect("a Secret");
        (secret.uid, secret.ownership) = ("theirs".into(), Ownership::Foreign);
    });
    let outcome = run(&mut world, Cause::First);
    assert_eq!(reason(&outcome), Some(Reason::SecretNotOwned), "{outcome:?}");
    assert_eq!(world.labels, ["read content"], "nothing is written into it");
}

#[test]
fn a_secret_that_could_not_be_written_is_known_before_a_token_exists() {
    let before = |world: World, why, asked: &[&str]| {
        let mut world = world;
        let outcome = run(&mut world, Cause::Rotate);
        assert_eq!((reason(&outcome), world.labels), (Some(why), asked.iter().map(|&word| word.to_owned()).collect()));
    };
    let immutable = SecretContent::Immutable { username: None };
    for (content, why) in [(SecretContent::WrongType, Reason::SecretTypeMismatch), (immutable, Reason::SecretImmutable)]
    {
        let mut world = World::of(at_rest());
        world.content = content;
        before(world, why, &["read content"]);
    }
    let quota = || Response::WriteRejected("quota".into());
    before(World::of(at_rest()).on("dry run", quota()), Reason::SecretRejected, &["read content", "log in", "dry run"]);
    before(
        World::of(at_rest()).on("reserve", quota()),
        Reason::SecretRejected,
        &["read content", "log in", "dry run", "reserve"],
    );
    let (asked, outcome) = first(World::of(new_object()).on("reserve", quota()));
    assert_eq!((reason(&outcome), asked), (Some(Reason::SecretRejected), vec!["reserve".to_owned()]));
}

#[test]
fn without_a_reservation_no_token_is_requested() {
    for (response, outcome) in [
        (Response::Conflict, Outcome::RequeueSoon),
        (Response::OutcomeUnknown("no answer".into()), Outcome::Failed(api_server_unavailable("no answer"))),
    ] {
        let mut world = World::of(at_rest()).on("reserve", response);
        assert_eq!(run(&mut world, Cause::Rotate), outcome);
        assert_eq!(world.labels.last().map(String::as_str), Some("reserve"));
    }
}

#[test]
fn a_token_that_another_operator_stored_in_the_meantime_is_not_replaced() {
    let mut world = World::of(at_rest()).meanwhile("read content", |world| {
        let stored = world.observed.secret.as_mut().and_then(|secret| secret.stored.as_mut());
        stored.expect("a token").id = "18".into();
    });
    assert_eq!(run(&mut world, Cause::Rotate), Outcome::RequeueSoon);
    assert_eq!(world.labels, ["read content"]);
}

#[test]
fn a_secret_that_is_missing_from_the_cache_is_read() {
    let there = |ownership| {
        World::of(new_object()).on("reserve", Response::Conflict).meanwhile("read secret", move |world| {
            world.observed.secret = Some(crate::domain::test_support::secret());
            world.observed.secret.as_mut().expect("a Secret").ownership = ownership;
        })
    };
    let (asked, outcome) = first(there(Ownership::Foreign));
    assert_eq!((reason(&outcome), asked.len()), (Some(Reason::SecretNotOwned), 2));
    assert_eq!(first(there(Ownership::Ours)).1, Outcome::RequeueSoon);
}

#[test]
fn an_issuer_that_may_not_be_used_costs_only_the_reservation() {
    let withdrawn = problem(Reason::NamespaceNotAllowed);
    for (response, outcome) in [
        (Response::IssuerDenied(withdrawn.clone()), Outcome::Failed(withdrawn)),
        (Response::OutcomeUnknown("down".into()), Outcome::Failed(api_server_unavailable("down"))),
        (Response::WriteRejected("forbidden".into()), Outcome::Failed(api_server_unavailable("forbidden"))),
        (Response::IssuerChanged, Outcome::RequeueSoon),
        (Response::Conflict, Outcome::RequeueSoon),
    ] {
        let (asked, ended) = first(World::of(new_object()).on("read issuer", response));
        assert_eq!((ended, asked), (outcome, ["reserve", "read issuer", "clear reservation"].map(String::from).into()));
    }
    let lost = World::of(new_object()).meanwhile("read issuer", |world| world.observed.issuer = not_ready());
    assert_eq!(
        first(lost),
        (["reserve", "read issuer", "clear reservation"].map(String::from).into(), Outcome::RequeueSoon)
    );
}

#[test]
fn a_rejected_or_unsent_request_costs_only_the_reservation() {
    let why = problem(Reason::RequestRejected);
    for response in [Response::Rejected(why.clone()), Response::NotSent(why.clone())] {
        let refused = matches!(response, Response::Rejected(_));
        let (asked, outcome) = first(World::of(new_object()).on("token", response));
        after_token(&asked, &["clear reservation"]);
        let Outcome::Failed(problem) = outcome else { panic!("{outcome:?}") };
        assert_eq!(problem.reason, why.reason);
        assert_eq!(problem.message.contains("Change spec.description"), refused, "{}", problem.message);
    }
}

#[test]
fn a_request_beyond_the_limit_of_tokens_costs_only_the_reservation() {
    let (asked, outcome) =
        first(World::of(new_object()).on("token", Response::Rejected(problem(Reason::TokenLimitReached))));
    after_token(&asked, &["clear reservation"]);
    let Outcome::Failed(problem) = outcome else { panic!("{outcome:?}") };
    assert_eq!(problem.reason, Reason::TokenLimitReached);
    assert!(problem.message.contains("allows no further token"), "{}", problem.message);
}

#[test]
fn a_request_that_would_go_out_too_late_waits_for_the_issuer_to_be_read_again() {
    let (asked, outcome) = first(World::of(new_object()).on("token", Response::IssuerReadExpired));
    after_token(&asked, &["read issuer", "token", "commit 18", "log in", "status"]);
    assert_eq!(outcome, Outcome::Stored);
}

#[test]
fn a_request_that_is_always_too_late_is_given_up() {
    let world =
        (0..=MAX_TRIES).fold(World::of(new_object()), |world, _| world.on("token", Response::IssuerReadExpired));
    let (asked, outcome) = first(world);
    assert_eq!((asked.last().map(String::as_str), outcome), (Some("clear reservation"), Outcome::RequeueSoon));
    assert_eq!(asked.iter().filter(|word| *word == "token").count(), usize::from(MAX_TRIES) + 1);
}

#[test]
fn a_reservation_contains_the_attempt_id_and_the_identity() {
    let mut world = World::of(at_rest_with(|observed| apply(observed, StatusEvent::DescriptionSynced)));
    run(&mut world, Cause::Rotate);
    let wanted = Reservation { attempt_id: attempt_id(2), identity: crate::domain::test_support::IDENTITY.into() };
    assert!(world.requests.contains(&Request::WriteSecret(SecretWrite::Reserve(wanted))));
}

#[test]
fn the_effect_of_admission_on_a_new_secret_is_known_before_a_token_exists() {
    let reserved = || SecretMeta {
        reservation: crate::domain::test_support::reservation(2, crate::domain::test_support::IDENTITY),
        ..crate::domain::test_support::empty_secret()
    };
    let content = |content| Response::Content(Some(Box::new((reserved(), content))));
    let created = |meta| Response::Secret(Some(Box::new(meta)));
    for (response, expected) in [
        (content(SecretContent::Immutable { username: None }), Reason::SecretImmutable),
        (content(SecretContent::WrongType), Reason::SecretTypeMismatch),
        (created(SecretMeta { owned_and_labeled: false, ..reserved() }), Reason::SecretRejected),
        (created(SecretMeta { reservation: None, ..reserved() }), Reason::SecretRejected),
    ] {
        let mut world = World::of(new_object()).on("reserve", response.clone());
        assert_eq!(reason(&run(&mut world, Cause::First)), Some(expected), "{response:?}");
        assert_eq!(
            world.labels,
            ["reserve", "clear reservation"],
            "no token is requested, and the reservation is cleared"
        );
    }
    let mut world = World::of(new_object()).on("reserve", created(reserved()));
    assert_eq!(run(&mut world, Cause::First), Outcome::Stored);
}

#[test]
fn the_dry_run_is_the_largest_commit_that_there_may_be() {
    let mut world = World::of(at_rest());
    let handles = [("rotate".to_owned(), "x".repeat(256))].into();
    let start = begin(&world.observed, RequestCause { cause: Cause::Rotate, handles });
    world.run(start);
    let (mut tried, mut committed) = (None, None);
    for request in &world.requests {
        match request {
            Request::DryRunCommit(stored) => tried = Some((**stored).clone()),
            Request::WriteSecret(SecretWrite::Commit(stored)) => committed = Some(stored.clone()),
            _ => {}
        }
    }
    let (tried, committed) = (tried.expect("tried"), committed.expect("committed"));
    assert_eq!(
        (tried.request_cause, tried.attempt_id),
        (committed.request_cause, committed.attempt_id),
        "exactly what is written later"
    );
    assert!(tried.id.len() == 256 && tried.provenance.to_string().len() >= committed.provenance.to_string().len());
}
