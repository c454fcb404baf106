//! `RegistryToken`: one token, one pull secret.

use super::issuer::PortalType;
use super::issuer_ref::IssuerRef;
use super::object_name::ObjectName;
use super::policies::{DeletionPolicy, RotationSpec, UpstreamRevocationPolicy};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Asks a registry's portal for a token and keeps it as a pull secret.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "registry-token.dev",
    version = "v1alpha1",
    kind = "RegistryToken",
    namespaced,
    status = "RegistryTokenStatus",
    derive = "PartialEq",
    shortname = "rtok",
    category = "registry-tokens",
    doc = "A container-registry token of a vendor's portal, kept as a pull secret.",
    printcolumn(name = "READY", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "REASON", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "USERNAME", type_ = "string", json_path = ".status.token.username"),
    printcolumn(name = "SECRET", type_ = "string", json_path = ".status.secret.name"),
    printcolumn(name = "ISSUER", type_ = "string", json_path = ".spec.issuerRef.name", priority = 1),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("(has(self.spec.secret) && has(self.spec.secret.name) ? self.spec.secret.name : self.metadata.name) == (has(oldSelf.spec.secret) && has(oldSelf.spec.secret.name) ? oldSelf.spec.secret.name : oldSelf.metadata.name)")
        .message("secret.name cannot be changed: pods name it. Create a second RegistryToken with the other name and delete this one when no pod uses it")
        .field_path(".spec.secret")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.issuerRef == oldSelf.issuerRef")
    .message("issuerRef cannot be changed: the token lives in that issuer's portal. Create a second RegistryToken with the other issuer and delete this one"))]
pub struct RegistryTokenSpec {
    /// What colleagues see in the portal beside the token's name: say which machine or cluster uses it.
    /// 1 to 200 characters on one line. A change edits the description of the same token.
    #[schemars(length(min = 1, max = 200))]
    #[x_kube(validation = Rule::new("self == self.trim()").message("description must not begin or end with white space"))]
    #[x_kube(validation = Rule::new(r"!self.matches('[\\p{Cc}\\p{Zl}\\p{Zp}]')").message("description must be one line without control characters"))]
    #[x_kube(validation = Rule::new(r"!self.matches('[\\p{Cf}\\x{034f}\\x{115f}\\x{1160}\\x{17b4}\\x{17b5}\\x{180b}-\\x{180f}\\x{2065}\\x{2800}\\x{3164}\\x{fe00}-\\x{fe0f}\\x{ffa0}\\x{fff0}-\\x{fff8}\\x{e0000}-\\x{e0fff}]')").message("description must not hold invisible characters, such as zero-width or bidirectional ones: type it again instead of pasting it"))]
    #[x_kube(validation = Rule::new(r"!self.matches('\\[[a-z0-9]+/[a-z0-9]+\\]')").message("description must not hold [x/y]: the operator marks its own requests that way. Write it without the brackets or the slash"))]
    pub description: String,

    /// The issuer that requests the token; `ClusterTokenIssuer default` unless given. Cannot be changed.
    #[serde(default)]
    pub issuer_ref: IssuerRef,

    /// The pull secret to keep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretTemplate>,

    /// When the token is replaced by a new one; never, unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<RotationSpec>,

    /// What happens when somebody revokes the token in the portal: `Reissue` (the default) replaces
    /// it, `Hold` leaves it and says so. Revoked again within 24 hours, it is held in any case.
    #[serde(default)]
    pub upstream_revocation_policy: UpstreamRevocationPolicy,

    /// What happens to the token when this object goes: `Revoke` (the default), or `Orphan`, which
    /// leaves token and Secret to you. Can be changed while the object is being deleted.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,

    /// Begins nothing new while true: no token is requested, no description edited. A token that works
    /// stays, and deletion revokes it all the same. False unless given.
    #[serde(default)]
    pub suspend: bool,
}

