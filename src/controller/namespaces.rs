//! Whether decisions about the objects of a namespace may start. If namespaces are watched one by one, each starts on its
//! own.

use super::context::Context;
use super::issuer_object::IssuerKey;
use super::state::object_cache::ObjectCaches;

impl Context {
    /// Whether decisions about the objects of this namespace may start. If the namespaces are watched one by one, they
    /// do not wait for each other.
    pub fn caches_synced_for(&self, namespace: &str) -> bool {
        self.caches().is_some_and(|caches| self.scope.is_cluster_wide() || caches.are_listed_in(namespace))
    }

    /// Completes when decisions about the objects of this namespace may start.
    pub async fn wait_for_namespace(&self, namespace: &str) {
        self.wait_for_caches().await;
        if let Some(caches) = self.caches() {
            caches.wait_until_listed_in(namespace).await;
        }
    }

    /// Whether the objects of every watched namespace are known.
    pub fn knows_all_tokens(&self) -> bool {
        let listed = |caches: &ObjectCaches| {
            self.scope.parts().iter().flatten().all(|namespace| caches.tokens.is_listed_in(namespace.as_str()))
        };
        self.caches().is_some_and(listed)
    }

    /// Whether the objects that name this issuer have been listed since this process started.
    pub fn dependents_are_listed(&self, key: &IssuerKey) -> bool {
        if self.scope.is_cluster_wide() {
            return self.tokens.is_listed();
        }
        self.caches().is_some_and(|caches| caches.tokens.is_listed_in(&key.namespace))
    }

    /// Whether a pass over an object of this namespace may start.
    pub fn may_start_pass_in(&self, namespace: &str) -> bool {
        self.caches_synced_for(namespace) && self.claim.is_held()
    }
}
