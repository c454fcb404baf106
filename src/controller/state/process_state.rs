//! What this process remembers of objects between passes. All of it may be lost: after a restart the operator only
//! waits or requests once more.

use super::recent_changes::RecentChanges;
use super::shrink::shrink;
use crate::controller::annotations::resync_annotation;
use crate::domain::model::cooldown::Cooldown;
use crate::domain::model::namespace_access::NamespaceAccess;
use crate::domain::model::object::Object;
use crate::domain::model::request_history::RequestHistory;
use crate::domain::model::token::TokenRef;
use crate::domain::observed::{Observed, Recheck};
use crate::domain::retry::cooldown::Cooldowns;
use crate::domain::retry::reservation_age::ReservationAge;
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a cache may lag behind a write before the API server is read instead.
const EXPECTATION_TIMEOUT: Duration = Duration::from_secs(5);

/// Maximum number of revocations that are remembered per object.
const MAX_REVOKED: usize = 8;

/// The resource versions of our last writes.
#[derive(PartialEq)]
struct ExpectedVersions {
    object: u64,
    secret: Option<u64>,
    at: Instant,
}

/// What is remembered of one object. Nothing is remembered of most objects at rest.
#[derive(Default, PartialEq)]
struct ObjectState {
    expected: Option<ExpectedVersions>,
    /// The number of consecutive failures.
    failures: u32,
    reservation: ReservationAge,
    handled_resync: Option<ResyncValue>,
    /// The tokens whose revocation the portal confirmed.
    revoked: Vec<TokenRef>,
    recheck: Recheck,
    cooldowns: Cooldowns,
    /// Since when its namespace is not allowed. The time in status may be changed by others.
    not_allowed_since: Option<Timestamp>,
    /// The generation and the hash of the description.
    normalized_description: Option<(i64, u64)>,
}

/// The value of the resync annotation; `None` if there is none.
#[derive(PartialEq)]
struct ResyncValue(Option<String>);

/// What is remembered between passes, by the object's UID. Locked for a moment only, never while another lock is taken.
pub struct ProcessState {
    started: Instant,
    objects: Mutex<HashMap<String, Box<ObjectState>>>,
    recent: RecentChanges,
}

impl Default for ProcessState {
    fn default() -> Self {
        Self { started: Instant::now(), objects: Mutex::default(), recent: RecentChanges::default() }
    }
}

impl ProcessState {
    fn objects(&self) -> MutexGuard<'_, HashMap<String, Box<ObjectState>>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is remembered of an object; nothing is before the first change.
    fn change<T>(&self, uid: &str, change: impl FnOnce(&mut ObjectState) -> T) -> T {
        let mut objects = self.objects();
        if let Some(state) = objects.get_mut(uid) {
            return change(state);
        }
        change(objects.entry(uid.to_owned()).or_default())
    }

    /// Reads what is remembered of an object, if anything is.
    fn read<T>(&self, uid: &str, read: impl FnOnce(&ObjectState) -> T) -> Option<T> {
        self.objects().get(uid).map(|state| read(state))
    }

    /// Records the versions of our own writes, so that no pass acts on older cache contents.
    pub fn expect_version(&self, uid: &str, object: Option<&str>, secret: Option<&str>) {
        let Some(object) = object.and_then(parse_version) else { return };
        let written = ExpectedVersions { object, secret: secret.and_then(parse_version), at: Instant::now() };
        self.change(uid, |state| state.expected = Some(written));
    }

    /// Whether the caches lag behind our own writes. The event that updates them starts the next pass.
    pub fn cache_is_stale(&self, uid: &str, object: Option<&str>, secret: Option<&str>) -> bool {
        let mut objects = self.objects();
        let Some(state) = objects.get_mut(uid) else { return false };
        let Some(written) = &state.expected else { return false };
        let behind =
            |cached: Option<&str>, own: u64| cached.and_then(parse_version).is_none_or(|version| version < own);
        let lags = behind(object, written.object) || written.secret.is_some_and(|own| behind(secret, own));
        if lags && written.at.elapsed() < EXPECTATION_TIMEOUT {
            return true;
        }
        state.expected = None;
        false
    }

    /// Counts a failure; returns the number of consecutive failures.
    pub fn record_failure(&self, uid: &str) -> u32 {
        self.change(uid, |state| {
            state.failures = state.failures.saturating_add(1);
            state.failures
        })
    }

    /// A success resets the count.
    pub fn reset_failures(&self, uid: &str) {
        if let Some(state) = self.objects().get_mut(uid) {
            state.failures = 0;
        }
    }

    /// For how long this process has observed this reservation in the object's Secret. An object whose Secret shows
    /// none gets no entry.
    pub fn reservation_age(&self, uid: &str, reservation: Option<&str>) -> Duration {
        if reservation.is_none() && !self.objects().contains_key(uid) {
            return Duration::ZERO;
        }
        let now = self.started.elapsed();
        self.change(uid, |state| state.reservation.observe(reservation, now))
    }

    /// Records that this object's token was requested or edited at the portal now.
    pub fn mark_modified(&self, uid: &str, now: Timestamp) {
        self.recent.mark_modified(uid, now);
        // The next list shows how the portal normalized the new description.
        if let Some(state) = self.objects().get_mut(uid) {
            state.normalized_description = None;
        }
    }

    /// Whether the token was modified since this time.
    pub fn modified_since(&self, uid: &str, time: Timestamp, now: Timestamp) -> bool {
        self.recent.modified_since(uid, time, now)
    }

