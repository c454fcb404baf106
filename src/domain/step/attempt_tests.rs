use super::*;
use crate::api::Reason;
use crate::domain::effect::Write;
use crate::domain::observed::LoginMode;
use crate::domain::pull_secret::{Reservation, SecretMeta};
use crate::domain::testing::{
    World, at_rest, attempt, but, but_secret, errand, fault, mark, new, not_ready, now, of_issuer, row, tell,
};

/// Runs an attempt for this cause to its end.
fn run(world: &mut World, cause: Cause) -> Outcome {
    let begun = begin(&world.seen, errand(cause));
    world.run(begun, Attempting::step)
}

fn first(mut world: World) -> (Vec<String>, Outcome) {
    let outcome = run(&mut world, Cause::First);
    (world.asked, outcome)
}

fn reason(outcome: &Outcome) -> Option<Reason> {
    match outcome {
        Outcome::Failed(fault) => Some(fault.reason),
        _ => None,
    }
}

fn marked() -> String {
    mark(&attempt(2)).mark("prod")
}

const UP_TO_TOKEN: [&str; 3] = ["reserve", "read issuer", "token"];

/// Whether this was done after a token was asked for, and nothing else.
fn after_token(asked: &[String], then: &[&str]) {
    assert_eq!(asked, [&UP_TO_TOKEN[..], then].concat());
}

#[test]
fn a_first_token_is_reserved_asked_for_stored_checked_and_recorded_in_this_order() {
    let mut world = World::of(new());
    assert_eq!(run(&mut world, Cause::First), Outcome::Stored);
    after_token(&world.asked, &["commit 18", "log in", "status"]);
    let sent = |request: &Request| matches!(request, Request::Token { description } if *description == marked());
    assert!(world.requests.iter().any(sent), "{:?}", world.requests);
    let known = recorded(&world.seen.object);
    let (token, held) = (known.token.expect("a token"), world.seen.secret.expect("a Secret"));
    assert_eq!((token.id.as_str(), token.username.as_str()), ("18", "tw-18"));
    assert_eq!((token.nonce, token.request_time.0), (mark(&attempt(2)).nonce().to_string(), now()));
    assert_eq!(known.secret_version, Some(held.resource_version));
    assert_eq!(held.stored.map(|stored| (stored.attempt, stored.id)), Some((attempt(2), "18".into())));
    assert!(known.ready && known.verified && held.reservation.is_none());
}

#[test]
fn a_token_that_works_is_replaced_only_after_the_new_one_was_let_in() {
    for cause in [Cause::Rotation, Cause::Rotate, Cause::Replace] {
        let mut world = World::of(at_rest());
        assert_eq!(run(&mut world, cause), Outcome::Stored);
        let order =
            ["read content", "log in", "try", "reserve", "read issuer", "token", "log in", "commit 18", "status"];
        assert_eq!(world.asked, order);
        let known = recorded(&world.seen.object);
        assert!(known.retires("17") && known.ready && known.verified, "{cause}");
    }
}

#[test]
fn a_lost_token_is_said_to_be_lost_before_another_is_asked_for() {
    let mut gone = World::of(but(|seen| seen.secret = None));
    assert_eq!(run(&mut gone, Cause::Lost), Outcome::Stored);
    assert_eq!(gone.asked, ["status", "reserve", "read issuer", "token", "commit 18", "log in", "status"]);
    let said = gone.statuses().next().and_then(|status| crate::domain::status::ready_word(Some(status))).expect("said");
    assert_eq!((said.0, said.1), ("False", "SecretLost"));
    let known = recorded(&gone.seen.object);
    assert_eq!(known.retiring.first().map(|token| token.revocation_time.0), Some(now()), "it is revoked at once");
    let mut emptied = World::of(but_secret(|held| held.stored = None));
    assert_eq!(run(&mut emptied, Cause::Lost), Outcome::Stored);
    assert_eq!(emptied.asked[..4], ["status", "read content", "try", "reserve"]);
}

