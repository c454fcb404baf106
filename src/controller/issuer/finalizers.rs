//! Keeps what an issuer's objects need: the issuer, the Secret with its credentials and the `ConfigMaps` with its CAs
//! have our finalizer until the last token is revoked.

use super::credentials::{ca_config_maps, credentials_name, may_use_secret, namespace_of};
use super::findings::ProtectedNames;
use super::shared_finalizers::{FinalizerRemoval, finalizer_removal};
use super::status::record_protected_names;
use crate::api::{IssuerKind, ObjectName};
use crate::controller::api_call::{ApiError, call};
use crate::controller::context::Context;
use crate::controller::finalizer;
use crate::controller::issuer_object::{AnyIssuer, IssuerKey};
use crate::controller::state::token_cache::CachedToken;
use crate::kube_client::objects::ObjectClient;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Patch, PatchParams};
use kube::core::PartialObjectMeta;
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use std::collections::HashSet;
use std::fmt::Debug;
use std::sync::Arc;

/// The objects that name this issuer, except those whose deletion needs it no more.
pub fn dependents(ctx: &Context, key: &IssuerKey) -> Vec<Arc<CachedToken>> {
    ctx.tokens.filter(|token| token.names_issuer(key) && (token.is_protected() || !token.is_deleting()))
}

/// What an issuer refers to, and the clients of its namespace.
struct Dependencies {
    secrets: ObjectClient<Secret>,
    config_maps: ObjectClient<ConfigMap>,
    /// The names in the spec.
    current: ProtectedNames,
    /// The names in the status, which may have our finalizer for this issuer.
    recorded: ProtectedNames,
}

/// What an issuer does not need any more, but cannot release yet.
#[derive(Debug, Default)]
pub struct StillProtected {
    /// These names stay recorded: otherwise the objects would keep our finalizer forever.
    pub names: ProtectedNames,
    /// Whether they can be released soon.
    pub retry_soon: bool,
}

impl StillProtected {
    /// Whether a shared object keeps the finalizer. Requeues the issuers that have to release it first.
    fn must_stay(&mut self, removal: FinalizerRemoval, ctx: &Context) -> bool {
        match removal {
            FinalizerRemoval::Allowed => return false,
            // Once the caches are synced, every issuer with finalizers to remove is requeued.
            FinalizerRemoval::InUse => {}
            FinalizerRemoval::After(others) => {
                self.retry_soon = true;
                for key in others {
                    let _ = ctx.requeue_issuer.send(key);
                }
            }
        }
        true
    }
}

impl Dependencies {
    fn of(object: &dyn AnyIssuer, ctx: &Context) -> Self {
        let key = object.key();
        let namespace = namespace_of(ctx, &key);
        let current = ProtectedNames {
            secrets: credentials_name(object.spec()).into_iter().collect(),
            config_maps: ca_config_maps(object.spec()),
        };
        let status = object.status();
        // Other users may write the status: invalid names are ignored.
        let names = |all: &Vec<String>| all.iter().filter(|name| name.parse::<ObjectName>().is_ok()).cloned().collect();
        let recorded = ProtectedNames {
            secrets: status.map(|status| names(&status.credentials_secrets)).unwrap_or_default(),
            config_maps: status.map(|status| names(&status.ca_config_maps)).unwrap_or_default(),
        };
        let secrets = ObjectClient::namespaced(ctx.client.clone(), namespace);
        Self { secrets, config_maps: ObjectClient::namespaced(ctx.client.clone(), namespace), current, recorded }
    }

    /// The recorded names and those in the spec.
    fn all(&self) -> ProtectedNames {
        let union = |recorded: &[String], current: &[String]| {
            let new = current.iter().filter(|name| !recorded.contains(name));
            recorded.iter().chain(new).cloned().collect()
        };
        ProtectedNames {
            secrets: union(&self.recorded.secrets, &self.current.secrets),
            config_maps: union(&self.recorded.config_maps, &self.current.config_maps),
        }
    }

    /// Removes our finalizer from these objects, unless another issuer needs them. Returns those that keep it.
    async fn remove_unless_shared(
        &self,
        which: &ProtectedNames,
        key: &IssuerKey,
        ctx: &Context,
        finalized: &HashSet<String>,
    ) -> Result<StillProtected, ApiError> {
        let (others, mut kept) = (ctx.issuers_sharing_namespace(key), StillProtected::default());
        let others = others.as_deref();
        for name in &which.secrets {
            let records =
                |other: &dyn AnyIssuer| other.status().is_some_and(|status| status.credentials_secrets.contains(name));
            let names = |other: &dyn AnyIssuer| credentials_name(other.spec()).as_ref() == Some(name);
            if kept.must_stay(finalizer_removal(key, others, finalized, records, names), ctx) {
                kept.names.secrets.push(name.clone());
            } else {
                set_secret_finalizer(&self.secrets, name, None).await?;
            }
        }
        for name in &which.config_maps {
            let records =
                |other: &dyn AnyIssuer| other.status().is_some_and(|status| status.ca_config_maps.contains(name));
            let names = |other: &dyn AnyIssuer| ca_config_maps(other.spec()).contains(name);
            if kept.must_stay(finalizer_removal(key, others, finalized, records, names), ctx) {
                kept.names.config_maps.push(name.clone());
            } else {
                set_finalizer(&self.config_maps, name, false, |_| true).await?;
            }
        }
        Ok(kept)
    }
}

