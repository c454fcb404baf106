//! Builds patches of a pull secret: labels, annotations, owner and content. Each patch is guarded by the version that
//! it is based on.

use super::checksum::{COVERED_ANNOTATIONS, CoveredValues, checksum, covered};
use crate::api::{
    ADOPT_ANNOTATION, CAUSE_ANNOTATION, CHECKSUM_ANNOTATION, CLOSED_ANNOTATION, LAST_APPLIED_KEYS_ANNOTATION,
    MAC_ANNOTATION, ORPHANED_ANNOTATION, OWNER_LABEL, REGISTRIES_ANNOTATION, RESERVATION_ANNOTATION,
    ROTATED_AT_ANNOTATION, RegistryToken, SecretTemplate, USERNAME_ANNOTATION,
};
use crate::domain::model::dockerconfig::{DATA_KEY, EMPTY, SECRET_TYPE};
use crate::domain::model::marker::Nonce;
use crate::domain::model::pull_secret::{Reservation, StoredToken};
use crate::domain::model::token_mac::{MacKeys, TokenSignature};
use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Resource, ResourceExt};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use zeroize::Zeroize;

/// The annotations with the operator's signature of the token.
const SIGNATURE_ANNOTATIONS: [&str; 2] = [USERNAME_ANNOTATION, MAC_ANNOTATION];

/// The desired state of an object's Secret.
#[derive(Clone, Copy)]
pub struct SecretPatch<'a> {
    pub object: &'a RegistryToken,
    /// Hash of the issuer's registries.
    pub registries: &'a str,
    /// Whether the Secret's labels and annotations of the spec are left unchanged.
    pub without_template: bool,
    /// The time of the API server.
    pub now: Timestamp,
}

/// The parts of a patch.
#[derive(Default)]
struct PatchBody {
    labels: Map<String, Value>,
    annotations: Map<String, Value>,
    owners: Option<Value>,
    content: Option<String>,
}

impl PatchBody {
    fn set(mut self, key: &str, value: &str) -> Self {
        self.annotations.insert(key.to_owned(), json!(value));
        self
    }

    fn set_signature(self, signature: &TokenSignature) -> Self {
        self.set(USERNAME_ANNOTATION, &signature.username).set(MAC_ANNOTATION, &signature.mac)
    }

    fn clear(mut self, keys: &[&str]) -> Self {
        self.annotations.extend(keys.iter().map(|key| ((*key).to_owned(), Value::Null)));
        self
    }

    /// The merge patch, guarded by UID and version.
    fn finish(self, meta: &ObjectMeta) -> Value {
        let mut body = json!({"metadata": {
            "uid": meta.uid, "resourceVersion": meta.resource_version,
            "annotations": self.annotations, "labels": self.labels,
        }});
        if let Some(owners) = self.owners {
            body["metadata"]["ownerReferences"] = owners;
        }
        if let Some(content) = self.content {
            // Moved, not copied: the executor wipes it after sending.
            body["data"] = Value::Object(Map::from_iter([(DATA_KEY.to_owned(), Value::String(content))]));
        }
        body
    }
}

/// Wipes the content of a patch after it was sent.
pub fn wipe(mut body: Value) {
    if let Some(Value::String(content)) = body.get_mut("data").and_then(|data| data.get_mut(DATA_KEY)) {
        content.zeroize();
    }
}

