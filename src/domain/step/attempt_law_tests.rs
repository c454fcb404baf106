//! Every sequence of answers, however absurd.

use super::*;
use crate::api::Reason;
use crate::domain::effect::{Row, Write};
use crate::domain::observed::LoginMode;
use crate::domain::pull_secret::{SecretMeta, Stored};
use crate::domain::testing::{
    at_rest, attempt, but, but_secret, empty_secret, errand, fault, mark, named, new, note_of, of_issuer, reserved,
    row, secret, stored, tell,
};
use std::collections::HashSet;

/// A moment of an attempt, and what happened before.
#[derive(Clone, Debug)]
struct Moment {
    request: Request,
    machine: Attempting,
    seen: Observed,
    past: Past,
}

#[allow(clippy::struct_excessive_bools, reason = "each is a thing that happened or did not")]
#[derive(Clone, Copy, Debug, Default)]
struct Past {
    /// A request for a token went out.
    asked: bool,
    /// The portal may have made one of it.
    made: bool,
    revoked: bool,
    audit: bool,
}

fn reserved_mine() -> SecretMeta {
    SecretMeta { reservation: reserved(2, "me"), ..empty_secret() }
}

fn stored_mine() -> SecretMeta {
    SecretMeta { stored: Some(Stored { errand: errand(Cause::First), ..note_of("18", attempt(2)) }), ..secret() }
}

fn marked() -> Row {
    row("18", &mark(&attempt(2)).mark("prod"))
}

/// All answers that there are. A write that succeeds gives what was written; a read gives anything.
fn answers(request: &Request, seen: &Observed) -> Vec<Answer> {
    let why = || fault(Reason::TimedOut);
    let mut all = vec![
        Answer::Done,
        Answer::Conflict,
        Answer::Refused("no".into()),
        Answer::Unclear("no answer".into()),
        Answer::Withdrawn(why()),
        Answer::Changed,
        Answer::Late,
        Answer::NotSent(why()),
        Answer::Denied(why()),
        Answer::Ambiguous(why()),
        Answer::Invalid(why()),
        Answer::WithoutTemplate("no".into()),
        Answer::Token { id: Some("18".into()), username: "tw-18".into() },
        Answer::Token { id: None, username: "tw-18".into() },
        Answer::Rows(vec![]),
        Answer::Rows(vec![marked()]),
        Answer::Rows(vec![marked(), Row { token: named("19"), ..marked() }]),
        Answer::Object(None),
    ];
    all.extend(
        [Verdict::Accepted, Verdict::NotAsked, Verdict::Refused("no".into()), Verdict::Unknown("down".into())]
            .map(Answer::Login),
    );
    if *request == Request::ReadContent {
        all.push(Answer::Content(None));
    }
    for content in [Content::Nothing, Content::WrongType, Content::Immutable { holds: None }] {
        all.push(Answer::Content(seen.secret.clone().map(|meta| Box::new((meta, content)))));
    }
    let mut other = seen.clone();
    tell(&mut other, stored("16", Cause::First));
    all.extend([&seen.object, &other.object].map(|object| Answer::Object(Some(Box::new(object.clone())))));
    let secrets = match request {
        Request::Secret(Write::Reserve(_)) => vec![Some(reserved_mine())],
        Request::Secret(Write::Commit(_)) => vec![Some(stored_mine())],
        Request::Secret(_) => vec![Some(empty_secret())],
        Request::ReadSecret => vec![None, Some(secret()), Some(reserved_mine()), Some(stored_mine())],
        // An answer that does not belong to its request changes nothing in the world.
        _ => vec![seen.secret.clone()],
    };
    all.extend(secrets.into_iter().map(|found| Answer::Secret(found.map(Box::new))));
    all
}

fn holds_mine(seen: &Observed) -> (bool, bool) {
    let held = seen.secret.as_ref();
    let stored = held.and_then(|held| held.stored.as_ref()).is_some_and(|stored| stored.attempt == attempt(2));
    let reservation = held.and_then(|held| held.reservation.as_ref());
    (stored, reservation.is_some_and(|reservation| reservation.attempt == attempt(2)))
}

/// What must never be asked for.
fn judge(moment: &Moment) {
    let (stored, reserved) = holds_mine(&moment.seen);
    match &moment.request {
        Request::Token { .. } => {
            assert!(!moment.past.asked, "asked twice: {moment:?}");
            assert!(reserved, "asked without a reservation: {moment:?}");
        }
        Request::Revoke(_) => assert!(!stored, "what is stored is revoked: {moment:?}"),
        Request::Secret(Write::Commit(_)) => assert!(reserved && moment.past.made, "{moment:?}"),
        _ => {}
    }
}

