//! The decision: what one thing is to be done for an object now. Pure and total.

use self::deadlines::{
    description_out_of_sync, needs_inspection, next_deadline, reportable_cooldowns, revocation_due, token_absent,
};
use self::deletion::deletion_action;
use self::protection::check_protection;
use self::rotation::{pending, pending_annotation};
use super::clock_skew::has_future_timestamps;
use super::model::problem::Problem;
use super::model::problem::messages::{
    description_too_long, issuer_deleting, issuer_not_found, outcome_unknown, portal_changed, replacement_suspended,
    revoked_upstream, secret_not_owned, suspended, transient,
};
use super::model::pull_secret::{Ownership, SecretMeta};
use super::model::request_cause::{Cause, RequestCause};
use super::model::status_view::{StatusView, status_view};
use super::model::token::same_id;
use super::observed::{IssuerInfo, IssuerState, LoginMode, Observed, Recheck, UpstreamState};
use super::retry::cooldown::Operation;
use super::retry::request_backoff::request_delay;
use crate::api::{REPLACE_ANNOTATION, Reason};
use std::time::Duration;

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// All is as it should be.
    Idle,
    /// All is as it should be until so much time has passed.
    IdleFor(Duration),
    /// Nothing can be done before something else happens; say so where no working token would
    /// be called broken by it.
    Report(Problem),
    /// Nothing can be done before this much time has passed.
    ReportFor(Duration, Problem),
    /// Have our finalizer put on the issuer.
    ProtectIssuer,
    /// Put our finalizer on the object.
    AddFinalizer,
    /// Put our finalizer back on an object that has a token.
    RestoreFinalizer,
    /// Put our label and owner reference back on the Secret.
    RestoreOwnership,
    /// Take our finalizer off the object.
    RemoveFinalizer,
    /// Ask for a token.
    RequestToken(RequestCause),
    /// Take a reservation that nobody answers for out of the Secret, and seek what came of it.
    Recover,
    /// Write the token that the Secret stores into status, if it is proved to be ours.
    Adopt,
    /// Former tokens without proof that their user calls revoked are no longer reported.
    ForgetConfirmedTokens,
    /// Times in status are later than it is now: the clock that they were taken from ran ahead, and
    /// they count as now.
    ClampTimestamps,
    /// Read the whole Secret and put right what is not as it should be.
    InspectSecret,
    /// Somebody asked for it: look at the portal's row of the token, and log in.
    Recheck,
    /// Log in with what the Secret holds.
    VerifyLogin,
    /// The portal lacks the current token: ask the registry, and say what follows.
    ConfirmRevocation,
    /// Revoke the tokens that status has as retiring.
    RevokeRetiring,
    /// Make the portal show the description.
    SyncDescription,
    /// The object goes: revoke what it asked for, or leave it to its user.
    Finalize,
}

impl Action {
    /// Whether it may be begun on what a cache holds. It is then guarded by the version that was
    /// read. Everything else asks the API server first.
    #[must_use]
    pub const fn may_use_cache(&self) -> bool {
        matches!(
            self,
            Self::Idle
                | Self::IdleFor(_)
                | Self::Report(_)
                | Self::ReportFor(..)
                | Self::ProtectIssuer
                | Self::AddFinalizer
                | Self::RestoreFinalizer
                | Self::ClampTimestamps
        )
    }
}

/// A token that was revoked upstream twice within this time stays revoked.
pub const REISSUE_HOLD: Duration = Duration::from_hours(24);

/// What is to be done.
#[must_use]
pub fn decide(observed: &Observed) -> Action {
    let status = status_view(&observed.object);
    if let Some(action) = check_protection(observed) {
        return action;
    }
    if has_future_timestamps(&observed.object, observed.now) {
        return Action::ClampTimestamps;
    }
    if observed.object.deleting {
        return deletion_action(observed, &status);
    }
    let facts = match ready_issuer(observed) {
        Ok(facts) => facts,
        Err(action) => return action,
    };
    if let Some(fault) = portal_changed(&status, facts) {
        return report_unless_pods_can_pull(observed, fault);
    }
    if revocation_due(observed, &status) {
        return Action::RevokeRetiring;
    }
    if !status.unverified.confirmed(&observed.object).is_empty() {
        return Action::ForgetConfirmedTokens;
    }
    if !observed.object.has_finalizer && observed.cooldown(&Operation::RestoreFinalizer).is_none() {
        return match request_for_cause(observed, facts, Cause::First) {
            Action::RequestToken(_) if facts.has_finalizer => Action::AddFinalizer,
            Action::RequestToken(_) => Action::ProtectIssuer,
            hindered => hindered,
        };
    }
    let secret = match &observed.secret {
        None => {
            return or_sync_description(
                observed,
                facts,
                &status,
                request_for_cause(observed, facts, status.cause_without_token()),
            );
        }
        Some(secret) if secret.ownership == Ownership::Foreign => {
            return or_sync_description(observed, facts, &status, Action::Report(secret_not_owned(secret)));
        }
        Some(secret) => secret,
    };
    check_reservation(observed, facts, secret).unwrap_or_else(|| check_secret(observed, facts, secret, &status))
}

