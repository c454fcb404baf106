//! Rollback: the reservation is cleared first, and then the token is revoked.

use super::*;
use crate::api::Reason;
use crate::domain::model::token::TokenRow;
use crate::domain::test_support::{
    World, at_rest_with_secret, attempt_id, change_issuer, marker, new_object, problem, request_cause, reservation,
    row, secret,
};

fn left_behind() -> World {
    World::of(at_rest_with_secret(|secret| secret.reservation = reservation(9, "another")))
}

/// Clears what the ninth attempt left behind.
fn recovered(world: &mut World) -> Outcome {
    let start = recover(&world.observed, &attempt_id(9));
    world.run(start)
}

fn run(world: &mut World) -> Outcome {
    let start = begin(&world.observed, request_cause(Cause::First));
    world.run(start)
}

fn of_attempt(number: u8, id: &str) -> TokenRow {
    row(id, &marker(&attempt_id(number)).append_to("prod"))
}

fn lost_response() -> Response {
    Response::PortalOutcomeUnknown(problem(Reason::TimedOut))
}

const UP_TO_TOKEN: [&str; 3] = ["reserve", "read issuer", "token"];

#[test]
fn after_an_unknown_outcome_the_reservation_is_cleared_and_then_the_token_revoked() {
    let strange = [
        lost_response(),
        Response::Done,
        Response::Conflict,
        Response::OutcomeUnknown("x".into()),
        Response::Rows(vec![]),
    ];
    for response in strange {
        let made = [row("17", "another's"), of_attempt(2, "18"), of_attempt(2, "19"), of_attempt(3, "20")];
        let mut world = World::of(new_object()).on("token", response).listing(&made);
        assert!(matches!(run(&mut world), Outcome::Failed(problem) if problem.reason == Reason::RequestOutcomeUnknown));
        let then = ["audit", "clear reservation", "find marker", "revoke 19", "revoke 18"];
        assert_eq!(world.labels, [&UP_TO_TOKEN[..], &then].concat());
        assert_eq!(world.rows, [row("17", "another's"), of_attempt(3, "20")], "only rows with this marker");
        assert!(world.observed.secret.is_some_and(|secret| secret.reservation.is_none() && secret.stored.is_none()));
    }
}

#[test]
fn an_unknown_outcome_is_reported_with_its_cause() {
    let mut world = World::of(new_object()).on("token", lost_response());
    let Outcome::Failed(told) = run(&mut world) else { panic!("a failure") };
    assert!(told.message.starts_with("something is in the way; ") && told.message.contains("revoked"), "{told:?}");
}

#[test]
fn with_a_hidden_list_no_rows_are_queried() {
    let mut observed = new_object();
    change_issuer(&mut observed, |issuer| issuer.list_visible = false);
    let mut world = World::of(observed).on("token", lost_response());
    run(&mut world);
    assert_eq!(world.labels, [&UP_TO_TOKEN[..], &["audit", "clear reservation"]].concat());
}

#[test]
fn an_unavailable_list_leaves_the_token_to_the_audit() {
    let why = problem(Reason::Unreachable);
    let mut world =
        World::of(new_object()).on("token", lost_response()).on("find marker", Response::NotSent(why.clone()));
    assert_eq!(run(&mut world), Outcome::Failed(why));
    assert_eq!(world.labels, [&UP_TO_TOKEN[..], &["audit", "clear reservation", "find marker"]].concat());
}

#[test]
fn what_another_operator_left_is_found_by_its_own_marker() {
    let mut world = left_behind().listing(&[row("17", "prod"), of_attempt(9, "12"), of_attempt(2, "13")]);
    assert_eq!(recovered(&mut world), Outcome::Redecide);
    assert_eq!(world.labels, ["audit", "clear reservation", "find marker", "revoke 12"]);
    assert_eq!(world.rows, [row("17", "prod"), of_attempt(2, "13")]);
    assert_eq!(world.observed.secret.expect("a Secret").stored, secret().stored, "what is stored is kept");
}

#[test]
fn a_reservation_that_was_committed_in_the_meantime_is_never_revoked() {
    for response in
        [Response::Conflict, Response::OutcomeUnknown("no answer".into()), Response::WriteRejected("no".into())]
    {
        let world = left_behind().listing(&[of_attempt(9, "12")]).on("clear reservation", response);
        let mut world = world.meanwhile("read secret", |world| {
            let secret = world.observed.secret.as_mut().expect("a Secret");
            secret.reservation = None;
            secret.stored.as_mut().expect("a token").attempt_id = attempt_id(9);
        });
        assert_eq!(recovered(&mut world), Outcome::RequeueSoon);
        assert_eq!(world.labels, ["audit", "clear reservation", "read secret"]);
        assert_eq!(world.rows, [of_attempt(9, "12")]);
    }
}

