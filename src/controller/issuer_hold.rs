//! What an issuer's objects need stays: the issuer, the Secret with its credentials and the config maps with its CAs
//! carry our finalizer until the last token is revoked.

use super::cluster::{ClusterError, call};
use super::context::Context;
use super::finalizers::{self, is_held};
use super::issuer_credentials::{ca_config_maps, credentials_name, may_use, namespace_of};
use super::issuer_kind::IssuerObject;
use super::issuer_share::{Share, share};
use super::issuers::IssuerKey;
use crate::api::{IssuerKind, ObjectName, RegistryToken};
use crate::kube_api::Objects;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Patch, PatchParams};
use kube::core::PartialObjectMeta;
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::json;
use std::collections::HashSet;
use std::fmt::Debug;
use std::sync::Arc;

/// The objects that name this issuer and are not yet gone.
pub fn users(ctx: &Context, key: &IssuerKey) -> Vec<Arc<RegistryToken>> {
    let here = |token: &Arc<RegistryToken>| {
        let held = is_held(token.finalizers());
        held || token.meta().deletion_timestamp.is_none()
    };
    ctx.naming(key).into_iter().filter(here).collect()
}

/// What an issuer needs beside itself, where it is, and under which names.
struct Needs {
    secrets: Objects<Secret>,
    maps: Objects<ConfigMap>,
    /// What the spec names now.
    present: Protected,
    /// What may carry our finalizer for this issuer.
    noted: Protected,
}

/// Names of what carries our finalizer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Protected {
    /// Secrets with credentials.
    pub secrets: Vec<String>,
    /// Config maps with CAs.
    pub maps: Vec<String>,
}

/// What an issuer does not need any more, and has not let go either.
#[derive(Debug, Default)]
pub struct Kept {
    /// It stays noted: what is forgotten would carry our finalizer for good.
    pub names: Protected,
    /// It can be let go in a moment.
    pub soon: bool,
}

impl Kept {
    /// Whether what is shared like this stays; the issuers that are to go on first are woken.
    fn stays(&mut self, share: Share, ctx: &Context) -> bool {
        match share {
            Share::Free => return false,
            // Once the caches are filled, each issuer with something to let go is woken.
            Share::Needed => {}
            Share::After(others) => {
                self.soon = true;
                for key in others {
                    let _ = ctx.wake_issuer.send(key);
                }
            }
        }
        true
    }
}

impl Needs {
    fn of(object: &dyn IssuerObject, ctx: &Context) -> Self {
        let key = object.key();
        let namespace = namespace_of(ctx, &key);
        let present = Protected {
            secrets: credentials_name(object.spec()).into_iter().collect(),
            maps: ca_config_maps(object.spec()),
        };
        let status = object.status();
        // Others may write the status: what is no name is nothing of ours.
        let names = |all: &Vec<String>| all.iter().filter(|name| name.parse::<ObjectName>().is_ok()).cloned().collect();
        let noted = Protected {
            secrets: status.map(|status| names(&status.credentials_secrets)).unwrap_or_default(),
            maps: status.map(|status| names(&status.ca_config_maps)).unwrap_or_default(),
        };
        let secrets = Objects::namespaced(ctx.client.clone(), namespace);
        Self { secrets, maps: Objects::namespaced(ctx.client.clone(), namespace), present, noted }
    }

    /// What is noted, and what the spec names.
    fn all(&self) -> Protected {
        let union = |noted: &[String], present: &[String]| {
            let new = present.iter().filter(|name| !noted.contains(name));
            noted.iter().chain(new).cloned().collect()
        };
        Protected {
            secrets: union(&self.noted.secrets, &self.present.secrets),
            maps: union(&self.noted.maps, &self.present.maps),
        }
    }

    /// Takes our finalizer off these, unless another issuer needs them. Gives those that stay.
    async fn let_go(
        &self,
        which: &Protected,
        key: &IssuerKey,
        ctx: &Context,
        released: &HashSet<String>,
    ) -> Result<Kept, ClusterError> {
        let (others, mut kept) = (ctx.neighbors(key), Kept::default());
        let others = others.as_deref();
        for name in &which.secrets {
            let notes = |other: &dyn IssuerObject| {
                other.status().is_some_and(|status| status.credentials_secrets.contains(name))
            };
            let names = |other: &dyn IssuerObject| credentials_name(other.spec()).as_ref() == Some(name);
            if kept.stays(share(key, others, released, notes, names), ctx) {
                kept.names.secrets.push(name.clone());
            } else {
                mark_secret(&self.secrets, name, None).await?;
            }
        }
        for name in &which.maps {
            let notes =
                |other: &dyn IssuerObject| other.status().is_some_and(|status| status.ca_config_maps.contains(name));
            let names = |other: &dyn IssuerObject| ca_config_maps(other.spec()).contains(name);
            if kept.stays(share(key, others, released, notes, names), ctx) {
                kept.names.maps.push(name.clone());
            } else {
                mark(&self.maps, name, false, |_| true).await?;
            }
        }
        Ok(kept)
    }
}

