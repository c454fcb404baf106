//! Cooldown of operations that failed permanently: a request that the portal rejects, a Secret that cannot be changed.
//! Each retry costs calls, so the next one waits, unless something changes on which the rejection depends.

use crate::api::Reason;
use crate::domain::model::problem::Problem;
use crate::domain::model::problem::messages::with_retry_hint;
use crate::domain::model::status_view::StatusView;
use crate::domain::observed::{IssuerState, Observed};
use std::collections::BTreeMap;
use std::time::Duration;

/// Time before a rejected operation is retried: something that the operator cannot observe may have changed, such as a
/// rule in the portal.
pub const COOLDOWN: Duration = Duration::from_mins(10);

/// An operation that can fail.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Request a token.
    RequestToken,
    /// Clear a reservation that an earlier attempt left behind.
    Recover,
    /// Repair the Secret.
    InspectSecret,
    /// Restore the owner label and the owner reference of the Secret.
    RestoreOwnership,
    /// Restore the finalizer of an object that has a token.
    RestoreFinalizer,
    /// Confirm that the current token was revoked in the portal.
    ConfirmRevocation,
    /// Verify the login of the current token.
    VerifyLogin,
    /// Make the portal show the description.
    SyncDescription,
    /// Revoke the retiring token with this id.
    Revoke(String),
    /// Wait for the user to confirm that tokens without proof are revoked.
    ConfirmUnverifiedTokens,
    /// Finalize the object.
    Finalize,
}

/// A failed operation that is not retried yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Cooldown {
    /// The operation.
    pub operation: Operation,
    /// Time until it is retried; zero if the next pass may retry it.
    pub remaining: Duration,
    /// Why it failed.
    pub problem: Problem,
}

impl Cooldown {
    /// Creates a cooldown with the duration that the problem requires.
    #[must_use]
    pub fn new(operation: Operation, problem: Problem) -> Self {
        if is_permanent(&problem) {
            return Self { operation, remaining: COOLDOWN, problem: with_retry_hint(problem) };
        }
        Self { operation, remaining: Duration::ZERO, problem }
    }

    /// Creates a cooldown that is not reported: a registry whose response is optional, and which is asked again later.
    #[must_use]
    pub const fn silent(operation: Operation, left: Duration) -> Self {
        let problem = Problem { reason: Reason::RegistryUnavailable, message: String::new(), terminal: false };
        Self { operation, remaining: left, problem }
    }

    /// Whether the cooldown is not reported.
    #[must_use]
    pub const fn is_silent(&self) -> bool {
        self.problem.message.is_empty()
    }
}

/// Whether the problem affects this operation only, so that it blocks no other.
#[must_use]
pub const fn affects_one_action(problem: &Problem) -> bool {
    !problem.reason.affects_whole_portal()
        && !matches!(
            problem.reason,
            Reason::APIServerUnavailable
                | Reason::RequestOutcomeUnknown
                | Reason::IssuerNotFound
                | Reason::IssuerNotReady
                | Reason::IssuerDeleting
                | Reason::NamespaceNotAllowed
        )
}

/// Whether an early retry is useless. Exceptions are problems that are cheap to check and that end without an event: a
/// foreign Secret, of which only the metadata is read, and an issuer that must not be used.
#[must_use]
pub const fn is_permanent(problem: &Problem) -> bool {
    let looked_at_soon = matches!(
        problem.reason,
        Reason::SecretNotOwned | Reason::IssuerNotFound | Reason::IssuerDeleting | Reason::NamespaceNotAllowed
    );
    problem.terminal && !looked_at_soon
}

/// Everything on which a rejection depends.
#[derive(Clone, Debug, PartialEq)]
struct Fingerprint {
    generation: i64,
    requested_annotations: BTreeMap<String, String>,
    confirmed_revoked: Vec<String>,
    /// The object's Secret and the token that it stores. The version is not included, since each attempt changes it.
    secret: Option<(String, Option<String>)>,
    issuer: IssuerState,
}

