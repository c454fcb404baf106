//! The history of an object's token requests since its last healthy token, and the delay of the next one.

use super::conditions::find;
use super::object::Object;
use super::problem::Problem;
use super::problem::messages::outcome_unknown;
use super::request_cause::Cause;
use crate::api::{ConditionType, Reason};
use jiff::Timestamp;
use std::time::Duration;

/// The first delay. It doubles with each further request.
pub const INITIAL_WAIT: Duration = Duration::from_secs(10);
/// The first delay after a portal allowed no further token: a token has to be revoked first, or a limit raised.
pub const INITIAL_WAIT_AFTER_LIMIT: Duration = Duration::from_mins(10);
/// The maximum delay.
pub const MAX_WAIT: Duration = Duration::from_hours(1);
/// The maximum delay after a request that the portal rejected, and which therefore created no token.
pub const MAX_WAIT_AFTER_REJECTION: Duration = Duration::from_mins(10);
/// A token that was kept for this long is healthy: earlier failures no longer count. Shorter than the shortest rotation
/// interval.
pub const HEALTHY_AFTER: Duration = Duration::from_mins(30);
/// Up to this many requests, a lost Secret does not suggest another writer.
const MAX_UNSUSPICIOUS_REQUESTS: u32 = 2;
/// The count that a new process assumes if the status reports that another writer overwrites the Secret: the next
/// request waits 160 s.
const COUNT_AFTER_RESTART: u32 = 6;
/// Reasons that a status reports after a request that gave no token to keep.
const NO_TOKEN_REASONS: [Reason; 7] = [
    Reason::RequestOutcomeUnknown,
    Reason::RequestBackoff,
    Reason::RequestRejected,
    Reason::TokenLimitReached,
    Reason::InvalidResponse,
    Reason::LoginRejected,
    Reason::SecretRejected,
];
/// How often a change of the spec or of an annotation ends a delay. After that, changes wait as well.
pub const MAX_SKIPS: u8 = 3;

/// The outcome of an object's last request.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum RequestOutcome {
    /// Not known to have created a token that was kept.
    #[default]
    Pending,
    /// The token was stored.
    Stored,
    /// The token was not stored, or none was created.
    Failed(Problem),
}

/// The requests of one object since its last healthy token.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RequestHistory {
    /// Number of requests.
    count: u32,
    /// The token of one of them was stored.
    stored_one: bool,
    /// When the last one was sent.
    last_sent: Option<Timestamp>,
    outcome: RequestOutcome,
    /// The stored token was lost, and its successor has to wait.
    token_lost: bool,
    /// Hash of the user's input when the last request was sent.
    inputs_hash: String,
    /// How often a change by the user ended a delay.
    skips: u8,
    /// Field manager that last wrote the Secret, once looked up; empty if unknown.
    last_writer: Option<String>,
    /// The Secret could not be created, because one exists that the cache does not contain: it is read before the next
    /// request.
    hidden_secret: bool,
}

impl RequestHistory {
    /// The history of one request, at this time, whose token was stored.
    #[must_use]
    pub fn one_stored(sent: Timestamp) -> Self {
        let outcome = RequestOutcome::Stored;
        Self { count: 1, stored_one: true, last_sent: Some(sent), outcome, ..Self::default() }
    }

    /// When the only request was sent, if its token was stored and nothing else is known. The inputs of that request do not
    /// matter: they end a delay early, and after one stored token there is none.
    #[must_use]
    pub fn is_one_stored(&self) -> Option<Timestamp> {
        let sent = self.last_sent?;
        let known = Self { inputs_hash: self.inputs_hash.clone(), ..Self::one_stored(sent) };
        (*self == known).then_some(sent)
    }

    /// Returns the history at this time: a healthy token resets it, and the last request is not in the future.
    #[must_use]
    pub fn at(mut self, now: Timestamp) -> Self {
        self.last_sent = self.last_sent.map(|last| last.min(now));
        let kept = self.outcome == RequestOutcome::Stored && !self.token_lost && self.age(now) >= HEALTHY_AFTER;
        if kept || self.age(now) >= MAX_WAIT * 2 { Self::default() } else { self }
    }

    /// Reconstructs the history in a new process: when the current token was requested, and whether a condition reports
    /// that the last requests gave no token to keep. So a restart shortens a delay, but does not end it.
    #[must_use]
    pub fn from_status(object: &Object, now: Timestamp) -> Self {
        let Some(status) = object.own_status() else { return Self::default() };
        let says = |kind, value, reason: Reason| {
            let condition = find(&status.conditions, kind);
            condition.is_some_and(|one| one.status == value && one.reason == reason.to_string())
        };
        // A successor that was not stored leaves `Ready` unchanged.
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
        Self { count, token_lost: overwritten, ..Self::one_stored(token.request_time.0) }
    }

    fn age(&self, now: Timestamp) -> Duration {
        self.last_sent.and_then(|last| Duration::try_from(now.duration_since(last)).ok()).unwrap_or_default()
    }

