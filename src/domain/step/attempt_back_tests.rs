//! The way back: the reservation goes first, and then what was made.

use super::*;
use crate::api::Reason;
use crate::domain::effect::Row;
use crate::domain::testing::{World, attempt, but_secret, errand, fault, mark, new, of_issuer, reserved, row, secret};

fn left_behind() -> World {
    World::of(but_secret(|held| held.reservation = reserved(9, "another")))
}

/// Takes out what the ninth attempt left behind.
fn recovered(world: &mut World) -> Outcome {
    let begun = recover(&world.seen, &attempt(9));
    world.run(begun, Attempting::step)
}

fn run(world: &mut World) -> Outcome {
    let begun = begin(&world.seen, errand(Cause::First));
    world.run(begun, Attempting::step)
}

fn of_attempt(number: u8, id: &str) -> Row {
    row(id, &mark(&attempt(number)).mark("prod"))
}

fn lost() -> Answer {
    Answer::Ambiguous(fault(Reason::TimedOut))
}

const UP_TO_TOKEN: [&str; 3] = ["reserve", "read issuer", "token"];

#[test]
fn after_an_unclear_answer_the_reservation_goes_and_then_whatever_was_made() {
    let strange = [lost(), Answer::Done, Answer::Conflict, Answer::Unclear("x".into()), Answer::Rows(vec![])];
    for answer in strange {
        let made = [row("17", "another's"), of_attempt(2, "18"), of_attempt(2, "19"), of_attempt(3, "20")];
        let mut world = World::of(new()).on("token", answer).listing(&made);
        assert!(matches!(run(&mut world), Outcome::Failed(fault) if fault.reason == Reason::RequestUnanswered));
        let then = ["audit", "drop", "find mark", "revoke 19", "revoke 18"];
        assert_eq!(world.asked, [&UP_TO_TOKEN[..], &then].concat());
        assert_eq!(world.rows, [row("17", "another's"), of_attempt(3, "20")], "only what bears this mark");
        assert!(world.seen.secret.is_some_and(|held| held.reservation.is_none() && held.stored.is_none()));
    }
}

#[test]
fn an_unclear_answer_is_told_with_its_cause() {
    let mut world = World::of(new()).on("token", lost());
    let Outcome::Failed(told) = run(&mut world) else { panic!("a failure") };
    assert!(told.message.starts_with("something is in the way. ") && told.message.contains("revoked"), "{told:?}");
}

#[test]
fn where_the_list_is_hidden_nothing_is_sought() {
    let mut seen = new();
    of_issuer(&mut seen, |facts| facts.list_visible = false);
    let mut world = World::of(seen).on("token", lost());
    run(&mut world);
    assert_eq!(world.asked, [&UP_TO_TOKEN[..], &["audit", "drop"]].concat());
}

#[test]
fn a_list_that_cannot_be_had_leaves_it_to_the_audit() {
    let why = fault(Reason::Unreachable);
    let mut world = World::of(new()).on("token", lost()).on("find mark", Answer::NotSent(why.clone()));
    assert_eq!(run(&mut world), Outcome::Failed(why));
    assert_eq!(world.asked, [&UP_TO_TOKEN[..], &["audit", "drop", "find mark"]].concat());
}

#[test]
fn what_another_left_behind_is_sought_by_its_own_mark() {
    let mut world = left_behind().listing(&[row("17", "prod"), of_attempt(9, "12"), of_attempt(2, "13")]);
    assert_eq!(recovered(&mut world), Outcome::Again);
    assert_eq!(world.asked, ["audit", "drop", "find mark", "revoke 12"]);
    assert_eq!(world.rows, [row("17", "prod"), of_attempt(2, "13")]);
    assert_eq!(world.seen.secret.expect("a Secret").stored, secret().stored, "what is stored stays");
}

#[test]
fn a_reservation_that_was_committed_meanwhile_is_never_revoked() {
    for answer in [Answer::Conflict, Answer::Unclear("no answer".into()), Answer::Refused("no".into())] {
        let world = left_behind().listing(&[of_attempt(9, "12")]).on("drop", answer);
        let mut world = world.meanwhile("read secret", |world| {
            let held = world.seen.secret.as_mut().expect("a Secret");
            held.reservation = None;
            held.stored.as_mut().expect("a token").attempt = attempt(9);
        });
        assert_eq!(recovered(&mut world), Outcome::LookAgain);
        assert_eq!(world.asked, ["audit", "drop", "read secret"]);
        assert_eq!(world.rows, [of_attempt(9, "12")]);
    }
}

