use super::*;
use crate::api::{LoginCheck, Reason};
use crate::domain::model::request_cause::{Cause, RequestCause};
use crate::domain::model::token::TokenRow;
use crate::domain::protocol::SecretContent;
use crate::domain::test_support::{
    RESPONSE_DEADLINE, World, annotations, apply, at_rest, at_rest_with, attempt_id, change_issuer, first_attempt,
    marker, not_ready, problem, row, secret, token, token_stored,
};

/// The Secret stores a token that status does not name; the portal shows it as it was requested.
pub(super) fn unrecorded() -> World {
    World::of(at_rest_with(|observed| observed.object.status = None))
        .listing(&[row("17", &marker(&first_attempt()).append_to("prod"))])
}

/// The same, with a list that the portal user cannot see.
pub(super) fn hidden(login: LoginCheck) -> World {
    let mut world = unrecorded();
    change_issuer(&mut world.observed, |issuer| (issuer.list_visible, issuer.login_check) = (false, login));
    world.content = crate::domain::test_support::login_content("tw-17");
    world
}

/// The same without the operator's MAC.
pub(super) fn unsigned(mut world: World) -> World {
    let secret = world.observed.secret.as_mut().and_then(|secret| secret.stored.as_mut()).expect("a token");
    secret.signature.mac = crate::domain::test_support::mac("16", crate::domain::model::token_mac::TokenRole::Stored);
    world
}

pub(super) fn run(world: &mut World) -> Outcome {
    let begun = begin(&world.observed);
    world.run(begun)
}

/// What was done instead of adopting the token.
pub(super) fn cleared(mut world: World) -> Vec<String> {
    assert_eq!(run(&mut world), Outcome::Redecide);
    assert_eq!((StatusView::of(&world.observed.object).token, world.statuses().count()), (None, 0));
    assert_eq!(world.observed.secret.expect("a Secret").stored, None);
    world.labels
}

#[test]
fn a_token_is_adopted_after_reading_secret_row_object_and_secret_in_this_order() {
    let mut world = unrecorded();
    assert_eq!(run(&mut world), Outcome::Redecide);
    assert_eq!(world.labels, ["read secret", "find 17", "read object", "read secret", "status"]);
    let status = StatusView::of(&world.observed.object);
    let token = status.token.clone().expect("a token");
    assert_eq!((token.id.as_str(), token.username.as_str()), ("17", "tw-17"));
    assert_eq!(token.nonce, marker(&first_attempt()).nonce().to_string());
    assert_eq!((status.secret_version, status.ready), (None, false), "it is read completely and verified next");
}

#[test]
fn the_cause_is_recorded_as_handled_and_the_previous_token_retires() {
    let mut world = unrecorded();
    world.observed.object.status = None;
    apply(&mut world.observed, token_stored("16", Cause::First));
    let handles = annotations(&[("replace", "1")]);
    let secret = world.observed.secret.as_mut().and_then(|secret| secret.stored.as_mut()).expect("a token");
    secret.request_cause = RequestCause { cause: Cause::Replace, handles: handles.clone() };
    assert_eq!(run(&mut world), Outcome::Redecide);
    let status = StatusView::of(&world.observed.object);
    assert_eq!((status.handled_annotations.clone(), status.is_retiring("16")), (handles, true));
    assert_eq!(status.retiring[0].revocation_time.0, world.observed.now, "as for any compromised token");
}

#[test]
fn a_forged_or_copied_attempt_matches_no_token() {
    let of_another_object = crate::domain::model::marker::Marker::new(
        crate::domain::test_support::tag(),
        crate::domain::model::marker::Nonce::of("another-uid", &first_attempt()),
    );
    let rows: [Vec<TokenRow>; 4] = [
        vec![row("17", "prod")],
        vec![row("17", &of_another_object.append_to("prod"))],
        vec![row("17", &marker(&attempt_id(9)).append_to("prod"))],
        vec![row("12", &marker(&first_attempt()).append_to("prod"))],
    ];
    for rows in rows {
        // A portal may return more rows than requested.
        let world = unsigned(unrecorded()).on("find 17", Response::Rows(rows.clone()));
        assert_eq!(cleared(world), ["read secret", "find 17", "read object", "clear token"], "{rows:?}");
    }
}

#[test]
fn a_missing_row_proves_nothing_while_the_registry_accepts_the_login() {
    let read = ["read secret", "find 17", "log in", "read content"];
    for (login_result, reads) in [(LoginResult::Accepted, 4), (LoginResult::Unknown("down".into()), 3)] {
        let mut world = unrecorded().listing(&[]).with_login_result(login_result);
        let Outcome::ReportFor(RETRY_AFTER, told) = run(&mut world) else { panic!("{:?}", world.labels) };
        assert_eq!(told.reason, Reason::TokenNotFound);
        assert_eq!(world.labels, read[..reads], "nothing is written");
    }
    let refused = ["read secret", "find 17", "log in", "read object", "clear token"];
    assert_eq!(cleared(unrecorded().listing(&[]).with_login_result(LoginResult::Rejected("no".into()))), refused);
    let mut unasked = unrecorded().listing(&[]);
    change_issuer(&mut unasked.observed, |issuer| issuer.login_check = LoginCheck::Disabled);
    assert_eq!(cleared(unasked), ["read secret", "find 17", "read object", "clear token"]);
}