/// Adds our finalizer to the issuer, to the Secret with its credentials and to the `ConfigMaps` with its CAs: all of
/// them are needed to revoke the issuer's tokens. Returns the updated issuer.
///
/// The names are recorded first, so that no object with our finalizer is forgotten.
pub async fn add_finalizers<I>(object: &I, ctx: &Context, api: &ObjectClient<I>) -> Result<I, ApiError>
where
    I: AnyIssuer + Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let (name, params) = (object.name_any(), PatchParams::default());
    let mut object = object.clone();
    let dependencies = Dependencies::of(&object, ctx);
    let all = dependencies.all();
    if all != dependencies.recorded {
        object = record_protected_names(&object, api, &all).await?;
    }
    for secret in &dependencies.current.secrets {
        set_secret_finalizer(&dependencies.secrets, secret, Some(object.key().kind)).await?;
    }
    for map in &dependencies.current.config_maps {
        set_finalizer(&dependencies.config_maps, map, true, |_| true).await?;
    }
    if let Some(body) = finalizer::finalizer_patch(AnyIssuer::finalizers(&object), object.version().as_deref(), true) {
        object = call("add the finalizer to the issuer", api.patch(&name, &params, &Patch::Merge(&body))).await?;
    }
    Ok(object)
}

/// Whether the status records names that the spec no longer contains.
pub fn has_previous(object: &dyn AnyIssuer) -> bool {
    let (secret, maps) = (credentials_name(object.spec()), ca_config_maps(object.spec()));
    object.status().is_some_and(|status| {
        status.credentials_secrets.iter().any(|name| Some(name) != secret.as_ref())
            || status.ca_config_maps.iter().any(|name| !maps.contains(name))
    })
}

/// Removes the finalizer from previous Secrets and `ConfigMaps`, because those of the spec work. Returns those that
/// keep it.
pub async fn remove_from_previous<I: AnyIssuer>(object: &I, ctx: &Context) -> Result<StillProtected, ApiError> {
    let dependencies = Dependencies::of(object, ctx);
    let previous = |recorded: &[String], current: &[String]| {
        recorded.iter().filter(|name| !current.contains(name)).cloned().collect::<Vec<_>>()
    };
    let previous_names = ProtectedNames {
        secrets: previous(&dependencies.recorded.secrets, &dependencies.current.secrets),
        config_maps: previous(&dependencies.recorded.config_maps, &dependencies.current.config_maps),
    };
    if previous_names.secrets.is_empty() && previous_names.config_maps.is_empty() {
        return Ok(StillProtected::default());
    }
    let finalized = ctx.finalized_issuers.lock().await;
    dependencies.remove_unless_shared(&previous_names, &object.key(), ctx, &finalized).await
}

/// Removes the finalizers of credentials, CAs and issuer after the last object was deleted. One issuer at a time:
/// otherwise two issuers that share a Secret could each leave it to the other.
pub async fn remove_finalizers<I>(object: &I, ctx: &Context, api: &ObjectClient<I>) -> Result<(), ApiError>
where
    I: AnyIssuer + Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let mut finalized = ctx.finalized_issuers.lock().await;
    finalized.retain(|uid| ctx.cache_has_issuer(uid));
    let dependencies = Dependencies::of(object, ctx);
    // What remains is released by another issuer that records it.
    dependencies.remove_unless_shared(&dependencies.all(), &object.key(), ctx, &finalized).await?;
    if let Some(body) = finalizer::finalizer_patch(AnyIssuer::finalizers(object), object.version().as_deref(), false) {
        call(
            "remove the finalizer from the issuer",
            api.patch(&object.name_any(), &PatchParams::default(), &Patch::Merge(&body)),
        )
        .await?;
    }
    finalized.insert(AnyIssuer::uid(object));
    Ok(())
}

/// Adds our finalizer to a Secret for an issuer of this kind, or removes it. A Secret that is not opted in is not
/// changed.
pub async fn set_secret_finalizer(
    secrets: &ObjectClient<Secret>,
    name: &str,
    by: Option<IssuerKind>,
) -> Result<(), ApiError> {
    let Some(kind) = by else { return set_finalizer(secrets, name, false, |_| true).await };
    set_finalizer(secrets, name, true, |secret| may_use_secret(kind, secret.meta().labels.as_ref())).await
}

async fn set_finalizer<K>(
    objects: &ObjectClient<K>,
    name: &str,
    wanted: bool,
    may_protect: impl Fn(&PartialObjectMeta<K>) -> bool,
) -> Result<(), ApiError>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let found = call("read what the issuer needs", objects.get_metadata_opt(name)).await?;
    // An object that is being deleted accepts no new finalizer.
    let found = found.filter(|one| !wanted || (one.meta().deletion_timestamp.is_none() && may_protect(one)));
    if let Some(one) = found
        && let Some(body) = finalizer::finalizer_patch(one.finalizers(), one.resource_version().as_deref(), wanted)
    {
        let what = if wanted {
            "add the finalizer to what the issuer needs"
        } else {
            "remove the finalizer from what the issuer needed"
        };
        call(what, objects.patch_metadata(name, &PatchParams::default(), &Patch::Merge(&body))).await?;
    }
    Ok(())
}
