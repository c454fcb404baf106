//! A portal whose answers hold no token: one that is asked again and again makes a token each time.

use super::Failure;
use super::interface::{IdSource, Interface, Source};
use crate::portal::{IssuedToken, Sent, TokenMade};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// After the first such answer; twice as long after each further one.
const FIRST: Duration = Duration::from_secs(10);
/// At most.
const LONGEST: Duration = Duration::from_hours(1);

/// From so many namespaces on that got such answers, and nobody another one, it is the issuer's fault and not theirs.
const NAMESPACES: usize = 3;

/// Remembers it, for each namespace: what one of them provokes keeps no other waiting. What is wrong is mostly a name
/// in the spec, and a changed spec makes a new client.
#[derive(Default)]
pub(super) struct Caution(Mutex<State>);

#[derive(Default)]
struct State {
    namespaces: BTreeMap<String, Ailing>,
    /// Of all namespaces.
    issuer: Option<Ailing>,
    /// Namespaces with such answers since the last token.
    failing: BTreeSet<String>,
    /// Some namespace got a token.
    well: bool,
}

struct Ailing {
    message: String,
    reason: crate::api::Reason,
    wait: Duration,
    until: Instant,
    /// It was asked again since.
    tried: bool,
}

impl Ailing {
    fn new(failure: &Failure, wait: Duration) -> Self {
        let message = format!(
            "{}. Each such answer makes a token that nobody can use, so none is requested for now: a changed spec or changed credentials are tried at once, the same ones ever more rarely",
            failure.message
        );
        Self { message, reason: failure.reason, wait, until: Instant::now() + wait, tried: false }
    }

    /// Of several answers that were under way at once the first counts.
    fn again(&mut self, failure: &Failure) {
        if self.tried {
            *self = Self::new(failure, (self.wait * 2).min(LONGEST));
        }
    }

    fn told(&self) -> Failure {
        let left = self.until.saturating_duration_since(Instant::now());
        let retry_after = (!left.is_zero()).then_some(left);
        Failure { retry_after, ..Failure::new(Sent::No, self.reason, &self.message) }
    }
}

impl Caution {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is wrong with the issuer: it holds for all namespaces, or nobody has got a token yet.
    pub(super) fn ailment(&self) -> Option<Failure> {
        let state = self.state();
        let first = || state.namespaces.values().next().filter(|_| !state.well);
        state.issuer.as_ref().or_else(first).map(Ailing::told)
    }

    /// What is wrong for this namespace, and how long no token is requested, if that is not over.
    pub(super) fn ailment_for(&self, namespace: &str) -> Option<Failure> {
        let state = self.state();
        state.issuer.as_ref().or_else(|| state.namespaces.get(namespace)).map(Ailing::told)
    }

    /// Leave to ask for a token: none before the time has come, and then for one request.
    ///
    /// # Errors
    /// `Sent::No`, with what is wrong.
    pub(super) fn leave(&self, namespace: &str) -> Result<(), Failure> {
        let mut state = self.state();
        let State { namespaces, issuer, .. } = &mut *state;
        let Some(ailing) = issuer.as_mut().or_else(|| namespaces.get_mut(namespace)) else { return Ok(()) };
        let failure = ailing.told();
        if failure.retry_after.is_some() {
            // To whoever asks the portal something else this says nothing.
            return Err(Failure { retry_after: None, ..failure });
        }
        ailing.until = Instant::now() + ailing.wait;
        ailing.tried = true;
        Ok(())
    }

    /// An answer was complete and held no token.
    pub(super) fn ailing(&self, namespace: &str, failure: &Failure) {
        let mut state = self.state();
        state.failing.insert(namespace.to_owned());
        let own = state.namespaces.entry(namespace.to_owned());
        own.and_modify(|ailing| ailing.again(failure)).or_insert_with(|| Ailing::new(failure, FIRST));
        if let Some(issuer) = state.issuer.as_mut() {
            issuer.again(failure);
        } else if state.failing.len() >= NAMESPACES {
            state.issuer = Some(Ailing::new(failure, FIRST));
        }
    }

    /// An answer held a token.
    pub(super) fn well(&self, namespace: &str) {
        let mut state = self.state();
        state.namespaces.remove(namespace);
        state.failing.clear();
        (state.issuer, state.well) = (None, true);
    }
}

/// How a token that was made in vain can be revoked where no list shows it.
pub(super) fn made(interface: &Interface, id: Option<String>, username: Option<String>) -> Option<TokenMade> {
    let revoke = &interface.revoke;
    if (revoke.needs_id() && id.is_none()) || (revoke.sends(&Source::Username) && username.is_none()) {
        return None;
    }
    let known = id.or_else(|| username.clone())?;
    Some(TokenMade { id: known, username: username.unwrap_or_default() })
}

/// The token, if it can be named later where no list tells its id.
///
/// # Errors
/// `Sent::Perhaps`, as of any answer that lacks an output.
pub(super) fn nameable(interface: &Interface, token: IssuedToken) -> Result<IssuedToken, Failure> {
    if token.id.is_some() {
        return Ok(token);
    }
    if interface.edit.needs_id() || interface.revoke.needs_id() {
        let field = match &interface.outputs.id {
            IdSource::Output(name) => name,
            IdSource::Username | IdSource::LookUp => &interface.outputs.username,
        };
        return Err(super::wire::lacks("id", field));
    }
    Ok(IssuedToken { id: Some(token.username.clone()), ..token })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Reason;

    fn useless() -> Failure {
        Failure::new(Sent::Perhaps, Reason::AnswerMalformed, "the answer lacks the secret")
    }

    #[tokio::test(start_paused = true)]
    async fn what_one_namespace_provokes_keeps_no_other_waiting() {
        let caution = Caution::default();
        caution.well("good");
        for _ in 0..20 {
            if caution.leave("bad").is_ok() {
                caution.ailing("bad", &useless());
            }
        }
        assert!(caution.leave("bad").is_err() && caution.ailment_for("bad").is_some());
        assert!(caution.leave("good").is_ok() && caution.leave("new").is_ok());
        assert!(caution.ailment_for("good").is_none() && caution.ailment().is_none(), "the issuer is well");
        tokio::time::advance(Duration::from_secs(11)).await;
        assert!(caution.leave("bad").is_ok(), "one try");
        assert!(caution.leave("bad").is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn what_several_namespaces_meet_is_the_issuers_until_one_gets_a_token() {
        let caution = Caution::default();
        for namespace in ["a", "b", "c"] {
            caution.leave(namespace).expect("its first try");
            caution.ailing(namespace, &useless());
        }
        assert!(caution.leave("d").is_err() && caution.ailment().is_some());
        tokio::time::advance(Duration::from_secs(11)).await;
        assert!(caution.leave("d").is_ok() && caution.leave("e").is_err(), "one try for all");
        caution.well("d");
        assert!(caution.leave("e").is_ok() && caution.ailment().is_none());
    }
}
