//! Decisions start when the caches are synced.

use super::context::SharedContext;
use super::issuer::finalizers::has_previous;
use super::issuer_object::{AnyIssuer, IssuerKey};
use super::mac_key;
use super::state::object_cache::{IssuerObjectCaches, ObjectCaches};
use crate::health::readiness::Readiness;
use tokio_util::sync::CancellationToken;

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
    tracing::info!(tokens = ctx.tokens.len(), secrets = secrets.len(), "caches synced");
    // A standby starts when it becomes the leader.
    if !ctx.claim.is_held() {
        return;
    }
    // Otherwise they would wait another minute.
    for issuer in waiting {
        let _ = ctx.requeue_issuer.send(issuer);
    }
    tokio::select! {
        () = ctx.requeue_all_tokens() => {}
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
