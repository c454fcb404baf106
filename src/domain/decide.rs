//! The decision: what one thing is to be done for an object now. Pure and total.

use super::cause::{Cause, Errand};
use super::due::{changed, due, reported, unsettled, until_due, vanished};
use super::errand::{asked, pending};
use super::fault::Fault;
use super::faults::{
    issuer_deleting, issuer_not_found, not_ours, portal_changed, replacement_suspended, revoked_upstream, suspended,
    too_long, unanswered, waiting,
};
use super::identity::same_id;
use super::leaving::leaving;
use super::observed::{IssuerFacts, IssuerView, Listed, LoginMode, Observed, Recheck};
use super::protection::protection;
use super::pull_secret::{Ownership, SecretMeta};
use super::recorded::{Recorded, recorded};
use super::redate::ahead;
use super::request_backoff::held_back;
use super::vain::Deed;
use crate::api::{REPLACE_ANNOTATION, Reason};
use std::time::Duration;

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// All is as it should be.
    Rest,
    /// All is as it should be until so much time has passed.
    RestFor(Duration),
    /// Nothing can be done before something else happens; say so where no working token would
    /// be called broken by it.
    Wait(Fault),
    /// Nothing can be done before this much time has passed.
    WaitFor(Duration, Fault),
    /// Have our finalizer put on the issuer.
    HoldIssuer,
    /// Put our finalizer on the object.
    AddFinalizer,
    /// Put our finalizer back on an object that has a token.
    RestoreFinalizer,
    /// Put our label and owner reference back on the Secret.
    RestoreOwnership,
    /// Take our finalizer off the object.
    RemoveFinalizer,
    /// Ask for a token.
    Attempt(Errand),
    /// Take a reservation that nobody answers for out of the Secret, and seek what came of it.
    Recover,
    /// Write the token that the Secret stores into status, if it is proved to be ours.
    Adopt,
    /// Former tokens without proof that their user calls revoked are no longer reported.
    Confirm,
    /// Times in status are later than it is now: the clock that they were taken from ran ahead, and
    /// they count as now.
    Redate,
    /// Read the whole Secret and put right what is not as it should be.
    Inspect,
    /// Somebody asked for it: look at the portal's row of the token, and log in.
    Recheck,
    /// Log in with what the Secret holds.
    Verify,
    /// The portal lacks the current token: ask the registry, and say what follows.
    Vanished,
    /// Revoke the tokens that status has as retiring.
    RevokeRetiring,
    /// Make the portal show the description.
    Settle,
    /// The object goes: revoke what it asked for, or leave it to its user.
    Leave,
}

impl Action {
    /// Whether it may be begun on what a cache holds. It is then guarded by the version that was
    /// read. Everything else asks the API server first.
    #[must_use]
    pub const fn may_use_cache(&self) -> bool {
        matches!(
            self,
            Self::Rest
                | Self::RestFor(_)
                | Self::Wait(_)
                | Self::WaitFor(..)
                | Self::HoldIssuer
                | Self::AddFinalizer
                | Self::RestoreFinalizer
                | Self::Redate
        )
    }
}

/// A token that was revoked upstream twice within this time stays revoked.
pub const HELD_FOR: Duration = Duration::from_hours(24);

/// What is to be done.
#[must_use]
pub fn decide(seen: &Observed) -> Action {
    let known = recorded(&seen.object);
    if let Some(action) = protection(seen) {
        return action;
    }
    if ahead(&seen.object, seen.now) {
        return Action::Redate;
    }
    if seen.object.deleting {
        return leaving(seen, &known);
    }
    let facts = match usable(seen) {
        Ok(facts) => facts,
        Err(action) => return action,
    };
    if let Some(fault) = portal_changed(&known, facts) {
        return unless_working(seen, fault);
    }
    if due(seen, &known) {
        return Action::RevokeRetiring;
    }
    if !known.unproved.confirmed(&seen.object).is_empty() {
        return Action::Confirm;
    }
    if !seen.object.finalizer && seen.in_vain(&Deed::RestoreFinalizer).is_none() {
        return match begin(seen, facts, Cause::First) {
            Action::Attempt(_) if facts.held => Action::AddFinalizer,
            Action::Attempt(_) => Action::HoldIssuer,
            hindered => hindered,
        };
    }
    let held = match &seen.secret {
        None => return but_edit(seen, facts, &known, begin(seen, facts, known.cause_without_token())),
        Some(secret) if secret.ownership == Ownership::Foreign => {
            return but_edit(seen, facts, &known, Action::Wait(not_ours(secret)));
        }
        Some(secret) => secret,
    };
    unfinished(seen, facts, held).unwrap_or_else(|| living(seen, facts, held, &known))
}