/// Puts our finalizer on the issuer, on the Secret with its credentials and on the config maps with its CAs: all are
/// needed to revoke what was requested with them. Gives the issuer as it is then.
///
/// The names are noted first, so that none is forgotten that bears our finalizer.
pub async fn hold<I>(object: &I, ctx: &Context, api: &Objects<I>) -> Result<I, ClusterError>
where
    I: IssuerObject + Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let (name, params) = (object.name_any(), PatchParams::default());
    let mut object = object.clone();
    let needs = Needs::of(&object, ctx);
    let all = needs.all();
    if all != needs.noted {
        let body = json!({
            "metadata": {"uid": IssuerObject::uid(&object), "resourceVersion": object.version()},
            "status": {"credentialsSecrets": all.secrets, "caConfigMaps": all.maps},
        });
        object = call("note what the issuer needs", api.patch_status(&name, &params, &Patch::Merge(&body))).await?;
    }
    for secret in &needs.present.secrets {
        mark_secret(&needs.secrets, secret, Some(object.key().kind)).await?;
    }
    for map in &needs.present.maps {
        mark(&needs.maps, map, true, |_| true).await?;
    }
    if let Some(body) = finalizers::patch(IssuerObject::finalizers(&object), object.version().as_deref(), true) {
        object = call("hold the issuer", api.patch(&name, &params, &Patch::Merge(&body))).await?;
    }
    Ok(object)
}

/// Whether it notes what its spec does not name any more.
pub fn has_former(object: &dyn IssuerObject) -> bool {
    let (secret, maps) = (credentials_name(object.spec()), ca_config_maps(object.spec()));
    object.status().is_some_and(|status| {
        status.credentials_secrets.iter().any(|name| Some(name) != secret.as_ref())
            || status.ca_config_maps.iter().any(|name| !maps.contains(name))
    })
}

/// What the spec names works: former Secrets and config maps may go. Gives those that stay.
pub async fn let_former_go<I: IssuerObject>(object: &I, ctx: &Context) -> Result<Kept, ClusterError> {
    let needs = Needs::of(object, ctx);
    let former = |noted: &[String], present: &[String]| {
        noted.iter().filter(|name| !present.contains(name)).cloned().collect::<Vec<_>>()
    };
    let former = Protected {
        secrets: former(&needs.noted.secrets, &needs.present.secrets),
        maps: former(&needs.noted.maps, &needs.present.maps),
    };
    if former.secrets.is_empty() && former.maps.is_empty() {
        return Ok(Kept::default());
    }
    let released = ctx.released.lock().await;
    needs.let_go(&former, &object.key(), ctx, &released).await
}

/// The last object has gone: credentials, CAs and issuer may go. One issuer at a time: two that need the same Secret
/// would else leave it to each other.
pub async fn release<I>(object: &I, ctx: &Context, api: &Objects<I>) -> Result<(), ClusterError>
where
    I: IssuerObject + Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let mut released = ctx.released.lock().await;
    released.retain(|uid| ctx.shows_issuer(uid));
    let needs = Needs::of(object, ctx);
    // What stays is let go by another issuer, which notes it.
    needs.let_go(&needs.all(), &object.key(), ctx, &released).await?;
    if let Some(body) = finalizers::patch(IssuerObject::finalizers(object), object.version().as_deref(), false) {
        call("release the issuer", api.patch(&object.name_any(), &PatchParams::default(), &Patch::Merge(&body)))
            .await?;
    }
    released.insert(IssuerObject::uid(object));
    Ok(())
}

/// Puts our finalizer on a Secret for an issuer of this kind, or takes it off. One that is not opted in stays untouched.
pub async fn mark_secret(secrets: &Objects<Secret>, name: &str, by: Option<IssuerKind>) -> Result<(), ClusterError> {
    let Some(kind) = by else { return mark(secrets, name, false, |_| true).await };
    mark(secrets, name, true, |secret| may_use(kind, secret.meta().labels.as_ref())).await
}

async fn mark<K>(
    objects: &Objects<K>,
    name: &str,
    wanted: bool,
    may_hold: impl Fn(&PartialObjectMeta<K>) -> bool,
) -> Result<(), ClusterError>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let found = call("read what the issuer needs", objects.get_metadata_opt(name)).await?;
    // One that is being deleted takes no new finalizer.
    let found = found.filter(|one| !wanted || (one.meta().deletion_timestamp.is_none() && may_hold(one)));
    if let Some(one) = found
        && let Some(body) = finalizers::patch(one.finalizers(), one.resource_version().as_deref(), wanted)
    {
        let what = if wanted { "protect what the issuer needs" } else { "release what the issuer needed" };
        call(what, objects.patch_metadata(name, &PatchParams::default(), &Patch::Merge(&body))).await?;
    }
    Ok(())
}
