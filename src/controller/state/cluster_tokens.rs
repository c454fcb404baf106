//! What all passes over `ClusterRegistryToken`s share.

use super::namespace_cache::CachedNamespace;
use crate::api::ClusterRegistryToken;
use crate::domain::cluster_token::memory::Memory;
use crate::domain::model::problem::Problem;
use jiff::Timestamp;
use kube::Resource;
use kube::runtime::reflector::{ObjectRef, Store};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedSender;

/// How long the cache may lag behind a write before it is written again.
const EXPECTATION_TIMEOUT: Duration = Duration::from_secs(5);

/// Identifies a `ClusterRegistryToken`.
pub type ClusterTokenKey = ObjectRef<ClusterRegistryToken>;

/// The caches and what the process remembers.
pub struct ClusterTokens {
    pub objects: Store<ClusterRegistryToken>,
    pub namespaces: Store<CachedNamespace>,
    requeue: UnboundedSender<ClusterTokenKey>,
    /// By UID. Locked for a moment only.
    states: Mutex<HashMap<String, State>>,
}

/// What is remembered of one object.
#[derive(Default)]
pub struct State {
    pub memory: Memory,
    /// The namespaces in which a write is in progress, or whose cache lags behind a write.
    writes: BTreeMap<String, RunningWrite>,
    pub last_pass: Option<Instant>,
    pub last_status_write: Option<Instant>,
    pub failures: u32,
}

struct RunningWrite {
    /// The version of the `RegistryToken` in the cache when the write began.
    before: Option<u64>,
    /// When it ended; `None` while it is in progress.
    ended: Option<Instant>,
}

impl ClusterTokens {
    pub fn new(
        objects: Store<ClusterRegistryToken>,
        namespaces: Store<CachedNamespace>,
        requeue: UnboundedSender<ClusterTokenKey>,
    ) -> Self {
        Self { objects, namespaces, requeue, states: Mutex::default() }
    }

    /// Starts a pass of each object whose `RegistryToken`s have this name.
    pub fn token_changed(&self, name: &str) {
        for object in self.objects.state() {
            if object.token_name() == name {
                let _ = self.requeue.send(ObjectRef::from_obj(&*object));
            }
        }
    }

    /// Starts a pass of this object.
    pub fn requeue(&self, name: &str) {
        let _ = self.requeue.send(ObjectRef::new(name));
    }

    /// Starts a pass of each object.
    pub fn requeue_all(&self) {
        for object in self.objects.state() {
            let _ = self.requeue.send(ObjectRef::from_obj(&*object));
        }
    }

    /// Calls this with what is remembered of an object.
    pub fn with<T>(&self, uid: &str, call: impl FnOnce(&mut State) -> T) -> T {
        call(self.lock().entry(uid.to_owned()).or_default())
    }

    /// Forgets objects that do not exist any more.
    pub fn forget_deleted(&self) {
        let mut states = self.lock();
        if !states.is_empty() {
            let known: Vec<String> =
                self.objects.state().iter().filter_map(|object| object.meta().uid.clone()).collect();
            states.retain(|uid, _| known.contains(uid));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, State>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The number of writes in progress.
    pub fn running(&self) -> usize {
        self.writes.values().filter(|write| write.ended.is_none()).count()
    }

    /// Forgets writes that the cache shows, or that are too long ago. `version` is the cached version of a namespace's
    /// `RegistryToken`.
    pub fn settle_writes(&mut self, version: impl Fn(&str) -> Option<u64>) {
        self.writes.retain(|namespace, write| match write.ended {
            None => true,
            Some(ended) => version(namespace) == write.before && ended.elapsed() < EXPECTATION_TIMEOUT,
        });
    }

    /// Whether nothing may be written in this namespace now.
    pub fn is_busy(&self, namespace: &str) -> bool {
        self.writes.contains_key(namespace)
    }

    /// Whether a write is in progress, or the cache lags behind one.
    pub fn has_unsettled_writes(&self) -> bool {
        !self.writes.is_empty()
    }

    pub fn start_write(&mut self, namespace: &str, before: Option<u64>) {
        self.writes.insert(namespace.to_owned(), RunningWrite { before, ended: None });
    }

    /// Records how a write ended. `fingerprint` identifies it if it failed.
    pub fn end_write(&mut self, namespace: &str, fingerprint: u64, failed: Option<(Problem, Timestamp)>) {
        match failed {
            None => {
                self.memory.record_success(namespace);
                if let Some(write) = self.writes.get_mut(namespace) {
                    write.ended = Some(Instant::now());
                }
            }
            Some((problem, retry_at)) => {
                self.memory.record_failure(namespace, fingerprint, problem, retry_at);
                self.writes.remove(namespace);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_is_busy_until_the_cache_shows_the_write() {
        let mut state = State::default();
        state.start_write("a", None);
        state.settle_writes(|_| Some(1));
        assert!(state.is_busy("a") && state.running() == 1, "it is in progress");
        state.end_write("a", 0, None);
        state.settle_writes(|_| None);
        assert!(state.is_busy("a") && state.running() == 0, "the cache lags behind");
        state.settle_writes(|_| Some(1));
        assert!(!state.has_unsettled_writes());
    }
}