/// The issuer's facts, or what to do without them.
fn usable(seen: &Observed) -> Result<&IssuerFacts, Action> {
    match &seen.issuer {
        IssuerView::Ready(facts) => Ok(facts),
        IssuerView::Unknown => Err(Action::Rest),
        IssuerView::Missing => Err(unless_working(seen, issuer_not_found(&seen.object.issuer))),
        IssuerView::NotReady { reason, message } => {
            let message = format!("the issuer is not ready ({reason}): {message}");
            let stalled = reason.waits_for_a_person();
            Err(unless_working(seen, Fault { stalled, ..waiting(Reason::IssuerNotReady, message) }))
        }
    }
}

/// An outage of the portal is one red issuer, not a write to each of its objects. What was edited
/// meanwhile is said to wait, once: else it would look as if nobody had seen it.
fn unless_working(seen: &Observed, fault: Fault) -> Action {
    let known = recorded(&seen.object);
    let taken_note =
        known.observed_generation == Some(seen.object.generation) && known.suspended == seen.object.suspended;
    // A compromised token does not wait silently for its replacement.
    let waits = pending(seen, &known) == Some(REPLACE_ANNOTATION);
    if works(seen) && taken_note && !waits { Action::Rest } else { Action::Wait(fault) }
}

/// Whatever keeps a Secret from the object, its token lives: an edited description waits for nothing else.
fn but_edit(seen: &Observed, facts: &IssuerFacts, known: &Recorded, action: Action) -> Action {
    let waits = matches!(action, Action::Wait(_) | Action::WaitFor(..)) && !seen.object.suspended;
    let edits = known.token.is_some() && unsettled(seen, facts, known) && seen.in_vain(&Deed::Settle).is_none();
    if waits && edits { Action::Settle } else { action }
}

/// Whether the Secret holds the current token, as far as is known: then pods can pull, whatever
/// hinders.
#[must_use]
pub fn works(seen: &Observed) -> bool {
    let known = recorded(&seen.object);
    // One that was made anew says nothing of itself before it is read.
    let held = seen.secret.as_ref().filter(|secret| known.secret_uid.as_ref() == Some(&secret.uid));
    let stored = held.and_then(|secret| secret.stored.as_ref());
    let is_current = |id: &String| stored.is_some_and(|held| same_id(&held.id, id));
    known.ready && !seen.object.deleting && known.current_id().is_some_and(is_current)
}

/// A reservation that a former attempt left behind.
fn unfinished(seen: &Observed, facts: &IssuerFacts, held: &SecretMeta) -> Option<Action> {
    let reservation = held.reservation.as_ref().filter(|_| seen.in_vain(&Deed::Recover).is_none())?;
    let nobody_else = reservation.holder == seen.holder || seen.leads;
    let left = facts.longest_answer.saturating_sub(held.reservation_seen);
    // Another process may be waiting for its answer right now.
    if nobody_else || left.is_zero() { Some(Action::Recover) } else { Some(Action::WaitFor(left, unanswered())) }
}

/// What a Secret without unfinished business needs.
fn living(seen: &Observed, facts: &IssuerFacts, held: &SecretMeta, known: &Recorded) -> Action {
    let Some(stored) = &held.stored else {
        return begin(seen, facts, known.cause_without_token());
    };
    if known.retires(&stored.id) {
        return begin(seen, facts, Cause::Lost);
    }
    if known.token.as_ref().is_none_or(|token| !same_id(&token.id, &stored.id)) {
        return Action::Adopt;
    }
    if known.revoked_upstream
        && let Some(action) = overridden(seen, facts, known)
    {
        return action;
    }
    // What cannot be done holds up nothing else: it is skipped here, and reported when all else is done.
    let may = |deed: &Deed| seen.in_vain(deed).is_none();
    if changed(seen, facts, held, known) && may(&Deed::Inspect) {
        return Action::Inspect;
    }
    if vanished(seen, facts, known) && may(&Deed::ConfirmRevocation) {
        return Action::Vanished;
    }
    if seen.recheck != Recheck::No && may(&Deed::ConfirmRevocation) {
        return Action::Recheck;
    }
    let unproved = facts.login == LoginMode::Required || !known.ready;
    let unverified = facts.asks_registry() && !known.verified && unproved;
    if unverified && may(&Deed::Verify) && may(&Deed::Inspect) {
        return Action::Verify;
    }
    if !known.ready && !unverified && may(&Deed::Inspect) {
        return Action::Inspect;
    }
    working(seen, facts, known)
}

