//! The decision: what one thing is to be done for an object now. Pure and total.

use super::attempt::Fault;
use super::marker::MARKER_LENGTH;
use super::observed::{IssuerFacts, IssuerView, Observed};
use super::pull_secret::{Ownership, SecretMeta};
use crate::api::Reason;
use std::time::Duration;

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// All is as it should be.
    Rest,
    /// Nothing can be done before something else happens; say so where no working token would
    /// be called broken by it.
    Wait(Fault),
    /// Nothing can be done before this much time has passed.
    WaitFor(Duration, Fault),
    /// Put our finalizer on the object.
    AddFinalizer,
    /// Take our finalizer off the object.
    RemoveFinalizer,
    /// Ask for a token.
    Attempt,
    /// Take the reservation out of the Secret and note it as given up.
    Abandon,
    /// Look for the tokens of attempts that were given up, and revoke them.
    Recover,
    /// Write the token that the Secret stores into status, if the portal shows that it is ours.
    Adopt,
    /// Read the whole Secret and put right what is not as it should be.
    Inspect,
    /// Revoke the tokens that status has as retiring.
    RevokeRetiring,
    /// Make the portal show the description.
    Settle,
    /// Close the Secret for further attempts: the object is being deleted.
    Close,
    /// Revoke every token of the object.
    RevokeAll,
}

impl Action {
    /// Whether it may be begun on what a cache holds. It is then guarded by the version that was
    /// read. Everything else asks the API server first.
    #[must_use]
    pub const fn may_use_cache(&self) -> bool {
        matches!(self, Self::Rest | Self::Wait(_) | Self::WaitFor(..) | Self::AddFinalizer)
    }
}

/// What is to be done.
#[must_use]
pub fn decide(seen: &Observed) -> Action {
    if seen.object.deleting {
        return ending(seen);
    }
    let facts = match usable(seen) {
        Ok(facts) => facts,
        Err(action) => return action,
    };
    if let Some(fault) = portal_changed(seen, facts) {
        return unless_working(seen, fault);
    }
    if !seen.object.finalizer {
        return Action::AddFinalizer;
    }
    let held = match &seen.secret {
        None => return attempt(seen, facts),
        Some(secret) if secret.ownership == Ownership::Foreign => return Action::Wait(not_ours()),
        Some(secret) => secret,
    };
    unfinished(seen, facts, held).unwrap_or_else(|| living(seen, facts, held))
}

/// The issuer's facts, or what to do without them.
fn usable(seen: &Observed) -> Result<&IssuerFacts, Action> {
    match &seen.issuer {
        IssuerView::Ready(facts) if facts.deleting && seen.recorded.token.is_none() => Err(Action::Wait(waiting(
            Reason::IssuerDeleting,
            "the issuer is being deleted: create it again, or delete this object".to_owned(),
        ))),
        IssuerView::Ready(facts) => Ok(facts),
        IssuerView::Unknown => Err(Action::Rest),
        IssuerView::Missing => {
            let message = "the issuer that spec.issuerRef names does not exist: create it, or check kind and name";
            Err(unless_working(seen, waiting(Reason::IssuerNotFound, message.to_owned())))
        }
        IssuerView::NotReady { reason, message } => {
            let message = format!("the issuer is not ready ({reason}): {message}");
            Err(unless_working(seen, waiting(Reason::IssuerNotReady, message)))
        }
    }
}

/// An outage of the portal is one red issuer, not a write to each of its objects.
fn unless_working(seen: &Observed, fault: Fault) -> Action {
    if works(seen) { Action::Rest } else { Action::Wait(fault) }
}

/// Whether the Secret holds the current token, as far as is known: then pods can pull, whatever
/// hinders.
#[must_use]
pub fn works(seen: &Observed) -> bool {
    let stored = seen.secret.as_ref().and_then(|secret| secret.stored.as_ref());
    let current = seen.recorded.token.as_ref();
    seen.recorded.ready && !seen.object.deleting && stored.zip(current).is_some_and(|(held, token)| held.id == token.id)
}

/// What a former attempt left behind.
fn unfinished(seen: &Observed, facts: &IssuerFacts, held: &SecretMeta) -> Option<Action> {
    if let Some(reservation) = &held.reservation {
        let ours = reservation.holder == seen.holder;
        let left = facts.longest_answer.saturating_sub(seen.reservation_seen);
        // Another process may be waiting for its answer right now.
        if !ours && !left.is_zero() {
            return Some(Action::WaitFor(left, unanswered()));
        }
        return Some(Action::Abandon);
    }
    (!held.abandoned.is_empty()).then_some(Action::Recover)
}

