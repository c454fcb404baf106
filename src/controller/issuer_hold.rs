//! What an issuer's objects need stays: the issuer and the Secret with its credentials carry our
//! finalizer until the last token is revoked.

use super::cluster::{ClusterError, call};
use super::context::Context;
use super::issuer_credentials::{credentials_name, may_use, namespace_of};
use super::issuer_kind::IssuerObject;
use super::issuers::IssuerKey;
use crate::api::{FINALIZER, IssuerKind, ObjectName, RegistryToken};
use crate::kube_api::Objects;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams};
use kube::core::PartialObjectMeta;
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::fmt::Debug;
use std::sync::Arc;

/// The objects that name this issuer and are not yet gone.
pub fn users(ctx: &Context, key: &IssuerKey) -> Vec<Arc<RegistryToken>> {
    let here = |token: &Arc<RegistryToken>| {
        let held = token.finalizers().iter().any(|finalizer| finalizer == FINALIZER);
        held || token.meta().deletion_timestamp.is_none()
    };
    ctx.naming(key).into_iter().filter(here).collect()
}

/// Where the Secret with an issuer's credentials is, and its name.
pub fn credentials<I: IssuerObject>(object: &I, ctx: &Context) -> Option<(Objects<Secret>, String)> {
    let namespaced = Objects::namespaced(ctx.client.clone(), namespace_of(ctx, &object.key()));
    Some((namespaced, credentials_name(object.spec())?))
}

/// Puts our finalizer on the issuer and on the Secret with its credentials: both are needed to
/// revoke what was requested with them. Gives the issuer as it is then.
///
/// The Secret's name is noted first, so that none is forgotten that bears our finalizer.
pub async fn hold<I>(object: &I, ctx: &Context, api: &Objects<I>) -> Result<I, ClusterError>
where
    I: IssuerObject + Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let (name, params) = (object.name_any(), PatchParams::default());
    let mut object = object.clone();
    if let Some((secrets, secret)) = credentials(&object, ctx) {
        let mut noted = noted(&object);
        if !noted.contains(&secret) {
            noted.push(secret.clone());
            let body = json!({
                "metadata": {"uid": IssuerObject::uid(&object), "resourceVersion": object.version()},
                "status": {"credentialsSecrets": noted},
            });
            object = call("note the issuer's Secret", api.patch_status(&name, &params, &Patch::Merge(&body))).await?;
        }
        mark_secret(&secrets, &secret, Some(object.key().kind)).await?;
    }
    if let Some(body) = finalizers(IssuerObject::finalizers(&object), object.version().as_deref(), true) {
        object = call("hold the issuer", api.patch(&name, &params, &Patch::Merge(&body))).await?;
    }
    Ok(object)
}

/// The Secret that the spec names works: former ones may go.
pub async fn let_former_go<I: IssuerObject>(object: &I, ctx: &Context) -> Result<(), ClusterError> {
    if let Some((secrets, present)) = credentials(object, ctx) {
        for former in noted(object).iter().filter(|former| **former != present) {
            let_go(object, ctx, &secrets, former).await?;
        }
    }
    Ok(())
}

/// The last object has gone: credentials and issuer may go.
pub async fn release<I>(object: &I, ctx: &Context, api: &Objects<I>) -> Result<(), ClusterError>
where
    I: IssuerObject + Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    if let Some((secrets, present)) = credentials(object, ctx) {
        let_go(object, ctx, &secrets, &present).await?;
    }
    let_former_go(object, ctx).await?;
    if let Some(body) = finalizers(IssuerObject::finalizers(object), object.version().as_deref(), false) {
        call("release the issuer", api.patch(&object.name_any(), &PatchParams::default(), &Patch::Merge(&body)))
            .await?;
    }
    Ok(())
}

/// The Secrets that may bear our finalizer for this issuer.
fn noted(object: &dyn IssuerObject) -> Vec<String> {
    let all = object.status().map(|status| status.credentials_secrets.clone()).unwrap_or_default();
    // Others may write the status: what is no name is no Secret of ours.
    all.into_iter().filter(|name| name.parse::<ObjectName>().is_ok()).collect()
}

/// Takes our finalizer off a Secret, unless another issuer holds it.
async fn let_go<I: IssuerObject>(
    object: &I,
    ctx: &Context,
    secrets: &Objects<Secret>,
    name: &str,
) -> Result<(), ClusterError> {
    if ctx.others_hold_secret(&object.key(), name) { Ok(()) } else { mark_secret(secrets, name, None).await }
}

/// Puts our finalizer on a Secret for an issuer of this kind, or takes it off.
pub async fn mark_secret(secrets: &Objects<Secret>, name: &str, by: Option<IssuerKind>) -> Result<(), ClusterError> {
    let wanted = by.is_some();
    let found = call("read the issuer's Secret", secrets.get_metadata_opt(name)).await?;
    // One that is being deleted takes no new finalizer, and one that is not opted in stays untouched.
    let may_hold = |kind, secret: &PartialObjectMeta<Secret>| {
        secret.meta().deletion_timestamp.is_none() && may_use(kind, secret.meta().labels.as_ref())
    };
    let found = found.filter(|secret| by.is_none_or(|kind| may_hold(kind, secret)));
    if let Some(secret) = found
        && let Some(body) = finalizers(secret.finalizers(), secret.resource_version().as_deref(), wanted)
    {
        let what = if wanted { "hold the issuer's Secret" } else { "release the issuer's Secret" };
        call(what, secrets.patch_metadata(name, &PatchParams::default(), &Patch::Merge(&body))).await?;
    }
    Ok(())
}

/// A guarded patch that adds or removes our finalizer; nothing where it is as wanted.
pub fn finalizers(present: &[String], version: Option<&str>, wanted: bool) -> Option<Value> {
    if present.iter().any(|finalizer| finalizer == FINALIZER) == wanted {
        return None;
    }
    let others = present.iter().filter(|finalizer| *finalizer != FINALIZER).cloned();
    let all: Vec<String> = others.chain(wanted.then(|| FINALIZER.to_owned())).collect();
    Some(json!({"metadata": {"resourceVersion": version, "finalizers": all}}))
}
