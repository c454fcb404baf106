use super::*;
use crate::api::{LoginCheck, Reason};
use crate::domain::model::token::TokenRow;
use crate::domain::test_support::{
    REQUESTED, RESPONSE_DEADLINE, World, apply, at, at_rest, at_rest_with, change_issuer, now, problem,
    reported_reason, retiring as retires, row, token_ref,
};

/// At rest, with these retiring tokens, each due since this many seconds.
fn due(tokens: &[(&str, i64)]) -> World {
    World::of(at_rest_with(|observed| {
        for (id, seconds) in tokens {
            apply(observed, StatusEvent::TokenRetiring(retires(id, at(3600 - seconds))));
        }
    }))
}

/// The same with one token, whose successor was requested this many seconds ago.
fn replaced(seconds: i64) -> World {
    let mut world = due(&[("12", seconds)]);
    if let Some(token) = world.observed.object.status.as_mut().and_then(|status| status.token.as_mut()) {
        token.request_time.0 = at(3600 - seconds);
    }
    world
}

fn run(world: &mut World) -> Outcome {
    let begun = revoke_retiring(&world.observed);
    world.run(begun)
}

fn left(world: &World) -> Vec<String> {
    StatusView::of(&world.observed.object).retiring.into_iter().map(|token| token.id).collect()
}

#[test]
fn a_token_is_looked_up_revoked_and_removed_from_the_status() {
    let mut world = due(&[("12", 0)]);
    assert_eq!(run(&mut world), Outcome::Redecide);
    assert_eq!(world.labels, ["find 12", "revoke 12", "status"]);
    assert_eq!((left(&world), world.rows.len()), (vec![], 1), "the current token stays valid");
}

#[test]
fn only_what_is_due_is_revoked() {
    let mut world = due(&[("12", 0), ("13", -1), ("14", 500)]);
    assert_eq!(run(&mut world), Outcome::Redecide);
    assert_eq!(left(&world), ["13"]);
    assert!(world.rows.contains(&row("13", "prod")));
}

#[test]
fn another_token_that_has_the_id_now_is_left_alone() {
    let another = TokenRow {
        token: TokenRef { id: "12".into(), username: "another".into() },
        description: String::new(),
        expiration_time: None,
    };
    let mut world = due(&[("12", 500)]).listing(std::slice::from_ref(&another));
    assert_eq!(run(&mut world), Outcome::Redecide);
    assert_eq!((world.labels.clone(), left(&world)), (vec!["find 12".to_owned(), "status".to_owned()], vec![]));
    assert_eq!(world.rows, [another]);
}

#[test]
fn a_token_that_is_not_listed_yet_is_waited_for() {
    let mut world = replaced(40).listing(&[]);
    let outcome = run(&mut world);
    let wait = RESPONSE_DEADLINE.saturating_sub(Duration::from_secs(40)) + MARGIN;
    assert!(
        matches!(&outcome, Outcome::ReportFor(left, problem) if *left == wait && problem.message.contains("tw-12"))
    );
    assert_eq!((reported_reason(&outcome), left(&world)), (Some(Reason::TokenNotFound), vec!["12".to_owned()]));
    let mut old = replaced(100).listing(&[]);
    assert_eq!(run(&mut old), Outcome::Redecide);
    assert_eq!((old.labels.clone(), left(&old)), (vec!["find 12".to_owned(), "status".to_owned()], vec![]));
}

#[test]
fn it_was_listed_before_its_successor_was_requested_however_long_its_overlap() {
    let known = |due: i64| {
        let observed = at_rest_with(|observed| apply(observed, StatusEvent::TokenRetiring(retires("12", at(due)))));
        retiring_revocations(&StatusView::of(&observed.object))
            .into_iter()
            .map(|due| due.listed_since)
            .collect::<Vec<_>>()
    };
    assert_eq!(known(999_999), [at(REQUESTED)]);
    assert_eq!(known(REQUESTED - 5), [at(REQUESTED - 5)]);
}

#[test]
fn a_token_that_an_audit_found_revoked_is_not_waited_for_once_more() {
    let mut world = replaced(0).listing(&[]);
    found_revoked(&mut world);
    assert_eq!(run(&mut world), Outcome::Redecide);
    assert_eq!((world.labels.clone(), left(&world)), (vec!["find 12".to_owned(), "status".to_owned()], vec![]));
}

