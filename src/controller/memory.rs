//! What this process remembers of objects between passes. All of it may be lost: a restart only
//! waits or asks once more.

use super::prune::reconcile;
use crate::domain::effect::Named;
use crate::domain::object::Object;
use crate::domain::observed::{Observed, Recheck};
use crate::domain::request_backoff::{RequestHistories, RequestHistory};
use crate::domain::sightings::Sightings;
use crate::domain::vain::{Patience, Vain};
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a cache may lag behind an answer of the API server before it is asked again.
const LAG: Duration = Duration::from_secs(5);

/// How many revocations of one object's tokens are remembered.
const REVOKED_KEPT: usize = 8;

/// The versions that the API server gave us in answer to our last writes.
#[derive(Clone, Debug)]
struct Written {
    object: u64,
    secret: Option<u64>,
    at: Instant,
}

/// Between passes.
pub struct Memory {
    begun: Instant,
    written: Mutex<HashMap<String, Written>>,
    failures: Mutex<HashMap<String, u32>>,
    reservations: Mutex<Sightings>,
    touched: Mutex<HashMap<String, Timestamp>>,
    looked: Mutex<HashMap<String, Option<String>>>,
    revoked: Mutex<HashMap<String, Vec<Named>>>,
    recheck: Mutex<HashMap<String, Recheck>>,
    vain: Mutex<Patience>,
    requests: Mutex<RequestHistories>,
    kept: Mutex<HashMap<String, (i64, u64)>>,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            begun: Instant::now(),
            written: Mutex::default(),
            failures: Mutex::default(),
            reservations: Mutex::default(),
            touched: Mutex::default(),
            looked: Mutex::default(),
            revoked: Mutex::default(),
            recheck: Mutex::default(),
            vain: Mutex::default(),
            requests: Mutex::default(),
            kept: Mutex::default(),
        }
    }
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
        let now = self.begun.elapsed();
        lock(&self.reservations).seen_for(uid, reservation, now)
    }

    /// Notes that this object's token was asked for or edited at the portal now.
    pub fn touched(&self, uid: &str, now: Timestamp) {
        lock(&self.touched).insert(uid.to_owned(), now);
        // What the portal made of it is seen by the next list.
        lock(&self.kept).remove(uid);
    }

    /// Whether that was so after this time. What was noted while the clock ran ahead counts as now.
    pub fn touched_since(&self, uid: &str, time: Timestamp, now: Timestamp) -> bool {
        lock(&self.touched).get_mut(uid).is_some_and(|touched| {
            *touched = now.min(*touched);
            *touched >= time
        })
    }

    /// The digest of what the portal made of the description of this generation: the first that is seen.
    pub fn kept(&self, uid: &str, generation: i64, shown: u64) -> u64 {
        let mut all = lock(&self.kept);
        match all.get(uid) {
            Some((known, kept)) if *known == generation => *kept,
            _ => {
                all.insert(uid.to_owned(), (generation, shown));
                shown
            }
        }
    }

    /// The recent token requests of an object.
    pub fn requests(&self, object: &Object, now: Timestamp) -> RequestHistory {
        lock(&self.requests).of(object, now)
    }

    /// Notes that the portal confirmed the revocation of a token of this object.
    pub fn note_revoked(&self, uid: &str, token: Named) {
        let mut all = lock(&self.revoked);
        let tokens = all.entry(uid.to_owned()).or_default();
        // Status names no more than two at rest; what is older is gone from it.
        if tokens.len() >= REVOKED_KEPT {
            tokens.remove(0);
        }
        tokens.push(token);
    }

    /// The tokens of this object whose revocation the portal confirmed.
    pub fn revoked(&self, uid: &str) -> Vec<Named> {
        lock(&self.revoked).get(uid).cloned().unwrap_or_default()
    }

    /// Notes what a pass that ended has tried in vain, and which tokens it requested.
    pub fn tried(&self, seen: &Observed) {
        lock(&self.requests).note(seen);
        if seen.recheck == Recheck::No {
            lock(&self.recheck).remove(&seen.object.uid);
        } else {
            lock(&self.recheck).insert(seen.object.uid.clone(), seen.recheck);
        }
        lock(&self.vain).note(seen, self.begun.elapsed());
    }

    /// Whether portal and registry are to be looked at; asked for now, or not done yet.
    pub fn recheck(&self, uid: &str, asked: bool) -> Recheck {
        if asked {
            lock(&self.recheck).insert(uid.to_owned(), Recheck::Asked);
        }
        lock(&self.recheck).get(uid).copied().unwrap_or_default()
    }

    /// What is not to be tried again yet.
    pub fn in_vain(&self, seen: &Observed) -> Vec<Vain> {
        lock(&self.vain).left(seen, self.begun.elapsed())
    }

    /// How long until an edit that the portal rejected is tried again.
    pub fn edit_retry(&self, seen: &Observed) -> Option<Duration> {
        lock(&self.vain).edit_retry(seen, self.begun.elapsed())
    }

    /// Whether the annotation that asks for a closer look has another value than when this process
    /// took note of it last. One that was there at the first look asks for nothing.
    pub fn asks_to_look(&self, uid: &str, annotations: &BTreeMap<String, String>) -> bool {
        let value = reconcile(annotations);
        value.is_some() && lock(&self.looked).get(uid).is_some_and(|former| *former != value)
    }

    /// Takes note of that annotation: what it asks for is done.
    pub fn looked(&self, uid: &str, annotations: &BTreeMap<String, String>) {
        lock(&self.looked).insert(uid.to_owned(), reconcile(annotations));
    }

    /// Both at once.
    pub fn look_closer(&self, uid: &str, annotations: &BTreeMap<String, String>) -> bool {
        let asked = self.asks_to_look(uid, annotations);
        self.looked(uid, annotations);
        asked
    }

    /// The object is gone.
    pub fn forget(&self, uid: &str) {
        lock(&self.written).remove(uid);
        lock(&self.failures).remove(uid);
        lock(&self.reservations).forget(uid);
        lock(&self.touched).remove(uid);
        lock(&self.looked).remove(uid);
        lock(&self.revoked).remove(uid);
        lock(&self.recheck).remove(uid);
        lock(&self.vain).forget(uid);
        lock(&self.requests).forget(uid);
        lock(&self.kept).remove(uid);
    }
}

/// A version as a number: comparable since Kubernetes 1.35 says so, and in etcd always.
fn number(version: &str) -> Option<u64> {
    version.parse().ok()
}

fn lock<T>(held: &Mutex<T>) -> MutexGuard<'_, T> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}
