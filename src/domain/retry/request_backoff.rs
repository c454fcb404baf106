//! The brake on token requests. A portal shows a secret once, so a loop that requests and loses tokens fills the
//! portal's list and never ends by itself. Each object keeps a short history of its requests; from it follows how
//! long the next request waits, and what the condition says meanwhile.

use super::cooldown::Operation;
use crate::api::{ConditionType, Reason};
use crate::domain::model::conditions::find;
use crate::domain::model::marker::hash;
use crate::domain::model::object::Object;
use crate::domain::model::problem::Problem;
use crate::domain::model::problem::messages::outcome_unknown;
use crate::domain::model::request_cause::Cause;
use crate::domain::observed::Observed;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// The first wait. It doubles with each further request.
pub const INITIAL_WAIT: Duration = Duration::from_secs(10);
/// The longest wait.
pub const MAX_WAIT: Duration = Duration::from_hours(1);
/// The longest wait after a request that the portal rejected: no token came of it.
pub const MAX_WAIT_AFTER_REJECTION: Duration = Duration::from_mins(10);
/// A token that was kept for so long is good: what went wrong before no longer counts. Shorter than the shortest
/// rotation interval.
pub const HEALTHY_AFTER: Duration = Duration::from_mins(30);
/// Up to so many requests a lost Secret is no sign of another writer.
const MAX_UNSUSPICIOUS_REQUESTS: u32 = 2;
/// How many tokens count as lost to another writer when a new process finds that said: the next waits 160 s.
const COUNT_AFTER_RESTART: u32 = 6;
/// What a status says after a request that gave no token to keep.
const NO_TOKEN_REASONS: [Reason; 6] = [
    Reason::RequestOutcomeUnknown,
    Reason::RequestBackoff,
    Reason::RequestRejected,
    Reason::InvalidResponse,
    Reason::LoginRejected,
    Reason::SecretRejected,
];
/// How often a change of the spec or of an annotation ends a wait. More edits than this wait like everything else.
pub const MAX_SKIPS: u8 = 3;

/// What came of an object's last request.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum RequestOutcome {
    /// It is not known to have given a token that was kept.
    #[default]
    Pending,
    /// Its token was stored.
    Stored,
    /// Its token was not stored, or there was none.
    Failed(Problem),
}

/// The requests of one object since its last good token.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RequestHistory {
    /// How many there were.
    count: u32,
    /// The token of one of them was stored.
    stored_one: bool,
    /// When the last one was sent.
    last_sent: Option<Timestamp>,
    outcome: RequestOutcome,
    /// The stored token was lost, and its successor has to wait.
    token_lost: bool,
    /// What the user asked for when the last one was sent: a hash.
    inputs_hash: String,
    /// How often a changed wish ended a wait.
    skips: u8,
    /// The field manager that last wrote the Secret, once it was looked up; empty where nobody is named.
    last_writer: Option<String>,
}

/// A request that has to wait.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestWait {
    /// For how long.
    pub left: Duration,
    /// What the condition says.
    pub problem: Problem,
}

impl RequestHistory {
    /// The history as it counts now: a good token ends it, and no request lies in the future.
    #[must_use]
    pub fn at(mut self, now: Timestamp) -> Self {
        self.last_sent = self.last_sent.map(|last| last.min(now));
        let kept = self.outcome == RequestOutcome::Stored && !self.token_lost && self.age(now) >= HEALTHY_AFTER;
        if kept || self.age(now) >= MAX_WAIT * 2 { Self::default() } else { self }
    }

    /// What a process that has just started knows: when the current token was requested, and whether a condition says
    /// that the last requests gave none to keep. So a restart shortens a wait, and does not end it.
    fn from_status(object: &Object, now: Timestamp) -> Self {
        let Some(status) = object.own_status() else { return Self::default() };
        let says = |kind, value, reason: Reason| {
            let condition = find(&status.conditions, kind);
            condition.is_some_and(|one| one.status == value && one.reason == reason.to_string())
        };
        // A successor that was not stored leaves `Ready` as it is.
        let is_said = |reason| {
            says(ConditionType::Ready, "False", reason)
                || says(ConditionType::Reconciling, "True", reason)
                || says(ConditionType::Stalled, "True", reason)
        };
        if NO_TOKEN_REASONS.into_iter().any(is_said) {
            let outcome = RequestOutcome::Failed(outcome_unknown());
            return Self { count: 1, last_sent: Some(now), outcome, ..Self::default() };
        }
        let Some(token) = &status.token else { return Self::default() };
        let overwritten = is_said(Reason::SecretOverwritten);
        let count = if overwritten { COUNT_AFTER_RESTART } else { 1 };
        let last = Some(token.request_time.0);
        Self {
            count,
            stored_one: true,
            last_sent: last,
            outcome: RequestOutcome::Stored,
            token_lost: overwritten,
            ..Self::default()
        }
    }