/// The issuer's facts, or what to do without them.
fn ready_issuer(observed: &Observed) -> Result<&IssuerInfo, Action> {
    match &observed.issuer {
        IssuerState::Ready(facts) => Ok(facts),
        IssuerState::Unknown => Err(Action::Idle),
        IssuerState::Missing => Err(report_unless_pods_can_pull(observed, issuer_not_found(&observed.object.issuer))),
        IssuerState::NotReady { reason, message } => {
            let message = format!("the issuer is not ready ({reason}): {message}");
            let stalled = reason.requires_user_action();
            Err(report_unless_pods_can_pull(
                observed,
                Problem { terminal: stalled, ..transient(Reason::IssuerNotReady, message) },
            ))
        }
    }
}

/// An outage of the portal is one red issuer, not a write to each of its objects. What was edited
/// meanwhile is said to wait, once: else it would look as if nobody had seen it.
fn report_unless_pods_can_pull(observed: &Observed, fault: Problem) -> Action {
    let status = status_view(&observed.object);
    let taken_note =
        status.observed_generation == Some(observed.object.generation) && status.suspended == observed.object.suspended;
    // A compromised token does not wait silently for its replacement.
    let waits = pending_annotation(observed, &status) == Some(REPLACE_ANNOTATION);
    if pods_can_pull(observed) && taken_note && !waits { Action::Idle } else { Action::Report(fault) }
}

/// Whatever keeps a Secret from the object, its token lives: an edited description waits for nothing else.
fn or_sync_description(observed: &Observed, facts: &IssuerInfo, status: &StatusView, action: Action) -> Action {
    let waits = matches!(action, Action::Report(_) | Action::ReportFor(..)) && !observed.object.suspended;
    let edits = status.token.is_some()
        && description_out_of_sync(observed, facts, status)
        && observed.cooldown(&Operation::SyncDescription).is_none();
    if waits && edits { Action::SyncDescription } else { action }
}

/// Whether the Secret holds the current token, as far as is known: then pods can pull, whatever
/// hinders.
#[must_use]
pub fn pods_can_pull(observed: &Observed) -> bool {
    let status = status_view(&observed.object);
    // One that was made anew says nothing of itself before it is read.
    let secret = observed.secret.as_ref().filter(|secret| status.secret_uid.as_ref() == Some(&secret.uid));
    let stored = secret.and_then(|secret| secret.stored.as_ref());
    let is_current = |id: &String| stored.is_some_and(|stored| same_id(&stored.id, id));
    status.ready && !observed.object.deleting && status.current_token_id().is_some_and(is_current)
}

/// A reservation that a former attempt left behind.
fn check_reservation(observed: &Observed, facts: &IssuerInfo, secret: &SecretMeta) -> Option<Action> {
    let reservation = secret.reservation.as_ref().filter(|_| observed.cooldown(&Operation::Recover).is_none())?;
    let nobody_else = reservation.identity == observed.identity || observed.is_leader;
    let left = facts.response_deadline.saturating_sub(secret.reservation_age);
    // Another process may be waiting for its answer right now.
    if nobody_else || left.is_zero() { Some(Action::Recover) } else { Some(Action::ReportFor(left, outcome_unknown())) }
}

/// What a Secret without unfinished business needs.
fn check_secret(observed: &Observed, facts: &IssuerInfo, secret: &SecretMeta, status: &StatusView) -> Action {
    let Some(stored) = &secret.stored else {
        return request_for_cause(observed, facts, status.cause_without_token());
    };
    if status.is_retiring(&stored.id) {
        return request_for_cause(observed, facts, Cause::Lost);
    }
    if status.token.as_ref().is_none_or(|token| !same_id(&token.id, &stored.id)) {
        return Action::Adopt;
    }
    if status.revoked_upstream
        && let Some(action) = check_upstream_revocation(observed, facts, status)
    {
        return action;
    }
    // What cannot be done holds up nothing else: it is skipped here, and reported when all else is done.
    let may = |deed: &Operation| observed.cooldown(deed).is_none();
    if needs_inspection(observed, facts, secret, status) && may(&Operation::InspectSecret) {
        return Action::InspectSecret;
    }
    if token_absent(observed, facts, status) && may(&Operation::ConfirmRevocation) {
        return Action::ConfirmRevocation;
    }
    if observed.recheck != Recheck::NotRequested && may(&Operation::ConfirmRevocation) {
        return Action::Recheck;
    }
    let unproved = facts.login_check == LoginMode::Required || !status.ready;
    let unverified = facts.checks_login() && !status.login_verified && unproved;
    if unverified && may(&Operation::VerifyLogin) && may(&Operation::InspectSecret) {
        return Action::VerifyLogin;
    }
    if !status.ready && !unverified && may(&Operation::InspectSecret) {
        return Action::InspectSecret;
    }
    check_schedule(observed, facts, status)
}

