//! Protection that waits for no pass, since a pass may be waiting for a portal that hangs. As soon as a watch shows that
//! our finalizer was stripped from an object that has a token, from an issuer in use or from the Secret with its
//! credentials, it is put back. The passes do the same, and report what is refused.

use super::cluster::{ClusterError, call};
use super::finalizers::{self, is_held};
use super::issuer_credentials::credentials_name;
use super::issuer_hold::{hold, mark_secret};
use super::issuer_kind::IssuerObject;
use super::world::Shared;
use crate::api::RegistryToken;
use crate::kube_api::Objects;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Patch, PatchParams};
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::sync::Arc;

fn is_stripped(finalizers: &[String]) -> bool {
    !is_held(finalizers)
}

/// Protects an object whose status names a token of its own.
pub fn token(ctx: &Shared, token: &RegistryToken) {
    let status = token.status.as_ref().filter(|status| status.uid == token.uid());
    let has_token = status.is_some_and(|status| status.token.is_some() || !status.retiring.is_empty());
    if !has_token || token.metadata.deletion_timestamp.is_some() || !is_stripped(token.finalizers()) {
        return;
    }
    let Some(body) = finalizers::patch(token.finalizers(), token.resource_version().as_deref(), true) else { return };
    let namespace = token.namespace().unwrap_or_default();
    let (name, objects) = (token.name_any(), Objects::<RegistryToken>::namespaced(ctx.client.clone(), &namespace));
    // Not awaited: the watch goes on.
    tokio::spawn(async move {
        let patch = Patch::Merge(&body);
        let written =
            call("restore the finalizer", objects.patch_metadata(&name, &PatchParams::default(), &patch)).await;
        report("RegistryToken", &namespace, &name, written.err());
    });
}

/// Protects an issuer that was in use before.
pub fn issuer<I>(ctx: &Shared, issuer: &I, api: Objects<I>)
where
    I: IssuerObject + Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    if issuer.deleting() || !was_in_use(issuer) || !is_stripped(IssuerObject::finalizers(issuer)) {
        return;
    }
    let (ctx, issuer) = (Arc::clone(ctx), issuer.clone());
    tokio::spawn(async move {
        let written = hold(&issuer, &ctx, &api).await;
        let key = issuer.key();
        report("issuer", &key.namespace, &key.name, written.err());
    });
}

/// Whether it carried our finalizer before: the name of its Secret is noted first.
pub fn was_in_use(issuer: &dyn IssuerObject) -> bool {
    issuer.status().is_some_and(|status| !status.credentials_secrets.is_empty())
}

/// Protects a Secret with the credentials of an issuer in use.
pub fn credentials(ctx: &Shared, secret: &ObjectMeta) {
    let finalizers = secret.finalizers.as_deref().unwrap_or_default();
    if secret.deletion_timestamp.is_some() || !is_stripped(finalizers) {
        return;
    }
    let [namespace, name] = [&secret.namespace, &secret.name].map(|text| text.clone().unwrap_or_default());
    let Some(kind) = ctx.user_of_credentials(&namespace, &name) else { return };
    let secrets = Objects::<Secret>::namespaced(ctx.client.clone(), &namespace);
    tokio::spawn(async move {
        let written = mark_secret(&secrets, &name, Some(kind)).await;
        report("credentials", &namespace, &name, written.err());
    });
}

/// Whether this issuer needs the Secret of this name now: not a former one, and not while it is released.
pub fn needs_secret(issuer: &dyn IssuerObject, name: &str) -> bool {
    !issuer.deleting() && was_in_use(issuer) && credentials_name(issuer.spec()).as_deref() == Some(name)
}

fn report(kind: &str, namespace: &str, name: &str, error: Option<ClusterError>) {
    match error {
        None => tracing::info!(kind, namespace, name, "finalizer restored"),
        // The event of the newer version, or the pass, restores it.
        Some(error @ (ClusterError::Conflict(_) | ClusterError::NotFound(_))) => {
            tracing::debug!(kind, namespace, name, %error, "finalizer not restored yet");
        }
        Some(error) => tracing::warn!(kind, namespace, name, %error, "finalizer not restored"),
    }
}
