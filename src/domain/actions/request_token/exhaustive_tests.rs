//! Every sequence of responses, including absurd ones. Without `LONG_TESTS` a part of them: see [`Explored::skips`].

use super::*;
use crate::api::{LoginCheck, Reason};
use crate::domain::model::pull_secret::{SecretMeta, StoredToken};
use crate::domain::model::token::TokenRow;
use crate::domain::protocol::SecretWrite;
use crate::domain::test_support::{
    apply, at_rest, at_rest_with, at_rest_with_secret, attempt_id, change_issuer, empty_secret, marker, new_object,
    problem, request_cause, reservation, row, secret, stored_token, token_ref, token_stored,
};
use std::collections::{HashMap, HashSet};
use std::mem::{Discriminant, discriminant};

/// A state of an attempt, and what happened before it.
#[derive(Clone, Debug)]
struct Moment {
    request: Request,
    machine: RequestingToken,
    observed: Observed,
    past: Past,
}

#[allow(clippy::struct_excessive_bools, reason = "independent flags")]
#[derive(Clone, Copy, Debug, Default)]
struct Past {
    /// A token request was sent.
    requested: bool,
    /// The portal may have created a token.
    created: bool,
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

fn marked() -> TokenRow {
    row("18", &marker(&attempt_id(2)).append_to("prod"))
}

/// All possible responses. A successful write returns what was written; a read returns anything.
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
        Response::Token { id: Some("18".into()), username: "tw-18".into(), expiration_time: None },
        Response::Token { id: None, username: "tw-18".into(), expiration_time: None },
        Response::Rows(vec![]),
        Response::Rows(vec![marked()]),
        Response::Rows(vec![marked(), TokenRow { token: token_ref("19"), ..marked() }]),
        Response::Object(None),
    ];
    all.extend(
        [
            LoginResult::Accepted,
            LoginResult::NotChecked,
            LoginResult::Rejected("no".into()),
            LoginResult::Unknown("down".into()),
        ]
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
        // A response that does not belong to its request changes nothing.
        _ => vec![observed.secret.clone()],
    };
    all.extend(secrets.into_iter().map(|found| Response::Secret(found.map(Box::new))));
    all
}

fn holds_mine(observed: &Observed) -> (bool, bool) {
    let secret = observed.secret.as_ref();
    let stored =
        secret.and_then(|secret| secret.stored.as_ref()).is_some_and(|stored| stored.attempt_id == attempt_id(2));
    let reservation = secret.and_then(|secret| secret.reservation.as_ref());
    (stored, reservation.is_some_and(|reservation| reservation.attempt_id == attempt_id(2)))
}

/// Requests that must never occur.
fn check_invariants(state: &Moment) {
    let (stored, reserved) = holds_mine(&state.observed);
    match &state.request {
        Request::RequestToken { .. } => {
            assert!(!state.past.requested, "requested twice: {state:?}");
            assert!(reserved, "requested without a reservation: {state:?}");
        }
        Request::Revoke(_) => assert!(!stored, "what is stored is revoked: {state:?}"),
        Request::WriteSecret(SecretWrite::Commit(_)) => assert!(reserved && state.past.created, "{state:?}"),
        _ => {}
    }
}

/// No token that may exist is left without a record of it.
fn check_end(observed: &Observed, past: Past) {
    let (stored, reserved) = holds_mine(observed);
    assert!(!past.created || stored || reserved || past.revoked || past.audit, "leaked: {observed:?}, {past:?}");
}

fn remember(past: Past, request: &Request, response: &Response) -> Past {
    let mut past = past;
    match request {
        Request::RequestToken { .. } if *response != Response::IssuerReadExpired => {
            past.requested = true;
            past.created = !matches!(response, Response::NotSent(_) | Response::Rejected(_));
        }
        Request::Revoke(_) => past.revoked |= *response == Response::Done,
        Request::RequestAudit => past.audit = true,
        _ => {}
    }
    past
}

fn after(state: &Moment, response: Response) -> (Observed, Past, RequestTokenTransition) {
    let mut observed = state.observed.clone();
    let past = remember(state.past, &state.request, &response);
    match &response {
        Response::Object(Some(object)) => observed.object = (**object).clone(),
        Response::Secret(found) => observed.secret = found.as_deref().cloned(),
        Response::Content(found) => observed.secret = found.as_ref().map(|found| found.0.clone()),
        _ => {}
    }
    let next = state.machine.clone().step(&observed, response);
    (observed, past, next)
}

