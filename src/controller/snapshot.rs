//! The snapshot of a pass in the API server's types, and its conversion to the core's types.

use crate::api::{
    DeletionPolicy, MAC_ANNOTATION, OWNER_LABEL, RESERVATION_ANNOTATION, RegistryToken, RotationSpec,
    STORED_ANNOTATION, UpstreamRevocationPolicy,
};
use crate::controller::annotations::{confirmed_revoked, imported_id, requested};
use crate::controller::context::Context;
use crate::controller::decode::prune::live_token;
use crate::controller::finalizer::has_finalizer;
use crate::controller::issuer_object::IssuerKey;
use crate::controller::state::issuer_cache::ConnectedIssuer;
use crate::controller::state::secret_cache::CachedSecret;
use crate::controller::state::token_cache::{TokenKey, key_of};
use crate::domain::model::marker::AttemptId;
use crate::domain::model::namespace_access::NamespaceAccess;
use crate::domain::model::object::{Object, Rotation};
use crate::domain::model::pull_secret::{Owner, RawMeta, SecretMeta};
use crate::domain::model::request_history::RequestHistory;
use crate::domain::model::rotation_windows::{RotationWindow, RotationWindows};
use crate::domain::model::status_view::{StatusView, recorded_secret_uid};
use crate::domain::model::token::TokenRef;
use crate::domain::observed::{Observed, Recheck, UpstreamState};
use crate::kube_client::objects::ObjectClient;
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::{ObjectReference, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::runtime::reflector::ObjectRef;
use kube::{Resource, ResourceExt};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a pass has read: the object, its Secret's metadata and its issuer.
pub struct Snapshot {
    /// The object; shared with the cache until it is read or written.
    pub object: Arc<RegistryToken>,
    /// The metadata of its Secret.
    pub secret: Option<ObjectMeta>,
    /// Its issuer when the pass started.
    pub issuer: Option<Arc<ConnectedIssuer>>,
}

impl Snapshot {
    /// Takes a snapshot of the caches.
    pub fn from_caches(object: Arc<RegistryToken>, ctx: &Context) -> Self {
        let mut snapshot = Self { object, secret: None, issuer: None };
        let name = ObjectRef::<CachedSecret>::new(&snapshot.secret_name()).within(&snapshot.namespace());
        snapshot.secret = ctx.secrets.get(&name).and_then(|secret| secret.meta());
        snapshot.issuer = ctx.issuers.connected(&snapshot.issuer_key());
        snapshot
    }

    /// The observation for the core. `resync` is a request for a resync that an earlier observation has handled, in a
    /// pass that did nothing.
    pub fn observe(&self, ctx: &Context, attempt: AttemptId, resync: bool) -> Observed {
        let key = self.issuer_key();
        let mut observed = Observed {
            now: ctx.clock.now(),
            object: self.parse_object(ctx),
            secret: self.secret.as_ref().map(|meta| self.parse_secret(ctx, meta)),
            issuer: ctx.issuer_state(&key, self.issuer.as_ref()),
            namespace_access: self.namespace_access(ctx),
            identity: ctx.identity.clone(),
            upstream: self.upstream_state(ctx, &key),
            resync_requested: ctx.process_state.resync_requested(
                &self.uid(),
                self.object.annotations(),
                self.object.status.is_none(),
            ) || resync,
            attempt_id: attempt,
            token_requested: false,
            cooldowns: vec![],
            normalized_description: None,
            revoked_tokens: ctx.process_state.revoked(&self.uid()),
            recheck: Recheck::NotRequested,
            edit_retry_after: None,
            request_history: RequestHistory::default(),
        };
        observed.recheck = ctx.process_state.recheck(&self.uid(), observed.resync_requested);
        observed.edit_retry_after = ctx.process_state.edit_retry(&observed);
        observed.request_history = ctx.process_state.requests(&observed.object, observed.now);
        observed.normalized_description = self.normalized_description(ctx, &observed);
        observed.cooldowns = ctx.process_state.cooldowns(&observed);
        observed
    }

    /// Whether the issuer serves the namespace, according to the caches.
    fn namespace_access(&self, ctx: &Context) -> NamespaceAccess {
        let Some(issuer) = &self.issuer else { return NamespaceAccess::Unknown };
        let access = match &issuer.namespace_rule {
            None => Some(Ok(())),
            Some(rule) => {
                let namespace = ctx.cluster_tokens.namespaces.get(&ObjectRef::new(&self.namespace()));
                let matches = namespace.zip(rule.selector.as_ref()).map(|(one, selector)| one.matches(selector));
                matches.map(|matches| if matches { Ok(()) } else { Err(rule.grace_period) })
            }
        };
        ctx.process_state.namespace_access(&self.uid(), access, ctx.clock.now())
    }

    /// The normalized form of a description that the portal did not keep, as shown by the first list after our edit.
    /// After a restart it is the one in the first list.
    fn normalized_description(&self, ctx: &Context, observed: &Observed) -> Option<u64> {
        let UpstreamState::Present(shown) = observed.upstream else { return None };
        let refused = StatusView::of(&observed.object).description_rejected == Some(observed.object.generation);
        refused.then(|| ctx.process_state.normalized_description(&self.uid(), observed.object.generation, shown))
    }

    /// What the last audit says about the current token, unless the token was modified since.
    fn upstream_state(&self, ctx: &Context, key: &IssuerKey) -> UpstreamState {
        let status = StatusView::of(&self.parse_object(ctx));
        let (Some(token), Some(audited)) = (status.token.as_ref(), ctx.issuers.audit_result(key)) else {
            return UpstreamState::Unknown;
        };
        // An audit result is outdated if the list has become visible or hidden since, or if the token was found revoked
        // after the audit started, perhaps by another instance.
        let overtaken = status.upstream_revocation.is_some_and(|(time, _)| time >= audited.evidence.started_at());
        if overtaken || !self.issuer.as_ref().is_some_and(|issuer| audited.same_source(&issuer.info)) {
            return UpstreamState::Unknown;
        }
        if ctx.process_state.modified_since(&self.uid(), audited.evidence.started_at(), ctx.clock.now()) {
            return UpstreamState::Unknown;
        }
        let token = TokenRef::from(token);
        audited.evidence.upstream_state(&token, audited.missing_tokens.is_plausible_in(&self.namespace()))
    }

    /// The object in the core's form.
    pub fn parse_object(&self, ctx: &Context) -> Object {
        let (meta, spec) = (self.object.meta(), &self.object.spec);
        Object {
            uid: self.uid(),
            resource_version: meta.resource_version.clone().unwrap_or_default(),
            created: meta.creation_timestamp.as_ref().map(|time| time.0).unwrap_or_default(),
            generation: meta.generation.unwrap_or_default(),
            deleting: meta.deletion_timestamp.is_some(),
            has_finalizer: has_finalizer(self.object.finalizers()),
            description: spec.description.clone(),
            projects: spec.scope.as_ref().map(|scope| scope.projects.clone()).unwrap_or_default(),
            secret_name: self.secret_name(),
            issuer: spec.issuer_ref.to_string(),
            rotation: spec
                .rotation
                .as_ref()
                .map(|rotation| Rotation { interval: rotation.interval.0, overlap: rotation.overlap.0 }),
            rotation_windows: spec.rotation.as_ref().map(rotation_windows).unwrap_or_default(),
            suspended: spec.suspend,
            reissue_revoked: spec.upstream_revocation_policy == UpstreamRevocationPolicy::Reissue,
            revoke_on_deletion: spec.deletion_policy == DeletionPolicy::Revoke,
            requested_annotations: requested(self.object.annotations(), ["rotate", "replace"]),
            import: imported_id(self.object.annotations()),
            confirmed_revoked: confirmed_revoked(self.object.annotations()),
            status: self.object.status.clone(),
            keys: ctx.keyring.keys(),
        }
    }

    /// The Secret's metadata in the core's form.
    pub fn parse_secret(&self, ctx: &Context, meta: &ObjectMeta) -> SecretMeta {
        let empty = BTreeMap::new();
        let raw = raw_meta(meta, &empty);
        let uid = self.uid();
        let recorded = self.object.status.as_ref().filter(|status| status.uid.as_ref() == Some(&uid));
        let keys = ctx.keyring.keys();
        let created = self.object.meta().creation_timestamp.as_ref().map(|time| time.0).unwrap_or_default();
        let note_mac = raw.annotations.get(MAC_ANNOTATION).filter(|_| raw.annotations.contains_key(STORED_ANNOTATION));
        let note_mac = note_mac.map(String::as_str);
        let secret = recorded.and_then(|status| recorded_secret_uid(status, &uid, created, &keys, note_mac));
        let reservation = raw.annotations.get(RESERVATION_ANNOTATION).map(String::as_str);
        let reservation_seen = ctx.process_state.reservation_age(&uid, reservation);
        let labelled = raw.labels.get(OWNER_LABEL).filter(|label| raw.controller_uid.is_none() && **label != uid);
        let label_of_another = labelled.is_some_and(|label| self.object_exists(ctx, label));
        SecretMeta::parse(
            raw,
            Owner {
                uid: &uid,
                recorded_secret_uid: secret,
                reservation_age: reservation_seen,
                label_names_other_object: label_of_another,
            },
        )
    }

    /// Whether an object with this UID is in the namespace. The cache may lag a moment; in that time a Secret still has
    /// its controller reference, or has it again.
    pub fn object_exists(&self, ctx: &Context, uid: &str) -> bool {
        let namespace = self.namespace();
        let here = ctx.tokens.filter(|token| token.is_in(&namespace));
        here.iter().filter_map(|token| token.unpack()).any(|token| token.metadata.uid.as_deref() == Some(uid))
    }

    pub fn uid(&self) -> String {
        self.object.uid().unwrap_or_default()
    }

    pub fn namespace(&self) -> String {
        self.object.namespace().unwrap_or_default()
    }

    pub fn secret_name(&self) -> String {
        self.object.secret_name()
    }

    pub fn issuer_key(&self) -> IssuerKey {
        IssuerKey::of(&self.object.spec.issuer_ref, &self.namespace())
    }

    /// Its key in the cache, and its name in logs.
    pub fn key(&self) -> TokenKey {
        key_of(&self.object)
    }

    /// A reference for events.
    pub fn reference(&self) -> ObjectReference {
        self.object.object_ref(&())
    }

    /// A client for the objects of its namespace.
    pub fn objects(&self, ctx: &Context) -> ObjectClient<RegistryToken> {
        ObjectClient::namespaced(ctx.client.clone(), &self.namespace()).with_parser(live_token)
    }

    /// A client for the Secrets of its namespace.
    pub fn secrets(&self, ctx: &Context) -> ObjectClient<Secret> {
        ObjectClient::namespaced(ctx.client.clone(), &self.namespace())
    }
}

fn rotation_windows(rotation: &RotationSpec) -> RotationWindows {
    RotationWindows::new(rotation.windows.iter().map(|window| {
        let duration = SignedDuration::try_from(window.duration.0).unwrap_or(SignedDuration::MAX);
        RotationWindow::parse(&window.schedule, &window.time_zone, duration)
    }))
}

/// The relevant parts of a Secret's metadata; absent values are empty.
pub fn raw_meta<'a>(meta: &'a ObjectMeta, empty: &'a BTreeMap<String, String>) -> RawMeta<'a> {
    let controller = meta.owner_references.iter().flatten().find(|owner| owner.controller == Some(true));
    RawMeta {
        uid: meta.uid.as_deref().unwrap_or_default(),
        resource_version: meta.resource_version.as_deref().unwrap_or_default(),
        controller_uid: controller.map(|owner| owner.uid.as_str()),
        labels: meta.labels.as_ref().unwrap_or(empty),
        annotations: meta.annotations.as_ref().unwrap_or(empty),
    }
}
