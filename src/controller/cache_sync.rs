//! The cache of a kind, and whether it is synced. A kind that the API server does not serve, or that the operator may
//! not list, does not affect the others.

use super::context::IssuerObjectCaches;
use super::issuer::cache::IssuerKey;
use super::issuer::finalizers::has_previous;
use super::issuer::object::AnyIssuer;
use super::mac_key;
use super::secret_cache::CachedSecret;
use super::token::snapshot::SharedContext;
use crate::api::RegistryToken;
use crate::health::readiness::Readiness;
use crate::health::watch_health::{Phase, WatchHealth};
use futures::FutureExt;
use kube::runtime::reflector::{Lookup, ObjectRef, Store};
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch::Receiver;
use tokio_util::sync::CancellationToken;

/// How many passes are started at once after the caches are synced.
const STARTUP_BATCH: usize = 200;
/// Interval between two batches: 10,000 objects take a second.
const STARTUP_INTERVAL: Duration = Duration::from_millis(20);

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
    pub tokens: ObjectCache<RegistryToken>,
    pub secrets: Store<CachedSecret>,
    pub issuers: IssuerObjectCaches,
}

/// No decision is made before all caches are synced; from then on, what is not in a cache does not exist. A kind that
/// is not served or forbidden only blocks the objects that need it.
pub async fn start_when_synced(
    ctx: &SharedContext,
    caches: ObjectCaches,
    readiness: &Readiness,
    stop: &CancellationToken,
) {
    let ObjectCaches { tokens, secrets, issuers } = caches;
    let synced = async {
        let issuers = (issuers.cluster.wait_for_sync(), issuers.namespaced.wait_for_sync());
        let keys = mac_key::wait_until_loaded(ctx, readiness);
        let _ = tokio::join!(secrets.wait_until_ready(), tokens.wait_for_sync(), issuers.0, issuers.1, keys);
    };
    tokio::select! {
        () = synced => {}
        () = stop.cancelled() => return,
    }
    let waiting = issuers_with_pending_removal(&issuers);
    ctx.set_issuer_caches(issuers);
    readiness.set_caches_synced();
    // Otherwise they would wait another minute.
    for issuer in waiting {
        let _ = ctx.requeue_issuer.send(issuer);
    }
    tracing::info!(tokens = ctx.tokens.len(), secrets = secrets.len(), "caches synced");
    tokio::select! {
        () = requeue_all(ctx, &ctx.tokens) => {}
        () = stop.cancelled() => {}
    }
}

/// The issuers with finalizers to remove: only with synced caches is it known who else needs the protected objects.
fn issuers_with_pending_removal(issuers: &IssuerObjectCaches) -> Vec<IssuerKey> {
    let waits = |issuer: &dyn AnyIssuer| (issuer.deleting() || has_previous(issuer)).then(|| issuer.key());
    let cluster = issuers.cluster.state().into_iter().filter_map(|issuer| waits(&*issuer));
    let namespaced = issuers.namespaced.state().into_iter().filter_map(|issuer| waits(&*issuer));
    cluster.chain(namespaced).collect()
}

/// Starts a pass of every object, in batches: a queue with all of them would keep its memory forever.
pub async fn requeue_all(ctx: &SharedContext, tokens: &Store<RegistryToken>) {
    for some in tokens.state().chunks(STARTUP_BATCH) {
        for token in some {
            let _ = ctx.requeue_token.send(ObjectRef::from_obj(&**token));
        }
        tokio::time::sleep(STARTUP_INTERVAL).await;
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
