//! Our finalizer on the Secret with the MAC key: it is there before the first token is requested, and as long as an object
//! may have one. A namespace that is deleted with everything in it keeps the key until the last token is revoked.

use super::{Keyring, MIN_RETRY_INTERVAL};
use crate::api::RegistryToken;
use crate::controller::api_call::{ApiError, call};
use crate::controller::context::Context;
use crate::controller::decode;
use crate::controller::finalizer;
use crate::controller::finalizer::has_finalizer;
use crate::controller::issuer::cache::IssuerKey;
use crate::controller::live_list::list_pages;
use crate::kube_client::objects::{ObjectClient, all_namespaces};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::{ListParams, Patch, PatchParams};
use std::sync::atomic::Ordering;
use tokio::time::Instant;

impl Keyring {
    /// Before a pass of this object.
    pub(super) async fn add_finalizer_for(&self, ctx: &Context, object: &RegistryToken) {
        if !self.has_finalizer.load(Ordering::SeqCst) && needs_keys(ctx, object) {
            let mut state = self.state.lock().await;
            self.add_finalizer(ctx, &mut state.last_rejected).await;
        }
    }

    /// Puts the finalizer on, unless that was refused a moment ago.
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

    /// Whether the finalizer is there and no object needs it, as far as the cache knows.
    pub(super) fn is_unused(&self, ctx: &Context) -> bool {
        self.has_finalizer.load(Ordering::SeqCst) && !is_needed(ctx)
    }

    /// Takes the finalizer off, unless an object needs it after all. Whether it is off.
    pub(super) async fn remove_finalizer(&self, ctx: &Context) -> bool {
        let _state = self.state.lock().await;
        // Before the last look: a pass that begins now waits for us, and puts it on again.
        self.has_finalizer.store(false, Ordering::SeqCst);
        let released = async {
            if is_needed(ctx) || any_has_finalizer(ctx).await? {
                return Ok(false);
            }
            self.set_finalizer(ctx, false).await.map(|()| true)
        };
        let released = released.await.unwrap_or_else(|error: ApiError| {
            tracing::warn!(secret = self.name, %error, "MAC key not released");
            false
        });
        self.has_finalizer.store(!released, Ordering::SeqCst);
        released
    }

    async fn set_finalizer(&self, ctx: &Context, wanted: bool) -> Result<(), ApiError> {
        let secrets: ObjectClient<Secret> = ObjectClient::namespaced(ctx.client.clone(), &ctx.namespace);
        let found = call("read the MAC key", secrets.get_metadata_opt(&self.name)).await?;
        // One that is being deleted takes no new finalizer.
        let found = found.filter(|one| !wanted || one.metadata.deletion_timestamp.is_none());
        if let Some(one) = found
            && let Some(body) = finalizer::finalizer_patch(one.finalizers(), one.resource_version().as_deref(), wanted)
        {
            let what = if wanted { "protect the MAC key" } else { "release the MAC key" };
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

/// As far as the cache knows.
pub(super) fn is_needed(ctx: &Context) -> bool {
    ctx.tokens.find(|object| needs_keys(ctx, object)).is_some()
}

/// The same past every cache, and of objects that cannot be parsed: whether any has our finalizer.
async fn any_has_finalizer(ctx: &Context) -> Result<bool, ApiError> {
    let mut found = false;
    let each = |object: &[u8]| {
        let metadata = decode::metadata::<RegistryToken>(object);
        found |= metadata.map_or(true, |metadata| has_finalizer(metadata.finalizers.as_deref().unwrap_or_default()));
    };
    let request = all_namespaces::<RegistryToken>();
    let page = |params: &ListParams| request.list(params);
    match list_pages(&ctx.client, "list the RegistryTokens", ListParams::default(), page, each).await {
        // The kind is gone, and every object with it.
        Err(ApiError::NotFound(_)) => Ok(false),
        done => done.map(|()| found),
    }
}
