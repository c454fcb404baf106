//! What one pass holds in its hands, in the API server's own form: the object and its Secret's
//! metadata; and how the core sees both.

use super::context::Context;
use super::finalizers::is_held;
use super::issuers::{Handle, IssuerKey};
use super::kept::KeptSecret;
use super::prune::live_token;
use crate::api::{
    ATTEMPT_ANNOTATION, DeletionPolicy, GONE_ANNOTATION, OWNER_LABEL, REPLACE_ANNOTATION, ROTATE_ANNOTATION,
    RegistryToken, STORED_ANNOTATION, UpstreamRevocationPolicy,
};
use crate::domain::effect::Named;
use crate::domain::marker::{Attempt, hash};
use crate::domain::object::{Object, Rotation};
use crate::domain::observed::{Listed, Observed, Recheck};
use crate::domain::pull_secret::{Claimant, RawMeta, SecretMeta};
use crate::domain::recorded::{recorded, recorded_secret};
use crate::domain::request_backoff::RequestHistory;
use crate::kube_api::Objects;
use k8s_openapi::api::core::v1::{ObjectReference, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::runtime::reflector::ObjectRef;
use kube::{Resource, ResourceExt};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A pass's shared context.
pub type Shared = Arc<Context>;

/// What one pass holds in its hands.
pub struct World {
    /// The object: the cache's own, until it is read or written.
    pub object: Arc<RegistryToken>,
    /// Its Secret's metadata.
    pub secret: Option<ObjectMeta>,
    /// Its issuer, as it was when the pass began.
    pub issuer: Option<Arc<Handle>>,
}

impl World {
    /// As the caches have it.
    pub fn cached(object: Arc<RegistryToken>, ctx: &Context) -> Self {
        let mut world = Self { object, secret: None, issuer: None };
        let name = ObjectRef::<KeptSecret>::new(&world.secret_name()).within(&world.namespace());
        world.secret = ctx.secrets.get(&name).and_then(|secret| secret.meta());
        world.issuer = ctx.issuers.handle(&world.issuer_key());
        world
    }

    /// What the core sees.
    pub fn observe(&self, ctx: &Context, attempt: Attempt) -> Observed {
        let key = self.issuer_key();
        let mut seen = Observed {
            now: ctx.clock.now(),
            object: self.parse_object(ctx),
            secret: self.secret.as_ref().map(|meta| self.parse(ctx, meta)),
            issuer: ctx.issuer(&key, self.issuer.as_ref()),
            holder: ctx.holder.clone(),
            // There is no lease yet: another operator may be at work.
            leads: false,
            listed: self.listed(ctx, &key),
            look_closer: ctx.memory.look_closer(&self.uid(), self.object.annotations()),
            attempt,
            shown: None,
            vain: vec![],
            kept: None,
            revoked: ctx.memory.revoked(&self.uid()),
            recheck: Recheck::No,
            edit_retry: None,
            requests: RequestHistory::default(),
        };
        seen.recheck = ctx.memory.recheck(&self.uid(), seen.look_closer);
        seen.edit_retry = ctx.memory.edit_retry(&seen);
        seen.requests = ctx.memory.requests(&seen.object, seen.now);
        seen.kept = self.kept(ctx, &seen);
        seen.vain = ctx.memory.in_vain(&seen);
        seen
    }

    /// What the portal made of a description that it did not keep: what the first list after our edit shows.
    /// A restart begins with what it finds.
    fn kept(&self, ctx: &Context, seen: &Observed) -> Option<u64> {
        let Listed::Shown(shown) = seen.listed else { return None };
        let refused = recorded(&seen.object).description_refused == Some(seen.object.generation);
        refused.then(|| ctx.memory.kept(&self.uid(), seen.object.generation, shown))
    }

    /// What the last audit says of the current token, unless that was touched since.
    fn listed(&self, ctx: &Context, key: &IssuerKey) -> Listed {
        let known = recorded(&self.parse_object(ctx));
        let (Some(token), Some(audited)) = (known.token.as_ref(), ctx.issuers.audited(key)) else {
            return Listed::Unknown;
        };
        // What a former audit went by says nothing once the list is shown, or hidden; nor what was seen before
        // somebody, perhaps another operator, saw that the token was revoked.
        let overtaken = known.upstream_revocation.is_some_and(|(time, _)| time >= audited.evidence.begun());
        if overtaken || !self.issuer.as_ref().is_some_and(|issuer| audited.fits(&issuer.facts)) {
            return Listed::Unknown;
        }
        if ctx.memory.touched_since(&self.uid(), audited.evidence.begun(), ctx.clock.now()) {
            return Listed::Unknown;
        }
        let token = Named::from(token);
        audited.evidence.listed(&token, audited.vanished.is_believed_in(&self.namespace()))
    }

    /// The object as the core sees it.
    pub fn parse_object(&self, ctx: &Context) -> Object {
        let (meta, spec) = (self.object.meta(), &self.object.spec);
        Object {
            uid: self.uid(),
            version: meta.resource_version.clone().unwrap_or_default(),
            created: meta.creation_timestamp.as_ref().map(|time| time.0).unwrap_or_default(),
            generation: meta.generation.unwrap_or_default(),
            deleting: meta.deletion_timestamp.is_some(),
            finalizer: is_held(self.object.finalizers()),
            description: spec.description.clone(),
            secret_name: self.secret_name(),
            issuer: spec.issuer_ref.to_string(),
            rotation: spec
                .rotation
                .as_ref()
                .map(|rotation| Rotation { interval: rotation.interval.0, overlap: rotation.overlap.0 }),
            suspended: spec.suspend,
            reissue: spec.upstream_revocation_policy == UpstreamRevocationPolicy::Reissue,
            revoke: spec.deletion_policy == DeletionPolicy::Revoke,
            asked: asked(self.object.annotations(), ["rotate", "replace"]),
            gone: gone(self.object.annotations()),
            status: self.object.status.clone(),
            keys: ctx.keyring.keys(),
        }
    }

    /// What a Secret's metadata says to this object.
    pub fn parse(&self, ctx: &Context, meta: &ObjectMeta) -> SecretMeta {
        let empty = BTreeMap::new();
        let raw = raw(meta, &empty);
        let uid = self.uid();
        let recorded = self.object.status.as_ref().filter(|status| status.uid.as_ref() == Some(&uid));
        let keys = ctx.keyring.keys();
        let created = self.object.meta().creation_timestamp.as_ref().map(|time| time.0).unwrap_or_default();
        let is_noted = raw.annotations.contains_key(STORED_ANNOTATION);
        let secret = recorded.and_then(|status| recorded_secret(status, &uid, created, &keys, is_noted));
        let reservation = raw.annotations.get(ATTEMPT_ANNOTATION).map(String::as_str);
        let reservation_seen = ctx.memory.reservation_seen(&uid, reservation);
        let labelled = raw.labels.get(OWNER_LABEL).filter(|label| raw.controller_uid.is_none() && **label != uid);
        let label_of_another = labelled.is_some_and(|label| self.is_there(ctx, label));
        SecretMeta::parse(raw, Claimant { uid: &uid, recorded_secret_uid: secret, reservation_seen, label_of_another })
    }

    /// Whether an object of this UID is in the namespace. The cache may be a moment behind; by then a Secret
    /// has its controller still, or again.
    fn is_there(&self, ctx: &Context, uid: &str) -> bool {
        let namespace = self.namespace();
        let is = |token: &RegistryToken| {
            token.metadata.uid.as_deref() == Some(uid) && token.metadata.namespace.as_ref() == Some(&namespace)
        };
        ctx.tokens.find(is).is_some()
    }

    /// UID of the object.
    pub fn uid(&self) -> String {
        self.object.uid().unwrap_or_default()
    }

    /// Its namespace.
    pub fn namespace(&self) -> String {
        self.object.namespace().unwrap_or_default()
    }

    /// Name of its Secret.
    pub fn secret_name(&self) -> String {
        secret_name(&self.object)
    }

    /// Its issuer.
    pub fn issuer_key(&self) -> IssuerKey {
        IssuerKey::of(&self.object.spec.issuer_ref, &self.namespace())
    }

    /// For logs.
    pub fn name(&self) -> ObjectRef<RegistryToken> {
        ObjectRef::from_obj(&*self.object)
    }

    /// For events.
    pub fn reference(&self) -> ObjectReference {
        self.object.object_ref(&())
    }

    /// The objects of its namespace.
    pub fn objects(&self, ctx: &Context) -> Objects<RegistryToken> {
        Objects::namespaced(ctx.client.clone(), &self.namespace()).parsed_by(live_token)
    }

    /// The Secrets of its namespace.
    pub fn secrets(&self, ctx: &Context) -> Objects<Secret> {
        Objects::namespaced(ctx.client.clone(), &self.namespace())
    }
}

/// The parts of a Secret's metadata that matter; what is absent is empty.
pub fn raw<'a>(meta: &'a ObjectMeta, empty: &'a BTreeMap<String, String>) -> RawMeta<'a> {
    let controller = meta.owner_references.iter().flatten().find(|owner| owner.controller == Some(true));
    RawMeta {
        uid: meta.uid.as_deref().unwrap_or_default(),
        resource_version: meta.resource_version.as_deref().unwrap_or_default(),
        controller_uid: controller.map(|owner| owner.uid.as_str()),
        labels: meta.labels.as_ref().unwrap_or(empty),
        annotations: meta.annotations.as_ref().unwrap_or(empty),
    }
}

/// Name of an object's Secret: `spec.secret.name`, or the object's own.
pub fn secret_name(object: &RegistryToken) -> String {
    let named = object.spec.secret.as_ref().and_then(|secret| secret.name.clone());
    named.unwrap_or_else(|| object.name_any())
}

/// The tokens of which the object's user says that they are revoked.
fn gone(annotations: &BTreeMap<String, String>) -> Vec<String> {
    let named = annotations.get(GONE_ANNOTATION).into_iter().flat_map(|text| text.split(','));
    named.map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// What is asked for by annotation, under the keys of `status.handledAnnotations`.
pub fn asked(annotations: &BTreeMap<String, String>, [rotate, replace]: [&str; 2]) -> BTreeMap<String, String> {
    [(ROTATE_ANNOTATION, rotate), (REPLACE_ANNOTATION, replace)]
        .into_iter()
        .filter_map(|(annotation, key)| Some((key.to_owned(), bounded(annotations.get(annotation)?))))
        .collect()
}

/// The longest value of an annotation that is kept and compared as it is, in bytes.
const LONGEST_VALUE: usize = 256;

/// A longer value counts as its hash, here and wherever it is written: it is only compared.
fn bounded(value: &str) -> String {
    if value.len() <= LONGEST_VALUE { value.to_owned() } else { format!("hash:{}", hash(&[value], 52)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_value_of_an_annotation_counts_as_its_hash() {
        let of = |value: String| {
            let annotations = BTreeMap::from([(ROTATE_ANNOTATION.to_owned(), value)]);
            asked(&annotations, ["rotate", "replace"]).remove("rotate").expect("asked for")
        };
        assert_eq!(of("x".repeat(LONGEST_VALUE)), "x".repeat(LONGEST_VALUE));
        let (long, longer) = (of("x".repeat(140_000)), of("x".repeat(140_001)));
        assert!(long.len() < 64 && long != longer, "{long}, {longer}");
        assert_eq!(long, of("x".repeat(140_000)), "the same value asks once");
    }
}
