//! What proves a stored token: the operator's MAC or, if the key may have been lost, what only the token's owner can
//! show.

use super::tests::{CLEARED, MODES, cleared, hidden, run, unrecorded, unsigned};
use super::*;
use crate::api::{LoginCheck, Reason};
use crate::domain::protocol::SecretContent;
use crate::domain::test_support::{World, at, at_rest, change_issuer, row};

/// An object that was created before the operator's key.
fn key_lost(mut world: World) -> World {
    world.observed.object.keys = crate::domain::model::token_mac::MacKeys::new(&[9; 32], [], at(4000)).expect("keys");
    world
}

fn synced() -> World {
    unrecorded().listing(&[row("17", "prod"), row("12", "prod")])
}

#[test]
fn a_signed_token_is_adopted_though_its_marker_is_removed_and_the_status_lost_or_forged() {
    let mut world = synced();
    assert_eq!(run(&mut world), Outcome::Redecide);
    assert_eq!(StatusView::of(&world.observed.object).token.map(|token| token.id), Some("17".to_owned()));
    let mut forged = synced();
    forged.observed.object.status = at_rest().object.status;
    let status = forged.observed.object.status.as_mut().expect("a status");
    let token = status.token.as_mut().expect("a token");
    (token.id, token.username) = ("12".into(), "tw-12".into());
    assert_eq!(run(&mut forged), Outcome::Redecide);
    let known = StatusView::of(&forged.observed.object);
    assert_eq!(
        (known.token.map(|token| token.id), known.retiring, known.unverified.tokens()),
        (Some("17".to_owned()), vec![], vec![])
    );
}

#[test]
fn a_signature_of_another_object_portal_or_username_proves_nothing() {
    let forged = |change: fn(&mut World)| {
        let mut world = synced();
        change(&mut world);
        cleared(world)
    };
    let refused = ["read secret", "find 17", "read object", "clear token"];
    assert_eq!(forged(|world| world.observed.object.uid = "another".into()), refused);
    let portal = |world: &mut World| change_issuer(&mut world.observed, |issuer| issuer.portal.user = "x".into());
    assert_eq!(forged(portal), refused);
    let username = |world: &mut World| {
        let stored = world.observed.secret.as_mut().and_then(|secret| secret.stored.as_mut()).expect("a token");
        stored.signature.username = "tw-12".into();
    };
    assert_eq!(forged(username), refused);
    assert_eq!(cleared(unsigned(synced())), refused, "the MAC of another token");
}

#[test]
fn after_the_key_is_lost_a_token_is_proved_by_its_login_and_the_only_row_of_its_name() {
    let named = || {
        let mut world = key_lost(synced());
        world.observed.object.status = at_rest().object.status;
        world.content = crate::domain::test_support::login_content("tw-17");
        world
    };
    let mut world = named();
    assert_eq!(run(&mut world), Outcome::Redecide);
    let asked =
        ["read secret", "find 17", "read content", "find user tw-17", "log in", "read object", "read secret", "status"];
    assert_eq!(world.labels, asked);
    let status = StatusView::of(&world.observed.object);
    assert!(status.ready && status.token.is_some_and(|token| token.id == "17"), "pods can pull throughout");
    let refused = |mut world: World| {
        assert_eq!(run(&mut world), Outcome::Redecide);
        (world.labels.last().map(String::as_str) == Some("clear token"), StatusView::of(&world.observed.object).token)
    };
    assert_eq!(refused(named().with_login_result(LoginResult::Rejected("no".into()))), (true, None));
    let mut shared = named();
    shared.rows.push(TokenRow {
        token: TokenRef { id: "18".into(), username: "tw-17".into() },
        description: "prod".into(),
        expiration_time: None,
    });
    assert_eq!(refused(shared), (true, None), "a username that several tokens share proves no id");
    let mut younger = named();
    younger.observed.object.created = at(4001);
    assert_eq!(refused(younger), (true, None), "no lost key can have signed it");
    let mut waiting = named().with_login_result(LoginResult::Unknown("down".into()));
    assert!(
        matches!(run(&mut waiting), Outcome::ReportFor(RETRY_AFTER, problem) if problem.reason == Reason::TokenUnverified)
    );
}

#[test]
fn after_the_key_is_lost_a_shared_username_proves_no_token() {
    let mut world = key_lost(unrecorded()).listing(&[row("17", "prod")]);
    world.content = crate::domain::test_support::login_content("tw-17");
    change_issuer(&mut world.observed, |issuer| issuer.login_shared = true);
    assert_eq!(run(&mut world), Outcome::Redecide);
    let expected = ["read secret", "find 17", "read object", "status", "clear token"];
    assert_eq!(world.labels, expected, "reported, although it is the only token");
}

