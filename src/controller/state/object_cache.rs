//! The cache of a kind, and whether it is synced. A kind that the API server does not serve, or that the operator may
//! not list, does not affect the others.

use super::secret_cache::CachedSecret;
use super::token_cache::CachedToken;
use crate::api::{ClusterTokenIssuer, IssuerKind, TokenIssuer};
use crate::controller::issuer_object::IssuerKey;
use crate::controller::watch::namespaces::{KindWatches, WatchPart};
use crate::health::watch_health::Phase;
use futures::FutureExt;
use futures::future::join_all;
use kube::runtime::reflector::{self, Lookup, ObjectRef, Store};
use std::collections::BTreeMap;
use std::hash::Hash;
use std::sync::Arc;
use tokio::sync::watch::Receiver;

/// The cache of a kind.
pub struct ObjectCache<K>
where
    K: Lookup + Clone + 'static,
    K::DynamicType: Eq + Hash + Clone,
{
    store: Store<K>,
    sync: SyncState,
}

/// What is known of the watches that fill a cache.
enum SyncState {
    /// One watch of all namespaces.
    Cluster(Receiver<Phase>),
    /// A watch per namespace.
    Namespaces(BTreeMap<String, NamespaceSync>),
    /// Nothing: the kind is not served, and the cache stays empty.
    NotWatched,
}

struct NamespaceSync {
    phase: Receiver<Phase>,
    listed: Receiver<bool>,
}

impl NamespaceSync {
    fn has_synced(&self) -> bool {
        *self.listed.borrow() || *self.phase.borrow() == Phase::Missing
    }

    /// Completes when the namespace is listed, or cannot be for now.
    async fn wait_for_sync(&self) {
        let (mut listed, mut phase) = (self.listed.clone(), self.phase.clone());
        let denied = phase.wait_for(|phase| matches!(phase, Phase::Missing | Phase::Forbidden));
        tokio::select! {
            _ = listed.wait_for(|listed| *listed) => {}
            _ = denied => {}
        }
    }
}

impl<K> ObjectCache<K>
where
    K: Lookup<DynamicType = ()> + Clone + 'static,
{
    /// The content of this store is complete once the watches have listed the kind.
    pub fn new(store: Store<K>, watches: &KindWatches) -> Self {
        let sync = |part: &WatchPart| {
            let sync = NamespaceSync { phase: part.health.phase(), listed: part.listed.subscribe() };
            part.namespace.as_ref().map(|namespace| (namespace.to_string(), sync))
        };
        let sync = match watches.parts() {
            [WatchPart { namespace: None, health, .. }] => SyncState::Cluster(health.phase()),
            parts => SyncState::Namespaces(parts.iter().filter_map(sync).collect()),
        };
        Self { store, sync }
    }

    /// The cache of a kind that is not served.
    pub fn not_watched() -> Self {
        Self { store: reflector::store().0, sync: SyncState::NotWatched }
    }

    /// Completes when the cache is synced, or when the kind cannot be listed for now.
    pub async fn wait_for_sync(&self) {
        match &self.sync {
            SyncState::Cluster(phase) => {
                let mut phase = phase.clone();
                let denied = phase.wait_for(|phase| matches!(phase, Phase::Missing | Phase::Forbidden));
                tokio::select! {
                    _ = self.store.wait_until_ready() => {}
                    _ = denied => {}
                }
            }
            SyncState::Namespaces(all) => {
                join_all(all.values().map(NamespaceSync::wait_for_sync)).await;
            }
            SyncState::NotWatched => {}
        }
    }

    /// Whether the cache is complete in this namespace, or in all for an object of the cluster.
    pub fn has_synced_in(&self, namespace: &str) -> bool {
        match &self.sync {
            SyncState::Cluster(phase) => {
                let filled = self.store.wait_until_ready().now_or_never().is_some_and(|ready| ready.is_ok());
                filled || *phase.borrow() == Phase::Missing
            }
            SyncState::Namespaces(all) => all.get(namespace).is_some_and(NamespaceSync::has_synced),
            SyncState::NotWatched => true,
        }
    }

    /// Whether the objects of this namespace have been listed since this process started.
    pub fn is_listed_in(&self, namespace: &str) -> bool {
        match &self.sync {
            SyncState::Cluster(_) => self.store.wait_until_ready().now_or_never().is_some_and(|ready| ready.is_ok()),
            SyncState::Namespaces(all) => all.get(namespace).is_some_and(|sync| *sync.listed.borrow()),
            SyncState::NotWatched => true,
        }
    }

    /// Completes when the objects of this namespace have been listed.
    pub async fn wait_until_listed_in(&self, namespace: &str) {
        match &self.sync {
            SyncState::Cluster(_) => {
                let _ = self.store.wait_until_ready().await;
            }
            SyncState::Namespaces(all) => {
                let Some(sync) = all.get(namespace) else { return std::future::pending().await };
                let _ = sync.listed.clone().wait_for(|listed| *listed).await;
            }
            SyncState::NotWatched => {}
        }
    }

    /// Whether the object exists; `None` if that is unknown.
    pub fn contains(&self, object: &ObjectRef<K>) -> Option<bool> {
        if self.store.get(object).is_some() {
            return Some(true);
        }
        self.has_synced_in(object.namespace.as_deref().unwrap_or_default()).then_some(false)
    }

    /// All objects in the cache.
    pub fn state(&self) -> Vec<Arc<K>> {
        self.store.state()
    }

    /// The number of objects in the cache.
    pub fn len(&self) -> usize {
        self.store.len()
    }
}

