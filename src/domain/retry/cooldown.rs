//! Cooldown of operations that failed permanently: a request that the portal rejects, a Secret that cannot be changed.
//! It ends early if something changes on which the rejection depends.

use crate::domain::model::cooldown::{COOLDOWN, Cooldown};
use crate::domain::model::status_view::StatusView;
use crate::domain::observed::{IssuerState, Observed};
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

/// The cooldowns of all objects, by a monotonic clock.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cooldowns {
    cooldowns: BTreeMap<String, (Fingerprint, Vec<(Cooldown, Duration)>)>,
    /// When an edit that the portal rejected is retried.
    edits: BTreeMap<String, (Fingerprint, Duration)>,
}

impl Cooldowns {
    /// Records the cooldowns of a pass that ended.
    pub fn record(&mut self, observed: &Observed, now: Duration) {
        self.record_edit(observed, now);
        let lasting: Vec<_> =
            observed.cooldowns.iter().filter(|cooldown| !cooldown.remaining.is_zero()).cloned().collect();
        if lasting.is_empty() {
            self.cooldowns.remove(&observed.object.uid);
            return;
        }
        let former = self.active(observed, now);
        // A cooldown that was already active is not extended.
        let until = |cooldown: Cooldown| {
            let remaining = former.iter().find(|one| one.operation == cooldown.operation).map(|one| one.remaining);
            let remaining = remaining.unwrap_or(cooldown.remaining);
            (cooldown, now + remaining)
        };
        let all = lasting.into_iter().map(until).collect();
        self.cooldowns.insert(observed.object.uid.clone(), (Fingerprint::of(observed), all));
    }

    /// Returns the active cooldowns of an object. There are none if something changed, or if a resync was requested.
    #[must_use]
    pub fn active(&self, observed: &Observed, now: Duration) -> Vec<Cooldown> {
        let Some((fingerprint, all)) = self.cooldowns.get(&observed.object.uid) else { return vec![] };
        if observed.resync_requested || *fingerprint != Fingerprint::of(observed) {
            return vec![];
        }
        let still = |(cooldown, until): &(Cooldown, Duration)| {
            let left = until.saturating_sub(now);
            (!left.is_zero()).then(|| Cooldown { remaining: left, ..cooldown.clone() })
        };
        all.iter().filter_map(still).collect()
    }

    /// A rejected edit waits from the first time it is observed, so that a restart does not repeat all of them.
    fn record_edit(&mut self, observed: &Observed, now: Duration) {
        let uid = &observed.object.uid;
        if !StatusView::of(&observed.object).edit_rejected {
            self.edits.remove(uid);
            return;
        }
        let fingerprint = Fingerprint::of(observed);
        let waits = self.edits.get(uid).is_some_and(|(former, until)| *former == fingerprint && *until > now);
        let is_due = observed.edit_retry_after == Some(Duration::ZERO);
        if !(waits || is_due && self.edits.contains_key(uid)) {
            self.edits.insert(uid.clone(), (fingerprint, now + COOLDOWN));
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
        let (fingerprint, until) = self.edits.get(&observed.object.uid)?;
        Some(if *fingerprint == Fingerprint::of(observed) { until.saturating_sub(now) } else { Duration::ZERO })
    }

    /// Forgets a deleted object.
    pub fn forget(&mut self, uid: &str) {
        self.cooldowns.remove(uid);
        self.edits.remove(uid);
    }
}

#[cfg(test)]
#[path = "cooldown_tests.rs"]
mod tests;
