//! What this process remembers of objects between passes. All of it may be lost: a restart only
//! waits or asks once more.

use crate::domain::marker::Attempt;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a cache may lag behind an answer of the API server before it is asked again.
const LAG: Duration = Duration::from_secs(5);

/// The versions that the API server gave us in answer to our last writes.
#[derive(Clone, Debug)]
struct Written {
    object: u64,
    secret: Option<u64>,
    at: Instant,
}

/// Between passes.
#[derive(Default)]
pub struct Memory {
    written: Mutex<HashMap<String, Written>>,
    failures: Mutex<HashMap<String, u32>>,
    reservations: Mutex<HashMap<String, (String, Instant)>>,
    unsent: Mutex<HashMap<String, Attempt>>,
}

impl Memory {
    /// Notes our own writes, so that older cache contents are not acted on.
    pub fn wrote(&self, uid: &str, object: Option<&str>, secret: Option<&str>) {
        let Some(object) = object.and_then(number) else { return };
        let written = Written { object, secret: secret.and_then(number), at: Instant::now() };
        lock(&self.written).insert(uid.to_owned(), written);
    }

    /// Whether the caches lag behind our own writes. The event that brings them up starts the
    /// next pass.
    pub fn caches_lag(&self, uid: &str, object: Option<&str>, secret: Option<&str>) -> bool {
        let mut all = lock(&self.written);
        let Some(written) = all.get(uid) else { return false };
        let behind = |cached: Option<&str>, own: u64| cached.and_then(number).is_none_or(|version| version < own);
        let lags = behind(object, written.object) || written.secret.is_some_and(|own| behind(secret, own));
        if lags && written.at.elapsed() < LAG {
            return true;
        }
        all.remove(uid);
        false
    }

    /// Counts a failure; returns how many there were in a row.
    pub fn failed(&self, uid: &str) -> u32 {
        let mut all = lock(&self.failures);
        let count = all.entry(uid.to_owned()).or_default();
        *count = count.saturating_add(1);
        *count
    }

    /// A success ends the row.
    pub fn succeeded(&self, uid: &str) {
        lock(&self.failures).remove(uid);
    }

    /// For how long we have seen this reservation in the object's Secret.
    pub fn reservation_seen(&self, uid: &str, reservation: Option<&str>) -> Duration {
        let mut all = lock(&self.reservations);
        let Some(reservation) = reservation else {
            all.remove(uid);
            return Duration::ZERO;
        };
        match all.get(uid) {
            Some((known, since)) if known == reservation => since.elapsed(),
            _ => {
                all.insert(uid.to_owned(), (reservation.to_owned(), Instant::now()));
                Duration::ZERO
            }
        }
    }

    /// Notes an attempt of which nothing was sent, or that the portal refused: its reservation may
    /// go without the portal being searched.
    pub fn made_nothing(&self, uid: &str, attempt: &Attempt) {
        lock(&self.unsent).insert(uid.to_owned(), attempt.clone());
    }

    /// Whether this attempt is known to have made nothing.
    pub fn has_made_nothing(&self, uid: &str, attempt: &Attempt) -> bool {
        lock(&self.unsent).get(uid) == Some(attempt)
    }

    /// The object is gone.
    pub fn forget(&self, uid: &str) {
        lock(&self.written).remove(uid);
        lock(&self.failures).remove(uid);
        lock(&self.reservations).remove(uid);
        lock(&self.unsent).remove(uid);
    }
}

/// A version as a number: comparable since Kubernetes 1.35 says so, and in etcd always.
fn number(version: &str) -> Option<u64> {
    version.parse().ok()
}

fn lock<K: Eq + Hash, V>(map: &Mutex<HashMap<K, V>>) -> MutexGuard<'_, HashMap<K, V>> {
    map.lock().unwrap_or_else(PoisonError::into_inner)
}
