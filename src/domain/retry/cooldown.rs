//! Cooldown of operations that failed permanently: a request that the portal rejects, a Secret that cannot be changed.
//! It ends early if something changes on which the rejection depends.

use crate::domain::model::cooldown::{COOLDOWN, Cooldown};
use crate::domain::model::issuer::IssuerState;
use crate::domain::model::status_view::StatusView;
use crate::domain::observed::Observed;
use std::collections::BTreeMap;
use std::time::Duration;

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
