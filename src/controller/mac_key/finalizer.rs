//! Our finalizer on the Secret with the MAC key. It is added before the first token is requested and kept as long as an
//! object may have a token: when a namespace is deleted with everything in it, the key is kept until the last token is
//! revoked.

use super::MIN_RETRY_INTERVAL;
use crate::api::RegistryToken;
use crate::controller::api_call::{ApiError, call};
use crate::controller::context::Context;
use crate::controller::decode;
use crate::controller::finalizer;
use crate::controller::finalizer::has_finalizer;
use crate::controller::issuer_object::IssuerKey;
use crate::controller::live_list::list_pages;
use crate::controller::state::keyring::Keyring;
use crate::kube_client::objects::ObjectClient;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::{ListParams, Patch, PatchParams};
use std::sync::atomic::Ordering;
use tokio::time::Instant;

impl Keyring {
    /// Adds the finalizer before a pass of this object.
    pub(super) async fn add_finalizer_for(&self, ctx: &Context, object: &RegistryToken) {
        if !self.has_finalizer.load(Ordering::SeqCst) && needs_keys(ctx, object) {
            let mut state = self.state.lock().await;
            self.add_finalizer(ctx, &mut state.last_rejected).await;
        }
    }

    /// Adds the finalizer, unless that was rejected recently.
    pub(super) async fn add_finalizer(&self, ctx: &Context, refused: &mut Option<Instant>) {
        let recently = refused.is_some_and(|at| at.elapsed() < MIN_RETRY_INTERVAL);
        if recently || self.has_finalizer.load(Ordering::SeqCst) {
            return;
        }
        *refused = None;
        match self.set_finalizer(ctx, true).await {
            Ok(()) => self.has_finalizer.store(true, Ordering::SeqCst),
            Err(error) => {
                *refused = Some(Instant::now());
                tracing::warn!(secret = self.name, %error, "MAC key not protected by a finalizer");
            }
        }
    }

    /// Whether the finalizer is present and no cached object needs it. The objects of a namespace that is not listed yet
    /// may need it.
    pub(super) fn is_unused(&self, ctx: &Context) -> bool {
        self.has_finalizer.load(Ordering::SeqCst) && ctx.knows_all_tokens() && !is_needed(ctx)
    }

    /// Removes the finalizer, unless an object needs it after all. Returns whether it is removed.
    pub(super) async fn remove_finalizer(&self, ctx: &Context) -> bool {
        let _state = self.state.lock().await;
        // Reset before the check: a pass that starts now waits for the lock and adds the finalizer again.
        self.has_finalizer.store(false, Ordering::SeqCst);
        let released = async {
            if is_needed(ctx) || any_has_finalizer(ctx).await? {
                return Ok(false);
            }
            self.set_finalizer(ctx, false).await.map(|()| true)
        };
        let released = released.await.unwrap_or_else(|error: ApiError| {
            tracing::warn!(secret = self.name, %error, "finalizer of the MAC key not removed");
            false
        });
        self.has_finalizer.store(!released, Ordering::SeqCst);
        released
    }

    async fn set_finalizer(&self, ctx: &Context, wanted: bool) -> Result<(), ApiError> {
        let secrets: ObjectClient<Secret> = ObjectClient::namespaced(ctx.client.clone(), &ctx.namespace);
        let found = call("read the MAC key", secrets.get_metadata_opt(&self.name)).await?;
        // An object that is being deleted accepts no new finalizer.
        let found = found.filter(|one| !wanted || one.metadata.deletion_timestamp.is_none());
        if let Some(one) = found
            && let Some(body) = finalizer::finalizer_patch(one.finalizers(), one.resource_version().as_deref(), wanted)
        {
            let what =
                if wanted { "add the finalizer to the MAC key" } else { "remove the finalizer from the MAC key" };
            let params = PatchParams::default();
            match call(what, secrets.patch_metadata(&self.name, &params, &Patch::Merge(&body))).await {
                Err(ApiError::NotFound(_)) => {}
                done => drop(done?),
            }
        }
        Ok(())
    }
}

/// Whether an object may have a token, or request one now.
fn needs_keys(ctx: &Context, object: &RegistryToken) -> bool {
    let requests = || {
        let key = IssuerKey::of(&object.spec.issuer_ref, &object.namespace().unwrap_or_default());
        object.metadata.deletion_timestamp.is_none() && !object.spec.suspend && ctx.issuers.connected(&key).is_some()
    };
    has_finalizer(object.finalizers()) || requests()
}

/// Whether a cached object needs the keys.
pub(super) fn is_needed(ctx: &Context) -> bool {
    ctx.tokens
        .all()
        .iter()
        .any(|token| token.is_protected() || token.unpack().is_none_or(|object| needs_keys(ctx, &object)))
}

/// Whether any object has our finalizer, according to a live list. An object that cannot be parsed counts.
async fn any_has_finalizer(ctx: &Context) -> Result<bool, ApiError> {
    let mut found = false;
    let mut each = |object: &[u8]| {
        let metadata = decode::metadata::<RegistryToken>(object);
        found |= metadata.map_or(true, |metadata| has_finalizer(metadata.finalizers.as_deref().unwrap_or_default()));
    };
    for request in ctx.scope.requests::<RegistryToken>() {
        let page = |params: &ListParams| request.list(params);
        match list_pages(&ctx.client, "list the RegistryTokens", ListParams::default(), page, &mut each).await {
            // The kind is deleted, and with it every object.
            Err(ApiError::NotFound(_)) => return Ok(false),
            // The Role was deleted with its namespace, whose objects are gone: none is in the caches.
            Err(ApiError::Rejected(..)) if !ctx.scope.is_cluster_wide() => {}
            done => done?,
        }
    }
    Ok(found)
}
