//! A token in hand, and what becomes of it.

use super::login::LOG_INS;
use super::*;
use crate::api::Reason;
use crate::domain::effect::Row;
use crate::domain::observed::LoginMode;
use crate::domain::pull_secret::{SecretMeta, Stored};
use crate::domain::testing::{
    World, at_rest, attempt, errand, fault, new, note_of, of_issuer, reserved, secret, stored, tell, token,
};

fn run(world: &mut World, cause: Cause) -> Outcome {
    let begun = begin(&world.seen, errand(cause));
    world.run(begun, Attempting::step)
}

fn reason(outcome: &Outcome) -> Option<Reason> {
    match outcome {
        Outcome::Failed(fault) => Some(fault.reason),
        _ => None,
    }
}

fn last<const N: usize>(world: &World) -> [&str; N] {
    let asked: Vec<&str> = world.asked.iter().map(String::as_str).collect();
    asked[asked.len().saturating_sub(N)..].try_into().expect("so many")
}

fn ids(rows: &[Row]) -> Vec<&str> {
    rows.iter().map(|row| row.token.id.as_str()).collect()
}

/// A commit that is not plainly answered.
fn unanswered_commits() -> [(Answer, Option<Reason>); 3] {
    [
        (Answer::Conflict, None),
        (Answer::Unclear("no answer".into()), None),
        (Answer::Refused("quota".into()), Some(Reason::SecretRefused)),
    ]
}

/// What stands in the Secret when it is read after the commit.
fn finding(world: World, meta: impl FnOnce(&mut World) -> Option<SecretMeta> + 'static) -> World {
    world.meanwhile("read secret", |world| world.seen.secret = meta(world))
}

#[test]
fn a_new_token_that_is_not_let_in_never_replaces_one_that_works() {
    let patient = [["log in", "pause"].repeat(usize::from(LOG_INS)), vec!["log in", "drop", "revoke 18"]].concat();
    for (verdict, mode, why, then) in [
        (Verdict::Refused("no".into()), LoginMode::Required, Reason::LoginRefused, patient.clone()),
        (Verdict::Refused("no".into()), LoginMode::BestEffort, Reason::LoginRefused, patient),
        (
            Verdict::Unknown("down".into()),
            LoginMode::Required,
            Reason::RegistryUnavailable,
            vec!["log in", "drop", "revoke 18"],
        ),
    ] {
        let mut seen = at_rest();
        of_issuer(&mut seen, |facts| facts.login = mode);
        let mut world = World::of(seen).saying(verdict);
        if mode == LoginMode::Required {
            // It is asked before a token is requested, and lets the present one in.
            world = world.on("log in", Answer::Login(Verdict::Accepted));
        }
        assert_eq!(reason(&run(&mut world, Cause::Rotate)), Some(why));
        let asked = world.asked.iter().skip_while(|word| *word != "token").skip(1);
        assert_eq!(asked.collect::<Vec<_>>(), then);
        assert_eq!(ids(&world.rows), ["17"]);
        let held = world.seen.secret.expect("a Secret");
        assert_eq!((held.stored, held.reservation), (secret().stored, None));
    }
}

#[test]
fn while_the_registry_cannot_be_asked_no_successor_is_requested() {
    let mut world = World::of(at_rest()).saying(Verdict::Unknown("down".into()));
    let Outcome::Failed(told) = run(&mut world, Cause::Rotate) else { panic!("a failure") };
    assert_eq!(told.reason, Reason::RegistryUnavailable);
    assert!(told.message.contains("down") && told.message.contains("kept"), "{}", told.message);
    assert_eq!(world.asked, ["read content", "log in"]);
    assert_eq!((ids(&world.rows), world.seen.secret), (vec!["17"], Some(secret())));
}

#[test]
fn an_old_token_that_is_not_let_in_any_more_hinders_no_successor() {
    let refused = Answer::Login(Verdict::Refused("expired".into()));
    let mut world = World::of(at_rest()).on("log in", refused);
    assert_eq!(run(&mut world, Cause::Rotate), Outcome::Stored);
}

#[test]
fn where_the_registry_need_not_answer_its_silence_is_no_word_for_the_token() {
    let mut seen = at_rest();
    of_issuer(&mut seen, |facts| facts.login = LoginMode::BestEffort);
    let mut world = World::of(seen).saying(Verdict::Unknown("down".into()));
    assert_eq!(run(&mut world, Cause::Rotate), Outcome::Stored);
    let known = recorded(&world.seen.object);
    assert_eq!((known.ready, known.verified), (true, false));
}