/// Nothing that may have been made is left with nobody to name it.
fn judge_end(seen: &Observed, past: Past) {
    let (stored, reserved) = holds_mine(seen);
    assert!(!past.made || stored || reserved || past.revoked || past.audit, "leaked: {seen:?}, {past:?}");
}

fn remember(past: Past, request: &Request, answer: &Answer) -> Past {
    let mut past = past;
    match request {
        Request::Token { .. } if *answer != Answer::Late => {
            past.asked = true;
            past.made = !matches!(answer, Answer::NotSent(_) | Answer::Denied(_));
        }
        Request::Revoke(_) => past.revoked |= *answer == Answer::Done,
        Request::WantAudit => past.audit = true,
        _ => {}
    }
    past
}

fn after(moment: &Moment, answer: Answer) -> (Observed, Past, Next) {
    let mut seen = moment.seen.clone();
    let past = remember(moment.past, &moment.request, &answer);
    match &answer {
        Answer::Object(Some(object)) => seen.object = (**object).clone(),
        Answer::Secret(found) => seen.secret = found.as_deref().cloned(),
        Answer::Content(found) => seen.secret = found.as_ref().map(|found| found.0.clone()),
        _ => {}
    }
    let next = moment.machine.clone().step(&seen, answer);
    (seen, past, next)
}

/// What was gone through. Of two moments that agree in what the rest depends on, one is enough.
#[derive(Default)]
struct Gone {
    done: HashSet<String>,
    /// From the first request to here: a moment that comes again in it would go on for ever.
    way: HashSet<String>,
    longest: usize,
}

impl Gone {
    fn through(&mut self, key: String, moment: &Moment) {
        judge(moment);
        self.way.insert(key.clone());
        self.longest = self.longest.max(self.way.len());
        for answer in answers(&moment.request, &moment.seen) {
            let (seen, past, next) = after(moment, answer);
            let (request, machine) = match next {
                Flow::Do(request, machine) => (request, machine),
                Flow::End(_) => {
                    judge_end(&seen, past);
                    continue;
                }
            };
            let tokens = recorded(&seen.object).tokens();
            let key = format!("{request:?} {machine:?} {past:?} {:?} {tokens:?}", seen.secret);
            assert!(!self.way.contains(&key), "it goes on for ever: {key}");
            if !self.done.contains(&key) {
                self.through(key, &Moment { request, machine, seen, past });
            }
        }
        self.way.remove(&key);
        self.done.insert(key);
    }
}

/// Goes through everything that can follow; gives the number of moments and the longest way.
fn go_through(seen: &Observed, begun: Next, past: Past) -> (usize, usize) {
    let Flow::Do(request, machine) = begun else { panic!("it begins") };
    let mut gone = Gone::default();
    gone.through(String::new(), &Moment { request, machine, seen: seen.clone(), past });
    (gone.done.len(), gone.longest)
}

/// Every sequence of answers ends, asks once and leaves no token unnamed.
fn every_sequence_ends(seen: &Observed, cause: Cause) {
    let begun = begin(seen, errand(cause));
    let (count, longest) = go_through(seen, begun, Past::default());
    println!("{count} moments, at most {longest} requests");
    assert!(count > 100, "only {count} moments, at most {longest} requests");
}

// A test each, for they take long, and run side by side.

#[test]
fn every_first_attempt_ends_asks_once_and_leaves_no_token_unnamed() {
    every_sequence_ends(&new(), Cause::First);
}

#[test]
fn every_first_attempt_does_so_where_the_list_is_hidden() {
    let mut hidden = new();
    of_issuer(&mut hidden, |facts| (facts.list_visible, facts.login) = (false, LoginMode::Disabled));
    every_sequence_ends(&hidden, Cause::First);
}

#[test]
fn every_attempt_does_so_whose_object_lost_its_secret() {
    every_sequence_ends(&but(|seen| seen.secret = None), Cause::Lost);
}

#[test]
fn every_rotation_does_so() {
    every_sequence_ends(&at_rest(), Cause::Rotate);
}

#[test]
fn every_recovery_ends_and_revokes_nothing_that_is_stored() {
    let seen = but_secret(|held| held.reservation = reserved(2, "me"));
    let begun = recover(&seen, &attempt(2));
    let past = Past { asked: true, made: true, ..Past::default() };
    let (count, _) = go_through(&seen, begun, past);
    assert!(count > 20, "only {count} moments");
}
