//! What proves a stored token: the operator's MAC, or, where the key may have been lost, what only its owner can have.

use super::tests::{DISBELIEVED, MODES, disowned, hidden, run, unnamed, unsealed};
use super::*;
use crate::domain::observed::LoginMode;
use crate::domain::testing::{World, at, at_rest, of_issuer, row};

/// Of an object that was there before the operator's key.
fn key_lost(mut world: World) -> World {
    world.seen.object.keys = crate::domain::token_mac::MacKeys::new(&[9; 32], [], at(4000)).expect("keys");
    world
}

fn settled() -> World {
    unnamed().listing(&[row("17", "prod"), row("12", "prod")])
}

#[test]
fn a_sealed_token_is_taken_in_though_its_mark_is_off_and_the_status_lost_or_forged() {
    let mut world = settled();
    assert_eq!(run(&mut world), Outcome::Again);
    assert_eq!(recorded(&world.seen.object).token.map(|token| token.id), Some("17".to_owned()));
    let mut forged = settled();
    forged.seen.object.status = at_rest().object.status;
    let status = forged.seen.object.status.as_mut().expect("a status");
    let token = status.token.as_mut().expect("a token");
    (token.id, token.username) = ("12".into(), "tw-12".into());
    assert_eq!(run(&mut forged), Outcome::Again);
    let known = recorded(&forged.seen.object);
    assert_eq!(
        (known.token.map(|token| token.id), known.retiring, known.unproved.tokens()),
        (Some("17".to_owned()), vec![], vec![])
    );
}

#[test]
fn a_seal_of_another_object_portal_or_username_proves_nothing() {
    let forged = |change: fn(&mut World)| {
        let mut world = settled();
        change(&mut world);
        disowned(world)
    };
    let refused = ["read secret", "find 17", "read object", "disown"];
    assert_eq!(forged(|world| world.seen.object.uid = "another".into()), refused);
    let portal = |world: &mut World| of_issuer(&mut world.seen, |facts| facts.portal.user = "x".into());
    assert_eq!(forged(portal), refused);
    let username = |world: &mut World| {
        let stored = world.seen.secret.as_mut().and_then(|held| held.stored.as_mut()).expect("a token");
        stored.seal.username = "tw-12".into();
    };
    assert_eq!(forged(username), refused);
    assert_eq!(disowned(unsealed(settled())), refused, "a seal of another token");
}

#[test]
fn after_the_key_is_lost_a_token_is_proved_by_its_login_and_the_only_row_of_its_name() {
    let named = || {
        let mut world = key_lost(settled());
        world.seen.object.status = at_rest().object.status;
        world.content = crate::domain::testing::login("tw-17");
        world
    };
    let mut world = named();
    assert_eq!(run(&mut world), Outcome::Again);
    let asked =
        ["read secret", "find 17", "read content", "find user tw-17", "log in", "read object", "read secret", "status"];
    assert_eq!(world.asked, asked);
    let known = recorded(&world.seen.object);
    assert!(known.ready && known.token.is_some_and(|token| token.id == "17"), "pods can pull all the while");
    let refused = |mut world: World| {
        assert_eq!(run(&mut world), Outcome::Again);
        (world.asked.last().map(String::as_str) == Some("disown"), recorded(&world.seen.object).token)
    };
    assert_eq!(refused(named().saying(Verdict::Refused("no".into()))), (true, None));
    let mut shared = named();
    shared.rows.push(Row { token: Named { id: "18".into(), username: "tw-17".into() }, description: "prod".into() });
    assert_eq!(refused(shared), (true, None), "a name that others log in with proves no id");
    let mut younger = named();
    younger.seen.object.created = at(4001);
    assert_eq!(refused(younger), (true, None), "it was never signed with a key that is lost");
    let mut waiting = named().saying(Verdict::Unknown("down".into()));
    assert!(matches!(run(&mut waiting), Outcome::WaitFor(AGAIN, fault) if fault.reason == Reason::TokenUnverified));
}

#[test]
fn after_the_key_is_lost_an_id_that_no_list_shows_is_not_proved() {
    let mut world = key_lost(hidden(LoginMode::Required));
    assert_eq!(run(&mut world), Outcome::Again);
    let reported =
        DISBELIEVED.iter().flat_map(|word| if *word == "disown" { vec!["status", word] } else { vec![*word] });
    assert_eq!(world.asked, reported.collect::<Vec<_>>(), "the login proves the username alone");
    let mut by_username = key_lost(hidden(LoginMode::Required));
    let held = by_username.seen.secret.as_mut().and_then(|held| held.stored.as_mut()).expect("a token");
    held.id = "tw-17".into();
    assert_eq!(run(&mut by_username), Outcome::Again);
    assert_eq!(recorded(&by_username.seen.object).token.map(|token| token.id), Some("tw-17".to_owned()));
}

#[test]
fn what_a_lost_key_may_have_signed_is_named_in_status_before_the_secret_forgets_it() {
    let mut world = key_lost(settled());
    of_issuer(&mut world.seen, |facts| facts.login = LoginMode::Disabled);
    assert_eq!(run(&mut world), Outcome::Again);
    assert_eq!(world.asked, ["read secret", "find 17", "read object", "status", "disown"]);
    let known = recorded(&world.seen.object);
    let open: Vec<_> = known.unproved.open(&world.seen.object).into_iter().map(|token| token.id).collect();
    assert_eq!((open, known.retiring), (vec!["17".to_owned()], vec![]), "reported, and never revoked");
    let mut younger = key_lost(settled());
    of_issuer(&mut younger.seen, |facts| facts.login = LoginMode::Disabled);
    younger.seen.object.created = at(4001);
    assert_eq!(
        disowned(younger),
        ["read secret", "find 17", "read object", "disown"],
        "it was never signed with that key"
    );
}

#[test]
fn where_the_list_is_hidden_content_that_anybody_could_have_written_is_not_believed() {
    for mode in MODES {
        assert_eq!(disowned(unsealed(hidden(mode))), DISBELIEVED);
    }
}

#[test]
fn a_forged_id_that_no_list_shows_is_not_waited_for() {
    let mut world = unsealed(unnamed()).listing(&[]).saying(Verdict::Accepted);
    assert_eq!(run(&mut world), Outcome::Again);
    assert_eq!(world.asked, ["read secret", "find 17", "read object", "disown"]);
}
