//! Protection that waits for no pass, since a pass may be waiting for a portal that hangs. As soon as a watch shows that
//! our finalizer was stripped from an object that has a token, from an issuer in use or from the Secret with its
//! credentials, it is put back. The passes do the same, and report what is refused.

use super::cluster::{ClusterError, call};
use super::issuer_credentials::{credentials_name, namespace_of};
use super::issuer_hold::{credentials, finalizers, hold, mark_secret};
use super::issuer_kind::IssuerObject;
use super::world::Shared;
use crate::api::{FINALIZER, IssuerKind, RegistryToken};
use crate::kube_api::{Objects, watch_of_one};
use futures::StreamExt;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams};
use kube::runtime::watcher::Event;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::sync::Arc;

fn is_stripped(finalizers: &[String]) -> bool {
    !finalizers.iter().any(|finalizer| finalizer == FINALIZER)
}

/// Protects an object whose status names a token of its own.
pub fn token(ctx: &Shared, token: &RegistryToken) {
    let status = token.status.as_ref().filter(|status| status.uid == token.uid());
    let has_token = status.is_some_and(|status| status.token.is_some() || !status.retiring.is_empty());
    if !has_token || token.metadata.deletion_timestamp.is_some() || !is_stripped(token.finalizers()) {
        return;
    }
    let Some(body) = finalizers(token.finalizers(), token.resource_version().as_deref(), true) else { return };
    let namespace = token.namespace().unwrap_or_default();
    let (name, objects) = (token.name_any(), Objects::<RegistryToken>::namespaced(ctx.client.clone(), &namespace));
    // Not awaited: the watch goes on.
    tokio::spawn(async move {
        let patch = Patch::Merge(&body);
        let written = call("restore the finalizer", objects.patch(&name, &PatchParams::default(), &patch)).await;
        report("RegistryToken", &namespace, &name, written.err());
    });
}

/// Protects an issuer that was in use before, and watches the Secret with its credentials.
pub fn issuer<I>(ctx: &Shared, issuer: &I, api: Objects<I>)
where
    I: IssuerObject + Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    if issuer.deleting() || !was_in_use(issuer) {
        return;
    }
    watch_credentials(ctx, issuer);
    if !is_stripped(IssuerObject::finalizers(issuer)) {
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

/// One watch of one name for each Secret with credentials in use.
fn watch_credentials<I: IssuerObject>(ctx: &Shared, issuer: &I) {
    let Some((_, name)) = credentials(issuer, ctx) else { return };
    let key = issuer.key();
    let (kind, namespace) = (key.kind, namespace_of(ctx, &key).to_owned());
    if ctx.memory.begin_watch(&namespace, &name) {
        let ctx = Arc::clone(ctx);
        tokio::spawn(async move {
            guard(&ctx, kind, &namespace, &name).await;
            ctx.memory.end_watch(&namespace, &name);
        });
    }
}

async fn guard(ctx: &Shared, kind: IssuerKind, namespace: &str, name: &str) {
    let secrets = Objects::<Secret>::namespaced(ctx.client.clone(), namespace);
    let Ok((metadata, fields)) = watch_of_one::<Secret>(ctx.client.clone(), namespace, name) else { return };
    let config = watcher::Config::default().fields(&fields);
    let mut events = std::pin::pin!(watcher(metadata, config).default_backoff());
    loop {
        let event = tokio::select! {
            event = events.next() => event,
            () = ctx.stop.cancelled() => return,
        };
        let Some(event) = event else { return };
        if !ctx.uses_credentials(namespace, name) {
            return;
        }
        let Ok(Event::Apply(secret) | Event::InitApply(secret)) = event else { continue };
        if secret.metadata.deletion_timestamp.is_none() && is_stripped(secret.finalizers()) {
            report("credentials", namespace, name, mark_secret(&secrets, name, Some(kind)).await.err());
        }
    }
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
