use super::*;
use crate::domain::decide::{Action, decide};
use crate::domain::model::hash::hash64;
use crate::domain::model::token::TokenRow;
use crate::domain::test_support::{
    World, apply, at_rest, at_rest_with, change_issuer, first_attempt, marker, problem, row,
};

/// The description was edited to `after`, and the portal shows this text.
fn edited(shown: &str) -> World {
    World::of(at_rest_with(|observed| {
        (observed.object.description, observed.object.generation) = ("after".into(), 2);
    }))
    .listing(&[row("17", shown)])
}

fn run(world: &mut World) -> Outcome {
    let begun = begin(&world.observed);
    world.run(begun)
}

fn synced(world: &World) -> bool {
    StatusView::of(&world.observed.object).description_synced == Some(2)
}

#[test]
fn a_description_is_read_and_edited() {
    let mut world = edited("before");
    assert_eq!(run(&mut world), Outcome::Redecide);
    assert_eq!(world.labels, ["find 17", "edit 17", "status"]);
    assert_eq!((world.rows.clone(), synced(&world)), (vec![row("17", "after")], true));
}

#[test]
fn a_description_that_the_portal_already_shows_is_not_edited() {
    let mut world = edited("after");
    assert_eq!(run(&mut world), Outcome::Redecide);
    assert_eq!(world.labels, ["find 17", "status"]);
    let mut again = World::of(world.observed).listing(&world.rows);
    assert_eq!(run(&mut again), Outcome::Redecide);
    assert_eq!(again.labels, ["find 17"], "and not reported twice");
}

#[test]
fn a_token_that_this_pass_requested_is_edited_without_a_read() {
    for permanent in [false, true] {
        let mut world = edited(&marker(&first_attempt()).append_to("before"));
        world.observed.token_requested = true;
        change_issuer(&mut world.observed, |issuer| issuer.keep_marker = permanent);
        assert_eq!(run(&mut world), Outcome::Redecide);
        assert_eq!(world.labels, ["edit 17", "status"]);
        let shown = if permanent { marker(&first_attempt()).append_to("after") } else { "after".to_owned() };
        assert_eq!(world.rows, [row("17", &shown)]);
    }
}

#[test]
fn a_permanent_marker_belongs_to_the_text() {
    let mut world = edited("after");
    change_issuer(&mut world.observed, |issuer| issuer.keep_marker = true);
    assert_eq!(run(&mut world), Outcome::Redecide);
    assert_eq!(world.rows, [row("17", &marker(&first_attempt()).append_to("after"))]);
}

#[test]
fn with_a_hidden_list_it_is_edited_without_a_read() {
    let mut world = edited("before");
    change_issuer(&mut world.observed, |issuer| issuer.list_visible = false);
    assert_eq!(run(&mut world), Outcome::Redecide);
    assert_eq!(world.labels, ["edit 17", "status"]);
}

#[test]
fn only_the_row_of_that_id_and_that_name_is_edited() {
    let another = TokenRow {
        token: TokenRef { id: "17".into(), username: "another".into() },
        description: "before".into(),
        expiration_time: None,
    };
    for rows in [vec![], vec![another]] {
        let mut world = edited("").listing(&rows);
        assert!(matches!(run(&mut world), Outcome::Failed(problem) if problem.reason == Reason::TokenNotFound));
        assert_eq!(world.labels, ["find 17"]);
    }
}

#[test]
fn a_rejected_description_is_reported_and_left_until_it_changes() {
    let why = problem(Reason::RequestRejected);
    let mut world = edited("before").on("edit 17", Response::Rejected(why));
    assert_eq!(run(&mut world), Outcome::Redecide);
    assert_eq!(world.labels, ["find 17", "edit 17", "status"]);
    let status = StatusView::of(&world.observed.object);
    assert_eq!((status.description_synced, status.description_rejected), (None, Some(2)));
    assert!(status.ready, "pods can pull");
    assert_ne!(decide(&world.observed), Action::SyncDescription);
    let mut gone = World::of(world.observed).listing(&[]);
    assert_eq!(run(&mut gone), Outcome::Redecide, "a token that is not listed is no second problem");
    assert_eq!(gone.labels, ["find 17"], "nothing is written");
}

#[test]
fn any_other_failure_is_retried_and_changes_no_condition() {
    let why = problem(Reason::TimedOut);
    for response in [
        Response::PortalOutcomeUnknown(why.clone()),
        Response::NotSent(why.clone()),
        Response::Rejected(problem(Reason::RateLimited)),
    ] {
        for word in ["find 17", "edit 17"] {
            let mut world = edited("before").on(word, response.clone());
            assert!(matches!(run(&mut world), Outcome::Failed(_)));
            assert_eq!((world.labels.last().map(String::as_str), world.statuses().count()), (Some(word), 0));
        }
    }
}