/// The Secret of type `kubernetes.io/dockerconfigjson` that pods name in `imagePullSecrets`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct SecretTemplate {
    /// Name of the Secret; the object's own name unless given. Cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<ObjectName>")]
    pub name: Option<String>,

    /// Labels of the Secret, at most 16. None is inherited from this object.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16, "additionalProperties" = {"type": "string", "maxLength": 63}))]
    #[x_kube(validation = Rule::new("self.all(k, k.matches('^([a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([-._A-Za-z0-9]{0,61}[A-Za-z0-9])?$') && k.split('/')[0].size() <= 253)").message("a label's key is a name of at most 63 letters, digits, '-', '_' and '.', with a DNS name and a slash before it or without, such as app or example.com/app"))]
    #[x_kube(validation = Rule::new("self.all(k, self[k].matches('^([A-Za-z0-9]([-._A-Za-z0-9]*[A-Za-z0-9])?)?$'))").message("a label's value has at most 63 letters, digits, '-', '_' and '.', and begins and ends with a letter or digit; use annotations for other text"))]
    #[x_kube(validation = Rule::new("self.all(k, !k.startsWith('registry-token.dev/'))").message("labels must not use the prefix registry-token.dev/: it is the operator's own"))]
    pub labels: BTreeMap<String, String>,

    /// Annotations of the Secret, at most 16 with 4 KiB in total. None is inherited from this object.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16, "additionalProperties" = {"type": "string", "maxLength": 4096}))]
    #[x_kube(validation = Rule::new("self.all(k, k.matches('^([A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?([.][A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?)*/)?[A-Za-z0-9]([-._A-Za-z0-9]{0,61}[A-Za-z0-9])?$') && k.split('/')[0].size() <= 253)").message("an annotation's key is a name of at most 63 letters, digits, '-', '_' and '.', with a DNS name and a slash before it or without, such as note or example.com/note"))]
    #[x_kube(validation = Rule::new("self.map(k, bytes(k).size() + bytes(self[k]).size()).sum() <= 4096").message("annotations must have at most 4096 bytes in total, keys and values: put larger text elsewhere and name it here"))]
    #[x_kube(validation = Rule::new("self.all(k, !k.startsWith('registry-token.dev/'))").message("annotations must not use the prefix registry-token.dev/: it is the operator's own"))]
    pub annotations: BTreeMap<String, String>,
}

/// What the operator knows of the token. Never the secret.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RegistryTokenStatus {
    /// The `metadata.generation` that the conditions speak of; -1 before the first pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// UID of the object that this status belongs to. A restored copy has another, and then
    /// the tokens named here are not its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,

    /// `Ready`, `LoginVerified` and `DescriptionSynced`; `Reconciling`, `Stalled` and `Suspended` only
    /// while they are true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,

    /// The Secret as last seen or written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<RecordedSecret>,

    /// Where the token lives, whatever the issuer says now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub portal: Option<RecordedPortal>,

    /// The token that the Secret holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<RecordedToken>,

    /// Former tokens that are still to be revoked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["id".into()]))]
    pub retiring: Vec<RetiringToken>,

    /// The values of `registry-token.dev/rotate` and `registry-token.dev/replace` that have been acted
    /// on: `rotate` and `replace` of this object, `issuerRotate` and `issuerReplace` of its issuer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub handled_annotations: BTreeMap<String, String>,

    /// When the token is replaced next; absent without `spec.rotation`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_rotation_time: Option<Time>,

    /// The last time that a token of this object was found to be revoked in the portal by somebody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_revocation: Option<UpstreamRevocation>,
}

/// Somebody else revoked a token in the portal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct UpstreamRevocation {
    /// When it was found out.
    pub time: Time,
    /// It was the second time within 24 hours: the token is not replaced before those have passed.
    pub again: bool,
}

impl UpstreamRevocation {
    /// Whether it is that of a token requested then, and not of one before it.
    #[must_use]
    pub fn applies_to(&self, requested: &Time) -> bool {
        self.time > *requested
    }
}

/// The pull secret as it was last seen or written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecordedSecret {
    /// Its name: `spec.secret.name`, or the object's own.
    pub name: String,
    /// Its UID, absent while there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// Its version; another version is read anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_version: Option<String>,
    /// The operator's proof that it recorded this UID for this object: a MAC. Without it the UID makes no Secret the
    /// object's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
}

/// Where a token lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct RecordedPortal {
    /// The vendor's kind of portal.
    #[serde(rename = "type")]
    pub kind: PortalType,
    /// The portal's root.
    pub url: String,
    /// The part of the portal that the token is for, as its type names it: of Thinkwise, the application.
    pub scope: String,
    /// The portal user or client that requested the token.
    pub user: String,
}

impl RecordedPortal {
    /// Whether tokens of both are in one place, whichever user requested them.
    #[must_use]
    pub fn is_same_location(&self, other: &Self) -> bool {
        self.kind == other.kind && self.url == other.url && self.scope == other.scope
    }
}

/// A token, as the portal lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecordedToken {
    /// The portal's id of it.
    pub id: String,
    /// The name to log in with.
    pub username: String,
    /// The part of its marker that names the attempt.
    pub nonce: String,
    /// When it was requested.
    pub request_time: Time,
    /// When the portal lets it expire. Reserved: absent, since no portal type reports it yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiration_time: Option<Time>,
    /// The operator's proof that it noted this token for this object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
}

/// A former token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RetiringToken {
    /// The portal's id of it.
    pub id: String,
    /// The name that it logs in with.
    pub username: String,
    /// When it is revoked, at the earliest.
    pub revocation_time: Time,
    /// An audit found it revoked in the portal. Where the portal lists no tokens to our user, its refusal to revoke
    /// it once more is then no hindrance.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub revoked_upstream: bool,
    /// The operator's proof that it noted this token for this object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
}