#[test]
fn a_shared_login_of_another_token_is_not_waited_for() {
    let holding = |checksum_valid| {
        let mut world = unrecorded().listing(&[]).with_login_result(LoginResult::Accepted);
        let (username, registries_match, template_applied) = ("tw-17".to_owned(), true, true);
        world.content = SecretContent::Login { username, registries_match, checksum_valid, template_applied };
        change_issuer(&mut world.observed, |issuer| issuer.login_shared = true);
        world
    };
    let read = ["read secret", "find 17", "log in", "read content"];
    let mut own = holding(true);
    assert!(
        matches!(run(&mut own), Outcome::ReportFor(RETRY_AFTER, problem) if problem.reason == Reason::TokenNotFound)
    );
    assert_eq!(own.labels, read, "the list may lag");
    let labels = cleared(holding(false));
    assert_eq!(labels[..4], read);
    assert_eq!(labels[4..], ["read object", "clear token"]);
}

#[test]
fn after_the_key_is_lost_a_shared_login_that_no_row_belongs_to_is_not_waited_for() {
    let mut world = key_lost(unrecorded()).listing(&[]).with_login_result(LoginResult::Accepted);
    world.content = crate::domain::test_support::login_content("tw-17");
    change_issuer(&mut world.observed, |issuer| issuer.login_shared = true);
    assert_eq!(run(&mut world), Outcome::Redecide);
    let expected = ["read secret", "find 17", "log in", "read content", "read object", "status", "clear token"];
    assert_eq!(world.labels, expected, "a tenant can write a checksum, but no MAC");
    let open = StatusView::of(&world.observed.object).unverified.unconfirmed(&world.observed.object);
    assert_eq!(open.into_iter().map(|token| token.id).collect::<Vec<_>>(), ["17"], "reported");
}

#[test]
fn a_login_beside_the_name_of_another_token_is_not_waited_for() {
    let holding = |username: &str| {
        let mut world = key_lost(unrecorded()).listing(&[row("12", "prod")]).with_login_result(LoginResult::Accepted);
        world.content = crate::domain::test_support::login_content(username);
        world
    };
    let mut copied = holding("tw-12");
    assert_eq!(run(&mut copied), Outcome::Redecide);
    let expected = ["read secret", "find 17", "log in", "read content", "read object", "status", "clear token"];
    assert_eq!(copied.labels, expected);
    let status = StatusView::of(&copied.observed.object);
    let open = status.unverified.unconfirmed(&copied.observed.object);
    assert_eq!(open.into_iter().map(|token| token.id).collect::<Vec<_>>(), ["17"], "it may have been signed");
    let mut own = holding("tw-17");
    assert!(
        matches!(run(&mut own), Outcome::ReportFor(RETRY_AFTER, problem) if problem.reason == Reason::TokenNotFound)
    );
    let mut committed = holding("tw-12").meanwhile("read content", |world| {
        world.observed.secret.as_mut().and_then(|secret| secret.stored.as_mut()).expect("a token").id = "12".into();
    });
    assert_eq!(run(&mut committed), Outcome::RequeueSoon);
}

#[test]
fn after_the_key_is_lost_an_id_that_no_list_shows_is_not_proved() {
    let mut world = key_lost(hidden(LoginCheck::Required));
    assert_eq!(run(&mut world), Outcome::Redecide);
    let reported =
        CLEARED.iter().flat_map(|word| if *word == "clear token" { vec!["status", word] } else { vec![*word] });
    assert_eq!(world.labels, reported.collect::<Vec<_>>(), "the login proves only the username");
    let mut by_username = key_lost(hidden(LoginCheck::Required));
    let secret = by_username.observed.secret.as_mut().and_then(|secret| secret.stored.as_mut()).expect("a token");
    secret.id = "tw-17".into();
    assert_eq!(run(&mut by_username), Outcome::Redecide);
    assert_eq!(StatusView::of(&by_username.observed.object).token.map(|token| token.id), Some("tw-17".to_owned()));
}

#[test]
fn a_token_of_a_lost_key_is_recorded_in_status_before_it_is_cleared_from_the_secret() {
    let mut world = key_lost(synced());
    change_issuer(&mut world.observed, |issuer| issuer.login_check = LoginCheck::Disabled);
    assert_eq!(run(&mut world), Outcome::Redecide);
    assert_eq!(world.labels, ["read secret", "find 17", "read object", "status", "clear token"]);
    let status = StatusView::of(&world.observed.object);
    let open: Vec<_> =
        status.unverified.unconfirmed(&world.observed.object).into_iter().map(|token| token.id).collect();
    assert_eq!((open, status.retiring), (vec!["17".to_owned()], vec![]), "reported, and never revoked");
    let mut younger = key_lost(synced());
    change_issuer(&mut younger.observed, |issuer| issuer.login_check = LoginCheck::Disabled);
    younger.observed.object.created = at(4001);
    assert_eq!(
        cleared(younger),
        ["read secret", "find 17", "read object", "clear token"],
        "that key cannot have signed it"
    );
}

#[test]
fn with_a_hidden_list_content_that_anyone_could_have_written_is_not_trusted() {
    for mode in MODES {
        assert_eq!(cleared(unsigned(hidden(mode))), CLEARED);
    }
}

#[test]
fn a_forged_id_that_no_list_shows_is_not_waited_for() {
    let mut world = unsigned(unrecorded()).listing(&[]).with_login_result(LoginResult::Accepted);
    assert_eq!(run(&mut world), Outcome::Redecide);
    assert_eq!(world.labels, ["read secret", "find 17", "read object", "clear token"]);
}