impl SecretPatch<'_> {
    fn uid(&self) -> String {
        self.object.uid().unwrap_or_default()
    }

    fn template(&self) -> SecretTemplate {
        self.object.spec.secret.clone().unwrap_or_default()
    }

    /// A Secret that contains only a reservation.
    pub fn new_secret(&self, reservation: &Reservation) -> Secret {
        let template = if self.without_template { SecretTemplate::default() } else { self.template() };
        let mut annotations = template.annotations;
        annotations.insert(RESERVATION_ANNOTATION.to_owned(), reservation.to_string());
        let applied = if self.without_template { String::new() } else { self.last_applied_keys() };
        annotations.insert(LAST_APPLIED_KEYS_ANNOTATION.to_owned(), applied);
        let mut labels = template.labels;
        labels.insert(OWNER_LABEL.to_owned(), self.uid());
        Secret {
            metadata: ObjectMeta {
                name: Some(self.object.secret_name()),
                namespace: self.object.namespace(),
                labels: Some(labels),
                annotations: Some(annotations),
                owner_references: self.object.controller_owner_ref(&()).map(|owner| vec![owner]),
                ..ObjectMeta::default()
            },
            type_: Some(SECRET_TYPE.to_owned()),
            data: Some(BTreeMap::from([(DATA_KEY.to_owned(), ByteString(EMPTY.to_vec()))])),
            ..Secret::default()
        }
    }

    /// Adds a reservation to an existing Secret. Its content is kept, because pods may still use it.
    pub fn reserve(&self, meta: &ObjectMeta, reservation: &Reservation) -> Value {
        // A previous owner may have closed it; this owner is not being deleted.
        let body = PatchBody::default().clear(&[CLOSED_ANNOTATION]);
        let mut body = body.set(RESERVATION_ANNOTATION, &reservation.to_string());
        // An audit finds the reservation by this label.
        body.labels.insert(OWNER_LABEL.to_owned(), json!(self.uid()));
        body.finish(meta)
    }

    /// Clears the reservation.
    pub fn clear_reservation(meta: &ObjectMeta) -> Value {
        PatchBody::default().clear(&[RESERVATION_ANNOTATION]).finish(meta)
    }

    /// Closes the Secret for attempts and clears the reservation.
    pub fn close(&self, meta: &ObjectMeta) -> Value {
        PatchBody::default().clear(&[RESERVATION_ANNOTATION]).set(CLOSED_ANNOTATION, &self.uid()).finish(meta)
    }

    /// Restores our label and owner reference.
    pub fn restore_ownership(&self, meta: &ObjectMeta) -> Value {
        let mut body = PatchBody::default();
        body.labels.insert(OWNER_LABEL.to_owned(), json!(self.uid()));
        body.owners = Some(self.owner_references(meta));
        body.finish(meta)
    }

    /// Removes the record of the token, which is no longer the object's.
    pub fn clear_token(meta: &ObjectMeta) -> Value {
        PatchBody::default()
            .clear(&COVERED_ANNOTATIONS)
            .clear(&SIGNATURE_ANNOTATIONS)
            .clear(&[CAUSE_ANNOTATION])
            .finish(meta)
    }

    /// Removes the login and the record of the token, and clears the reservation.
    pub fn remove_login(meta: &ObjectMeta) -> Value {
        let mut body = Self::without_login();
        body.content = Some(STANDARD.encode(EMPTY));
        body.finish(meta)
    }

    /// The same for a Secret whose data cannot be changed.
    pub fn remove_login_record(meta: &ObjectMeta) -> Value {
        Self::without_login().finish(meta)
    }

    fn without_login() -> PatchBody {
        PatchBody::default().clear(&COVERED_ANNOTATIONS).clear(&SIGNATURE_ANNOTATIONS).clear(&[
            CAUSE_ANNOTATION,
            CHECKSUM_ANNOTATION,
            RESERVATION_ANNOTATION,
        ])
    }

    /// Leaves the Secret to its user: removes our owner reference, label and annotations. If the portal may still show
    /// a marker, the marker is recorded, and the label, by which an audit finds the record, is kept.
    pub fn orphan(&self, meta: &ObjectMeta, markers: &[Nonce], keys: &MacKeys) -> Value {
        let ours = [
            RESERVATION_ANNOTATION,
            CLOSED_ANNOTATION,
            CAUSE_ANNOTATION,
            CHECKSUM_ANNOTATION,
            LAST_APPLIED_KEYS_ANNOTATION,
            REGISTRIES_ANNOTATION,
            ADOPT_ANNOTATION,
            ROTATED_AT_ANNOTATION,
        ];
        let mut body = PatchBody::default().clear(&COVERED_ANNOTATIONS).clear(&SIGNATURE_ANNOTATIONS).clear(&ours);
        let previous = meta.annotations.as_ref().and_then(|map| map.get(ORPHANED_ANNOTATION));
        let previous = previous.into_iter().flat_map(|text| text.split(',')).map(str::to_owned);
        let namespace = self.object.namespace().unwrap_or_default();
        let sign = |marker: &Nonce| format!("{marker}:{}", keys.sign_marker(&namespace, &marker.to_string()));
        let signed_markers: BTreeSet<String> = previous.chain(markers.iter().map(sign)).collect();
        if signed_markers.is_empty() {
            body.labels.insert(OWNER_LABEL.to_owned(), Value::Null);
        } else {
            body = body.set(ORPHANED_ANNOTATION, &signed_markers.into_iter().collect::<Vec<_>>().join(","));
            body.labels.insert(OWNER_LABEL.to_owned(), json!(self.uid()));
        }
        let uid = self.object.uid();
        let others = meta.owner_references.iter().flatten().filter(|owner| Some(&owner.uid) != uid.as_ref());
        body.owners = Some(json!(others.collect::<Vec<_>>()));
        body.finish(meta)
    }

    /// Stores a token and clears the reservation.
    pub fn commit(&self, meta: &ObjectMeta, stored: &StoredToken, content: &[u8]) -> Value {
        let covered = [stored.attempt_id.to_string(), stored.id.clone(), stored.provenance.to_string()];
        let cause = serde_json::to_string(&stored.request_cause).unwrap_or_default();
        // In whole seconds, as other times in annotations.
        let now = Timestamp::from_second(self.now.as_second()).unwrap_or(self.now).to_string();
        let body = PatchBody::default().clear(&[RESERVATION_ANNOTATION]).set(CAUSE_ANNOTATION, &cause);
        let body = body.set(ROTATED_AT_ANNOTATION, &now);
        let body = COVERED_ANNOTATIONS
            .iter()
            .zip(&covered)
            .fold(body, |body, (key, text)| body.set(key, text))
            .set_signature(&stored.signature);
        self.set_content(body, meta, covered.each_ref().map(|text| Some(text.as_str())), content).finish(meta)
    }

    /// Repairs everything except the token.
    pub fn repair(&self, meta: &ObjectMeta, signature: &TokenSignature, content: &[u8]) -> Value {
        self.set_content(PatchBody::default().set_signature(signature), meta, covered(meta), content).finish(meta)
    }

    fn set_content(&self, body: PatchBody, meta: &ObjectMeta, covered: CoveredValues<'_>, content: &[u8]) -> PatchBody {
        let mut body = body.set(CHECKSUM_ANNOTATION, &checksum(&self.uid(), covered, content));
        self.apply_metadata(meta, &mut body);
        body.owners = Some(self.owner_references(meta));
        body.content = Some(STANDARD.encode(content));
        body
    }

    /// Whether the Secret has the labels and annotations of the spec.
    pub fn matches_template(&self, meta: &ObjectMeta) -> bool {
        let has = |map: Option<&BTreeMap<String, String>>, wanted: &BTreeMap<String, String>| {
            wanted.iter().all(|(key, value)| map.and_then(|map| map.get(key)) == Some(value))
        };
        let template = self.template();
        let recorded = meta.annotations.as_ref().and_then(|map| map.get(LAST_APPLIED_KEYS_ANNOTATION));
        has(meta.labels.as_ref(), &template.labels)
            && has(meta.annotations.as_ref(), &template.annotations)
            && recorded == Some(&self.last_applied_keys())
    }

    /// The keys that came from the spec: `l:` for labels, `a:` for annotations.
    fn template_keys(&self) -> BTreeSet<String> {
        let template = self.template();
        let labels = template.labels.keys().map(|key| format!("l:{key}"));
        labels.chain(template.annotations.keys().map(|key| format!("a:{key}"))).collect()
    }

    fn last_applied_keys(&self) -> String {
        self.template_keys().into_iter().collect::<Vec<_>>().join(",")
    }

    fn apply_metadata(&self, meta: &ObjectMeta, body: &mut PatchBody) {
        if !self.without_template {
            self.apply_template(meta, body);
        }
        body.labels.insert(OWNER_LABEL.to_owned(), json!(self.uid()));
        body.annotations.insert(REGISTRIES_ANNOTATION.to_owned(), json!(self.registries));
        body.annotations.insert(ADOPT_ANNOTATION.to_owned(), Value::Null);
        body.annotations.insert(CLOSED_ANNOTATION.to_owned(), Value::Null);
    }

    fn apply_template(&self, meta: &ObjectMeta, body: &mut PatchBody) {
        let recorded = meta
            .annotations
            .as_ref()
            .and_then(|map| map.get(LAST_APPLIED_KEYS_ANNOTATION))
            .cloned()
            .unwrap_or_default();
        let wanted = self.template_keys();
        for previous in recorded.split(',').filter(|name| !wanted.contains(*name)) {
            // Keys that were removed from the spec are removed from the Secret.
            match previous.split_once(':') {
                Some(("l", key)) => drop(body.labels.insert(key.to_owned(), Value::Null)),
                Some(("a", key)) => drop(body.annotations.insert(key.to_owned(), Value::Null)),
                _ => {}
            }
        }
        let template = self.template();
        body.labels.extend(template.labels.into_iter().map(|(key, value)| (key, json!(value))));
        body.annotations.extend(template.annotations.into_iter().map(|(key, value)| (key, json!(value))));
        body.annotations.insert(LAST_APPLIED_KEYS_ANNOTATION.to_owned(), json!(self.last_applied_keys()));
    }

    /// Our controller reference, in addition to other owners.
    fn owner_references(&self, meta: &ObjectMeta) -> Value {
        let uid = self.object.uid();
        let others = meta.owner_references.iter().flatten().filter(|owner| Some(&owner.uid) != uid.as_ref()).cloned();
        json!(others.chain(self.object.controller_owner_ref(&())).collect::<Vec<_>>())
    }
}
