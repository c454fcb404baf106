//! Our finalizer on the Secret with the MAC key: it is there before the first token is requested, and as long as an object
//! may have one. A namespace that is deleted with everything in it keeps the key until the last token is revoked.

use super::{Keyring, UNKNOWN};
use crate::api::RegistryToken;
use crate::controller::cluster::{ClusterError, call};
use crate::controller::context::Context;
use crate::controller::decode;
use crate::controller::finalizers::{self, is_held};
use crate::controller::issuers::IssuerKey;
use crate::controller::listed::pages;
use crate::kube_api::{Objects, everywhere};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::{ListParams, Patch, PatchParams};
use std::sync::atomic::Ordering;
use tokio::time::Instant;

impl Keyring {
    /// Before a pass of this object.
    pub(super) async fn protect_for(&self, ctx: &Context, object: &RegistryToken) {
        if !self.protected.load(Ordering::SeqCst) && needs_keys(ctx, object) {
            let mut state = self.state.lock().await;
            self.protect(ctx, &mut state.refused).await;
        }
    }

    /// Puts the finalizer on, unless that was refused a moment ago.
    pub(super) async fn protect(&self, ctx: &Context, refused: &mut Option<Instant>) {
        let recently = refused.is_some_and(|at| at.elapsed() < UNKNOWN);
        if recently || self.protected.load(Ordering::SeqCst) {
            return;
        }
        *refused = None;
        match self.mark(ctx, true).await {
            Ok(()) => self.protected.store(true, Ordering::SeqCst),
            Err(error) => {
                *refused = Some(Instant::now());
                tracing::warn!(secret = self.name, %error, "MAC key not protected by a finalizer");
            }
        }
    }

    /// Whether the finalizer is there and no object needs it, as far as the cache knows.
    pub(super) fn is_free(&self, ctx: &Context) -> bool {
        self.protected.load(Ordering::SeqCst) && !is_needed(ctx)
    }

    /// Takes the finalizer off, unless an object needs it after all. Whether it is off.
    pub(super) async fn release(&self, ctx: &Context) -> bool {
        let _state = self.state.lock().await;
        // Before the last look: a pass that begins now waits for us, and puts it on again.
        self.protected.store(false, Ordering::SeqCst);
        let released = async {
            if is_needed(ctx) || is_any_held(ctx).await? {
                return Ok(false);
            }
            self.mark(ctx, false).await.map(|()| true)
        };
        let released = released.await.unwrap_or_else(|error: ClusterError| {
            tracing::warn!(secret = self.name, %error, "MAC key not released");
            false
        });
        self.protected.store(!released, Ordering::SeqCst);
        released
    }

    async fn mark(&self, ctx: &Context, wanted: bool) -> Result<(), ClusterError> {
        let secrets: Objects<Secret> = Objects::namespaced(ctx.client.clone(), &ctx.namespace);
        let found = call("read the MAC key", secrets.get_metadata_opt(&self.name)).await?;
        // One that is being deleted takes no new finalizer.
        let found = found.filter(|one| !wanted || one.metadata.deletion_timestamp.is_none());
        if let Some(one) = found
            && let Some(body) = finalizers::patch(one.finalizers(), one.resource_version().as_deref(), wanted)
        {
            let what = if wanted { "protect the MAC key" } else { "release the MAC key" };
            let params = PatchParams::default();
            match call(what, secrets.patch_metadata(&self.name, &params, &Patch::Merge(&body))).await {
                Err(ClusterError::NotFound(_)) => {}
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
        object.metadata.deletion_timestamp.is_none() && !object.spec.suspend && ctx.issuers.handle(&key).is_some()
    };
    is_held(object.finalizers()) || requests()
}

/// As far as the cache knows.
pub(super) fn is_needed(ctx: &Context) -> bool {
    ctx.tokens.find(|object| needs_keys(ctx, object)).is_some()
}

/// The same past every cache, and of objects that cannot be parsed: whether any has our finalizer.
async fn is_any_held(ctx: &Context) -> Result<bool, ClusterError> {
    let mut held = false;
    let each = |object: &[u8]| {
        let metadata = decode::metadata::<RegistryToken>(object);
        held |= metadata.map_or(true, |metadata| is_held(metadata.finalizers.as_deref().unwrap_or_default()));
    };
    let request = everywhere::<RegistryToken>();
    let page = |params: &ListParams| request.list(params);
    match pages(&ctx.client, "list the RegistryTokens", ListParams::default(), page, each).await {
        // The kind is gone, and every object with it.
        Err(ClusterError::NotFound(_)) => Ok(false),
        done => done.map(|()| held),
    }
}
