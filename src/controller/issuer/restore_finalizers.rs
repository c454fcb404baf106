//! Restores removed finalizers without waiting for a pass, because a pass may be waiting for a portal that does not
//! respond. When a watch shows that our finalizer was removed from an object with a token, from an issuer in use or
//! from the Secret with its credentials, it is added again. Passes do the same and report rejections. A
//! standby restores nothing: it does not know what the leader has just released.

use super::credentials::credentials_name;
use super::finalizers::{add_finalizers, set_secret_finalizer};
use crate::api::{IssuerKind, RegistryToken};
use crate::controller::api_call::{ApiError, call};
use crate::controller::context::{Context, SharedContext};
use crate::controller::finalizer;
use crate::controller::finalizer::has_finalizer;
use crate::controller::issuer_object::AnyIssuer;
use crate::kube_client::objects::ObjectClient;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Patch, PatchParams};
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::sync::Arc;

fn lacks_finalizer(finalizers: &[String]) -> bool {
    !has_finalizer(finalizers)
}

/// Restores the finalizer of an object whose own status names a token.
pub fn restore_on_token(ctx: &SharedContext, token: &RegistryToken) {
    let status = token.status.as_ref().filter(|status| status.uid == token.uid());
    let has_token = status.is_some_and(|status| status.token.is_some() || !status.retiring.is_empty());
    if !ctx.claim.is_held()
        || !has_token
        || token.metadata.deletion_timestamp.is_some()
        || !lacks_finalizer(token.finalizers())
    {
        return;
    }
    let Some(body) = finalizer::finalizer_patch(token.finalizers(), token.resource_version().as_deref(), true) else {
        return;
    };
    let namespace = token.namespace().unwrap_or_default();
    let (name, objects) = (token.name_any(), ObjectClient::<RegistryToken>::namespaced(ctx.client.clone(), &namespace));
    // Not awaited, so that the watch continues.
    tokio::spawn(async move {
        let patch = Patch::Merge(&body);
        let written =
            call("restore the finalizer", objects.patch_metadata(&name, &PatchParams::default(), &patch)).await;
        log_result("RegistryToken", &namespace, &name, written.err());
    });
}

/// Restores the finalizer of an issuer that was in use before.
pub fn restore_on_issuer<I>(ctx: &SharedContext, issuer: &I, api: ObjectClient<I>)
where
    I: AnyIssuer + Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    if !ctx.claim.is_held()
        || issuer.deleting()
        || !was_in_use(issuer)
        || !lacks_finalizer(AnyIssuer::finalizers(issuer))
    {
        return;
    }
    let (ctx, issuer) = (Arc::clone(ctx), issuer.clone());
    tokio::spawn(async move {
        let written = add_finalizers(&issuer, &ctx, &api).await;
        let key = issuer.key();
        log_result("issuer", &key.namespace, &key.name, written.err());
    });
}

/// Whether the issuer had our finalizer before: the name of its Secret is recorded first.
pub fn was_in_use(issuer: &dyn AnyIssuer) -> bool {
    issuer.status().is_some_and(|status| !status.credentials_secrets.is_empty())
}

/// Restores the finalizer of a Secret with the credentials of an issuer in use.
pub fn restore_on_credentials(ctx: &SharedContext, secret: &ObjectMeta) {
    let finalizers = secret.finalizers.as_deref().unwrap_or_default();
    if !ctx.claim.is_held() || secret.deletion_timestamp.is_some() || !lacks_finalizer(finalizers) {
        return;
    }
    let [namespace, name] = [&secret.namespace, &secret.name].map(|text| text.clone().unwrap_or_default());
    let Some(kind) = issuer_kind_using_secret(ctx, &namespace, &name) else { return };
    let secrets = ObjectClient::<Secret>::namespaced(ctx.client.clone(), &namespace);
    tokio::spawn(async move {
        let written = set_secret_finalizer(&secrets, &name, Some(kind)).await;
        log_result("credentials", &namespace, &name, written.err());
    });
}

/// The kind of an issuer that needs this Secret for its tokens; `None` if there is none, or if the caches are not
/// synced.
fn issuer_kind_using_secret(ctx: &Context, namespace: &str, name: &str) -> Option<IssuerKind> {
    let caches = ctx.issuer_caches()?;
    let uses = |issuer: &dyn AnyIssuer| {
        let own = issuer.key().namespace;
        let its = if own.is_empty() { &ctx.namespace } else { &own };
        its == namespace && needs_secret(issuer, name)
    };
    if caches.cluster.state().iter().any(|issuer| uses(&**issuer)) {
        return Some(IssuerKind::ClusterTokenIssuer);
    }
    caches.namespaced.state().iter().any(|issuer| uses(&**issuer)).then_some(IssuerKind::TokenIssuer)
}

/// Whether this issuer needs the Secret of this name now: it is not a previous one, and the issuer is not being
/// deleted.
fn needs_secret(issuer: &dyn AnyIssuer, name: &str) -> bool {
    !issuer.deleting() && was_in_use(issuer) && credentials_name(issuer.spec()).as_deref() == Some(name)
}

fn log_result(kind: &str, namespace: &str, name: &str, error: Option<ApiError>) {
    match error {
        None => tracing::info!(kind, namespace, name, "finalizer restored"),
        // The event of the newer version, or the pass, restores it.
        Some(error @ (ApiError::Conflict(_) | ApiError::NotFound(_))) => {
            tracing::debug!(kind, namespace, name, %error, "finalizer not restored yet");
        }
        Some(error) => tracing::warn!(kind, namespace, name, %error, "finalizer not restored"),
    }
}
