//! Decisions start when the caches are synced.

use super::context::SharedContext;
use super::issuer::finalizers::has_previous;
use super::issuer_object::{AnyIssuer, IssuerKey};
use super::mac_key;
use super::state::object_cache::{IssuerObjectCaches, ObjectCaches};
use crate::api::NamespaceName;
use crate::health::readiness::Readiness;
use futures::future::join_all;
use std::time::Duration;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How long the start waits for a namespace whose list fails. Its objects wait longer, and no other.
const NAMESPACE_TIMEOUT: Duration = Duration::from_secs(10);

/// No decision is made before all caches are synced; from then on, what is not in a cache does not exist. A kind that
/// is not served or forbidden only blocks the objects that need it. If namespaces are watched one by one, each starts
/// on its own.
pub async fn start_when_synced(
    ctx: &SharedContext,
    caches: ObjectCaches,
    readiness: &Readiness,
    stop: &CancellationToken,
) {
    let synced = async {
        tokio::join!(wait_for_sync(ctx, &caches), mac_key::wait_until_loaded(ctx, readiness));
    };
    tokio::select! {
        () = synced => {}
        () = stop.cancelled() => return,
    }
    let (waiting, secrets) = (issuers_with_pending_removal(&caches.issuers), caches.secrets.len());
    let parts = ctx.scope.parts();
    let is_later = |namespace: &NamespaceName| {
        let namespace = namespace.as_str();
        !caches.are_listed_in(namespace) || !caches.issuers.namespaced.is_listed_in(namespace)
    };
    let later = parts.into_iter().flatten().filter(is_later).collect();
    ctx.set_caches(caches);
    readiness.set_caches_synced();
    tracing::info!(tokens = ctx.tokens.len(), secrets, "caches synced");
    tokio::select! {
        ((), ()) = async { tokio::join!(start_passes(ctx, waiting), start_later(ctx, later)) } => {}
        () = stop.cancelled() => {}
    }
}

/// Completes when every kind is listed, or cannot be listed for now.
async fn wait_for_sync(ctx: &SharedContext, caches: &ObjectCaches) {
    let ObjectCaches { tokens, secrets, issuers } = caches;
    let issuers = async { tokio::join!(issuers.cluster.wait_for_sync(), issuers.namespaced.wait_for_sync()) };
    if ctx.scope.is_cluster_wide() {
        // Without the Secrets, no decision is possible.
        tokio::join!(secrets.wait_until_listed_in(""), tokens.wait_for_sync(), issuers);
        return;
    }
    let all = async { tokio::join!(secrets.wait_for_sync(), tokens.wait_for_sync(), issuers) };
    if timeout(NAMESPACE_TIMEOUT, all).await.is_err() {
        tracing::warn!("a namespace cannot be listed: the others are served");
    }
}

async fn start_passes(ctx: &SharedContext, waiting: Vec<IssuerKey>) {
    // A standby starts when it becomes the leader.
    if !ctx.claim.is_held() {
        return;
    }
    // Otherwise they would wait another minute.
    for issuer in waiting {
        let _ = ctx.requeue_issuer.send(issuer);
    }
    ctx.requeue_all_tokens().await;
}

/// Starts the passes of namespaces that could not be listed at first, such as one that does not exist yet.
async fn start_later(ctx: &SharedContext, namespaces: Vec<NamespaceName>) {
    let start = async |namespace: NamespaceName| {
        tracing::info!(%namespace, "waiting for the namespace; the others are served");
        ctx.wait_for_namespace(namespace.as_str()).await;
        tracing::info!(%namespace, "the namespace is served");
        ctx.requeue_tokens_in(namespace.as_str()).await;
        // Only then is it known which issuers do not exist.
        if let Some(caches) = ctx.caches() {
            caches.issuers.namespaced.wait_until_listed_in(namespace.as_str()).await;
            ctx.requeue_tokens_in(namespace.as_str()).await;
        }
    };
    join_all(namespaces.into_iter().map(start)).await;
}

/// The issuers with finalizers to remove: only with synced caches is it known who else needs the protected objects.
fn issuers_with_pending_removal(issuers: &IssuerObjectCaches) -> Vec<IssuerKey> {
    let waits = |issuer: &dyn AnyIssuer| (issuer.deleting() || has_previous(issuer)).then(|| issuer.key());
    let cluster = issuers.cluster.state().into_iter().filter_map(|issuer| waits(&*issuer));
    let namespaced = issuers.namespaced.state().into_iter().filter_map(|issuer| waits(&*issuer));
    cluster.chain(namespaced).collect()
}