#[test]
fn a_list_of_another_user_proves_nothing() {
    let mut world = due(&[("12", 500)]).listing(&[]);
    change_issuer(&mut world.observed, |issuer| issuer.portal.user = "another".into());
    let outcome = run(&mut world);
    assert_eq!((reported_reason(&outcome), left(&world)), (Some(Reason::TokenNotFound), vec!["12".to_owned()]));
    assert!(matches!(outcome, Outcome::ReportFor(_, problem) if problem.message.contains("credentials")));
    let mut observed = due(&[("12", 500)]);
    change_issuer(&mut observed.observed, |issuer| issuer.portal.user = "another".into());
    assert_eq!(run(&mut observed), Outcome::Redecide, "but a token that it shows exists");
    assert!(observed.labels.contains(&"revoke 12".to_owned()));
}

#[test]
fn with_a_hidden_list_a_token_is_identified_by_id_and_username() {
    let mut world = due(&[("12", 0)]);
    change_issuer(&mut world.observed, |issuer| issuer.list_visible = false);
    assert_eq!(run(&mut world), Outcome::Redecide);
    assert_eq!(world.labels, ["revoke 12", "status"]);
    assert!(world.requests.contains(&Request::Revoke(token_ref("12"))));
}

/// If the list is hidden, a portal may reject a revocation because the token does not exist, or for another reason.
fn denied(change: impl FnOnce(&mut World), reason: Reason) -> (Outcome, Vec<String>) {
    let mut world = due(&[("12", 0)]).on("revoke 12", Response::Rejected(problem(reason)));
    change_issuer(&mut world.observed, |issuer| issuer.list_visible = false);
    change(&mut world);
    let outcome = run(&mut world);
    (outcome, left(&world))
}

fn found_revoked(world: &mut World) {
    let status = world.observed.object.status.as_mut().expect("a status");
    status.retiring[0].revoked_upstream = true;
}

#[test]
fn with_a_hidden_list_a_rejection_is_sufficient_for_a_token_known_to_be_revoked() {
    let refused = Reason::RequestRejected;
    let told =
        |name: &'static str| move |world: &mut World| world.observed.object.confirmed_revoked = vec![name.to_owned()];
    assert_eq!(denied(found_revoked, refused), (Outcome::Redecide, vec![]));
    assert_eq!(denied(told("12"), refused), (Outcome::Redecide, vec![]));
    let (outcome, kept) = denied(told("tw-12"), refused);
    assert!(
        matches!(&outcome, Outcome::Failed(problem) if problem.message.contains("registry-token.dev/confirmed-revoked=12"))
    );
    assert_eq!(kept, ["12"]);
    for other in [Reason::Unauthorized, Reason::RateLimited] {
        for change in
            [found_revoked, |world: &mut World| world.observed.object.confirmed_revoked = vec!["12".to_owned()]]
        {
            let (outcome, kept) = denied(change, other);
            assert_eq!(
                (reported_reason(&outcome), kept),
                (Some(other), vec!["12".to_owned()]),
                "that shows nothing about the token"
            );
        }
    }
    assert_eq!(denied(found_revoked, Reason::AccessDenied).1, ["12"]);
    assert_eq!(
        denied(told("12"), Reason::AccessDenied).1,
        [] as [&str; 0],
        "some portals report this for a token that does not exist"
    );
    let visible = |world: &mut World| {
        found_revoked(world);
        change_issuer(&mut world.observed, |issuer| issuer.list_visible = true);
    };
    assert_eq!(denied(visible, refused).1, ["12"], "the list shows it");
}

#[test]
fn with_a_hidden_list_a_rejection_is_verified_at_the_registry_while_a_secret_stores_the_token() {
    let turn = |login_result: LoginResult, mode| {
        let mut observed = at_rest();
        change_issuer(&mut observed, |issuer| (issuer.list_visible, issuer.login_check) = (false, mode));
        let due = Revocation { token: token_ref("17"), listed_since: at(0), in_secret: true, revoked_upstream: false };
        let RevocationStep::Perform(Request::Revoke(_), state) = begin(&observed, vec![due]) else {
            panic!("it is revoked immediately")
        };
        match state.step(&observed, Response::Rejected(problem(Reason::RequestRejected))) {
            RevocationStep::Perform(request, state) => {
                assert_eq!(request, Request::VerifyLogin);
                state.step(&observed, Response::Login(login_result))
            }
            ended => ended,
        }
    };
    assert_eq!(
        turn(LoginResult::Rejected("no".into()), LoginCheck::Required),
        RevocationStep::Revoked(vec![token_ref("17")])
    );
    for login_result in [LoginResult::Accepted, LoginResult::NotChecked, LoginResult::Unknown("down".into())] {
        let alive = login_result == LoginResult::Accepted;
        let stuck = turn(login_result, LoginCheck::Required);
        let hint = |outcome: &Outcome| matches!(outcome, Outcome::Failed(problem) if problem.message.contains("/confirmed-revoked="));
        assert!(matches!(&stuck, RevocationStep::Blocked(_, outcome) if hint(outcome) != alive), "{stuck:?}");
        assert!(
            matches!(stuck, RevocationStep::Blocked(revoked, outcome) if revoked.is_empty() && reported_reason(&outcome) == Some(Reason::RequestRejected))
        );
    }
    assert!(matches!(turn(LoginResult::Accepted, LoginCheck::Disabled), RevocationStep::Blocked(..)));
}

