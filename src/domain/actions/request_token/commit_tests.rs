//! What happens to an uncommitted token.

use super::login_check::MAX_LOGINS;
use super::*;
use crate::api::{LoginCheck, Reason};
use crate::domain::model::pull_secret::{SecretMeta, StoredToken};
use crate::domain::model::token::TokenRow;
use crate::domain::test_support::{
    World, apply, at_rest, attempt_id, change_issuer, new_object, problem, request_cause, reservation, secret,
    stored_token, token, token_stored,
};

fn run(world: &mut World, cause: Cause) -> Outcome {
    let begun = begin(&world.observed, request_cause(cause));
    world.run(begun)
}

fn reason(outcome: &Outcome) -> Option<Reason> {
    match outcome {
        Outcome::Failed(problem) => Some(problem.reason),
        _ => None,
    }
}

fn last<const N: usize>(world: &World) -> [&str; N] {
    let asked: Vec<&str> = world.labels.iter().map(String::as_str).collect();
    asked[asked.len().saturating_sub(N)..].try_into().expect("enough requests")
}

fn ids(rows: &[TokenRow]) -> Vec<&str> {
    rows.iter().map(|row| row.token.id.as_str()).collect()
}

/// Commits without a clear response.
fn unclear_commits() -> [(Response, Option<Reason>); 3] {
    [
        (Response::Conflict, None),
        (Response::OutcomeUnknown("no answer".into()), None),
        (Response::WriteRejected("quota".into()), Some(Reason::SecretRejected)),
    ]
}

/// The content of the Secret when it is read after the commit.
fn finding(world: World, meta: impl FnOnce(&mut World) -> Option<SecretMeta> + 'static) -> World {
    world.meanwhile("read secret", |world| world.observed.secret = meta(world))
}

#[test]
fn a_new_token_whose_login_is_rejected_never_replaces_one_that_works() {
    let patient =
        [["log in", "sleep"].repeat(usize::from(MAX_LOGINS)), vec!["log in", "clear reservation", "revoke 18"]]
            .concat();
    for (login_result, mode, why, then) in [
        (LoginResult::Rejected("no".into()), LoginCheck::Required, Reason::LoginRejected, patient.clone()),
        (LoginResult::Rejected("no".into()), LoginCheck::BestEffort, Reason::LoginRejected, patient),
        (
            LoginResult::Unknown("down".into()),
            LoginCheck::Required,
            Reason::RegistryUnavailable,
            vec!["log in", "clear reservation", "revoke 18"],
        ),
    ] {
        let mut observed = at_rest();
        change_issuer(&mut observed, |issuer| issuer.login_check = mode);
        let mut world = World::of(observed).with_login_result(login_result);
        if mode == LoginCheck::Required {
            // The registry is asked before a token is requested, and accepts the current token.
            world = world.on("log in", Response::Login(LoginResult::Accepted));
        }
        assert_eq!(reason(&run(&mut world, Cause::Rotate)), Some(why));
        let asked = world.labels.iter().skip_while(|word| *word != "token").skip(1);
        assert_eq!(asked.collect::<Vec<_>>(), then);
        assert_eq!(ids(&world.rows), ["17"]);
        let found = world.observed.secret.expect("a Secret");
        assert_eq!((found.stored, found.reservation), (secret().stored, None));
    }
}

#[test]
fn while_the_registry_is_unavailable_no_successor_is_requested() {
    let mut world = World::of(at_rest()).with_login_result(LoginResult::Unknown("down".into()));
    let Outcome::Failed(told) = run(&mut world, Cause::Rotate) else { panic!("a failure") };
    assert_eq!(told.reason, Reason::RegistryUnavailable);
    assert!(told.message.contains("down") && told.message.contains("kept"), "{}", told.message);
    assert_eq!(world.labels, ["read content", "log in"]);
    assert_eq!((ids(&world.rows), world.observed.secret), (vec!["17"], Some(secret())));
}

#[test]
fn an_old_token_whose_login_is_rejected_blocks_no_successor() {
    let refused = Response::Login(LoginResult::Rejected("expired".into()));
    let mut world = World::of(at_rest()).on("log in", refused);
    assert_eq!(run(&mut world, Cause::Rotate), Outcome::Stored);
}

#[test]
fn with_best_effort_an_unknown_login_does_not_verify_the_token() {
    let mut observed = at_rest();
    change_issuer(&mut observed, |issuer| issuer.login_check = LoginCheck::BestEffort);
    let mut world = World::of(observed).with_login_result(LoginResult::Unknown("down".into()));
    assert_eq!(run(&mut world, Cause::Rotate), Outcome::Stored);
    let status = StatusView::of(&world.observed.object);
    assert_eq!((status.ready, status.login_verified), (true, false));
}