/// The description was edited, and a later audit saw another text.
fn drifted() -> World {
    let mut world = World::of(at_rest()).listing(&[row("17", "Prod")]);
    world.observed.upstream = UpstreamState::Present(hash64("Prod"));
    world
}

#[test]
fn a_description_that_another_user_changed_is_restored_and_read_afterwards() {
    let mut world = drifted();
    assert_eq!(decide(&world.observed), Action::SyncDescription);
    assert_eq!(run(&mut world), Outcome::Redecide);
    assert_eq!(world.labels, ["find 17", "edit 17", "find 17"], "it is synced already, so nothing is written");
    assert_eq!(world.rows, [row("17", "prod")]);
}

#[test]
fn a_description_that_the_portal_trims_is_edited_once_more_and_then_reported_as_altered() {
    let mut world = drifted().on("edit 17", Response::Done);
    assert_eq!(run(&mut world), Outcome::Redecide);
    assert_eq!(world.labels, ["find 17", "edit 17", "find 17", "status"]);
    let status = world.statuses().next().expect("a status");
    let said = crate::domain::model::conditions::find(&status.conditions, crate::api::ConditionType::DescriptionSynced);
    assert_eq!(said.map(|one| one.reason.as_str()), Some("DescriptionAltered"));
    assert!(StatusView::of(&world.observed.object).ready);
    assert_eq!(decide(&world.observed), Action::Idle, "no loop, regardless of the next audit");
    world.observed.object.generation = 3;
    apply(&mut world.observed, StatusEvent::SecretInspected(crate::domain::test_support::recorded_secret(), None));
    assert_eq!(decide(&world.observed), Action::SyncDescription, "but a different text is");
}

/// The spec has another description than the token, which cannot be edited.
fn uneditable(shown: &str) -> World {
    let mut world = edited(&marker(&first_attempt()).append_to(shown));
    change_issuer(&mut world.observed, |issuer| (issuer.can_edit, issuer.keep_marker) = (false, true));
    world
}

#[test]
fn a_token_that_cannot_be_edited_keeps_its_description_and_is_not_replaced() {
    let mut world = uneditable("before");
    apply(&mut world.observed, StatusEvent::SecretInspected(crate::domain::test_support::recorded_secret(), None));
    assert_eq!(decide(&world.observed), Action::SyncDescription);
    assert_eq!(run(&mut world), Outcome::Redecide);
    assert_eq!(world.labels, ["find 17", "status"]);
    let status = world.statuses().next().expect("a status");
    let said = crate::domain::model::conditions::find(&status.conditions, crate::api::ConditionType::DescriptionSynced);
    let told = said.map(|one| (one.status.as_str(), one.reason.as_str()));
    assert_eq!(told, Some(("False", "EditUnsupported")));
    assert!(said.is_some_and(|one| one.message.contains("registry-token.dev/rotate")), "{said:?}");
    assert!(StatusView::of(&world.observed.object).ready, "pods can pull");
    let reported = crate::domain::status::waiting_condition(Some(status));
    assert_eq!(reported.map(|(_, reason, _)| reason), Some("EditUnsupported"), "an event says so");
    apply(&mut world.observed, StatusEvent::SecretInspected(crate::domain::test_support::recorded_secret(), None));
    let shown = hash64(&marker(&first_attempt()).append_to("before"));
    for upstream in [UpstreamState::Unknown, UpstreamState::Present(shown)] {
        let later = Observed {
            upstream,
            normalized_description: Some(shown).filter(|_| upstream != UpstreamState::Unknown),
            ..world.observed.clone()
        };
        assert_eq!(decide(&later), Action::Idle, "neither an edit nor a token, whatever the audit shows");
    }
}

#[test]
fn a_token_that_cannot_be_edited_and_has_the_description_is_synced() {
    let mut world = uneditable("after");
    assert_eq!(run(&mut world), Outcome::Redecide);
    assert_eq!((world.labels.clone(), synced(&world)), (vec!["find 17".to_owned(), "status".to_owned()], true));
    let mut world = uneditable("before");
    world.observed.token_requested = true;
    assert_eq!(run(&mut world), Outcome::Redecide);
    assert_eq!((world.labels.clone(), synced(&world)), (vec!["status".to_owned()], false), "nothing is asked");
}

#[test]
fn without_token_or_issuer_there_is_nothing_to_sync() {
    let untold = at_rest_with(|observed| observed.object.status = None);
    let alone = at_rest_with(|observed| observed.issuer = crate::domain::test_support::not_ready());
    for observed in [untold, alone] {
        assert_eq!(begin(&observed), Transition::Done(Outcome::RequeueSoon));
    }
}