    fn age(&self, now: Timestamp) -> Duration {
        self.last_sent.and_then(|last| Duration::try_from(now.duration_since(last)).ok()).unwrap_or_default()
    }

    /// The loss of a first stored token is repaired at once. Everything else that needs one more request counts.
    fn wait(&self) -> Duration {
        let wasted = self.count.saturating_sub(u32::from(self.stored_one));
        let Some(doublings) = wasted.checked_sub(1) else { return Duration::ZERO };
        let rejected = matches!(&self.outcome, RequestOutcome::Failed(fault) if fault.reason == Reason::RequestRejected);
        let longest = if rejected { MAX_WAIT_AFTER_REJECTION } else { MAX_WAIT };
        INITIAL_WAIT.saturating_mul(1_u32.checked_shl(doublings.min(10)).unwrap_or(u32::MAX)).min(longest)
    }

    fn left(&self, now: Timestamp) -> Duration {
        if self.last_sent.is_some() { self.wait().saturating_sub(self.age(now)) } else { Duration::ZERO }
    }

    /// A process that has just started knows no former wish: to it nothing has changed.
    fn inputs_changed(&self, observed: &Observed) -> bool {
        !self.inputs_hash.is_empty() && self.inputs_hash != inputs_hash(observed)
    }

    /// A request was sent, or may have been.
    pub fn record_sent(&mut self, observed: &Observed) {
        if !self.left(observed.now).is_zero() {
            self.skips = self.skips.saturating_add(1);
        }
        self.count = self.count.saturating_add(1);
        (self.last_sent, self.inputs_hash) = (Some(observed.now), inputs_hash(observed));
        (self.outcome, self.token_lost, self.last_writer) = (RequestOutcome::Pending, false, None);
    }

    /// The token of the last request was stored.
    pub fn record_stored(&mut self) {
        (self.outcome, self.stored_one) = (RequestOutcome::Stored, true);
    }

    /// The last request gave no token that was stored.
    ///
    /// False where the fault is not about a request: nothing was sent since the outcome of the last one is known.
    pub fn record_failed(&mut self, fault: &Problem) -> bool {
        let open = self.last_sent.is_some() && self.outcome == RequestOutcome::Pending;
        if open {
            self.outcome = RequestOutcome::Failed(fault.clone());
        }
        open
    }

    /// The next request had to wait: a token that was stored did not last.
    pub fn record_delayed(&mut self) {
        self.token_lost = true;
    }

    /// Whether the Secret's last writer is to be looked up, for the condition to name it.
    #[must_use]
    pub fn needs_writer(&self, fault: &Problem) -> bool {
        fault.reason == Reason::SecretOverwritten && self.last_writer.is_none()
    }

    /// Notes the Secret's last writer.
    pub fn record_writer(&mut self, writer: Option<String>) {
        self.last_writer = Some(writer.unwrap_or_default());
    }