    /// The loss of a first stored token is repaired immediately. Every other request counts.
    fn wait(&self) -> Duration {
        let wasted = self.count.saturating_sub(u32::from(self.stored_one));
        let Some(doublings) = wasted.checked_sub(1) else { return Duration::ZERO };
        let reason = match &self.outcome {
            RequestOutcome::Failed(problem) => Some(problem.reason),
            RequestOutcome::Pending | RequestOutcome::Stored => None,
        };
        let (first, longest) = match reason {
            Some(Reason::RequestRejected) => (INITIAL_WAIT, MAX_WAIT_AFTER_REJECTION),
            Some(Reason::TokenLimitReached) => (INITIAL_WAIT_AFTER_LIMIT, MAX_WAIT),
            _ => (INITIAL_WAIT, MAX_WAIT),
        };
        first.saturating_mul(1_u32.checked_shl(doublings.min(10)).unwrap_or(u32::MAX)).min(longest)
    }

    /// The remaining delay of the next request.
    #[must_use]
    pub fn left(&self, now: Timestamp) -> Duration {
        if self.last_sent.is_some() { self.wait().saturating_sub(self.age(now)) } else { Duration::ZERO }
    }

    /// Whether the user's input changed since the last request, so that the next one need not wait. This has a limit. A
    /// new process does not know the previous input: to it nothing has changed.
    #[must_use]
    pub fn may_skip_wait(&self, inputs_hash: &str, resync_requested: bool) -> bool {
        let changed = !self.inputs_hash.is_empty() && self.inputs_hash != inputs_hash;
        self.skips < MAX_SKIPS && (resync_requested || changed)
    }

    /// Records a request with this user's input that was sent at this time, or may have been.
    pub fn record_sent(&mut self, now: Timestamp, inputs_hash: String) {
        if !self.left(now).is_zero() {
            self.skips = self.skips.saturating_add(1);
        }
        self.count = self.count.saturating_add(1);
        (self.last_sent, self.inputs_hash) = (Some(now), inputs_hash);
        (self.outcome, self.token_lost, self.last_writer) = (RequestOutcome::Pending, false, None);
        self.hidden_secret = false;
    }

    /// Number of requests.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Records that the token of the last request was stored.
    pub fn record_stored(&mut self) {
        (self.outcome, self.stored_one) = (RequestOutcome::Stored, true);
    }

    /// Records that the last request gave no token that was stored.
    ///
    /// Returns false if the problem is not about a request: nothing was sent since the outcome of the last one is
    /// known.
    pub fn record_failed(&mut self, problem: &Problem) -> bool {
        let open = self.last_sent.is_some() && self.outcome == RequestOutcome::Pending;
        if open {
            self.outcome = RequestOutcome::Failed(problem.clone());
        }
        open
    }

    /// Records that the next request had to wait: a stored token did not last.
    pub fn record_delayed(&mut self) {
        self.token_lost = true;
    }

    /// Whether the Secret's last writer must be looked up, so that the condition can name it.
    #[must_use]
    pub fn needs_writer(&self, problem: &Problem) -> bool {
        problem.reason == Reason::SecretOverwritten && self.last_writer.is_none()
    }

    /// Records the Secret's last writer.
    pub fn record_writer(&mut self, writer: Option<String>) {
        self.last_writer = Some(writer.unwrap_or_default());
    }

    /// Records that the Secret could not be created, because one exists that the cache does not contain.
    pub const fn record_hidden_secret(&mut self) {
        self.hidden_secret = true;
    }

    /// Whether that was so, and nothing was requested since.
    #[must_use]
    pub const fn has_hidden_secret(&self) -> bool {
        self.hidden_secret
    }

    /// What to report while the next request for this cause waits.
    #[must_use]
    pub fn problem(&self, cause: Cause) -> Problem {
        let next = self.last_sent.and_then(|last| last.checked_add(self.wait()).ok()).unwrap_or(Timestamp::MAX);
        let next = Timestamp::from_second(next.as_second()).unwrap_or(next);
        let count = self.count;
        match &self.outcome {
            RequestOutcome::Failed(problem) => {
                let message = format!(
                    "{}. Token requests without a stored token: {count}. The next request is sent at {next}; the delay doubles with each further one, up to an hour",
                    problem.message.trim_end_matches('.')
                );
                Problem { message, ..problem.clone() }
            }
            // One loss after a rotation is not a pattern.
            RequestOutcome::Stored if !cause.replaces_working_token() && count <= MAX_UNSUSPICIOUS_REQUESTS => {
                let message = format!(
                    "the Secret was deleted or changed and contains no token. Tokens requested for this object within a short time: {count}. The next request is sent at {next}"
                );
                Problem { reason: Reason::SecretLost, message, terminal: false }
            }
            RequestOutcome::Stored if !cause.replaces_working_token() => {
                let writer = match self.last_writer.as_deref() {
                    Some(name) if !name.is_empty() => format!("it was last written by the field manager {name:?}"),
                    _ => {
                        "to see which client writes or deletes it, run kubectl get secret -o yaml --show-managed-fields"
                            .to_owned()
                    }
                };
                let message = format!(
                    "the Secret is changed or deleted repeatedly: {writer}. Keep that client from writing this Secret, or create a RegistryToken with another spec.secret.name. Tokens requested in the meantime: {count}. The next request is sent at {next}; the delay doubles with each further one, up to an hour"
                );
                Problem { reason: Reason::SecretOverwritten, message, terminal: true }
            }
            RequestOutcome::Stored | RequestOutcome::Pending => {
                let message = format!(
                    "tokens requested for this object within a short time: {count}. The next request is sent at {next}; the delay doubles with each further one, up to an hour"
                );
                Problem { reason: Reason::RequestBackoff, message, terminal: false }
            }
        }
    }
}