#[test]
fn a_list_that_may_still_lack_the_token_proves_nothing_without_a_login() {
    let requested = |seconds_ago: i64, login_check| {
        let mut world = unrecorded().listing(&[]).with_login_result(LoginResult::Rejected("too new".into()));
        let now = world.observed.now.as_second();
        let stored = world.observed.secret.as_mut().and_then(|secret| secret.stored.as_mut()).expect("a token");
        stored.provenance.requested_at = now - seconds_ago;
        change_issuer(&mut world.observed, |issuer| issuer.login_check = login_check);
        world
    };
    let deadline = i64::try_from(RESPONSE_DEADLINE.as_secs()).expect("seconds");
    for mode in MODES {
        for age in [0, deadline - 1, -deadline] {
            let mut young = requested(age, mode);
            let Outcome::ReportFor(left, told) = run(&mut young) else { panic!("{age}: {:?}", young.labels) };
            assert_eq!((left <= RETRY_AFTER, told.reason), (true, Reason::TokenNotFound));
            assert!(!young.labels.contains(&"clear token".to_owned()), "nothing is written");
        }
        for age in [deadline, -deadline - 1, i64::MIN / 2] {
            assert_eq!(cleared(requested(age, mode)).last().map(String::as_str), Some("clear token"), "{age}");
        }
    }
}

#[test]
fn a_token_that_another_operator_has_just_recorded_is_not_foreign() {
    let settled = || unrecorded().listing(&[row("17", "prod")]);
    let mut current =
        settled().meanwhile("read object", |world| apply(&mut world.observed, token_stored("17", Cause::First)));
    assert_eq!(run(&mut current), Outcome::Redecide);
    assert_eq!(current.labels, ["read secret", "find 17", "read object"], "nothing is written");
    let mut retired = settled().meanwhile("read object", |world| {
        world.observed.object.status = at_rest().object.status;
        apply(&mut world.observed, token_stored("18", Cause::Rotate));
    });
    assert_eq!(run(&mut retired), Outcome::Redecide);
    assert_eq!(retired.labels.len(), 3);
}

#[test]
fn a_secret_that_changed_is_decided_again() {
    let changed = |change: fn(&mut crate::domain::model::pull_secret::SecretMeta)| {
        let mut world = unrecorded().meanwhile("read secret", move |world| {
            world.observed.secret.as_mut().map(change).expect("a Secret");
        });
        (run(&mut world), world.labels.len())
    };
    assert_eq!(changed(|secret| secret.stored = None), (Outcome::RequeueSoon, 1));
    let other = |secret: &mut crate::domain::model::pull_secret::SecretMeta| {
        secret.stored.as_mut().expect("a token").attempt_id = attempt_id(8);
    };
    assert_eq!(changed(other), (Outcome::RequeueSoon, 1));
    let mut deleted = unrecorded().meanwhile("read secret", |world| world.observed.secret = None);
    assert_eq!(run(&mut deleted), Outcome::RequeueSoon);
    assert_eq!(begin(&at_rest_with(|observed| observed.secret = None)), Transition::Done(Outcome::Redecide));
}

#[test]
fn a_failure_concludes_nothing() {
    let why = problem(Reason::Unreachable);
    let mut world = unrecorded().on("find 17", Response::NotSent(why.clone()));
    assert_eq!(run(&mut world), Outcome::Failed(why));
    for word in ["read secret", "read object"] {
        let mut world = unrecorded().on(word, Response::OutcomeUnknown("no answer".into()));
        assert!(matches!(run(&mut world), Outcome::Failed(_)));
        assert_eq!((world.labels.last().map(String::as_str), world.observed.secret), (Some(word), Some(secret())));
    }
    for word in ["status", "clear token"] {
        let rows = if word == "status" { unrecorded().rows } else { vec![row("17", "settled")] };
        let mut world = unsigned(unrecorded()).listing(&rows).on(word, Response::Conflict);
        assert_eq!(run(&mut world), Outcome::RequeueSoon);
        assert_eq!(world.labels.last().map(String::as_str), Some(word));
    }
    let mut deleted = unrecorded().meanwhile("read object", |world| world.observed.issuer = not_ready());
    assert_eq!(run(&mut deleted), Outcome::RequeueSoon);
}

pub(super) const MODES: [LoginCheck; 3] = [LoginCheck::Required, LoginCheck::BestEffort, LoginCheck::Disabled];
const ADOPTED: [&str; 5] = ["read secret", "read content", "read object", "read secret", "status"];
pub(super) const CLEARED: [&str; 4] = ["read secret", "read content", "read object", "clear token"];

/// The provenance in the Secret: requested `later` seconds after the token in status, and its predecessor.
fn stored_with_provenance(mut world: World, later: i64, former: Option<&str>) -> World {
    let named = StatusView::of(&world.observed.object).token.expect("a token").request_time.0;
    let secret = world.observed.secret.as_mut().and_then(|secret| secret.stored.as_mut()).expect("a token");
    secret.provenance.requested_at = named.as_second() + later;
    secret.provenance.previous_id = former.map(str::to_owned);
    world
}