#[test]
fn revocations_before_a_problem_are_recorded() {
    for (word, response) in [
        ("revoke 12", Response::Rejected(problem(Reason::RequestRejected))),
        ("revoke 12", Response::PortalOutcomeUnknown(problem(Reason::TimedOut))),
        ("find 12", Response::NotSent(problem(Reason::Unreachable))),
    ] {
        let mut world = due(&[("12", 0), ("13", 0)]).on(word, response);
        let outcome = run(&mut world);
        assert!(
            matches!(&outcome, Outcome::Failed(problem) if problem.message.starts_with("the token tw-12 is not revoked yet: "))
        );
        assert_eq!(world.labels[..3], ["find 13", "revoke 13", "find 12"]);
        assert_eq!((world.labels.last().map(String::as_str), left(&world)), (Some("status"), vec!["12".to_owned()]));
    }
    let mut conflict = due(&[("12", 0)]).on("status", Response::Conflict);
    assert_eq!(run(&mut conflict), Outcome::RequeueSoon);
}

/// A token that the Secret stores and the list no longer contains.
fn in_secret(login_result: LoginResult, mode: LoginCheck) -> (RevocationStep, Vec<String>) {
    let mut observed = at_rest();
    change_issuer(&mut observed, |issuer| issuer.login_check = mode);
    let due = Revocation { token: token_ref("17"), listed_since: at(0), in_secret: true, revoked_upstream: false };
    let RevocationStep::Perform(_, state) = begin(&observed, vec![due]) else { panic!("it looks first") };
    match state.step(&observed, Response::Rows(vec![])) {
        RevocationStep::Perform(request, state) => {
            assert_eq!(request, Request::VerifyLogin);
            (state.step(&observed, Response::Login(login_result)), vec!["log in".to_owned()])
        }
        ended => (ended, vec![]),
    }
}

#[test]
fn a_token_in_the_secret_is_verified_at_the_registry_too() {
    for login_result in [LoginResult::Rejected("no".into()), LoginResult::NotChecked] {
        assert_eq!(in_secret(login_result, LoginCheck::Required).0, RevocationStep::Revoked(vec![token_ref("17")]));
    }
    for (login_result, what) in
        [(LoginResult::Accepted, "revoke it manually"), (LoginResult::Unknown("down".into()), "down")]
    {
        let (turn, _) = in_secret(login_result, LoginCheck::BestEffort);
        let RevocationStep::Blocked(revoked, outcome) = turn else { panic!("{turn:?}") };
        assert_eq!((revoked, reported_reason(&outcome)), (vec![], Some(Reason::TokenNotFound)));
        assert!(matches!(outcome, Outcome::Failed(problem) if problem.message.contains(what)));
    }
    assert_eq!(
        in_secret(LoginResult::Accepted, LoginCheck::Disabled),
        (RevocationStep::Revoked(vec![token_ref("17")]), vec![])
    );
}

#[test]
fn without_due_tokens_nothing_is_done() {
    let mut world = due(&[("12", -60)]);
    assert_eq!((run(&mut world), world.labels.len()), (Outcome::Redecide, 0));
    let mut alone = due(&[("12", 0)]);
    alone.observed.issuer = crate::domain::test_support::not_ready();
    assert_eq!((run(&mut alone), alone.observed.now), (Outcome::RequeueSoon, now()));
    assert!(alone.labels.is_empty());
}

#[test]
fn a_token_whose_id_was_hidden_is_looked_up_by_its_username() {
    let mut world = World::of(at_rest_with(|observed| {
        let by_username = crate::api::RetiringToken { id: "tw-12".into(), ..retires("12", at(3600)) };
        apply(observed, StatusEvent::TokenRetiring(by_username));
    }));
    world.rows.push(row("12", "prod"));
    assert_eq!(run(&mut world), Outcome::Redecide);
    assert_eq!(world.labels, ["find user tw-12", "revoke tw-12", "status"]);
    assert_eq!((left(&world), world.rows.len()), (vec![], 1), "the current token stays valid");
}