#[test]
fn without_a_login_check_the_registry_is_not_asked() {
    for (mut seen, cause) in [(new(), Cause::First), (at_rest(), Cause::Rotate)] {
        of_issuer(&mut seen, |facts| facts.login = LoginMode::Disabled);
        let mut world = World::of(seen);
        assert_eq!(run(&mut world, cause), Outcome::Stored);
        assert!(!world.asked.contains(&"log in".to_owned()) && recorded(&world.seen.object).ready);
    }
}

#[test]
fn a_secret_that_was_deleted_meanwhile_and_made_by_somebody_else_is_not_reserved() {
    let mut world = World::of(but_secret(|held| held.stored = None)).meanwhile("read content", |world| {
        let held = world.seen.secret.as_mut().expect("a Secret");
        (held.uid, held.ownership) = ("theirs".into(), Ownership::Foreign);
    });
    let outcome = run(&mut world, Cause::First);
    assert_eq!(reason(&outcome), Some(Reason::SecretNotOurs), "{outcome:?}");
    assert_eq!(world.asked, ["read content"], "nothing is written into it");
}

#[test]
fn a_secret_that_could_not_be_written_is_known_before_a_token_exists() {
    let before = |world: World, why, asked: &[&str]| {
        let mut world = world;
        let outcome = run(&mut world, Cause::Rotate);
        assert_eq!((reason(&outcome), world.asked), (Some(why), asked.iter().map(|&word| word.to_owned()).collect()));
    };
    let immutable = Content::Immutable { holds: None };
    for (content, why) in [(Content::WrongType, Reason::SecretTypeWrong), (immutable, Reason::SecretImmutable)] {
        let mut world = World::of(at_rest());
        world.content = content;
        before(world, why, &["read content"]);
    }
    let quota = || Answer::Refused("quota".into());
    before(World::of(at_rest()).on("try", quota()), Reason::SecretRefused, &["read content", "log in", "try"]);
    before(
        World::of(at_rest()).on("reserve", quota()),
        Reason::SecretRefused,
        &["read content", "log in", "try", "reserve"],
    );
    let (asked, outcome) = first(World::of(new()).on("reserve", quota()));
    assert_eq!((reason(&outcome), asked), (Some(Reason::SecretRefused), vec!["reserve".to_owned()]));
}

#[test]
fn without_a_reservation_nothing_is_asked_for() {
    for (answer, outcome) in [
        (Answer::Conflict, Outcome::LookAgain),
        (Answer::Unclear("no answer".into()), Outcome::Failed(unavailable("no answer"))),
    ] {
        let mut world = World::of(at_rest()).on("reserve", answer);
        assert_eq!(run(&mut world, Cause::Rotate), outcome);
        assert_eq!(world.asked.last().map(String::as_str), Some("reserve"));
    }
}

#[test]
fn a_token_that_another_operator_stored_meanwhile_is_not_replaced_once_more() {
    let mut world = World::of(at_rest()).meanwhile("read content", |world| {
        let held = world.seen.secret.as_mut().and_then(|secret| secret.stored.as_mut());
        held.expect("a token").id = "18".into();
    });
    assert_eq!(run(&mut world, Cause::Rotate), Outcome::LookAgain);
    assert_eq!(world.asked, ["read content"]);
}

#[test]
fn a_secret_that_the_cache_did_not_show_is_looked_at() {
    let there = |ownership| {
        World::of(new()).on("reserve", Answer::Conflict).meanwhile("read secret", move |world| {
            world.seen.secret = Some(crate::domain::testing::secret());
            world.seen.secret.as_mut().expect("a Secret").ownership = ownership;
        })
    };
    let (asked, outcome) = first(there(Ownership::Foreign));
    assert_eq!((reason(&outcome), asked.len()), (Some(Reason::SecretNotOurs), 2));
    assert_eq!(first(there(Ownership::Ours)).1, Outcome::LookAgain);
}

