//! What this process remembers of objects between passes. All of it may be lost: after a restart the operator only
//! waits or requests once more.

use crate::controller::decode::prune::resync_annotation;
use crate::domain::model::object::Object;
use crate::domain::model::token::TokenRef;
use crate::domain::observed::{Observed, Recheck};
use crate::domain::retry::cooldown::{Cooldown, Cooldowns};
use crate::domain::retry::request_backoff::{RequestHistories, RequestHistory};
use crate::domain::retry::reservation_age::ReservationAges;
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a cache may lag behind a write before the API server is read instead.
const EXPECTATION_TIMEOUT: Duration = Duration::from_secs(5);

/// Maximum number of revocations that are remembered per object.
const MAX_REVOKED: usize = 8;

/// The resource versions of our last writes.
#[derive(Clone, Debug)]
struct ExpectedVersions {
    object: u64,
    secret: Option<u64>,
    at: Instant,
}

/// What is remembered between passes.
pub struct ProcessState {
    started: Instant,
    expectations: Mutex<HashMap<String, ExpectedVersions>>,
    failures: Mutex<HashMap<String, u32>>,
    reservations: Mutex<ReservationAges>,
    modified: Mutex<HashMap<String, Timestamp>>,
    handled_resync: Mutex<HashMap<String, Option<String>>>,
    revoked: Mutex<HashMap<String, Vec<TokenRef>>>,
    recheck: Mutex<HashMap<String, Recheck>>,
    cooldowns: Mutex<Cooldowns>,
    requests: Mutex<RequestHistories>,
    normalized_descriptions: Mutex<HashMap<String, (i64, u64)>>,
}

impl Default for ProcessState {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            expectations: Mutex::default(),
            failures: Mutex::default(),
            reservations: Mutex::default(),
            modified: Mutex::default(),
            handled_resync: Mutex::default(),
            revoked: Mutex::default(),
            recheck: Mutex::default(),
            cooldowns: Mutex::default(),
            requests: Mutex::default(),
            normalized_descriptions: Mutex::default(),
        }
    }
}

impl ProcessState {
    /// Records the versions of our own writes, so that no pass acts on older cache contents.
    pub fn expect_version(&self, uid: &str, object: Option<&str>, secret: Option<&str>) {
        let Some(object) = object.and_then(parse_version) else { return };
        let written = ExpectedVersions { object, secret: secret.and_then(parse_version), at: Instant::now() };
        lock(&self.expectations).insert(uid.to_owned(), written);
    }

    /// Whether the caches lag behind our own writes. The event that updates them starts the next pass.
    pub fn cache_is_stale(&self, uid: &str, object: Option<&str>, secret: Option<&str>) -> bool {
        let mut all = lock(&self.expectations);
        let Some(written) = all.get(uid) else { return false };
        let behind =
            |cached: Option<&str>, own: u64| cached.and_then(parse_version).is_none_or(|version| version < own);
        let lags = behind(object, written.object) || written.secret.is_some_and(|own| behind(secret, own));
        if lags && written.at.elapsed() < EXPECTATION_TIMEOUT {
            return true;
        }
        all.remove(uid);
        false
    }

    /// Counts a failure; returns the number of consecutive failures.
    pub fn record_failure(&self, uid: &str) -> u32 {
        let mut all = lock(&self.failures);
        let count = all.entry(uid.to_owned()).or_default();
        *count = count.saturating_add(1);
        *count
    }

    /// A success resets the count.
    pub fn reset_failures(&self, uid: &str) {
        lock(&self.failures).remove(uid);
    }

    /// For how long this process has seen this reservation in the object's Secret.
    pub fn reservation_age(&self, uid: &str, reservation: Option<&str>) -> Duration {
        let now = self.started.elapsed();
        lock(&self.reservations).age(uid, reservation, now)
    }

    /// Records that this object's token was requested or edited at the portal now.
    pub fn mark_modified(&self, uid: &str, now: Timestamp) {
        lock(&self.modified).insert(uid.to_owned(), now);
        // The next list shows how the portal normalized the new description.
        lock(&self.normalized_descriptions).remove(uid);
    }

