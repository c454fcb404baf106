//! Protection that waits for no pass, since a pass may be waiting for a portal that hangs. As soon as a watch shows that
//! our finalizer was stripped from an object that has a token, from an issuer in use or from the Secret with its
//! credentials, it is put back. The passes do the same, and report what is refused.

use super::api_call::{ApiError, call};
use super::finalizer;
use super::finalizer::has_finalizer;
use super::issuer::credentials::credentials_name;
use super::issuer::finalizers::{add_finalizers, set_secret_finalizer};
use super::issuer::object::AnyIssuer;
use super::token::snapshot::SharedContext;
use crate::api::RegistryToken;
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

/// Protects an object whose status names a token of its own.
pub fn restore_on_token(ctx: &SharedContext, token: &RegistryToken) {
    let status = token.status.as_ref().filter(|status| status.uid == token.uid());
    let has_token = status.is_some_and(|status| status.token.is_some() || !status.retiring.is_empty());
    if !has_token || token.metadata.deletion_timestamp.is_some() || !lacks_finalizer(token.finalizers()) {
        return;
    }
    let Some(body) = finalizer::finalizer_patch(token.finalizers(), token.resource_version().as_deref(), true) else {
        return;
    };
    let namespace = token.namespace().unwrap_or_default();
    let (name, objects) = (token.name_any(), ObjectClient::<RegistryToken>::namespaced(ctx.client.clone(), &namespace));
    // Not awaited: the watch goes on.
    tokio::spawn(async move {
        let patch = Patch::Merge(&body);
        let written =
            call("restore the finalizer", objects.patch_metadata(&name, &PatchParams::default(), &patch)).await;
        log_result("RegistryToken", &namespace, &name, written.err());
    });
}

/// Protects an issuer that was in use before.
pub fn restore_on_issuer<I>(ctx: &SharedContext, issuer: &I, api: ObjectClient<I>)
where
    I: AnyIssuer + Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    if issuer.deleting() || !was_in_use(issuer) || !lacks_finalizer(AnyIssuer::finalizers(issuer)) {
        return;
    }
    let (ctx, issuer) = (Arc::clone(ctx), issuer.clone());
    tokio::spawn(async move {
        let written = add_finalizers(&issuer, &ctx, &api).await;
        let key = issuer.key();
        log_result("issuer", &key.namespace, &key.name, written.err());
    });
}

/// Whether it carried our finalizer before: the name of its Secret is noted first.
pub fn was_in_use(issuer: &dyn AnyIssuer) -> bool {
    issuer.status().is_some_and(|status| !status.credentials_secrets.is_empty())
}

/// Protects a Secret with the credentials of an issuer in use.
pub fn restore_on_credentials(ctx: &SharedContext, secret: &ObjectMeta) {
    let finalizers = secret.finalizers.as_deref().unwrap_or_default();
    if secret.deletion_timestamp.is_some() || !lacks_finalizer(finalizers) {
        return;
    }
    let [namespace, name] = [&secret.namespace, &secret.name].map(|text| text.clone().unwrap_or_default());
    let Some(kind) = ctx.issuer_kind_using_secret(&namespace, &name) else { return };
    let secrets = ObjectClient::<Secret>::namespaced(ctx.client.clone(), &namespace);
    tokio::spawn(async move {
        let written = set_secret_finalizer(&secrets, &name, Some(kind)).await;
        log_result("credentials", &namespace, &name, written.err());
    });
}

/// Whether this issuer needs the Secret of this name now: not a former one, and not while it is released.
pub fn needs_secret(issuer: &dyn AnyIssuer, name: &str) -> bool {
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