/// What a Secret without unfinished business needs.
fn living(seen: &Observed, facts: &IssuerFacts, held: &SecretMeta) -> Action {
    let Some(stored) = &held.stored else {
        return attempt(seen, facts);
    };
    if seen.recorded.token.as_ref().is_none_or(|token| token.id != stored.id) {
        return Action::Adopt;
    }
    let recorded = &seen.recorded;
    let changed = recorded.secret_version.as_ref() != Some(&held.resource_version)
        || held.registries.as_ref() != Some(&facts.registries)
        || recorded.observed_generation != Some(seen.object.generation)
        || !recorded.ready
        || !held.tied;
    if changed {
        return Action::Inspect;
    }
    if recorded.retiring.iter().any(|token| token.revocation_time.0 <= seen.now) {
        return Action::RevokeRetiring;
    }
    let generation = Some(seen.object.generation);
    if recorded.description_synced != generation && recorded.description_refused != generation {
        return Action::Settle;
    }
    // What hindered is over: the Secret is looked at, and the status says so.
    if recorded.hindered { Action::Inspect } else { Action::Rest }
}

fn attempt(seen: &Observed, facts: &IssuerFacts) -> Action {
    let needed = seen.object.description_length + MARKER_LENGTH;
    match facts.description_max {
        Some(most) if needed > most => Action::Wait(Fault {
            reason: Reason::DescriptionTooLong,
            message: format!(
                "spec.description has {} characters; the portal allows {most} and {MARKER_LENGTH} are needed for the operator's mark: shorten it to {}",
                seen.object.description_length,
                most.saturating_sub(MARKER_LENGTH)
            ),
            stalled: true,
        }),
        _ if facts.deleting => Action::Wait(waiting(
            Reason::IssuerDeleting,
            "the issuer is being deleted: create it again, or delete this object".to_owned(),
        )),
        _ => Action::Attempt,
    }
}

/// The object is being deleted: everything it asked for is revoked before it goes.
fn ending(seen: &Observed) -> Action {
    if !seen.object.finalizer {
        return Action::Rest;
    }
    let held = seen.secret.as_ref().filter(|secret| secret.ownership == Ownership::Ours);
    if held.is_some_and(|secret| !secret.closed) {
        return Action::Close;
    }
    let abandoned = held.is_some_and(|secret| !secret.abandoned.is_empty());
    let stored = held.is_some_and(|secret| secret.stored.is_some());
    let tokens = stored || seen.recorded.token.is_some() || !seen.recorded.retiring.is_empty();
    if !abandoned && !tokens {
        return Action::RemoveFinalizer;
    }
    match &seen.issuer {
        IssuerView::Unknown => Action::Rest,
        IssuerView::Missing => Action::Wait(waiting(
            Reason::IssuerNotFound,
            "the issuer is gone, and the token cannot be revoked without it: create the issuer again".to_owned(),
        )),
        IssuerView::NotReady { reason, message } => Action::Wait(waiting(
            Reason::IssuerNotReady,
            format!("the token is revoked once the issuer is ready ({reason}): {message}"),
        )),
        IssuerView::Ready(facts) => match portal_changed(seen, facts) {
            Some(fault) => Action::Wait(fault),
            None if abandoned => Action::Recover,
            None => Action::RevokeAll,
        },
    }
}

fn portal_changed(seen: &Observed, facts: &IssuerFacts) -> Option<Fault> {
    let recorded = seen.recorded.portal.as_ref()?;
    let moved = recorded.url != facts.portal.url || recorded.application != facts.portal.application;
    moved.then(|| Fault {
        reason: Reason::PortalChanged,
        message: format!(
            "the token lives at {} ({}), and the issuer now names {} ({}): set the issuer back; tokens do not move",
            recorded.url, recorded.application, facts.portal.url, facts.portal.application
        ),
        stalled: true,
    })
}

/// A wait that ends by itself when its cause goes.
#[must_use]
pub const fn waiting(reason: Reason, message: String) -> Fault {
    Fault { reason, message, stalled: false }
}

/// A Secret of that name belongs to somebody else.
#[must_use]
pub fn not_ours() -> Fault {
    Fault {
        reason: Reason::SecretNotOurs,
        message: "a Secret of this name exists and is not ours, so it is left alone: delete or rename it, or create a RegistryToken with another spec.secret.name".to_owned(),
        stalled: true,
    }
}

/// A request may be under way, or its answer got lost.
#[must_use]
pub fn unanswered() -> Fault {
    waiting(
        Reason::RequestUnanswered,
        "an earlier request for a token got no clear answer: what it may have made is sought in the portal and revoked before the next request".to_owned(),
    )
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