/// How often each response to each kind of request is tried in every state, without `LONG_TESTS`; then in a fifth of
/// the states.
const TRIES: usize = 200;

/// The states visited. If two states agree in everything that the rest depends on, one is enough.
#[derive(Default)]
struct Explored {
    /// Each state by its text. Hashing a text takes long, so the rest uses its number.
    numbers: HashMap<String, usize>,
    done: HashSet<usize>,
    /// The path from the first request: a state that repeats on it would be an endless loop.
    path: HashSet<usize>,
    longest: usize,
    /// How often each response, by its index, was possible after each kind of request.
    possible: HashMap<(Discriminant<Request>, usize), usize>,
    /// Whether to try all.
    all: bool,
}

impl Explored {
    fn number(&mut self, text: String) -> usize {
        let next = self.numbers.len();
        *self.numbers.entry(text).or_insert(next)
    }

    /// Whether a state is visited without this response. All of them take more than a minute.
    fn skips(&mut self, number: usize, request: &Request, index: usize) -> bool {
        let possible = self.possible.entry((discriminant(request), index)).or_default();
        *possible += 1;
        !self.all && *possible > TRIES && !(number + index).is_multiple_of(5)
    }

    fn visit(&mut self, number: usize, state: &Moment) {
        check_invariants(state);
        self.path.insert(number);
        self.longest = self.longest.max(self.path.len());
        for (index, response) in answers(&state.request, &state.observed).into_iter().enumerate() {
            if self.skips(number, &state.request, index) {
                continue;
            }
            let (observed, past, next) = after(state, response);
            let (request, machine) = match next {
                Transition::Perform(request, machine) => (request, machine),
                Transition::Done(_) => {
                    check_end(&observed, past);
                    continue;
                }
            };
            let tokens = StatusView::of(&observed.object).tokens();
            let text = format!("{request:?} {machine:?} {past:?} {:?} {tokens:?}", observed.secret);
            let next = self.number(text);
            assert!(!self.path.contains(&next), "endless loop: {request:?} {machine:?} {past:?}");
            if !self.done.contains(&next) {
                self.visit(next, &Moment { request, machine, observed, past });
            }
        }
        self.path.remove(&number);
        self.done.insert(number);
    }
}

/// Visits everything that can follow. Returns the number of states and the longest path.
fn explore(observed: &Observed, start: RequestTokenTransition, past: Past) -> (usize, usize) {
    let Transition::Perform(request, machine) = start else { panic!("it begins") };
    let mut explored = Explored { all: std::env::var_os("LONG_TESTS").is_some(), ..Explored::default() };
    let first = explored.number(String::new());
    explored.visit(first, &Moment { request, machine, observed: observed.clone(), past });
    (explored.done.len(), explored.longest)
}

/// Every sequence of responses ends, requests at most one token and leaves no token without a record.
fn every_sequence_ends(observed: &Observed, cause: Cause) {
    let start = begin(observed, request_cause(cause));
    let (count, longest) = explore(observed, start, Past::default());
    println!("{count} states, at most {longest} requests");
    assert!(count > 100, "only {count} states, at most {longest} requests");
}

// One test each, since they take long and run in parallel.

#[test]
fn every_first_attempt_ends_requests_once_and_leaves_no_token_unrecorded() {
    every_sequence_ends(&new_object(), Cause::First);
}

#[test]
fn every_first_attempt_with_a_hidden_list_does_the_same() {
    let mut hidden = new_object();
    change_issuer(&mut hidden, |issuer| (issuer.list_visible, issuer.login_check) = (false, LoginCheck::Disabled));
    every_sequence_ends(&hidden, Cause::First);
}

#[test]
fn every_attempt_after_a_lost_secret_does_the_same() {
    every_sequence_ends(&at_rest_with(|observed| observed.secret = None), Cause::Lost);
}

#[test]
fn every_rotation_does_the_same() {
    every_sequence_ends(&at_rest(), Cause::Rotate);
}

#[test]
fn every_recovery_ends_and_revokes_nothing_that_is_stored() {
    let observed = at_rest_with_secret(|secret| secret.reservation = reservation(2, "me"));
    let start = recover(&observed, &attempt_id(2));
    let past = Past { requested: true, created: true, ..Past::default() };
    let (count, _) = explore(&observed, start, past);
    assert!(count > 20, "only {count} states");
}