#[test]
fn an_issuer_that_may_not_be_used_costs_only_the_reservation() {
    let withdrawn = fault(Reason::NamespaceNotAllowed);
    for (answer, outcome) in [
        (Answer::Withdrawn(withdrawn.clone()), Outcome::Failed(withdrawn)),
        (Answer::Unclear("down".into()), Outcome::Failed(unavailable("down"))),
        (Answer::Refused("forbidden".into()), Outcome::Failed(unavailable("forbidden"))),
        (Answer::Changed, Outcome::LookAgain),
        (Answer::Conflict, Outcome::LookAgain),
    ] {
        let (asked, ended) = first(World::of(new()).on("read issuer", answer));
        assert_eq!((ended, asked), (outcome, ["reserve", "read issuer", "drop"].map(String::from).into()));
    }
    let gone = World::of(new()).meanwhile("read issuer", |world| world.seen.issuer = not_ready());
    assert_eq!(first(gone), (["reserve", "read issuer", "drop"].map(String::from).into(), Outcome::LookAgain));
}

#[test]
fn a_refusal_or_what_was_never_sent_costs_only_the_reservation() {
    let why = fault(Reason::RequestRefused);
    for answer in [Answer::Denied(why.clone()), Answer::NotSent(why.clone())] {
        let refused = matches!(answer, Answer::Denied(_));
        let (asked, outcome) = first(World::of(new()).on("token", answer));
        after_token(&asked, &["drop"]);
        let Outcome::Failed(fault) = outcome else { panic!("{outcome:?}") };
        assert_eq!(fault.reason, why.reason);
        assert_eq!(fault.message.contains("Change spec.description"), refused, "{}", fault.message);
    }
}

#[test]
fn a_request_that_would_go_out_too_late_waits_for_the_issuer_to_be_read_again() {
    let (asked, outcome) = first(World::of(new()).on("token", Answer::Late));
    after_token(&asked, &["read issuer", "token", "commit 18", "log in", "status"]);
    assert_eq!(outcome, Outcome::Stored);
}

#[test]
fn a_request_that_is_always_too_late_is_given_up() {
    let world = (0..=TRIES).fold(World::of(new()), |world, _| world.on("token", Answer::Late));
    let (asked, outcome) = first(world);
    assert_eq!((asked.last().map(String::as_str), outcome), (Some("drop"), Outcome::LookAgain));
    assert_eq!(asked.iter().filter(|word| *word == "token").count(), usize::from(TRIES) + 1);
}

#[test]
fn an_id_that_the_answer_lacks_is_looked_up_by_the_mark() {
    let mut world = World::of(new());
    world.tells_id = false;
    assert_eq!(run(&mut world, Cause::First), Outcome::Stored);
    after_token(&world.asked, &["find mark", "commit 18", "log in", "status"]);
    let wanted = Request::Find(Rows::Marked(mark(&attempt(2))));
    assert!(world.requests.contains(&wanted));
}

#[test]
fn a_list_that_lags_is_waited_for_and_not_for_ever() {
    let none = || Answer::Rows(vec![]);
    let mut lagging =
        World::of(new()).on("find mark", none()).on("find mark", Answer::NotSent(fault(Reason::TimedOut)));
    lagging.tells_id = false;
    assert_eq!(run(&mut lagging, Cause::First), Outcome::Stored);
    after_token(
        &lagging.asked,
        &["find mark", "pause", "find mark", "pause", "find mark", "commit 18", "log in", "status"],
    );
    let mut never = (0..=LOOK_UPS).fold(World::of(new()), |world, _| world.on("find mark", none()));
    never.tells_id = false;
    assert_eq!(reason(&run(&mut never, Cause::First)), Some(Reason::RequestUnanswered));
    assert_eq!(never.asked[never.asked.len() - 5..], ["find mark", "audit", "drop", "find mark", "revoke 18"]);
    assert!(never.rows.is_empty() && !never.asked.contains(&"commit 18".to_owned()));
}

#[test]
fn a_row_of_another_name_is_not_the_token_that_was_answered() {
    let another = row("99", &marked());
    let mut world = World::of(new());
    for _ in 0..=LOOK_UPS {
        world = world.on("find mark", Answer::Rows(vec![another.clone()]));
    }
    world.tells_id = false;
    assert_eq!(reason(&run(&mut world, Cause::First)), Some(Reason::RequestUnanswered));
    assert!(!world.asked.iter().any(|word| word.starts_with("commit")), "{:?}", world.asked);
}

