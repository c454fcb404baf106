//! A portal whose answers hold no token: one that is asked again and again makes a token each time.

use super::Failure;
use super::interface::{IdSource, Interface, Source};
use crate::portal::{IssuedToken, Sent, TokenMade};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// After the first such answer; twice as long after each further one.
const FIRST: Duration = Duration::from_secs(10);
/// At most.
const LONGEST: Duration = Duration::from_hours(1);

/// Remembers it. What is wrong is mostly a name in the spec, and a changed spec makes a new client.
#[derive(Default)]
pub(super) struct Caution(Mutex<Option<Ailing>>);

struct Ailing {
    message: String,
    reason: crate::api::Reason,
    wait: Duration,
    until: Instant,
    /// It was asked again since.
    tried: bool,
}

impl Ailing {
    fn told(&self) -> Failure {
        let left = self.until.saturating_duration_since(Instant::now());
        let retry_after = (!left.is_zero()).then_some(left);
        Failure { retry_after, ..Failure::new(Sent::No, self.reason, &self.message) }
    }
}

impl Caution {
    fn state(&self) -> MutexGuard<'_, Option<Ailing>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is wrong, and how long no token is asked for, if that is not over.
    pub(super) fn ailment(&self) -> Option<Failure> {
        self.state().as_ref().map(Ailing::told)
    }

    /// Leave to ask for a token: none before the time has come, and then for one request.
    ///
    /// # Errors
    /// `Sent::No`, with what is wrong.
    pub(super) fn leave(&self) -> Result<(), Failure> {
        let mut state = self.state();
        let Some(ailing) = state.as_mut() else { return Ok(()) };
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
    pub(super) fn ailing(&self, failure: &Failure) {
        let mut state = self.state();
        let wait = match state.as_ref() {
            None => FIRST,
            // Of several that were under way at once the first counts.
            Some(ailing) if !ailing.tried => return,
            Some(ailing) => (ailing.wait * 2).min(LONGEST),
        };
        let message = format!(
            "{}. Each such answer makes a token that nobody can use, so none is requested for now: a changed spec or changed credentials are tried at once, the same ones ever more rarely",
            failure.message
        );
        *state = Some(Ailing { message, reason: failure.reason, wait, until: Instant::now() + wait, tried: false });
    }

    /// An answer held a token.
    pub(super) fn well(&self) {
        *self.state() = None;
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