#[test]
fn a_first_token_is_stored_whatever_its_login_result() {
    for login_result in [LoginResult::Rejected("no".into()), LoginResult::Unknown("down".into())] {
        let mut world = World::of(new_object()).with_login_result(login_result);
        assert_eq!(run(&mut world, Cause::First), Outcome::Stored);
        assert_eq!(last(&world), ["commit 18", "log in", "status"]);
        let status = StatusView::of(&world.observed.object);
        assert!(!status.ready && status.token.is_some(), "it is the only copy");
    }
    let mut mute = World::of(new_object()).on("log in", Response::IssuerChanged);
    assert_eq!(run(&mut mute, Cause::First), Outcome::Stored);
    assert!(!StatusView::of(&mute.observed.object).ready);
}

#[test]
fn a_commit_that_did_take_place_is_recorded_and_read_before_it_counts_as_valid() {
    for (response, _) in unclear_commits() {
        let world = World::of(new_object()).on("commit 18", response);
        let mut world = finding(world, |_| {
            let stored =
                StoredToken { request_cause: request_cause(Cause::First), ..stored_token("18", attempt_id(2)) };
            Some(SecretMeta { stored: Some(stored), ..secret() })
        });
        assert_eq!(run(&mut world, Cause::First), Outcome::Stored);
        assert_eq!(last(&world), ["commit 18", "read secret", "log in", "status"]);
        let status = StatusView::of(&world.observed.object);
        assert_eq!((status.token.map(|token| token.id), status.secret_version), (Some("18".into()), None));
        assert!(!status.ready, "the content may have changed since");
    }
}

#[test]
fn a_commit_that_did_not_take_place_is_retried_while_it_is_reserved() {
    for response in [Response::Conflict, Response::OutcomeUnknown("no answer".into())] {
        let mut world = World::of(new_object()).on("commit 18", response);
        assert_eq!(run(&mut world, Cause::First), Outcome::Stored);
        assert_eq!(last(&world), ["commit 18", "read secret", "commit 18", "log in", "status"]);
    }
    let mut never = (0..MAX_TRIES).fold(World::of(new_object()), |world, _| world.on("commit 18", Response::Conflict));
    let outcome = run(&mut never, Cause::First);
    assert!(
        matches!(&outcome, Outcome::Failed(problem) if problem.reason == Reason::APIServerUnavailable),
        "reported, and not retried immediately: {outcome:?}"
    );
    assert_eq!(last(&never), ["commit 18", "read secret", "clear reservation", "revoke 18"]);
}

#[test]
fn a_rejected_commit_is_not_retried() {
    let mut world = World::of(new_object()).on("commit 18", Response::WriteRejected("quota".into()));
    assert_eq!(reason(&run(&mut world, Cause::First)), Some(Reason::SecretRejected));
    assert_eq!(last(&world), ["commit 18", "read secret", "clear reservation", "revoke 18"]);
    assert!(world.rows.is_empty());
}

#[test]
fn a_token_that_nothing_names_any_more_is_revoked() {
    for (response, why) in unclear_commits() {
        for others in [false, true] {
            let world = World::of(new_object()).on("commit 18", response.clone());
            let mut world = finding(world, move |_| {
                others.then(|| SecretMeta { stored: None, reservation: reservation(9, "another"), ..secret() })
            });
            let outcome = run(&mut world, Cause::First);
            assert_eq!(reason(&outcome), why, "{outcome:?}");
            let order = ["commit 18", "read secret", "read object", "revoke 18"];
            assert_eq!(last(&world), order, "there is no reservation to clear");
        }
    }
}

#[test]
fn a_token_that_another_operator_adopted_and_rotated_keeps_its_overlap() {
    for (response, why) in unclear_commits() {
        let world = World::of(new_object()).on("commit 18", response);
        let world = finding(world, |_| Some(SecretMeta { stored: None, ..secret() }));
        let mut world = world.meanwhile("read object", |world| {
            apply(&mut world.observed, crate::domain::test_support::token_stored("18", Cause::First));
            apply(&mut world.observed, crate::domain::test_support::token_stored("19", Cause::Rotate));
        });
        let outcome = run(&mut world, Cause::First);
        assert_eq!(reason(&outcome), why, "{outcome:?}");
        assert_eq!(last(&world), ["commit 18", "read secret", "read object"], "nothing is revoked");
    }
}

#[test]
fn while_the_object_cannot_be_read_a_committed_token_is_not_revoked_and_then_left_to_an_audit() {
    let with_failed_reads = |times: u8| {
        let world = World::of(new_object()).on("commit 18", Response::Conflict);
        let world = finding(world, |_| None);
        (0..times).fold(world, |world, _| world.on("read object", Response::OutcomeUnknown("no answer".into())))
    };
    let mut later = with_failed_reads(1);
    assert_eq!(run(&mut later, Cause::First), Outcome::RequeueSoon);
    assert_eq!(last(&later), ["read object", "sleep", "read object", "revoke 18"]);
    let mut never = with_failed_reads(MAX_TRIES + 1);
    assert_eq!(run(&mut never, Cause::First), Outcome::RequeueSoon);
    assert_eq!(last(&never), ["read object", "audit"]);
    for (visible, revoke, end) in [(true, true, "audit"), (false, true, "revoke 18"), (false, false, "audit")] {
        let mut world = with_failed_reads(0).on("read object", Response::Object(None));
        change_issuer(&mut world.observed, |issuer| issuer.list_visible = visible);
        world.observed.object.revoke_on_deletion = revoke;
        assert_eq!(run(&mut world, Cause::First), Outcome::RequeueSoon);
        assert_eq!(last(&world), ["read object", end], "an audit can tell what was released to its user");
    }
}

