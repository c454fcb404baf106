//! The cache of a kind, and whether it is known what is in it: a kind that the API server does not serve, or
//! does not allow us to list, concerns no other one.

use super::context::IssuerCaches;
use super::issuer_hold::has_former;
use super::issuer_kind::IssuerObject;
use super::issuers::IssuerKey;
use super::kept::KeptSecret;
use super::mac_key;
use super::world::Shared;
use crate::api::RegistryToken;
use crate::readiness::Readiness;
use crate::watch_health::{Phase, WatchHealth};
use futures::FutureExt;
use kube::runtime::reflector::{Lookup, ObjectRef, Store};
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch::Receiver;
use tokio_util::sync::CancellationToken;

/// How many passes are started at once when the caches are filled.
const AT_ONCE: usize = 200;
/// Between two such starts: 10,000 objects take a second.
const BETWEEN: Duration = Duration::from_millis(20);

/// The cache of a kind.
pub struct Cache<K>
where
    K: Lookup + Clone + 'static,
    K::DynamicType: Eq + Hash + Clone,
{
    store: Store<K>,
    phase: Receiver<Phase>,
}

impl<K> Cache<K>
where
    K: Lookup<DynamicType = ()> + Clone + 'static,
{
    /// What this store has, once its watch has listed the kind.
    pub fn new(store: Store<K>, health: &WatchHealth) -> Self {
        Self { store, phase: health.phase() }
    }

    /// Ends when it is known what there is, or that it cannot be known for now.
    pub async fn settled(&self) {
        let mut phase = self.phase.clone();
        let denied = phase.wait_for(|phase| matches!(phase, Phase::Missing | Phase::Forbidden));
        tokio::select! {
            _ = self.store.wait_until_ready() => {}
            _ = denied => {}
        }
    }

    /// Whether it is known what there is.
    pub fn is_known(&self) -> bool {
        let filled = self.store.wait_until_ready().now_or_never().is_some_and(|ready| ready.is_ok());
        filled || *self.phase.borrow() == Phase::Missing
    }

    /// Whether there is such an object; none where that is not known.
    pub fn holds(&self, object: &ObjectRef<K>) -> Option<bool> {
        if self.store.get(object).is_some() { Some(true) } else { self.is_known().then_some(false) }
    }

    /// All of them.
    pub fn state(&self) -> Vec<Arc<K>> {
        self.store.state()
    }
}

/// All caches.
pub struct Caches {
    /// The objects.
    pub tokens: Cache<RegistryToken>,
    /// Pull secrets.
    pub secrets: Store<KeptSecret>,
    /// Both kinds of issuer.
    pub issuers: IssuerCaches,
}

/// Decisions wait until every cache is filled; then what no cache holds is known to be missing. A kind that is
/// not served, or forbidden, keeps nobody waiting but who needs it.
pub async fn open(ctx: &Shared, caches: Caches, readiness: &Readiness, stop: &CancellationToken) {
    let Caches { tokens, secrets, issuers } = caches;
    let settled = async {
        let issuers = (issuers.cluster.settled(), issuers.namespaced.settled());
        let keys = mac_key::until_loaded(ctx, readiness);
        let _ = tokio::join!(secrets.wait_until_ready(), tokens.settled(), issuers.0, issuers.1, keys);
    };
    tokio::select! {
        () = settled => {}
        () = stop.cancelled() => return,
    }
    let waiting = waiting(&issuers);
    ctx.open(issuers);
    readiness.caches_filled();
    // Else they would look again a minute later.
    for issuer in waiting {
        let _ = ctx.wake_issuer.send(issuer);
    }
    tracing::info!(tokens = ctx.tokens.len(), secrets = secrets.len(), "caches are filled");
    tokio::select! {
        () = wake_all(ctx, &ctx.tokens) => {}
        () = stop.cancelled() => {}
    }
}

/// The issuers that have something to let go: only filled caches say who else needs that.
fn waiting(issuers: &IssuerCaches) -> Vec<IssuerKey> {
    let waits = |issuer: &dyn IssuerObject| (issuer.deleting() || has_former(issuer)).then(|| issuer.key());
    let cluster = issuers.cluster.state().into_iter().filter_map(|issuer| waits(&*issuer));
    let namespaced = issuers.namespaced.state().into_iter().filter_map(|issuer| waits(&*issuer));
    cluster.chain(namespaced).collect()
}

/// Starts a pass of every object, some at a time: a queue of all of them would keep its room for good.
pub async fn wake_all(ctx: &Shared, tokens: &Store<RegistryToken>) {
    for some in tokens.state().chunks(AT_ONCE) {
        for token in some {
            let _ = ctx.wake_token.send(ObjectRef::from_obj(&**token));
        }
        tokio::time::sleep(BETWEEN).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::Secret;
    use kube::runtime::reflector;
    use kube::runtime::watcher::Event;

    #[tokio::test]
    async fn a_kind_that_is_missing_holds_nothing_and_one_that_is_forbidden_is_not_known() {
        let (store, mut writer) = reflector::store::<Secret>();
        let health = WatchHealth::new("Secret");
        let cache = Cache::new(store, &health);
        let name = ObjectRef::new("a").within("team");
        assert!(cache.settled().now_or_never().is_none());
        assert_eq!(cache.holds(&name), None, "nothing is known yet");
        health.failed(Phase::Forbidden, "forbidden");
        assert!(cache.settled().now_or_never().is_some(), "nobody else waits for it");
        assert_eq!(cache.holds(&name), None);
        health.failed(Phase::Missing, "no such kind");
        assert_eq!(cache.holds(&name), Some(false));
        writer.apply_watcher_event(&Event::Init);
        writer.apply_watcher_event(&Event::InitDone);
        health.listed();
        assert!(cache.settled().now_or_never().is_some());
        assert_eq!(cache.holds(&name), Some(false));
    }
}
