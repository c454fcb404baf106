//! Every sequence of answers, however absurd.

use super::*;
use crate::api::Reason;
use crate::domain::model::pull_secret::{SecretMeta, StoredToken};
use crate::domain::observed::LoginMode;
use crate::domain::protocol::{Row, SecretWrite};
use crate::domain::test_support::{
    apply, at_rest, at_rest_with, at_rest_with_secret, attempt_id, change_issuer, empty_secret, marker, new_object,
    problem, request_cause, reservation, row, secret, stored_token, token_ref, token_stored,
};
use std::collections::HashSet;

/// A moment of an attempt, and what happened before.
#[derive(Clone, Debug)]
struct Moment {
    request: Request,
    machine: RequestingToken,
    observed: Observed,
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
    SecretMeta { reservation: reservation(2, "me"), ..empty_secret() }
}

fn stored_mine() -> SecretMeta {
    SecretMeta {
        stored: Some(StoredToken { request_cause: request_cause(Cause::First), ..stored_token("18", attempt_id(2)) }),
        ..secret()
    }
}

fn marked() -> Row {
    row("18", &marker(&attempt_id(2)).append_to("prod"))
}

/// All answers that there are. A write that succeeds gives what was written; a read gives anything.
fn answers(request: &Request, observed: &Observed) -> Vec<Response> {
    let why = || problem(Reason::TimedOut);
    let mut all = vec![
        Response::Done,
        Response::Conflict,
        Response::WriteRejected("no".into()),
        Response::OutcomeUnknown("no answer".into()),
        Response::IssuerDenied(why()),
        Response::IssuerChanged,
        Response::IssuerReadExpired,
        Response::NotSent(why()),
        Response::Rejected(why()),
        Response::PortalOutcomeUnknown(why()),
        Response::InvalidToken(why()),
        Response::DoneWithoutTemplate("no".into()),
        Response::Token { id: Some("18".into()), username: "tw-18".into() },
        Response::Token { id: None, username: "tw-18".into() },
        Response::Rows(vec![]),
        Response::Rows(vec![marked()]),
        Response::Rows(vec![marked(), Row { token: token_ref("19"), ..marked() }]),
        Response::Object(None),
    ];
    all.extend(
        [Verdict::Accepted, Verdict::NotChecked, Verdict::Rejected("no".into()), Verdict::Unknown("down".into())]
            .map(Response::Login),
    );
    if *request == Request::ReadContent {
        all.push(Response::Content(None));
    }
    for content in [SecretContent::Empty, SecretContent::WrongType, SecretContent::Immutable { username: None }] {
        all.push(Response::Content(observed.secret.clone().map(|meta| Box::new((meta, content)))));
    }
    let mut other = observed.clone();
    apply(&mut other, token_stored("16", Cause::First));
    all.extend([&observed.object, &other.object].map(|object| Response::Object(Some(Box::new(object.clone())))));
    let secrets = match request {
        Request::WriteSecret(SecretWrite::Reserve(_)) => vec![Some(reserved_mine())],
        Request::WriteSecret(SecretWrite::Commit(_)) => vec![Some(stored_mine())],
        Request::WriteSecret(_) => vec![Some(empty_secret())],
        Request::ReadSecret => vec![None, Some(secret()), Some(reserved_mine()), Some(stored_mine())],
        // An answer that does not belong to its request changes nothing in the world.
        _ => vec![observed.secret.clone()],
    };
    all.extend(secrets.into_iter().map(|found| Response::Secret(found.map(Box::new))));
    all
}

fn holds_mine(observed: &Observed) -> (bool, bool) {
    let held = observed.secret.as_ref();
    let stored = held.and_then(|held| held.stored.as_ref()).is_some_and(|stored| stored.attempt_id == attempt_id(2));
    let reservation = held.and_then(|held| held.reservation.as_ref());
    (stored, reservation.is_some_and(|reservation| reservation.attempt_id == attempt_id(2)))
}

/// What must never be asked for.
fn check_invariants(moment: &Moment) {
    let (stored, reserved) = holds_mine(&moment.observed);
    match &moment.request {
        Request::RequestToken { .. } => {
            assert!(!moment.past.asked, "asked twice: {moment:?}");
            assert!(reserved, "asked without a reservation: {moment:?}");
        }
        Request::Revoke(_) => assert!(!stored, "what is stored is revoked: {moment:?}"),
        Request::WriteSecret(SecretWrite::Commit(_)) => assert!(reserved && moment.past.made, "{moment:?}"),
        _ => {}
    }
}

