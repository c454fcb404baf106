//! The cache of a kind, and whether it is synced. A kind that the API server does not serve, or that the operator may
//! not list, does not affect the others.

use super::secret_cache::CachedSecret;
use super::token_cache::CachedToken;
use crate::api::{ClusterTokenIssuer, IssuerKind, TokenIssuer};
use crate::controller::issuer_object::IssuerKey;
use crate::health::watch_health::{Phase, WatchHealth};
use futures::FutureExt;
use kube::runtime::reflector::{Lookup, ObjectRef, Store};
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
    phase: Receiver<Phase>,
}

impl<K> ObjectCache<K>
where
    K: Lookup<DynamicType = ()> + Clone + 'static,
{
    /// The content of this store is complete once the watch has listed the kind.
    pub fn new(store: Store<K>, health: &WatchHealth) -> Self {
        Self { store, phase: health.phase() }
    }

    /// Completes when the cache is synced, or when the kind cannot be listed for now.
    pub async fn wait_for_sync(&self) {
        let mut phase = self.phase.clone();
        let denied = phase.wait_for(|phase| matches!(phase, Phase::Missing | Phase::Forbidden));
        tokio::select! {
            _ = self.store.wait_until_ready() => {}
            _ = denied => {}
        }
    }

    /// Whether the cache is complete.
    pub fn has_synced(&self) -> bool {
        let filled = self.store.wait_until_ready().now_or_never().is_some_and(|ready| ready.is_ok());
        filled || *self.phase.borrow() == Phase::Missing
    }

    /// Whether the object exists; `None` if that is unknown.
    pub fn contains(&self, object: &ObjectRef<K>) -> Option<bool> {
        if self.store.get(object).is_some() { Some(true) } else { self.has_synced().then_some(false) }
    }

    /// All objects in the cache.
    pub fn state(&self) -> Vec<Arc<K>> {
        self.store.state()
    }
}

pub struct ObjectCaches {
    pub tokens: ObjectCache<CachedToken>,
    pub secrets: Store<CachedSecret>,
    pub issuers: IssuerObjectCaches,
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
    use crate::metrics::{Kind, WatchMetrics};
    use k8s_openapi::api::core::v1::Secret;
    use kube::runtime::reflector;
    use kube::runtime::watcher::Event;

    #[tokio::test]
    async fn a_missing_kind_contains_nothing_and_a_forbidden_one_is_unknown() {
        let (store, mut writer) = reflector::store::<Secret>();
        let health = WatchHealth::new("Secret", WatchMetrics::not_served(Kind::Secret));
        let cache = ObjectCache::new(store, &health);
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
}