    /// Whether the token was modified since this time. A time in the future, from before the clock was corrected,
    /// counts as now.
    pub fn modified_since(&self, uid: &str, time: Timestamp, now: Timestamp) -> bool {
        lock(&self.modified).get_mut(uid).is_some_and(|modified_at| {
            *modified_at = now.min(*modified_at);
            *modified_at >= time
        })
    }

    /// The hash of the normalized description of this generation: the first one that a list showed.
    pub fn normalized_description(&self, uid: &str, generation: i64, shown: u64) -> u64 {
        let mut all = lock(&self.normalized_descriptions);
        match all.get(uid) {
            Some((known, kept)) if *known == generation => *kept,
            _ => {
                all.insert(uid.to_owned(), (generation, shown));
                shown
            }
        }
    }

    pub fn requests(&self, object: &Object, now: Timestamp) -> RequestHistory {
        lock(&self.requests).of(object, now)
    }

    /// Records that the portal confirmed the revocation of a token of this object.
    pub fn record_revoked(&self, uid: &str, token: TokenRef) {
        let mut all = lock(&self.revoked);
        let tokens = all.entry(uid.to_owned()).or_default();
        // At rest, the status names at most two; older ones were removed from it.
        if tokens.len() >= MAX_REVOKED {
            tokens.remove(0);
        }
        tokens.push(token);
    }

    /// The tokens of this object whose revocation the portal confirmed.
    pub fn revoked(&self, uid: &str) -> Vec<TokenRef> {
        lock(&self.revoked).get(uid).cloned().unwrap_or_default()
    }

    /// Records the rejected operations and the token requests of a completed pass.
    pub fn record_pass(&self, observed: &Observed) {
        lock(&self.requests).record(observed);
        if observed.recheck == Recheck::NotRequested {
            lock(&self.recheck).remove(&observed.object.uid);
        } else {
            lock(&self.recheck).insert(observed.object.uid.clone(), observed.recheck);
        }
        lock(&self.cooldowns).record(observed, self.started.elapsed());
    }

    /// Whether portal and registry have to be checked again: requested now, or requested before and not done yet.
    pub fn recheck(&self, uid: &str, requested: bool) -> Recheck {
        if requested {
            lock(&self.recheck).insert(uid.to_owned(), Recheck::Requested);
        }
        lock(&self.recheck).get(uid).copied().unwrap_or_default()
    }

    /// The operations that must not be repeated yet.
    pub fn cooldowns(&self, observed: &Observed) -> Vec<Cooldown> {
        lock(&self.cooldowns).active(observed, self.started.elapsed())
    }

    /// How long until an edit that the portal rejected is retried.
    pub fn edit_retry(&self, observed: &Observed) -> Option<Duration> {
        lock(&self.cooldowns).edit_retry_after(observed, self.started.elapsed())
    }

    /// Whether the resync annotation differs from the value that this process handled last. A value that was present
    /// when the process started triggers nothing.
    pub fn has_resync_request(&self, uid: &str, annotations: &BTreeMap<String, String>) -> bool {
        let value = resync_annotation(annotations);
        value.is_some() && lock(&self.handled_resync).get(uid).is_some_and(|former| *former != value)
    }

    /// Records that the current value of that annotation is handled.
    pub fn ack_resync(&self, uid: &str, annotations: &BTreeMap<String, String>) {
        lock(&self.handled_resync).insert(uid.to_owned(), resync_annotation(annotations));
    }

    /// Whether a resync is requested; handles the request.
    pub fn resync_requested(&self, uid: &str, annotations: &BTreeMap<String, String>) -> bool {
        let requested = self.has_resync_request(uid, annotations);
        self.ack_resync(uid, annotations);
        requested
    }

    /// Forgets a deleted object.
    pub fn forget(&self, uid: &str) {
        lock(&self.expectations).remove(uid);
        lock(&self.failures).remove(uid);
        lock(&self.reservations).forget(uid);
        lock(&self.modified).remove(uid);
        lock(&self.handled_resync).remove(uid);
        lock(&self.revoked).remove(uid);
        lock(&self.recheck).remove(uid);
        lock(&self.cooldowns).forget(uid);
        lock(&self.requests).forget(uid);
        lock(&self.normalized_descriptions).remove(uid);
    }
}

/// A resource version as a number. Kubernetes guarantees since 1.35 that they can be compared; with etcd they always
/// could.
fn parse_version(version: &str) -> Option<u64> {
    version.parse().ok()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