pub struct ObjectCaches {
    pub tokens: ObjectCache<CachedToken>,
    pub secrets: ObjectCache<CachedSecret>,
    pub issuers: IssuerObjectCaches,
}

impl ObjectCaches {
    /// Whether passes over the objects of this namespace may start: what is not in the caches does not exist.
    pub fn are_listed_in(&self, namespace: &str) -> bool {
        self.tokens.is_listed_in(namespace) && self.secrets.is_listed_in(namespace)
    }

    /// Completes when passes over the objects of this namespace may start.
    pub async fn wait_until_listed_in(&self, namespace: &str) {
        tokio::join!(self.tokens.wait_until_listed_in(namespace), self.secrets.wait_until_listed_in(namespace));
    }
}

pub struct IssuerObjectCaches {
    pub cluster: ObjectCache<ClusterTokenIssuer>,
    pub namespaced: ObjectCache<TokenIssuer>,
}

impl IssuerObjectCaches {
    /// `None` if it is unknown.
    pub fn contains(&self, key: &IssuerKey) -> Option<bool> {
        match key.kind {
            IssuerKind::ClusterTokenIssuer => self.cluster.contains(&ObjectRef::new(&key.name)),
            IssuerKind::TokenIssuer => self.namespaced.contains(&ObjectRef::new(&key.name).within(&key.namespace)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::readiness::Readiness;
    use crate::kube_client::scope::WatchScope;
    use crate::metrics::{Kind, Metrics};
    use k8s_openapi::api::core::v1::Secret;
    use kube::runtime::watcher::Event;

    fn watches(scope: &WatchScope) -> KindWatches {
        KindWatches::register(&Readiness::default(), Kind::Secret, scope, &Metrics::default())
    }

    #[tokio::test]
    async fn a_missing_kind_contains_nothing_and_a_forbidden_one_is_unknown() {
        let (store, mut writer) = reflector::store::<Secret>();
        let watches = watches(&WatchScope::Cluster);
        let health = &watches.parts()[0].health;
        let cache = ObjectCache::new(store, &watches);
        let name = ObjectRef::new("a").within("team");
        assert!(cache.wait_for_sync().now_or_never().is_none());
        assert_eq!(cache.contains(&name), None, "nothing is known yet");
        health.record_failure(Phase::Forbidden, "forbidden");
        assert!(cache.wait_for_sync().now_or_never().is_some(), "it does not block the others");
        assert_eq!(cache.contains(&name), None);
        health.record_failure(Phase::Missing, "no such kind");
        assert_eq!(cache.contains(&name), Some(false));
        writer.apply_watcher_event(&Event::Init);
        writer.apply_watcher_event(&Event::InitDone);
        health.set_listed();
        assert!(cache.wait_for_sync().now_or_never().is_some());
        assert_eq!(cache.contains(&name), Some(false));
    }

    #[tokio::test]
    async fn each_namespace_is_known_or_unknown_on_its_own() {
        let names = ["team-a", "team-b"].map(|name| name.parse().expect("a namespace"));
        let watches = watches(&WatchScope::of(names).expect("a scope"));
        let cache = ObjectCache::new(reflector::store::<Secret>().0, &watches);
        let [a, b] = watches.parts() else { panic!("two parts") };
        let known = |namespace: &str| cache.contains(&ObjectRef::new("x").within(namespace));
        a.listed.send_replace(true);
        assert_eq!((known("team-a"), known("team-b"), known("elsewhere")), (Some(false), None, None));
        assert!(cache.wait_until_listed_in("team-a").now_or_never().is_some());
        assert!(cache.wait_until_listed_in("team-b").now_or_never().is_none());
        assert!(cache.wait_for_sync().now_or_never().is_none(), "the other one may still be listed");
        b.health.record_failure(Phase::Forbidden, "no Role");
        assert!(cache.wait_for_sync().now_or_never().is_some(), "it may be absent");
        assert_eq!(known("team-b"), None);
        assert!(!cache.is_listed_in("team-b") && cache.is_listed_in("team-a"));
        b.listed.send_replace(true);
        assert_eq!(known("team-b"), Some(false));
    }

    #[test]
    fn a_kind_that_is_not_watched_delays_nothing() {
        let cache = ObjectCache::<Secret>::not_watched();
        assert!(cache.wait_for_sync().now_or_never().is_some() && cache.state().is_empty());
        assert!(cache.has_synced_in(""));
    }
}