impl Fingerprint {
    fn of(observed: &Observed) -> Self {
        let ours = observed.own_secret();
        let stored = |secret: &crate::domain::model::pull_secret::SecretMeta| {
            secret.stored.as_ref().map(|stored| stored.id.clone())
        };
        Self {
            generation: observed.object.generation,
            requested_annotations: observed.object.requested_annotations.clone(),
            confirmed_revoked: observed.object.confirmed_revoked.clone(),
            secret: ours.map(|secret| (secret.uid.clone(), stored(secret))),
            issuer: observed.issuer.clone(),
        }
    }
}

/// Failed operations, and when each is retried. They wait as long as the fingerprint stays the same.
#[derive(Clone, Debug, PartialEq)]
struct FailedOperations {
    fingerprint: Fingerprint,
    retries: Vec<(Cooldown, Duration)>,
}

/// The cooldowns of one object, by a monotonic clock. Boxed, because most objects have none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cooldowns {
    operations: Option<Box<FailedOperations>>,
    /// When an edit that the portal rejected is retried.
    edit: Option<Box<(Fingerprint, Duration)>>,
}

impl Cooldowns {
    /// Records the cooldowns of a pass that ended.
    pub fn record(&mut self, observed: &Observed, now: Duration) {
        self.record_edit(observed, now);
        let lasting: Vec<_> =
            observed.cooldowns.iter().filter(|cooldown| !cooldown.remaining.is_zero()).cloned().collect();
        if lasting.is_empty() {
            self.operations = None;
            return;
        }
        let former = self.active(observed, now);
        // A cooldown that was already active is not extended.
        let until = |cooldown: Cooldown| {
            let remaining = former.iter().find(|one| one.operation == cooldown.operation).map(|one| one.remaining);
            let remaining = remaining.unwrap_or(cooldown.remaining);
            (cooldown, now + remaining)
        };
        let retries = lasting.into_iter().map(until).collect();
        self.operations = Some(Box::new(FailedOperations { fingerprint: Fingerprint::of(observed), retries }));
    }

    /// Returns the active cooldowns. There are none if something changed, or if a resync was requested.
    #[must_use]
    pub fn active(&self, observed: &Observed, now: Duration) -> Vec<Cooldown> {
        let Some(failed) = self.operations.as_deref() else { return vec![] };
        if observed.resync_requested || failed.fingerprint != Fingerprint::of(observed) {
            return vec![];
        }
        let still = |(cooldown, until): &(Cooldown, Duration)| {
            let left = until.saturating_sub(now);
            (!left.is_zero()).then(|| Cooldown { remaining: left, ..cooldown.clone() })
        };
        failed.retries.iter().filter_map(still).collect()
    }

    /// A rejected edit waits from the first time it is observed, so that a restart does not repeat all of them.
    fn record_edit(&mut self, observed: &Observed, now: Duration) {
        if !StatusView::of(&observed.object).edit_rejected {
            self.edit = None;
            return;
        }
        let fingerprint = Fingerprint::of(observed);
        let waits = self.edit.as_deref().is_some_and(|(former, until)| *former == fingerprint && *until > now);
        let is_due = observed.edit_retry_after == Some(Duration::ZERO);
        if !(waits || is_due && self.edit.is_some()) {
            self.edit = Some(Box::new((fingerprint, now + COOLDOWN)));
        }
    }

    /// Time until an edit that the portal rejected is retried. Zero if something changed, or if a resync was requested.
    #[must_use]
    pub fn edit_retry_after(&self, observed: &Observed, now: Duration) -> Option<Duration> {
        if !StatusView::of(&observed.object).edit_rejected {
            return None;
        }
        if observed.resync_requested {
            return Some(Duration::ZERO);
        }
        let (fingerprint, until) = self.edit.as_deref()?;
        Some(if *fingerprint == Fingerprint::of(observed) { until.saturating_sub(now) } else { Duration::ZERO })
    }
}

#[cfg(test)]
#[path = "cooldown_tests.rs"]
mod tests;