#[test]
fn while_the_reservation_stands_nothing_is_revoked() {
    let world = left_behind().listing(&[of_attempt(9, "12")]);
    let mut world = (0..=TRIES).fold(world, |world, _| world.on("drop", Answer::Conflict));
    assert_eq!(recovered(&mut world), Outcome::Again);
    assert_eq!(world.asked.last().map(String::as_str), Some("read secret"), "{:?}", world.asked);
    let mut again = left_behind().listing(&[of_attempt(9, "12")]).on("drop", Answer::Conflict);
    assert_eq!(recovered(&mut again), Outcome::Again);
    assert_eq!(again.asked, ["audit", "drop", "read secret", "drop", "find mark", "revoke 12"]);
}

#[test]
fn a_reservation_that_may_not_be_taken_back_is_what_stands_in_the_way() {
    for (answer, reason) in [
        (Answer::Refused("forbidden".into()), Reason::SecretRefused),
        (Answer::Unclear("forbidden".into()), Reason::ClusterUnavailable),
    ] {
        let refusing = |world| (0..=TRIES).fold(world, |world: World, _| world.on("drop", answer.clone()));
        let mut ours = refusing(World::of(new()).on("token", lost()).listing(&[of_attempt(2, "12")]));
        let mut former = refusing(left_behind().listing(&[of_attempt(9, "12")]));
        for outcome in [run(&mut ours), recovered(&mut former)] {
            // Decided anew at once, it would be tried again at once.
            let Outcome::Failed(told) = outcome else { panic!("{outcome:?}") };
            assert!(told.reason == reason && told.message.contains("forbidden"), "{told:?}");
        }
        assert!(ours.rows.len() == 1 && former.rows.len() == 1, "while it stands nothing is revoked");
    }
}

#[test]
fn a_reservation_that_somebody_else_took_out_is_left_to_the_audit() {
    for there in [false, true] {
        let world = left_behind().listing(&[of_attempt(9, "12")]).on("drop", Answer::Conflict);
        let mut world = world.meanwhile("read secret", move |world| {
            world.seen.secret = there.then(|| {
                let mut held = secret();
                held.reservation = reserved(8, "a third");
                held
            });
        });
        assert_eq!(recovered(&mut world), Outcome::Again);
        assert_eq!(world.asked, ["audit", "drop", "read secret"], "its token may be one that retires by now");
    }
}

#[test]
fn a_secret_that_cannot_be_read_leaves_it_to_the_audit() {
    let unclear = || Answer::Unclear("no answer".into());
    let mut world = left_behind().listing(&[of_attempt(9, "12")]).on("drop", unclear()).on("read secret", unclear());
    assert_eq!(recovered(&mut world), Outcome::Again);
    assert_eq!(world.asked, ["audit", "drop", "read secret", "audit"]);
}

#[test]
fn a_revocation_that_fails_leaves_the_rest_to_the_audit() {
    let made = [of_attempt(9, "12"), of_attempt(9, "13")];
    let mut world = left_behind().listing(&made).on("revoke 13", Answer::Denied(fault(Reason::RequestRefused)));
    assert_eq!(recovered(&mut world), Outcome::Again);
    assert_eq!(world.asked, ["audit", "drop", "find mark", "revoke 13", "audit"]);
}

#[test]
fn a_token_of_no_use_is_revoked_by_what_is_known_of_it() {
    let mut seen = new();
    of_issuer(&mut seen, |facts| facts.list_visible = false);
    let useless = Answer::Useless { token: row("18", "").token, fault: fault(Reason::AnswerMalformed) };
    let mut world = World::of(seen).on("token", useless).listing(&[row("17", "another's"), of_attempt(2, "18")]);
    assert!(matches!(run(&mut world), Outcome::Failed(fault) if fault.reason == Reason::AnswerMalformed));
    assert_eq!(world.asked, [&UP_TO_TOKEN[..], &["drop", "revoke 18"]].concat());
    assert_eq!(world.rows, [row("17", "another's")]);
}

#[test]
fn a_token_that_cannot_be_recorded_is_found_by_its_mark_revoked_and_said() {
    let made = [row("17", "another's"), of_attempt(2, "18")];
    let mut world = World::of(new()).on("token", Answer::Invalid(fault(Reason::AnswerMalformed))).listing(&made);
    assert!(matches!(run(&mut world), Outcome::Failed(fault) if fault.reason == Reason::AnswerMalformed));
    assert_eq!(world.asked, [&UP_TO_TOKEN[..], &["audit", "drop", "find mark", "revoke 18"]].concat());
    assert_eq!(world.rows, [row("17", "another's")]);
}

#[test]
fn a_token_that_the_list_shows_under_an_id_that_cannot_be_recorded_is_revoked() {
    let odd = Answer::Useless { token: row("18", "").token, fault: fault(Reason::AnswerMalformed) };
    let mut world = World::of(new()).on("find mark", odd);
    world.tells_id = false;
    assert!(matches!(run(&mut world), Outcome::Failed(fault) if fault.reason == Reason::AnswerMalformed));
    assert_eq!(world.asked, [&UP_TO_TOKEN[..], &["find mark", "drop", "revoke 18"]].concat());
    assert!(world.rows.is_empty(), "{:?}", world.rows);
}