#[test]
fn while_the_secret_cannot_be_read_nothing_is_revoked() {
    for (response, _) in unclear_commits() {
        let world = World::of(new_object()).on("commit 18", response);
        let mut world = (0..MAX_TRIES)
            .fold(world, |world, _| world.on("read secret", Response::OutcomeUnknown("no answer".into())));
        assert_eq!(run(&mut world, Cause::First), Outcome::RequeueSoon);
        assert!(
            !world.labels.iter().any(|word| word.starts_with("revoke") || word == "clear reservation"),
            "{:?}",
            world.labels
        );
        assert_eq!(world.labels.iter().filter(|word| *word == "sleep").count(), usize::from(MAX_TRIES) - 1);
    }
}

#[test]
fn an_edit_of_the_object_in_the_meantime_costs_one_more_read() {
    let mut world = World::of(new_object()).on("status", Response::Conflict).meanwhile("read object", |world| {
        world.observed.object.generation = 2;
        world.observed.object.description = "edited".into();
    });
    assert_eq!(run(&mut world, Cause::First), Outcome::Stored);
    assert_eq!(last(&world), ["status", "read object", "status"]);
    assert_eq!(StatusView::of(&world.observed.object).observed_generation, Some(2));
    let mut busy = (0..=MAX_TRIES).fold(World::of(new_object()), |world, _| world.on("status", Response::Conflict));
    assert_eq!(run(&mut busy, Cause::First), Outcome::RequeueSoon, "the next pass adopts it");
    assert_eq!(ids(&busy.rows), ["18"]);
}

#[test]
fn a_token_of_an_object_that_is_deleted_meanwhile_is_not_recorded() {
    let mut world = World::of(new_object()).on("status", Response::Conflict).meanwhile("read object", |world| {
        world.observed.object.deleting = true;
        // Another operator recorded it as retiring, revoked it, and removed it from the status.
        world.rows.clear();
    });
    assert_eq!(run(&mut world, Cause::First), Outcome::RequeueSoon, "the next pass finalizes the object");
    assert_eq!(last(&world), ["status", "read object"]);
    assert_eq!(StatusView::of(&world.observed.object).token, None);
}

#[test]
fn what_another_operator_recorded_in_the_meantime_is_not_overwritten() {
    let mut world = World::of(new_object()).on("status", Response::Conflict).meanwhile("read object", |world| {
        apply(&mut world.observed, token_stored("16", Cause::First));
    });
    assert_eq!(run(&mut world, Cause::First), Outcome::RequeueSoon);
    assert_eq!(last(&world), ["status", "read object"]);
    assert_eq!(StatusView::of(&world.observed.object).token, Some(token("16")));
}

#[test]
fn a_stored_token_is_kept_when_status_cannot_be_written() {
    for response in [Response::WriteRejected("webhook".into()), Response::Object(None)] {
        let mut world = World::of(new_object()).on("status", response);
        let outcome = run(&mut world, Cause::First);
        assert_ne!(outcome, Outcome::Stored);
        assert_eq!(last(&world), ["status"]);
        assert_eq!(ids(&world.rows), ["18"]);
    }
}

#[test]
fn a_status_write_without_a_response_is_repeated_after_a_read() {
    let no_response = || Response::OutcomeUnknown("no answer".into());
    let mut world = World::of(new_object()).on("status", no_response());
    assert_eq!(run(&mut world, Cause::First), Outcome::Stored);
    assert_eq!(last(&world), ["status", "read object", "status"]);
    // Somebody may delete the Secret at the same time: only status names the token then.
    assert_eq!(StatusView::of(&world.observed.object).token.map(|token| token.id), Some("18".to_owned()));
    let mut away = World::of(new_object()).on("status", no_response()).on("read object", no_response());
    assert_eq!(run(&mut away, Cause::First), Outcome::RequeueSoon, "the next pass adopts it");
    assert_eq!(last(&away), ["status", "read object"]);
    assert_eq!(ids(&away.rows), ["18"]);
}

#[test]
fn a_revocation_that_fails_is_left_to_an_audit() {
    let world = World::of(at_rest()).with_login_result(LoginResult::Rejected("no".into()));
    let mut world = world.on("revoke 18", Response::NotSent(problem(Reason::Unreachable)));
    assert_eq!(reason(&run(&mut world, Cause::Rotate)), Some(Reason::LoginRejected));
    assert_eq!(last(&world), ["clear reservation", "revoke 18", "audit"]);
}
