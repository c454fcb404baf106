//! What a `ClusterRegistryToken` does in each namespace. `plan` is pure: from the object, the namespaces and their
//! `RegistryToken`s follow the next writes and the counts of the status.

mod deletion;
pub mod memory;
mod outcome;
pub mod render;
#[cfg(test)]
mod simulation_tests;
pub mod status;
#[cfg(test)]
mod tests;

pub use self::deletion::{DeletionPlan, plan_deletion};
use self::memory::Memory;
use self::outcome::Outcome;
use self::render::{Desired, Template};
use crate::api::Reason;
use crate::domain::model::problem::Problem;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Maximum number of writes of one plan. The next plan continues, with what changed in the meantime.
pub const MAX_ACTIONS: usize = 64;
/// Maximum number of failures in the status.
pub const MAX_FAILURES: usize = 10;
/// Identifies the writes in a namespace that does not match.
const LEAVING: u64 = 0;

/// The object, as far as a plan depends on it.
#[derive(Clone, Debug)]
pub struct Parent {
    pub template: Template,
    /// How long a namespace that no longer matches keeps its token.
    pub grace: Duration,
    pub suspended: bool,
}

/// A namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamespaceView {
    /// Whether the selector matches its labels.
    pub matches: bool,
    /// Whether it is being deleted: it accepts no new object.
    pub is_terminating: bool,
}

/// To whom a `RegistryToken` of the name belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// This object is its controller.
    Owned,
    /// It has this object's label and no controller, as after a restore from a backup: this object takes it over.
    Adoptable,
    /// It belongs to a user or to another object.
    Foreign,
}

/// What a `RegistryToken` reports in its status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenState {
    Ready,
    Waiting,
    /// It requires manual action.
    Failing,
}

/// The `RegistryToken` of a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenView {
    pub uid: String,
    pub ownership: Ownership,
    pub is_deleting: bool,
    /// What of it is set by the template, as [`render::fingerprint`].
    pub fingerprint: u64,
    /// Hash of the requests that were copied last.
    pub copied_requests: Option<String>,
    /// Since when its namespace does not match, as recorded in its annotation.
    pub unmatched_since: Option<Timestamp>,
    pub state: TokenState,
}

/// A write in one namespace.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    Create(Box<Desired>),
    /// Sets what the template sets, the owner reference, and the requests if they were not copied yet.
    Update(Box<Desired>),
    MarkUnmatched(Timestamp),
    ClearUnmatched,
    /// Its grace period is over.
    Delete,
}

/// A write of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    pub namespace: String,
    pub action: Action,
    /// Identifies the write in [`Memory`]. It fails again for the same reason until this changes.
    pub fingerprint: u64,
}

/// Why a namespace is failing; `None` if its `RegistryToken` reports it.
pub type Failure = Option<Problem>;

/// The number of namespaces by the state of their token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub ready: usize,
    pub waiting: usize,
    pub failing: usize,
    pub leaving: usize,
}

/// The next writes, and what the status reports.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// At most one for each namespace, sorted by namespace.
    pub writes: Vec<Write>,
    pub counts: Counts,
    /// The first failing namespaces, sorted by name.
    pub failures: Vec<(String, Failure)>,
    /// When to plan again, if nothing changes before.
    pub next: Option<Timestamp>,
    /// More writes are due than one plan contains.
    pub has_more: bool,
}

/// Plans the writes of an object that is not being deleted.
pub fn plan(
    parent: &Parent,
    namespaces: &BTreeMap<&str, NamespaceView>,
    tokens: &BTreeMap<&str, TokenView>,
    memory: &mut Memory,
    now: Timestamp,
) -> Plan {
    let mut plan = Plan::default();
    memory.retain(|namespace| namespaces.contains_key(namespace) || tokens.contains_key(namespace));
    let names: BTreeSet<&str> = namespaces.keys().chain(tokens.keys()).copied().collect();
    for name in names {
        let (namespace, token) = (namespaces.get(name), tokens.get(name));
        match namespace {
            Some(NamespaceView { matches: true, is_terminating: false }) => {
                let outdated = token.filter(|token| token.unmatched_since.is_some()).map(|token| token.uid.as_str());
                memory.set_matched(name, outdated);
                let outcome = matched(parent, name, token, memory, now);
                plan.add_matched(name, outcome, memory.problem(name));
            }
            // It does not match any more.
            Some(NamespaceView { is_terminating: false, .. }) => {
                if let Some(token) = token.filter(|token| token.ownership != Ownership::Foreign) {
                    plan.counts.leaving += 1;
                    plan.add_leaving(name, leaving(parent, name, token, memory, now));
                } else {
                    memory.forget(name);
                }
            }
            // It is being deleted, with everything in it.
            _ => {
                let is_ours = token.is_some_and(|token| token.ownership != Ownership::Foreign);
                plan.counts.leaving += usize::from(is_ours);
            }
        }
    }
    if parent.suspended {
        plan.writes.clear();
        plan.next = None;
    }
    plan.has_more = plan.writes.len() > MAX_ACTIONS;
    plan.writes.truncate(MAX_ACTIONS);
    plan
}

