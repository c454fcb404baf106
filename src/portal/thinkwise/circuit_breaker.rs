//! A portal whose answers hold no token: one that is asked again and again makes a token each time.

use super::PortalError;
use super::discovery::interface::{ArgumentSource, IdSource, Interface};
use crate::portal::{Delivery, IssuedToken, TokenMade};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// After the first such answer; twice as long after each further one.
const INITIAL_DELAY: Duration = Duration::from_secs(10);
/// At most.
const MAX_DELAY: Duration = Duration::from_hours(1);

/// From so many namespaces on that got such answers, and nobody another one, it is the issuer's fault and not theirs.
const ISSUER_THRESHOLD: usize = 3;

/// Remembers it, for each namespace: what one of them provokes keeps no other waiting. What is wrong is mostly a name
/// in the spec, and a changed spec makes a new client.
#[derive(Default)]
pub(super) struct CircuitBreaker(Mutex<State>);

#[derive(Default)]
struct State {
    namespaces: BTreeMap<String, OpenCircuit>,
    /// Of all namespaces.
    issuer: Option<OpenCircuit>,
    /// Namespaces with such answers since the last token.
    failing: BTreeSet<String>,
    /// Some namespace got a token.
    has_succeeded: bool,
}

struct OpenCircuit {
    message: String,
    reason: crate::api::Reason,
    delay: Duration,
    until: Instant,
    /// It was asked again since.
    probe_sent: bool,
}

impl OpenCircuit {
    fn new(failure: &PortalError, delay: Duration) -> Self {
        let message = format!(
            "{}. Each such answer makes a token that nobody can use, so none is requested for now: a changed spec or changed credentials are tried at once, the same ones ever more rarely",
            failure.message
        );
        Self { message, reason: failure.reason, delay, until: Instant::now() + delay, probe_sent: false }
    }

    /// Of several answers that were under way at once the first counts.
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

    /// What is wrong with the issuer: it holds for all namespaces, or nobody has got a token yet.
    pub(super) fn open_reason(&self) -> Option<PortalError> {
        let state = self.state();
        let first = || state.namespaces.values().next().filter(|_| !state.has_succeeded);
        state.issuer.as_ref().or_else(first).map(OpenCircuit::error)
    }

    /// What is wrong for this namespace, and how long no token is requested, if that is not over.
    pub(super) fn open_reason_for(&self, namespace: &str) -> Option<PortalError> {
        let state = self.state();
        state.issuer.as_ref().or_else(|| state.namespaces.get(namespace)).map(OpenCircuit::error)
    }

    /// Leave to ask for a token: none before the time has come, and then for one request.
    ///
    /// # Errors
    /// `Sent::No`, with what is wrong.
    pub(super) fn try_acquire(&self, namespace: &str) -> Result<(), PortalError> {
        let mut state = self.state();
        let State { namespaces, issuer, .. } = &mut *state;
        let Some(circuit) = issuer.as_mut().or_else(|| namespaces.get_mut(namespace)) else { return Ok(()) };
        let failure = circuit.error();
        if failure.retry_after.is_some() {
            // To whoever asks the portal something else this says nothing.
            return Err(PortalError { retry_after: None, ..failure });
        }
        circuit.until = Instant::now() + circuit.delay;
        circuit.probe_sent = true;
        Ok(())
    }

    /// An answer was complete and held no token.
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

    /// An answer held a token.
    pub(super) fn record_success(&self, namespace: &str) {
        let mut state = self.state();
        state.namespaces.remove(namespace);
        state.failing.clear();
        (state.issuer, state.has_succeeded) = (None, true);
    }
}

/// How a token that was made in vain can be revoked where no list shows it.
pub(super) fn revocable_token(
    interface: &Interface,
    id: Option<String>,
    username: Option<String>,
) -> Option<TokenMade> {
    let revoke = &interface.revoke;
    if (revoke.needs_id() && id.is_none()) || (revoke.sends(&ArgumentSource::Username) && username.is_none()) {
        return None;
    }
    let token_id = id.or_else(|| username.clone())?;
    Some(TokenMade { id: token_id, username: username.unwrap_or_default() })
}

/// The token, if it can be named later where no list tells its id.
///
/// # Errors
/// `Sent::Perhaps`, as of any answer that lacks an output.
pub(super) fn require_identity(interface: &Interface, token: IssuedToken) -> Result<IssuedToken, PortalError> {
    if token.id.is_some() {
        return Ok(token);
    }
    if interface.edit.needs_id() || interface.revoke.needs_id() {
        let field = match &interface.outputs.id {
            IdSource::Output(name) => name,
            IdSource::Username | IdSource::LookUp => &interface.outputs.username,
        };
        return Err(super::tasks::outputs::missing_output("id", field));
    }
    Ok(IssuedToken { id: Some(token.username.clone()), ..token })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Reason;

    fn unusable() -> PortalError {
        PortalError::new(Delivery::Unknown, Reason::InvalidResponse, "the answer lacks the secret")
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
        assert!(breaker.open_reason_for("good").is_none() && breaker.open_reason().is_none(), "the issuer is well");
        tokio::time::advance(Duration::from_secs(11)).await;
        assert!(breaker.try_acquire("bad").is_ok(), "one try");
        assert!(breaker.try_acquire("bad").is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn failures_of_several_namespaces_open_the_issuers_circuit_until_one_succeeds() {
        let breaker = CircuitBreaker::default();
        for namespace in ["a", "b", "c"] {
            breaker.try_acquire(namespace).expect("its first try");
            breaker.record_failure(namespace, &unusable());
        }
        assert!(breaker.try_acquire("d").is_err() && breaker.open_reason().is_some());
        tokio::time::advance(Duration::from_secs(11)).await;
        assert!(breaker.try_acquire("d").is_ok() && breaker.try_acquire("e").is_err(), "one try for all");
        breaker.record_success("d");
        assert!(breaker.try_acquire("e").is_ok() && breaker.open_reason().is_none());
    }
}
