//! The lookup of the id of a new token.

use super::*;
use crate::domain::model::token::TokenRow;

#[test]
fn an_id_that_the_response_lacks_is_looked_up_by_the_marker() {
    let mut world = World::of(new_object());
    world.returns_id = false;
    assert_eq!(run(&mut world, Cause::First), Outcome::Stored);
    after_token(&world.labels, &["find marker", "commit 18", "log in", "status"]);
    let wanted = Request::QueryRows(RowQuery::WithMarker(marker(&attempt_id(2))));
    assert!(world.requests.contains(&wanted));
}

#[test]
fn the_wait_for_a_lagging_list_is_limited() {
    let none = || Response::Rows(vec![]);
    let mut lagging = World::of(new_object())
        .on("find marker", none())
        .on("find marker", Response::NotSent(problem(Reason::TimedOut)));
    lagging.returns_id = false;
    assert_eq!(run(&mut lagging, Cause::First), Outcome::Stored);
    after_token(
        &lagging.labels,
        &["find marker", "sleep", "find marker", "sleep", "find marker", "commit 18", "log in", "status"],
    );
    let mut never = (0..=MAX_LOOKUPS).fold(World::of(new_object()), |world, _| world.on("find marker", none()));
    never.returns_id = false;
    assert_eq!(reason(&run(&mut never, Cause::First)), Some(Reason::RequestOutcomeUnknown));
    assert_eq!(
        never.labels[never.labels.len() - 5..],
        ["find marker", "audit", "clear reservation", "find marker", "revoke 18"]
    );
    assert!(never.rows.is_empty() && !never.labels.contains(&"commit 18".to_owned()));
}

#[test]
fn a_row_with_another_username_is_not_the_token_of_the_response() {
    let another = row("99", &marked());
    let mut world = World::of(new_object());
    for _ in 0..=MAX_LOOKUPS {
        world = world.on("find marker", Response::Rows(vec![another.clone()]));
    }
    world.returns_id = false;
    assert_eq!(reason(&run(&mut world, Cause::First)), Some(Reason::RequestOutcomeUnknown));
    assert!(!world.labels.iter().any(|word| word.starts_with("commit")), "{:?}", world.labels);
}

#[test]
fn of_two_tokens_with_the_marker_and_the_same_username_none_is_kept() {
    let named =
        |id: &str| TokenRow { token: TokenRef { id: id.into(), username: "tw-18".into() }, ..row(id, &marked()) };
    let two = || Response::Rows(vec![named("18"), named("19")]);
    let mut world = World::of(new_object()).on("find marker", two()).on("find marker", two());
    change_issuer(&mut world.observed, |issuer| issuer.login_shared = true);
    world.returns_id = false;
    assert_eq!(reason(&run(&mut world, Cause::First)), Some(Reason::RequestOutcomeUnknown));
    after_token(&world.labels, &["find marker", "audit", "clear reservation", "find marker", "revoke 19", "revoke 18"]);
}

#[test]
fn a_token_without_an_id_is_not_kept() {
    let mut observed = new_object();
    change_issuer(&mut observed, |issuer| issuer.list_visible = false);
    let mut world = World::of(observed);
    world.returns_id = false;
    assert_eq!(reason(&run(&mut world, Cause::First)), Some(Reason::RequestOutcomeUnknown));
    after_token(&world.labels, &["audit", "clear reservation"]);
}

#[test]
fn a_list_that_lags_by_seconds_costs_no_second_token() {
    let none = || Response::Rows(vec![]);
    let mut world = (0..MAX_LOOKUPS).fold(World::of(new_object()), |world, _| world.on("find marker", none()));
    world.returns_id = false;
    let start = world.observed.now;
    assert_eq!(run(&mut world, Cause::First), Outcome::Stored);
    let waited = Duration::try_from(world.observed.now.duration_since(start)).expect("a time");
    assert!((Duration::from_secs(21)..Duration::from_secs(26)).contains(&waited), "{waited:?}");
    let mut short = World::of(new_object());
    change_issuer(&mut short.observed, |issuer| issuer.response_deadline = Duration::from_secs(3));
    for _ in 0..4 {
        short = short.on("find marker", none());
    }
    short.returns_id = false;
    assert_eq!(
        reason(&run(&mut short, Cause::First)),
        Some(Reason::RequestOutcomeUnknown),
        "no longer than the response deadline"
    );
}