#[test]
fn a_first_token_is_stored_whatever_the_registry_says() {
    for verdict in [Verdict::Refused("no".into()), Verdict::Unknown("down".into())] {
        let mut world = World::of(new()).saying(verdict);
        assert_eq!(run(&mut world, Cause::First), Outcome::Stored);
        assert_eq!(last(&world), ["commit 18", "log in", "status"]);
        let known = recorded(&world.seen.object);
        assert!(!known.ready && known.token.is_some(), "it is the only copy");
    }
    let mut mute = World::of(new()).on("log in", Answer::Changed);
    assert_eq!(run(&mut mute, Cause::First), Outcome::Stored);
    assert!(!recorded(&mute.seen.object).ready);
}

#[test]
fn a_commit_that_did_take_place_is_recorded_and_read_before_it_is_called_good() {
    for (answer, _) in unanswered_commits() {
        let world = World::of(new()).on("commit 18", answer);
        let mut world = finding(world, |_| {
            let stored = Stored { errand: errand(Cause::First), ..note_of("18", attempt(2)) };
            Some(SecretMeta { stored: Some(stored), ..secret() })
        });
        assert_eq!(run(&mut world, Cause::First), Outcome::Stored);
        assert_eq!(last(&world), ["commit 18", "read secret", "log in", "status"]);
        let known = recorded(&world.seen.object);
        assert_eq!((known.token.map(|token| token.id), known.secret_version), (Some("18".into()), None));
        assert!(!known.ready, "somebody may have changed the content since");
    }
}

#[test]
fn a_commit_that_did_not_take_place_is_tried_again_while_it_is_reserved() {
    for answer in [Answer::Conflict, Answer::Unclear("no answer".into())] {
        let mut world = World::of(new()).on("commit 18", answer);
        assert_eq!(run(&mut world, Cause::First), Outcome::Stored);
        assert_eq!(last(&world), ["commit 18", "read secret", "commit 18", "log in", "status"]);
    }
    let mut never = (0..TRIES).fold(World::of(new()), |world, _| world.on("commit 18", Answer::Conflict));
    let outcome = run(&mut never, Cause::First);
    assert!(
        matches!(&outcome, Outcome::Failed(fault) if fault.reason == Reason::ClusterUnavailable),
        "said, and not begun anew at once: {outcome:?}"
    );
    assert_eq!(last(&never), ["commit 18", "read secret", "drop", "revoke 18"]);
}

#[test]
fn a_commit_that_is_refused_is_not_tried_again() {
    let mut world = World::of(new()).on("commit 18", Answer::Refused("quota".into()));
    assert_eq!(reason(&run(&mut world, Cause::First)), Some(Reason::SecretRefused));
    assert_eq!(last(&world), ["commit 18", "read secret", "drop", "revoke 18"]);
    assert!(world.rows.is_empty());
}

#[test]
fn a_token_that_nothing_names_any_more_is_revoked() {
    for (answer, why) in unanswered_commits() {
        for others in [false, true] {
            let world = World::of(new()).on("commit 18", answer.clone());
            let mut world = finding(world, move |_| {
                others.then(|| SecretMeta { stored: None, reservation: reserved(9, "another"), ..secret() })
            });
            let outcome = run(&mut world, Cause::First);
            assert_eq!(reason(&outcome), why, "{outcome:?}");
            let order = ["commit 18", "read secret", "read object", "revoke 18"];
            assert_eq!(last(&world), order, "there is nothing of ours to drop");
        }
    }
}

#[test]
fn a_token_that_another_operator_took_in_and_rotated_away_meanwhile_lives_on_for_its_overlap() {
    for (answer, why) in unanswered_commits() {
        let world = World::of(new()).on("commit 18", answer);
        let world = finding(world, |_| Some(SecretMeta { stored: None, ..secret() }));
        let mut world = world.meanwhile("read object", |world| {
            tell(&mut world.seen, crate::domain::testing::stored("18", Cause::First));
            tell(&mut world.seen, crate::domain::testing::stored("19", Cause::Rotate));
        });
        let outcome = run(&mut world, Cause::First);
        assert_eq!(reason(&outcome), why, "{outcome:?}");
        assert_eq!(last(&world), ["commit 18", "read secret", "read object"], "nothing is revoked");
    }
}