/// Nothing that may have been made is left with nobody to name it.
fn check_end(observed: &Observed, past: Past) {
    let (stored, reserved) = holds_mine(observed);
    assert!(!past.made || stored || reserved || past.revoked || past.audit, "leaked: {observed:?}, {past:?}");
}

fn remember(past: Past, request: &Request, answer: &Response) -> Past {
    let mut past = past;
    match request {
        Request::RequestToken { .. } if *answer != Response::IssuerReadExpired => {
            past.asked = true;
            past.made = !matches!(answer, Response::NotSent(_) | Response::Rejected(_));
        }
        Request::Revoke(_) => past.revoked |= *answer == Response::Done,
        Request::RequestAudit => past.audit = true,
        _ => {}
    }
    past
}

fn after(moment: &Moment, answer: Response) -> (Observed, Past, RequestTokenTransition) {
    let mut observed = moment.observed.clone();
    let past = remember(moment.past, &moment.request, &answer);
    match &answer {
        Response::Object(Some(object)) => observed.object = (**object).clone(),
        Response::Secret(found) => observed.secret = found.as_deref().cloned(),
        Response::Content(found) => observed.secret = found.as_ref().map(|found| found.0.clone()),
        _ => {}
    }
    let next = moment.machine.clone().step(&observed, answer);
    (observed, past, next)
}

/// What was gone through. Of two moments that agree in what the rest depends on, one is enough.
#[derive(Default)]
struct Explored {
    done: HashSet<String>,
    /// From the first request to here: a moment that comes again in it would go on for ever.
    way: HashSet<String>,
    longest: usize,
}

impl Explored {
    fn visit(&mut self, key: String, moment: &Moment) {
        check_invariants(moment);
        self.way.insert(key.clone());
        self.longest = self.longest.max(self.way.len());
        for answer in answers(&moment.request, &moment.observed) {
            let (observed, past, next) = after(moment, answer);
            let (request, machine) = match next {
                Transition::Perform(request, machine) => (request, machine),
                Transition::Done(_) => {
                    check_end(&observed, past);
                    continue;
                }
            };
            let tokens = status_view(&observed.object).tokens();
            let key = format!("{request:?} {machine:?} {past:?} {:?} {tokens:?}", observed.secret);
            assert!(!self.way.contains(&key), "it goes on for ever: {key}");
            if !self.done.contains(&key) {
                self.visit(key, &Moment { request, machine, observed, past });
            }
        }
        self.way.remove(&key);
        self.done.insert(key);
    }
}

/// Goes through everything that can follow; gives the number of moments and the longest way.
fn explore(observed: &Observed, begun: RequestTokenTransition, past: Past) -> (usize, usize) {
    let Transition::Perform(request, machine) = begun else { panic!("it begins") };
    let mut gone = Explored::default();
    gone.visit(String::new(), &Moment { request, machine, observed: observed.clone(), past });
    (gone.done.len(), gone.longest)
}

/// Every sequence of answers ends, asks once and leaves no token unnamed.
fn every_sequence_ends(observed: &Observed, cause: Cause) {
    let begun = begin(observed, request_cause(cause));
    let (count, longest) = explore(observed, begun, Past::default());
    println!("{count} moments, at most {longest} requests");
    assert!(count > 100, "only {count} moments, at most {longest} requests");
}

// A test each, for they take long, and run side by side.

#[test]
fn every_first_attempt_ends_asks_once_and_leaves_no_token_unnamed() {
    every_sequence_ends(&new_object(), Cause::First);
}

#[test]
fn every_first_attempt_does_so_where_the_list_is_hidden() {
    let mut hidden = new_object();
    change_issuer(&mut hidden, |facts| (facts.list_visible, facts.login_check) = (false, LoginMode::Disabled));
    every_sequence_ends(&hidden, Cause::First);
}

#[test]
fn every_attempt_does_so_whose_object_lost_its_secret() {
    every_sequence_ends(&at_rest_with(|observed| observed.secret = None), Cause::Lost);
}

#[test]
fn every_rotation_does_so() {
    every_sequence_ends(&at_rest(), Cause::Rotate);
}

#[test]
fn every_recovery_ends_and_revokes_nothing_that_is_stored() {
    let observed = at_rest_with_secret(|held| held.reservation = reservation(2, "me"));
    let begun = recover(&observed, &attempt_id(2));
    let past = Past { asked: true, made: true, ..Past::default() };
    let (count, _) = explore(&observed, begun, past);
    assert!(count > 20, "only {count} moments");
}