#[test]
fn with_a_hidden_list_a_valid_signature_is_enough() {
    for mode in MODES {
        // A registry that lags would cause the token to be given up.
        let mut world = hidden(mode).with_login_result(LoginResult::Rejected("no".into()));
        assert_eq!(run(&mut world), Outcome::Redecide);
        assert_eq!(world.labels, ADOPTED);
        let status = StatusView::of(&world.observed.object);
        assert!(!status.login_verified && !status.ready && status.token.is_some_and(|known| known.username == "tw-17"));
    }
}

#[test]
fn with_a_hidden_list_a_copy_and_a_forged_id_are_not_adopted() {
    for mode in MODES {
        for content in [
            SecretContent::Empty,
            SecretContent::Login {
                username: "tw-17".to_owned(),
                registries_match: true,
                checksum_valid: false,
                template_applied: true,
            },
        ] {
            let mut world = hidden(mode);
            world.content = content;
            assert_eq!(cleared(world), CLEARED);
        }
    }
}

#[test]
fn with_a_hidden_list_a_secret_restored_to_a_previous_token_is_not_adopted() {
    let hidden = || {
        let mut world = hidden(LoginCheck::Required);
        apply(&mut world.observed, token_stored("16", Cause::First));
        world
    };
    // The writer saw this token in status, or another one that was recorded in the meantime.
    for mut next in [
        stored_with_provenance(hidden(), 0, Some("16")),
        stored_with_provenance(hidden(), 1, None),
        stored_with_provenance(hidden(), 1, Some("15")),
    ] {
        assert_eq!(run(&mut next), Outcome::Redecide);
        assert_eq!(
            (next.labels.clone(), StatusView::of(&next.observed.object).is_retiring("16")),
            (ADOPTED.map(str::to_owned).to_vec(), true)
        );
    }
    for mut former in [
        stored_with_provenance(hidden(), 0, Some("15")),
        stored_with_provenance(hidden(), 0, None),
        stored_with_provenance(hidden(), -60, None),
    ] {
        assert_eq!(run(&mut former), Outcome::Redecide);
        assert_eq!(former.labels, CLEARED);
        assert_eq!(StatusView::of(&former.observed.object).token.map(|token| token.id), Some("16".to_owned()));
    }
}

#[test]
fn a_token_of_another_portal_is_left_alone_and_reported() {
    let moved = |mut world: World| {
        change_issuer(&mut world.observed, |issuer| issuer.portal.url = "https://elsewhere".into());
        world
    };
    for mut world in [moved(unrecorded()), moved(hidden(LoginCheck::Required))] {
        let outcome = run(&mut world);
        assert!(matches!(&outcome, Outcome::Failed(problem) if problem.reason == Reason::PortalChanged), "{outcome:?}");
        assert_eq!(world.labels, ["read secret"]);
        let mut restored = moved(hidden(LoginCheck::Required));
        apply(&mut restored.observed, token_stored("16", Cause::First));
        assert_eq!(run(&mut restored), Outcome::Redecide);
        assert_eq!(restored.labels, ["read secret", "read object", "clear token"], "status names a token of this one");
    }
}

#[test]
fn a_token_that_another_operator_has_replaced_meanwhile_is_not_taken_for_the_newer_one() {
    // Recorded, rotated out and revoked between two of this operator's reads.
    let replaced = |world: &mut World| {
        world.observed.object.status = at_rest().object.status;
        apply(&mut world.observed, token_stored("18", Cause::Replace));
        let known = StatusEvent::TokensRevoked(vec![TokenRef::from(&token("17"))]);
        apply(&mut world.observed, known);
    };
    let newer = |world: &mut World| {
        let secret = world.observed.secret.as_mut().and_then(|secret| secret.stored.as_mut()).expect("a token");
        (secret.id, secret.attempt_id) = ("18".into(), attempt_id(8));
    };
    let mut world = unrecorded().meanwhile("read object", move |world| {
        replaced(world);
        newer(world);
    });
    assert_eq!(run(&mut world), Outcome::RequeueSoon);
    assert_eq!((world.labels.last().map(String::as_str), world.statuses().count()), (Some("read secret"), 0));
}

#[test]
fn a_token_that_another_operator_stored_meanwhile_is_not_cleared_from_the_secret() {
    let mut world = unsigned(hidden(LoginCheck::Disabled)).meanwhile("read content", |world| {
        apply(&mut world.observed, token_stored("18", Cause::Lost));
        let stored = world.observed.secret.as_mut().and_then(|secret| secret.stored.as_mut()).expect("a token");
        (stored.id, stored.attempt_id) = ("18".into(), attempt_id(8));
        world.content = crate::domain::test_support::login_content("tw-18");
    });
    assert_eq!(run(&mut world), Outcome::RequeueSoon);
    assert_eq!(world.labels, ["read secret", "read content"], "nothing is written");
}
