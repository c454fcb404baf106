//! Starts a pass of many objects: at the start, when this instance becomes the leader, and when a namespace is served.

use super::context::Context;
use super::issuer_object::AnyIssuer;
use super::state::namespace_cache::NamespaceChange;
use super::state::token_cache::CachedToken;
use std::sync::Arc;
use std::time::Duration;

/// How many passes are started at once after the caches are synced.
const STARTUP_BATCH: usize = 200;
/// Interval between two batches: 10,000 objects take a second.
const STARTUP_INTERVAL: Duration = Duration::from_millis(20);

impl Context {
    /// Starts a pass of every object, in batches, so that few run at once.
    pub async fn requeue_all_tokens(&self) {
        self.requeue_tokens(&self.tokens.all()).await;
    }

    /// Starts a pass of every object in this namespace.
    pub async fn requeue_tokens_in(&self, namespace: &str) {
        self.requeue_tokens(&self.tokens.filter(|token| token.is_in(namespace))).await;
    }

    /// Starts a pass of the objects for which this change of a namespace may matter, because their issuer serves selected
    /// namespaces.
    pub fn requeue_restricted(&self, change: &NamespaceChange) {
        let concerns = |token: &CachedToken| match change {
            NamespaceChange::One(namespace) => token.is_in(namespace),
            NamespaceChange::All => true,
        };
        for issuer in self.issuers.restricted() {
            for token in self.tokens.filter(|token| concerns(token) && token.names_issuer(&issuer)) {
                let _ = self.requeue_token.send(token.reference());
            }
        }
    }

    async fn requeue_tokens(&self, tokens: &[Arc<CachedToken>]) {
        for some in tokens.chunks(STARTUP_BATCH) {
            for token in some {
                let _ = self.requeue_token.send(token.reference());
            }
            tokio::time::sleep(STARTUP_INTERVAL).await;
        }
    }

    /// Starts as the leader, with warm caches: audits every issuer's portal, now and once more when no response to a
    /// request of a former leader can arrive any more, and starts a pass of every object.
    pub async fn start_leading(&self) {
        let Some(caches) = self.issuer_caches() else { return };
        let cluster = caches.cluster.state().into_iter().map(|issuer| issuer.key());
        let namespaced = caches.namespaced.state().into_iter().map(|issuer| issuer.key());
        for key in cluster.chain(namespaced) {
            // Others have acted since the last audit, if there was one.
            self.issuers.forget_audits(&key);
            self.request_audit(&key);
        }
        self.cluster_tokens.requeue_all();
        self.requeue_all_tokens().await;
    }
}