#[test]
fn a_token_that_cannot_be_named_is_not_kept() {
    let mut seen = new();
    of_issuer(&mut seen, |facts| facts.list_visible = false);
    let mut world = World::of(seen);
    world.tells_id = false;
    assert_eq!(reason(&run(&mut world, Cause::First)), Some(Reason::RequestUnanswered));
    after_token(&world.asked, &["audit", "drop"]);
}

#[test]
fn a_reservation_speaks_of_the_attempt_and_its_holder() {
    let mut world = World::of(but(|seen| tell(seen, Fact::DescriptionSynced)));
    run(&mut world, Cause::Rotate);
    let wanted = Reservation { attempt: attempt(2), holder: crate::domain::testing::ME.into() };
    assert!(world.requests.contains(&Request::Secret(Write::Reserve(wanted))));
}

#[test]
fn a_list_that_lags_by_seconds_costs_no_second_token() {
    let none = || Answer::Rows(vec![]);
    let mut world = (0..LOOK_UPS).fold(World::of(new()), |world, _| world.on("find mark", none()));
    world.tells_id = false;
    let begun = world.seen.now;
    assert_eq!(run(&mut world, Cause::First), Outcome::Stored);
    let waited = Duration::try_from(world.seen.now.duration_since(begun)).expect("a time");
    assert!((Duration::from_secs(21)..Duration::from_secs(26)).contains(&waited), "{waited:?}");
    let mut short = World::of(new());
    of_issuer(&mut short.seen, |facts| facts.longest_answer = Duration::from_secs(3));
    for _ in 0..4 {
        short = short.on("find mark", none());
    }
    short.tells_id = false;
    assert_eq!(reason(&run(&mut short, Cause::First)), Some(Reason::RequestUnanswered), "no longer than an answer");
}

#[test]
fn what_admission_made_of_a_new_secret_is_seen_before_a_token_exists() {
    let reserved = || SecretMeta {
        reservation: crate::domain::testing::reserved(2, crate::domain::testing::ME),
        ..crate::domain::testing::empty_secret()
    };
    let content = |content| Answer::Content(Some(Box::new((reserved(), content))));
    let created = |meta| Answer::Secret(Some(Box::new(meta)));
    for (answer, expected) in [
        (content(Content::Immutable { holds: None }), Reason::SecretImmutable),
        (content(Content::WrongType), Reason::SecretTypeWrong),
        (created(SecretMeta { tied: false, ..reserved() }), Reason::SecretRefused),
        (created(SecretMeta { reservation: None, ..reserved() }), Reason::SecretRefused),
    ] {
        let mut world = World::of(new()).on("reserve", answer.clone());
        assert_eq!(reason(&run(&mut world, Cause::First)), Some(expected), "{answer:?}");
        assert_eq!(world.asked, ["reserve", "drop"], "no token is requested, and the reservation goes");
    }
    let mut world = World::of(new()).on("reserve", created(reserved()));
    assert_eq!(run(&mut world, Cause::First), Outcome::Stored);
}

#[test]
fn the_dry_run_is_the_largest_commit_that_there_may_be() {
    let mut world = World::of(at_rest());
    let handles = [("rotate".to_owned(), "x".repeat(256))].into();
    let begun = begin(&world.seen, Errand { cause: Cause::Rotate, handles });
    world.run(begun, Attempting::step);
    let (mut tried, mut committed) = (None, None);
    for request in &world.requests {
        match request {
            Request::TryCommit(stored) => tried = Some((**stored).clone()),
            Request::Secret(Write::Commit(stored)) => committed = Some(stored.clone()),
            _ => {}
        }
    }
    let (tried, committed) = (tried.expect("tried"), committed.expect("committed"));
    assert_eq!((tried.errand, tried.attempt), (committed.errand, committed.attempt), "just what is written later");
    assert!(tried.id.len() == 256 && tried.origin.to_string().len() >= committed.origin.to_string().len());
}