/// What an object whose token works needs, the most urgent first.
fn working(seen: &Observed, facts: &IssuerFacts, known: &Recorded) -> Action {
    let errand = asked(seen, facts, known);
    // A suspended object says that a compromised token is not replaced. All else it leaves is said by its condition.
    let errand = errand.filter(|errand| !seen.object.suspended || errand.cause == Cause::Replace);
    let waits = match errand.map(|errand| attempt(seen, facts, errand)) {
        Some(action @ Action::Attempt(_)) => return action,
        waits => waits,
    };
    let may = |deed: &Deed| seen.in_vain(deed).is_none();
    if !seen.object.suspended && unsettled(seen, facts, known) && may(&Deed::Settle) {
        return Action::Settle;
    }
    // What hindered is over: the Secret is looked at, and the status says so.
    if known.hindered && waits.is_none() && reported(seen, known).is_empty() {
        return Action::Inspect;
    }
    // A Secret that cannot be put right may hold nothing to log in with.
    if facts.login == LoginMode::BestEffort && !known.verified && may(&Deed::Verify) && may(&Deed::Inspect) {
        return Action::Verify;
    }
    let next = until_due(seen, known);
    let until = |left: Duration| next.map_or(left, |next| next.min(left));
    match waits {
        Some(Action::WaitFor(left, fault)) => return Action::WaitFor(until(left), fault),
        Some(waits) => return waits,
        None => {}
    }
    if let Some(vain) = reported(seen, known).first() {
        return Action::WaitFor(until(vain.left), vain.fault.clone());
    }
    next.map_or(Action::Rest, Action::RestFor)
}

/// A token that somebody revoked in the portal: held, replaced, or back again.
fn overridden(seen: &Observed, facts: &IssuerFacts, known: &Recorded) -> Option<Action> {
    if matches!(seen.listed, Listed::Shown(_) | Listed::LetIn) {
        return None;
    }
    if let Some(errand) = asked(seen, facts, known).filter(|errand| errand.cause != Cause::Rotation) {
        return Some(attempt(seen, facts, errand));
    }
    let (since, again) = known.upstream_revocation?;
    let age = Duration::try_from(seen.now.duration_since(since)).unwrap_or_default();
    let left = HELD_FOR.saturating_sub(age);
    Some(match (seen.object.reissue, again) {
        (false, _) => Action::Wait(revoked_upstream(false)),
        (true, true) if !left.is_zero() => Action::WaitFor(left, revoked_upstream(true)),
        (true, _) => begin(seen, facts, Cause::RevokedUpstream),
    })
}

/// Asks for a token for this cause; whatever is asked for by annotation is answered by it too.
fn begin(seen: &Observed, facts: &IssuerFacts, cause: Cause) -> Action {
    attempt(seen, facts, super::errand::of(seen, facts, cause))
}

fn attempt(seen: &Observed, facts: &IssuerFacts, errand: Errand) -> Action {
    if seen.object.suspended {
        let replaces = errand.cause == Cause::Replace;
        return Action::Wait(if replaces { replacement_suspended() } else { suspended() });
    }
    // Without the finalizer, or beside a reservation that cannot be taken back, a token might be leaked.
    let first = [Deed::RestoreFinalizer, Deed::Recover].into_iter().find_map(|deed| seen.in_vain(&deed));
    if let Some(vain) = first {
        return Action::WaitFor(vain.left, vain.fault.clone());
    }
    if facts.deleting {
        return Action::Wait(issuer_deleting());
    }
    if let Some(fault) = too_long(&seen.object, facts) {
        return Action::Wait(fault);
    }
    match held_back(seen, errand.cause) {
        Some((left, fault)) => Action::WaitFor(left, fault),
        None => Action::Attempt(errand),
    }
}

#[cfg(test)]
#[path = "decide_living_tests.rs"]
mod living_tests;
#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
