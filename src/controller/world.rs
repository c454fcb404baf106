//! What one pass holds in its hands: the object and its Secret, as caches had them or as the API
//! server has just said. All reads of a pass that decisions stand on are here.

use super::cluster::{ClusterError, call};
use super::context::Context;
use super::issuers::IssuerKey;
use crate::api::{ATTEMPT_ANNOTATION, FINALIZER, RecordedSecret, RegistryToken};
use crate::domain::observed::{ObjectFacts, Observed};
use crate::domain::pull_secret::{Claimant, RawMeta, SecretMeta};
use crate::domain::status::recorded;
use crate::portal::limits::Permit;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ObjectReference, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, Resource, ResourceExt};
use std::sync::Arc;

/// What one pass holds in its hands.
pub struct World {
    /// The object.
    pub object: RegistryToken,
    /// Its Secret's metadata.
    pub secret: Option<ObjectMeta>,
    /// Both are answers of the API server, given in this pass.
    pub fresh: bool,
    /// Leave to prepare a request.
    pub room: Option<Permit>,
    /// The marker is still in the description: this pass has just asked for the token.
    pub unsettled: bool,
}

impl World {
    /// As the caches have it.
    pub fn cached(object: &RegistryToken, ctx: &Context) -> Self {
        let mut world = Self { object: object.clone(), secret: None, fresh: false, room: None, unsettled: false };
        let name = ObjectRef::<PartialObjectMeta<Secret>>::new(&world.secret_name()).within(&world.namespace());
        world.secret = ctx.secrets.get(&name).map(|secret| secret.metadata.clone());
        world
    }

    /// Asks the API server: first the object, then the Secret. So a token counts as lost from
    /// its Secret only if the Secret was read after the status that names the token.
    pub async fn refresh(&mut self, ctx: &Context) -> Result<Freshness, ClusterError> {
        let found = call("read the RegistryToken", self.objects(ctx).get_opt(&self.object.name_any())).await?;
        match found {
            Some(object) if object.uid() == self.object.uid() => self.object = object,
            _ => return Ok(Freshness::Gone),
        }
        self.secret = self.read_secret(ctx).await?;
        self.fresh = true;
        Ok(Freshness::Fresh)
    }

    /// The Secret's metadata, past every cache.
    pub async fn read_secret(&self, ctx: &Context) -> Result<Option<ObjectMeta>, ClusterError> {
        let found = call("read the Secret", self.secrets(ctx).get_metadata_opt(&self.secret_name())).await?;
        Ok(found.map(|secret| secret.metadata))
    }

    /// What a decision stands on.
    pub fn observe(&self, ctx: &Context) -> Observed {
        let uid = self.uid();
        let status = recorded(self.object.status.as_ref(), &uid);
        let reservation = self.annotation(ATTEMPT_ANNOTATION);
        Observed {
            now: Timestamp::now(),
            object: ObjectFacts {
                generation: self.generation(),
                deleting: self.object.meta().deletion_timestamp.is_some(),
                finalizer: self.object.finalizers().iter().any(|finalizer| finalizer == FINALIZER),
                description_length: self.object.spec.description.chars().count(),
                uid: uid.clone(),
            },
            secret: self.secret.as_ref().map(|meta| self.parse(meta)),
            recorded: status,
            issuer: ctx.issuer(&self.issuer_key()),
            holder: ctx.holder.clone(),
            reservation_seen: ctx.memory.reservation_seen(&uid, reservation.as_deref()),
        }
    }

    /// What a Secret's metadata says to this object.
    pub fn parse(&self, meta: &ObjectMeta) -> SecretMeta {
        let empty = std::collections::BTreeMap::new();
        let controller = meta.owner_references.iter().flatten().find(|owner| owner.controller == Some(true));
        let raw = RawMeta {
            uid: meta.uid.as_deref().unwrap_or_default(),
            resource_version: meta.resource_version.as_deref().unwrap_or_default(),
            controller_uid: controller.map(|owner| owner.uid.as_str()),
            labels: meta.labels.as_ref().unwrap_or(&empty),
            annotations: meta.annotations.as_ref().unwrap_or(&empty),
        };
        let uid = self.uid();
        let recorded = self.object.status.as_ref().filter(|status| status.uid.as_ref() == Some(&uid));
        let secret_uid = recorded.and_then(|status| status.secret.as_ref()).and_then(|secret| secret.uid.as_deref());
        SecretMeta::parse(raw, Claimant { uid: &uid, recorded_secret_uid: secret_uid })
    }

    /// What status records of a Secret.
    pub fn recorded_secret(&self, meta: &ObjectMeta) -> RecordedSecret {
        RecordedSecret {
            name: self.secret_name(),
            uid: meta.uid.clone(),
            resource_version: meta.resource_version.clone(),
        }
    }

    fn annotation(&self, key: &str) -> Option<String> {
        self.secret.as_ref()?.annotations.as_ref()?.get(key).cloned()
    }

    /// UID of the object.
    pub fn uid(&self) -> String {
        self.object.uid().unwrap_or_default()
    }

    /// Its generation.
    pub fn generation(&self) -> i64 {
        self.object.meta().generation.unwrap_or_default()
    }

    /// Its namespace.
    pub fn namespace(&self) -> String {
        self.object.namespace().unwrap_or_default()
    }

    /// Name of its Secret.
    pub fn secret_name(&self) -> String {
        let named = self.object.spec.secret.as_ref().and_then(|secret| secret.name.clone());
        named.unwrap_or_else(|| self.object.name_any())
    }

    /// Its issuer.
    pub fn issuer_key(&self) -> IssuerKey {
        IssuerKey::of(&self.object.spec.issuer_ref, &self.namespace())
    }

    /// For logs.
    pub fn name(&self) -> ObjectRef<RegistryToken> {
        ObjectRef::from_obj(&self.object)
    }

    /// For events.
    pub fn reference(&self) -> ObjectReference {
        self.object.object_ref(&())
    }

    /// The objects of its namespace.
    pub fn objects(&self, ctx: &Context) -> Api<RegistryToken> {
        Api::namespaced(ctx.client.clone(), &self.namespace())
    }

    /// The Secrets of its namespace.
    pub fn secrets(&self, ctx: &Context) -> Api<Secret> {
        Api::namespaced(ctx.client.clone(), &self.namespace())
    }
}

/// What a refresh found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Object and Secret are as they are now.
    Fresh,
    /// There is no such object any more.
    Gone,
}

/// A pass's shared context.
pub type Shared = Arc<Context>;