/// What an object whose token works needs, the most urgent first.
fn check_schedule(observed: &Observed, facts: &IssuerInfo, status: &StatusView) -> Action {
    let errand = pending(observed, facts, status);
    // A suspended object says that a compromised token is not replaced. All else it leaves is said by its condition.
    let errand = errand.filter(|errand| !observed.object.suspended || errand.cause == Cause::Replace);
    let waits = match errand.map(|errand| request_token(observed, facts, errand)) {
        Some(action @ Action::RequestToken(_)) => return action,
        waits => waits,
    };
    let may = |deed: &Operation| observed.cooldown(deed).is_none();
    if !observed.object.suspended
        && description_out_of_sync(observed, facts, status)
        && may(&Operation::SyncDescription)
    {
        return Action::SyncDescription;
    }
    // What hindered is over: the Secret is looked at, and the status says so.
    if status.has_problem && waits.is_none() && reportable_cooldowns(observed, status).is_empty() {
        return Action::InspectSecret;
    }
    // A Secret that cannot be put right may hold nothing to log in with.
    if facts.login_check == LoginMode::BestEffort
        && !status.login_verified
        && may(&Operation::VerifyLogin)
        && may(&Operation::InspectSecret)
    {
        return Action::VerifyLogin;
    }
    let next = next_deadline(observed, status);
    let until = |left: Duration| next.map_or(left, |next| next.min(left));
    match waits {
        Some(Action::ReportFor(left, fault)) => return Action::ReportFor(until(left), fault),
        Some(waits) => return waits,
        None => {}
    }
    if let Some(vain) = reportable_cooldowns(observed, status).first() {
        return Action::ReportFor(until(vain.remaining), vain.problem.clone());
    }
    next.map_or(Action::Idle, Action::IdleFor)
}

/// A token that somebody revoked in the portal: held, replaced, or back again.
fn check_upstream_revocation(observed: &Observed, facts: &IssuerInfo, status: &StatusView) -> Option<Action> {
    if matches!(observed.upstream, UpstreamState::Present(_) | UpstreamState::LoginAccepted) {
        return None;
    }
    if let Some(errand) = pending(observed, facts, status).filter(|errand| errand.cause != Cause::Rotation) {
        return Some(request_token(observed, facts, errand));
    }
    let (since, again) = status.upstream_revocation?;
    let age = Duration::try_from(observed.now.duration_since(since)).unwrap_or_default();
    let left = REISSUE_HOLD.saturating_sub(age);
    Some(match (observed.object.reissue_revoked, again) {
        (false, _) => Action::Report(revoked_upstream(false)),
        (true, true) if !left.is_zero() => Action::ReportFor(left, revoked_upstream(true)),
        (true, _) => request_for_cause(observed, facts, Cause::RevokedUpstream),
    })
}

/// Asks for a token for this cause; whatever is asked for by annotation is answered by it too.
fn request_for_cause(observed: &Observed, facts: &IssuerInfo, cause: Cause) -> Action {
    request_token(observed, facts, self::rotation::for_cause(observed, facts, cause))
}

fn request_token(observed: &Observed, facts: &IssuerInfo, errand: RequestCause) -> Action {
    if observed.object.suspended {
        let replaces = errand.cause == Cause::Replace;
        return Action::Report(if replaces { replacement_suspended() } else { suspended() });
    }
    // Without the finalizer, or beside a reservation that cannot be taken back, a token might be leaked.
    let first = [Operation::RestoreFinalizer, Operation::Recover].into_iter().find_map(|deed| observed.cooldown(&deed));
    if let Some(vain) = first {
        return Action::ReportFor(vain.remaining, vain.problem.clone());
    }
    if facts.deleting {
        return Action::Report(issuer_deleting());
    }
    if let Some(fault) = description_too_long(&observed.object, facts) {
        return Action::Report(fault);
    }
    match request_delay(observed, errand.cause) {
        Some((left, fault)) => Action::ReportFor(left, fault),
        None => Action::RequestToken(errand),
    }
}

pub mod absence;
pub mod deadlines;
pub mod deletion;
#[cfg(test)]
#[path = "secret_tests.rs"]
mod living_tests;
pub mod protection;
pub mod rotation;
#[cfg(test)]
#[path = "tests.rs"]
mod tests;