    /// The hash of the normalized description of this generation: the first one that a list showed.
    pub fn normalized_description(&self, uid: &str, generation: i64, shown: u64) -> u64 {
        self.change(uid, |state| match state.normalized_description {
            Some((known, kept)) if known == generation => kept,
            _ => {
                state.normalized_description = Some((generation, shown));
                shown
            }
        })
    }

    /// Whether the namespace of this object is allowed, and since when it is not. `access` has the grace period if it is
    /// not allowed, and is `None` if that is unknown.
    pub fn namespace_access(&self, uid: &str, access: Option<Result<(), Duration>>, now: Timestamp) -> NamespaceAccess {
        match access {
            None => NamespaceAccess::Unknown,
            Some(Ok(())) => {
                if let Some(state) = self.objects().get_mut(uid) {
                    state.not_allowed_since = None;
                }
                NamespaceAccess::Allowed
            }
            Some(Err(grace)) => {
                let noticed = self.change(uid, |state| {
                    // A time in the future is from before the clock was corrected.
                    let noticed = state.not_allowed_since.map_or(now, |known| known.min(now));
                    *state.not_allowed_since.insert(noticed)
                });
                NamespaceAccess::NotAllowed { noticed, grace }
            }
        }
    }

    pub fn requests(&self, object: &Object, now: Timestamp) -> RequestHistory {
        self.recent.requests(object, now)
    }

    /// Records that the portal confirmed the revocation of a token of this object.
    pub fn record_revoked(&self, uid: &str, token: TokenRef) {
        self.change(uid, |state| {
            // At rest, the status names at most two; older ones were removed from it.
            if state.revoked.len() >= MAX_REVOKED {
                state.revoked.remove(0);
            }
            state.revoked.push(token);
        });
    }

    /// The tokens of this object whose revocation the portal confirmed.
    pub fn revoked(&self, uid: &str) -> Vec<TokenRef> {
        self.read(uid, |state| state.revoked.clone()).unwrap_or_default()
    }

    /// Records the rejected operations and the token requests of a completed pass.
    pub fn record_pass(&self, observed: &Observed) {
        let now = self.started.elapsed();
        self.recent.record_requests(observed);
        self.change(&observed.object.uid, |state| {
            state.recheck = observed.recheck;
            state.cooldowns.record(observed, now);
        });
    }

    /// Forgets what no longer matters after an audit that started at this time: most objects then take no memory here.
    pub fn settle(&self, uid: &str, audited: Timestamp, now: Timestamp) {
        self.recent.settle(uid, audited, now);
        self.prune(uid);
    }

    /// Forgets an object of which nothing has to be remembered.
    pub fn prune(&self, uid: &str) {
        remove_if_default(&mut self.objects(), uid);
    }

    /// Whether portal and registry have to be checked again: requested now, or requested before and not done yet.
    pub fn recheck(&self, uid: &str, requested: bool) -> Recheck {
        if requested {
            self.change(uid, |state| state.recheck = Recheck::Requested);
        }
        self.read(uid, |state| state.recheck).unwrap_or_default()
    }

    /// The operations that must not be repeated yet.
    pub fn cooldowns(&self, observed: &Observed) -> Vec<Cooldown> {
        let now = self.started.elapsed();
        self.read(&observed.object.uid, |state| state.cooldowns.active(observed, now)).unwrap_or_default()
    }

    /// How long until an edit that the portal rejected is retried.
    pub fn edit_retry(&self, observed: &Observed) -> Option<Duration> {
        let now = self.started.elapsed();
        let known = self.read(&observed.object.uid, |state| state.cooldowns.edit_retry_after(observed, now));
        known.unwrap_or_else(|| Cooldowns::default().edit_retry_after(observed, now))
    }

    /// Whether the resync annotation differs from the value that this process handled last. A value that was present
    /// when the process started triggers nothing.
    pub fn has_resync_request(&self, uid: &str, annotations: &BTreeMap<String, String>) -> bool {
        let value = ResyncValue(resync_annotation(annotations));
        let differs = |state: &ObjectState| state.handled_resync.as_ref().is_some_and(|former| *former != value);
        value.0.is_some() && self.read(uid, differs).unwrap_or_default()
    }

    /// Records that the current value of that annotation is handled.
    pub fn ack_resync(&self, uid: &str, annotations: &BTreeMap<String, String>) {
        self.change(uid, |state| state.handled_resync = Some(ResyncValue(resync_annotation(annotations))));
    }

    /// Whether a resync of an object is requested; handles the request. Unlike for an issuer, an object without the
    /// annotation is not remembered. A new object, which has no status yet, is reconciled anyway.
    pub fn resync_requested(&self, uid: &str, annotations: &BTreeMap<String, String>, is_new: bool) -> bool {
        let wanted = resync_annotation(annotations);
        let handled = self.read(uid, |state| state.handled_resync.as_ref().and_then(|value| value.0.clone())).flatten();
        if wanted == handled {
            return false;
        }
        let requested = wanted.is_some() && !(handled.is_none() && is_new);
        self.change(uid, |state| state.handled_resync = wanted.map(|value| ResyncValue(Some(value))));
        requested
    }

    /// Forgets a deleted object.
    pub fn forget(&self, uid: &str) {
        self.objects().remove(uid);
        self.recent.forget(uid);
    }
}

fn remove_if_default(objects: &mut HashMap<String, Box<ObjectState>>, uid: &str) {
    if objects.get(uid).is_some_and(|state| **state == ObjectState::default()) {
        objects.remove(uid);
        shrink(objects);
    }
}

/// A resource version as a number. Kubernetes guarantees since 1.35 that they can be compared; with etcd they always
/// could.
fn parse_version(version: &str) -> Option<u64> {
    version.parse().ok()
}

#[cfg(test)]
#[path = "process_state_tests.rs"]
mod tests;