#[test]
fn while_the_object_cannot_be_read_a_committed_token_is_not_revoked_and_then_left_to_an_audit() {
    let gone = |times: u8| {
        let world = World::of(new()).on("commit 18", Answer::Conflict);
        let world = finding(world, |_| None);
        (0..times).fold(world, |world, _| world.on("read object", Answer::Unclear("no answer".into())))
    };
    let mut later = gone(1);
    assert_eq!(run(&mut later, Cause::First), Outcome::LookAgain);
    assert_eq!(last(&later), ["read object", "pause", "read object", "revoke 18"]);
    let mut never = gone(TRIES + 1);
    assert_eq!(run(&mut never, Cause::First), Outcome::LookAgain);
    assert_eq!(last(&never), ["read object", "audit"]);
    for (visible, revoke, end) in [(true, true, "audit"), (false, true, "revoke 18"), (false, false, "audit")] {
        let mut world = gone(0).on("read object", Answer::Object(None));
        of_issuer(&mut world.seen, |facts| facts.list_visible = visible);
        world.seen.object.revoke = revoke;
        assert_eq!(run(&mut world, Cause::First), Outcome::LookAgain);
        assert_eq!(last(&world), ["read object", end], "what was left to its user an audit can tell");
    }
}

#[test]
fn while_the_secret_cannot_be_read_nothing_is_revoked() {
    for (answer, _) in unanswered_commits() {
        let world = World::of(new()).on("commit 18", answer);
        let mut world = (0..TRIES).fold(world, |world, _| world.on("read secret", Answer::Unclear("no answer".into())));
        assert_eq!(run(&mut world, Cause::First), Outcome::LookAgain);
        assert!(!world.asked.iter().any(|word| word.starts_with("revoke") || word == "drop"), "{:?}", world.asked);
        assert_eq!(world.asked.iter().filter(|word| *word == "pause").count(), usize::from(TRIES) - 1);
    }
}

#[test]
fn an_edit_of_the_object_meanwhile_costs_one_more_read() {
    let mut world = World::of(new()).on("status", Answer::Conflict).meanwhile("read object", |world| {
        world.seen.object.generation = 2;
        world.seen.object.description = "edited".into();
    });
    assert_eq!(run(&mut world, Cause::First), Outcome::Stored);
    assert_eq!(last(&world), ["status", "read object", "status"]);
    assert_eq!(recorded(&world.seen.object).observed_generation, Some(2));
    let mut busy = (0..=TRIES).fold(World::of(new()), |world, _| world.on("status", Answer::Conflict));
    assert_eq!(run(&mut busy, Cause::First), Outcome::LookAgain, "the next pass adopts it");
    assert_eq!(ids(&busy.rows), ["18"]);
}

#[test]
fn what_another_operator_recorded_meanwhile_is_not_written_over() {
    let mut world = World::of(new()).on("status", Answer::Conflict).meanwhile("read object", |world| {
        tell(&mut world.seen, stored("16", Cause::First));
    });
    assert_eq!(run(&mut world, Cause::First), Outcome::LookAgain);
    assert_eq!(last(&world), ["status", "read object"]);
    assert_eq!(recorded(&world.seen.object).token, Some(token("16")));
}

#[test]
fn a_stored_token_is_kept_when_status_cannot_be_written() {
    for answer in [Answer::Refused("webhook".into()), Answer::Unclear("no answer".into()), Answer::Object(None)] {
        let mut world = World::of(new()).on("status", answer);
        let outcome = run(&mut world, Cause::First);
        assert_ne!(outcome, Outcome::Stored);
        assert_eq!(last(&world), ["status"]);
        assert_eq!(ids(&world.rows), ["18"]);
    }
}

#[test]
fn a_revocation_that_fails_is_left_to_an_audit() {
    let world = World::of(at_rest()).saying(Verdict::Refused("no".into()));
    let mut world = world.on("revoke 18", Answer::NotSent(fault(Reason::Unreachable)));
    assert_eq!(reason(&run(&mut world, Cause::Rotate)), Some(Reason::LoginRefused));
    assert_eq!(last(&world), ["drop", "revoke 18", "audit"]);
}
