//! A circuit breaker for a portal whose responses contain no usable token: each further request would create another
//! token.

use super::PortalError;
use crate::portal::Delivery;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The delay after the first such response; doubled after each further one.
const INITIAL_DELAY: Duration = Duration::from_secs(10);
/// The longest delay.
const MAX_DELAY: Duration = Duration::from_hours(1);

/// If at least this many namespaces got such responses and none got a token, the cause is the issuer, not the
/// namespaces.
const ISSUER_THRESHOLD: usize = 3;

/// One circuit per namespace: failures that one namespace causes do not delay others. The cause is usually a wrong
/// name in the spec, and a changed spec creates a new client.
#[derive(Default)]
pub(super) struct CircuitBreaker(Mutex<State>);

#[derive(Default)]
struct State {
    namespaces: BTreeMap<String, OpenCircuit>,
    /// For all namespaces.
    issuer: Option<OpenCircuit>,
    /// Namespaces with such responses since the last token.
    failing: BTreeSet<String>,
    /// At least one namespace got a token.
    has_succeeded: bool,
}

struct OpenCircuit {
    message: String,
    reason: crate::api::Reason,
    delay: Duration,
    until: Instant,
    /// A request was sent since the circuit opened.
    probe_sent: bool,
}

impl OpenCircuit {
    fn new(failure: &PortalError, delay: Duration) -> Self {
        let message = format!(
            "{}. Each such response creates an unusable token, so token requests are suspended: a changed spec or changed credentials are tried immediately, unchanged ones at increasing intervals",
            failure.message
        );
        Self { message, reason: failure.reason, delay, until: Instant::now() + delay, probe_sent: false }
    }

    /// Of several responses to concurrent requests, only the first counts.
    fn reopen(&mut self, failure: &PortalError) {
        if self.probe_sent {
            *self = Self::new(failure, (self.delay * 2).min(MAX_DELAY));
        }
    }

    fn error(&self) -> PortalError {
        let left = self.until.saturating_duration_since(Instant::now());
        let retry_after = (!left.is_zero()).then_some(left);
        PortalError { retry_after, ..PortalError::new(Delivery::NotSent, self.reason, &self.message) }
    }
}

impl CircuitBreaker {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The issuer's problem: it affects all namespaces, or no namespace has got a token yet.
    pub(super) fn open_reason(&self) -> Option<PortalError> {
        let state = self.state();
        let first = || state.namespaces.values().next().filter(|_| !state.has_succeeded);
        state.issuer.as_ref().or_else(first).map(OpenCircuit::error)
    }

    /// The problem of this namespace, and how long token requests stay suspended, if not yet over.
    pub(super) fn open_reason_for(&self, namespace: &str) -> Option<PortalError> {
        let state = self.state();
        state.issuer.as_ref().or_else(|| state.namespaces.get(namespace)).map(OpenCircuit::error)
    }

    /// Permits a token request: none before the delay is over, and then one.
    ///
    /// # Errors
    /// `Delivery::NotSent`, with the problem.
    pub(super) fn try_acquire(&self, namespace: &str) -> Result<(), PortalError> {
        let mut state = self.state();
        let State { namespaces, issuer, .. } = &mut *state;
        let Some(circuit) = issuer.as_mut().or_else(|| namespaces.get_mut(namespace)) else { return Ok(()) };
        let failure = circuit.error();
        if failure.retry_after.is_some() {
            // The delay concerns token requests only, not other calls to the portal.
            return Err(PortalError { retry_after: None, ..failure });
        }
        circuit.until = Instant::now() + circuit.delay;
        circuit.probe_sent = true;
        Ok(())
    }

    /// Records a complete response without a usable token.
    pub(super) fn record_failure(&self, namespace: &str, failure: &PortalError) {
        let mut state = self.state();
        state.failing.insert(namespace.to_owned());
        let own = state.namespaces.entry(namespace.to_owned());
        own.and_modify(|circuit| circuit.reopen(failure)).or_insert_with(|| OpenCircuit::new(failure, INITIAL_DELAY));
        if let Some(issuer) = state.issuer.as_mut() {
            issuer.reopen(failure);
        } else if state.failing.len() >= ISSUER_THRESHOLD {
            state.issuer = Some(OpenCircuit::new(failure, INITIAL_DELAY));
        }
    }

    /// Records a response with a usable token.
    pub(super) fn record_success(&self, namespace: &str) {
        let mut state = self.state();
        state.namespaces.remove(namespace);
        state.failing.clear();
        (state.issuer, state.has_succeeded) = (None, true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Reason;

    fn unusable() -> PortalError {
        PortalError::new(Delivery::Unknown, Reason::InvalidResponse, "the response lacks the secret")
    }

    #[tokio::test(start_paused = true)]
    async fn one_namespaces_failures_block_no_other() {
        let breaker = CircuitBreaker::default();
        breaker.record_success("good");
        for _ in 0..20 {
            if breaker.try_acquire("bad").is_ok() {
                breaker.record_failure("bad", &unusable());
            }
        }
        assert!(breaker.try_acquire("bad").is_err() && breaker.open_reason_for("bad").is_some());
        assert!(breaker.try_acquire("good").is_ok() && breaker.try_acquire("new").is_ok());
        assert!(
            breaker.open_reason_for("good").is_none() && breaker.open_reason().is_none(),
            "the issuer's circuit is closed"
        );
        tokio::time::advance(Duration::from_secs(11)).await;
        assert!(breaker.try_acquire("bad").is_ok(), "one attempt");
        assert!(breaker.try_acquire("bad").is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn failures_of_several_namespaces_open_the_issuers_circuit_until_one_succeeds() {
        let breaker = CircuitBreaker::default();
        for namespace in ["a", "b", "c"] {
            breaker.try_acquire(namespace).expect("its first attempt");
            breaker.record_failure(namespace, &unusable());
        }
        assert!(breaker.try_acquire("d").is_err() && breaker.open_reason().is_some());
        tokio::time::advance(Duration::from_secs(11)).await;
        assert!(breaker.try_acquire("d").is_ok() && breaker.try_acquire("e").is_err(), "one attempt for all");
        breaker.record_success("d");
        assert!(breaker.try_acquire("e").is_ok() && breaker.open_reason().is_none());
    }
}