fn matched(parent: &Parent, name: &str, token: Option<&TokenView>, memory: &Memory, now: Timestamp) -> Outcome {
    if token.is_some_and(|token| token.ownership == Ownership::Foreign) {
        return Outcome::Failed(not_owned(parent, name));
    }
    if token.is_some_and(|token| token.is_deleting) {
        // It is created again when it is gone.
        return Outcome::Counted(TokenState::Waiting);
    }
    let desired = match parent.template.render(name) {
        Ok(desired) => desired,
        Err(problem) => return Outcome::Failed(problem),
    };
    let Some(token) = token else {
        return attempt(name, memory, desired.fingerprint, TokenState::Waiting, now, Action::Create(Box::new(desired)));
    };
    if is_outdated(token, &desired) {
        let state = if parent.suspended { token.state } else { TokenState::Waiting };
        return attempt(name, memory, desired.fingerprint, state, now, Action::Update(Box::new(desired)));
    }
    if token.unmatched_since.is_some() {
        return attempt(name, memory, desired.fingerprint, token.state, now, Action::ClearUnmatched);
    }
    Outcome::Counted(token.state)
}

/// A namespace that does not match and still has a token.
fn leaving(
    parent: &Parent,
    name: &str,
    token: &TokenView,
    memory: &mut Memory,
    now: Timestamp,
) -> (Option<Action>, Option<Timestamp>) {
    if token.is_deleting || parent.suspended {
        return (None, None);
    }
    let since = memory.unmatched_since(name, &token.uid, token.unmatched_since, now);
    let end = since.checked_add(parent.grace).unwrap_or(Timestamp::MAX);
    let retry = memory.retry_time(name, LEAVING).filter(|time| *time > now);
    let action = if now >= end {
        Some(Action::Delete)
    } else if token.unmatched_since != Some(since) {
        Some(Action::MarkUnmatched(since))
    } else {
        let desired = parent.template.render(name).ok().filter(|desired| is_outdated(token, desired));
        desired.map(|desired| Action::Update(Box::new(desired)))
    };
    match (action, retry) {
        (Some(_), Some(retry)) => (None, Some(retry.min(end.max(now)))),
        (action, _) => (action, Some(end).filter(|end| *end > now)),
    }
}

fn is_outdated(token: &TokenView, desired: &Desired) -> bool {
    let requests = desired.requests.as_ref().map(|requests| &requests.hash);
    token.ownership == Ownership::Adoptable
        || token.fingerprint != desired.fingerprint
        || requests.is_some_and(|hash| token.copied_requests.as_ref() != Some(hash))
}

/// The write, unless the same one failed before and is repeated later.
fn attempt(
    name: &str,
    memory: &Memory,
    fingerprint: u64,
    state: TokenState,
    now: Timestamp,
    action: Action,
) -> Outcome {
    match memory.retry_time(name, fingerprint) {
        Some(time) if time > now => match memory.problem_of(name, fingerprint).filter(|problem| problem.terminal) {
            Some(_) => Outcome::Later(TokenState::Failing, time),
            None => Outcome::Later(state, time),
        },
        // It is still failing while it is tried again.
        _ => match memory.problem_of(name, fingerprint).filter(|problem| problem.terminal) {
            Some(_) => Outcome::Write(TokenState::Failing, action, fingerprint),
            None => Outcome::Write(state, action, fingerprint),
        },
    }
}

fn not_owned(parent: &Parent, namespace: &str) -> Problem {
    let name = &parent.template.token_name;
    Problem {
        reason: Reason::TokenNotOwned,
        message: format!(
            "the RegistryToken {namespace}/{name} exists and is not managed by this object: delete it, or use another tokenName in a second ClusterRegistryToken"
        ),
        terminal: true,
    }
}