#[test]
fn while_the_reservation_stands_nothing_is_revoked() {
    let world = left_behind().listing(&[of_attempt(9, "12")]);
    let mut world = (0..=MAX_TRIES).fold(world, |world, _| world.on("clear reservation", Response::Conflict));
    assert_eq!(recovered(&mut world), Outcome::Redecide);
    assert_eq!(world.labels.last().map(String::as_str), Some("read secret"), "{:?}", world.labels);
    let mut again = left_behind().listing(&[of_attempt(9, "12")]).on("clear reservation", Response::Conflict);
    assert_eq!(recovered(&mut again), Outcome::Redecide);
    assert_eq!(
        again.labels,
        ["audit", "clear reservation", "read secret", "clear reservation", "find marker", "revoke 12"]
    );
}

#[test]
fn a_reservation_that_cannot_be_cleared_is_the_reported_problem() {
    for (response, reason) in [
        (Response::WriteRejected("forbidden".into()), Reason::SecretRejected),
        (Response::OutcomeUnknown("forbidden".into()), Reason::APIServerUnavailable),
    ] {
        let refusing =
            |world| (0..=MAX_TRIES).fold(world, |world: World, _| world.on("clear reservation", response.clone()));
        let mut ours = refusing(World::of(new_object()).on("token", lost_response()).listing(&[of_attempt(2, "12")]));
        let mut former = refusing(left_behind().listing(&[of_attempt(9, "12")]));
        for outcome in [run(&mut ours), recovered(&mut former)] {
            // An immediate new decision would immediately retry.
            let Outcome::Failed(told) = outcome else { panic!("{outcome:?}") };
            assert!(told.reason == reason && told.message.contains("forbidden"), "{told:?}");
        }
        assert!(ours.rows.len() == 1 && former.rows.len() == 1, "nothing is revoked before it is cleared");
    }
}

#[test]
fn a_reservation_that_another_operator_cleared_is_left_to_the_audit() {
    for there in [false, true] {
        let world = left_behind().listing(&[of_attempt(9, "12")]).on("clear reservation", Response::Conflict);
        let mut world = world.meanwhile("read secret", move |world| {
            world.observed.secret = there.then(|| {
                let mut secret = secret();
                secret.reservation = reservation(8, "a third");
                secret
            });
        });
        assert_eq!(recovered(&mut world), Outcome::Redecide);
        assert_eq!(
            world.labels,
            ["audit", "clear reservation", "read secret"],
            "its token may be a retiring one by now"
        );
    }
}

#[test]
fn a_secret_that_cannot_be_read_leaves_it_to_the_audit() {
    let unclear = || Response::OutcomeUnknown("no answer".into());
    let mut world =
        left_behind().listing(&[of_attempt(9, "12")]).on("clear reservation", unclear()).on("read secret", unclear());
    assert_eq!(recovered(&mut world), Outcome::Redecide);
    assert_eq!(world.labels, ["audit", "clear reservation", "read secret", "audit"]);
}

#[test]
fn a_revocation_that_fails_leaves_the_rest_to_the_audit() {
    let made = [of_attempt(9, "12"), of_attempt(9, "13")];
    let mut world = left_behind().listing(&made).on("revoke 13", Response::Rejected(problem(Reason::RequestRejected)));
    assert_eq!(recovered(&mut world), Outcome::Redecide);
    assert_eq!(world.labels, ["audit", "clear reservation", "find marker", "revoke 13", "audit"]);
}

#[test]
fn an_unusable_token_is_revoked_by_what_is_known_about_it() {
    let mut observed = new_object();
    change_issuer(&mut observed, |issuer| issuer.list_visible = false);
    let useless = Response::UnusableToken { token: row("18", "").token, problem: problem(Reason::InvalidResponse) };
    let mut world = World::of(observed).on("token", useless).listing(&[row("17", "another's"), of_attempt(2, "18")]);
    assert!(matches!(run(&mut world), Outcome::Failed(problem) if problem.reason == Reason::InvalidResponse));
    assert_eq!(world.labels, [&UP_TO_TOKEN[..], &["clear reservation", "revoke 18"]].concat());
    assert_eq!(world.rows, [row("17", "another's")]);
}

#[test]
fn a_token_that_cannot_be_recorded_is_found_by_its_marker_revoked_and_reported() {
    let made = [row("17", "another's"), of_attempt(2, "18")];
    let mut world =
        World::of(new_object()).on("token", Response::InvalidToken(problem(Reason::InvalidResponse))).listing(&made);
    assert!(matches!(run(&mut world), Outcome::Failed(problem) if problem.reason == Reason::InvalidResponse));
    assert_eq!(world.labels, [&UP_TO_TOKEN[..], &["audit", "clear reservation", "find marker", "revoke 18"]].concat());
    assert_eq!(world.rows, [row("17", "another's")]);
}

#[test]
fn a_token_that_the_list_shows_under_an_id_that_cannot_be_recorded_is_revoked() {
    let odd = Response::UnusableToken { token: row("18", "").token, problem: problem(Reason::InvalidResponse) };
    let mut world = World::of(new_object()).on("find marker", odd);
    world.returns_id = false;
    assert!(matches!(run(&mut world), Outcome::Failed(problem) if problem.reason == Reason::InvalidResponse));
    assert_eq!(world.labels, [&UP_TO_TOKEN[..], &["find marker", "clear reservation", "revoke 18"]].concat());
    assert!(world.rows.is_empty(), "{:?}", world.rows);
}