    fn problem(&self, cause: Cause) -> Problem {
        let next = self.last_sent.and_then(|last| last.checked_add(self.wait()).ok()).unwrap_or(Timestamp::MAX);
        let next = Timestamp::from_second(next.as_second()).unwrap_or(next);
        let count = self.count;
        match &self.outcome {
            RequestOutcome::Failed(fault) => {
                let message = format!(
                    "{}. Requests that gave no token to keep: {count}. The next one is made at {next}; each further one waits twice as long, up to an hour",
                    fault.message.trim_end_matches('.')
                );
                Problem { message, ..fault.clone() }
            }
            // One loss after a rotation is no pattern.
            RequestOutcome::Stored if !cause.replaces_working_token() && count <= MAX_UNSUSPICIOUS_REQUESTS => {
                let message = format!(
                    "the Secret was deleted or changed and holds no token. Tokens requested for this object within a short time: {count}. The next one is requested at {next}"
                );
                Problem { reason: Reason::SecretLost, message, terminal: false }
            }
            RequestOutcome::Stored if !cause.replaces_working_token() => {
                let writer = match self.last_writer.as_deref() {
                    Some(name) if !name.is_empty() => format!("{name:?} (its field manager) wrote it last"),
                    _ => {
                        "see who writes or deletes it with kubectl get secret -o yaml --show-managed-fields".to_owned()
                    }
                };
                let message = format!(
                    "the Secret is changed or deleted again and again: {writer}. Have that writer leave this Secret alone, or use another spec.secret.name. Tokens requested meanwhile: {count}. The next one is requested at {next}; each further one waits twice as long, up to an hour"
                );
                Problem { reason: Reason::SecretOverwritten, message, terminal: true }
            }
            RequestOutcome::Stored | RequestOutcome::Pending => {
                let message = format!(
                    "tokens requested for this object within a short time: {count}. The next one is requested at {next}; each further one waits twice as long, up to an hour"
                );
                Problem { reason: Reason::RequestBackoff, message, terminal: false }
            }
        }
    }
}

/// Whether a request for this cause has to wait. The only place where the brake is checked: whatever started the
/// pass makes no difference.
#[must_use]
pub fn must_wait(observed: &Observed, cause: Cause) -> Option<RequestWait> {
    let history = &observed.request_history;
    let left = history.left(observed.now);
    let skips = history.skips < MAX_SKIPS && (observed.resync_requested || history.inputs_changed(observed));
    (!left.is_zero() && !skips).then(|| RequestWait { left, problem: history.problem(cause) })
}

/// Whether a request for this cause waits: for the brake, or because the portal rejected the last one and nothing has
/// changed since.
#[must_use]
pub fn request_delay(observed: &Observed, cause: Cause) -> Option<(Duration, Problem)> {
    // A rejected successor says nothing about a token that pods are waiting for.
    let successor = cause.replaces_working_token();
    let rejected = observed
        .cooldown(&Operation::RequestToken)
        .filter(|vain| successor || vain.problem.reason != Reason::LoginRejected);
    let wait = must_wait(observed, cause).map(|wait| (wait.left, wait.problem));
    let rejected = rejected.map(|vain| (vain.remaining, vain.problem.clone()));
    match (rejected, wait) {
        (Some(rejected), Some(wait)) if wait.0 > rejected.0 => Some(wait),
        (rejected, wait) => rejected.or(wait),
    }
}

/// A hash of what a user may change to have a token requested at once: the spec and the annotations of the object and
/// of its issuer, and the issuer's credentials.
fn inputs_hash(observed: &Observed) -> String {
    let inputs = observed.issuer_info().map(|facts| facts.config_hash);
    let generation = format!("{} {inputs:?}", observed.object.generation);
    let issuer = observed.issuer_info().map(|facts| &facts.requested_annotations);
    let asked = observed.object.requested_annotations.iter().chain(issuer.into_iter().flatten());
    let parts: Vec<&str> = asked.flat_map(|(key, value)| [key.as_str(), value.as_str()]).collect();
    hash(&[&[generation.as_str()], parts.as_slice()].concat(), 16)
}

/// The histories of all objects, by UID. They are kept in memory; after a restart, status stands in for them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RequestHistories(BTreeMap<String, RequestHistory>);

impl RequestHistories {
    /// The history of an object, as it counts now. Of one that is not known here, status says what it can.
    #[must_use]
    pub fn of(&self, object: &Object, now: Timestamp) -> RequestHistory {
        self.0.get(&object.uid).cloned().unwrap_or_else(|| RequestHistory::from_status(object, now)).at(now)
    }

    /// Keeps what a pass that ended knows.
    pub fn record(&mut self, observed: &Observed) {
        if observed.request_history == RequestHistory::default() {
            self.0.remove(&observed.object.uid);
        } else {
            self.0.insert(observed.object.uid.clone(), observed.request_history.clone());
        }
    }

    /// The object is gone.
    pub fn forget(&mut self, uid: &str) {
        self.0.remove(uid);
    }
}

#[cfg(test)]
#[path = "request_backoff_tests.rs"]
mod tests;
