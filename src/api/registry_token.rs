//! `RegistryToken`: one token and one pull secret.

use super::argocd_repository::{ArgoCDRepository, RecordedArgoCDRepository};
use super::issuer_ref::IssuerRef;
use super::policies::{DeletionPolicy, RotationSpec, UpstreamRevocationPolicy};
use super::portal::PortalType;
use super::secret_template::SecretTemplate;
use super::service_accounts::{RecordedServiceAccount, ServiceAccountRef};
use super::token_scope::TokenScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema, ResourceExt};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Desired state of a registry token and its pull secret.
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
    selectable = ".spec.issuerRef.name",
    selectable = ".spec.issuerRef.kind",
    doc = "A container-registry token of a vendor's portal, stored in a pull secret.",
    printcolumn(name = "READY", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "REASON", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "USERNAME", type_ = "string", json_path = ".status.token.username"),
    printcolumn(name = "SECRET", type_ = "string", json_path = ".status.secret.name"),
    printcolumn(name = "ISSUER", type_ = "string", json_path = ".spec.issuerRef.name", priority = 1),
    printcolumn(name = "TOKEN AGE", type_ = "date", json_path = ".status.token.requestTime", priority = 1),
    printcolumn(name = "EXPIRES", type_ = "string", json_path = ".status.token.expirationTime", priority = 1),
    printcolumn(name = "NEXT ROTATION", type_ = "string", json_path = ".status.nextRotationTime", priority = 1),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("(has(self.spec.secret) && has(self.spec.secret.name) ? self.spec.secret.name : self.metadata.name) == (has(oldSelf.spec.secret) && has(oldSelf.spec.secret.name) ? oldSelf.spec.secret.name : oldSelf.metadata.name)")
        .message("secret.name cannot be changed, because pods refer to it. Create a second RegistryToken with the other name and delete this one when no pod uses it")
        .field_path(".spec.secret"),
    validation = Rule::new("!has(self.spec.secret) || !has(self.spec.secret.argocdRepository) || !has(self.spec.secret.argocdRepository.name) || self.spec.secret.argocdRepository.name != (has(self.spec.secret.name) ? self.spec.secret.name : self.metadata.name)")
        .message("argocdRepository.name must differ from the name of the pull secret: they are two Secrets")
        .field_path(".spec.secret.argocdRepository"),
    validation = Rule::new("!has(self.spec.secret) || !has(self.spec.secret.argocdRepository) || has(self.spec.secret.argocdRepository.name) || (has(self.spec.secret.name) ? self.spec.secret.name : self.metadata.name).size() <= 246")
        .message("set argocdRepository.name: the name of the pull secret is too long for the suffix -argocd")
        .field_path(".spec.secret.argocdRepository"),
    // Not at the field itself, because a template of a ClusterRegistryToken may contain $(NAMESPACE) there.
    validation = Rule::new("!has(self.spec.secret) || !has(self.spec.secret.labels) || self.spec.secret.labels.all(k, self.spec.secret.labels[k].matches('^([A-Za-z0-9]([-._A-Za-z0-9]*[A-Za-z0-9])?)?$'))")
        .message("a label's value has at most 63 letters, digits, '-', '_' and '.', and begins and ends with a letter or digit; use annotations for other text")
        .field_path(".spec.secret.labels")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.issuerRef == oldSelf.issuerRef")
    .message("issuerRef cannot be changed, because the token exists in that issuer's portal. Create a second RegistryToken with the other issuer and delete this one"))]
#[x_kube(validation = Rule::new("has(self.scope) == has(oldSelf.scope) && (!has(self.scope) || self.scope == oldSelf.scope)")
    .message("scope cannot be changed, because the token has it from its request. Create a second RegistryToken with the other scope and delete this one"))]
pub struct RegistryTokenSpec {
    /// Description of the token in the portal, where colleagues see it beside the token's name. Name the machine or
    /// cluster that uses the token. 1 to 200 characters on one line. A change edits the description of the existing
    /// token.
    #[schemars(length(min = 1, max = 200))]
    #[x_kube(validation = Rule::new("self == self.trim()").message("description must not begin or end with white space"))]
    #[x_kube(validation = Rule::new(r"!self.matches('[\\p{Cc}\\p{Zl}\\p{Zp}]')").message("description must be one line without control characters"))]
    #[x_kube(validation = Rule::new(r"!self.matches('[\\p{Cf}\\x{034f}\\x{115f}\\x{1160}\\x{17b4}\\x{17b5}\\x{180b}-\\x{180f}\\x{2065}\\x{2800}\\x{3164}\\x{fe00}-\\x{fe0f}\\x{ffa0}\\x{fff0}-\\x{fff8}\\x{e0000}-\\x{e0fff}]')").message("description must not contain invisible characters, such as zero-width or bidirectional ones: type it again instead of pasting it"))]
    #[x_kube(validation = Rule::new(r"!self.matches('\\[[a-z0-9]+/[a-z0-9]+\\]')").message("description must not contain [x/y], the form of the operator's marker: write it without the brackets or the slash"))]
    pub description: String,

    /// Issuer that requests the token. Defaults to the `ClusterTokenIssuer` named `default`. Cannot be changed.
    #[serde(default)]
    pub issuer_ref: IssuerRef,

    /// Name and metadata of the pull secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretTemplate>,

    /// When the token is rotated. Without it, the token is never rotated, unless it expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<RotationSpec>,

    /// What the token may access, within what the issuer allows. Only for portals whose tokens can be limited, such as
    /// Harbor; elsewhere no token is requested (`ScopeNotAllowed`). Defaults to all that the issuer allows. Cannot be
    /// changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<TokenScope>,

    /// `ServiceAccount`s of this namespace, at most 64, whose `imagePullSecrets` the operator extends by the Secret, so
    /// that pods need not name it. Other entries stay as they are. One that does not exist yet is extended when it is
    /// created. The Secret is removed from those that are no longer listed, and from all when the token is revoked with
    /// this object. Defaults to none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["name".into()]))]
    pub service_accounts: Vec<ServiceAccountRef>,

    /// What happens when the token is revoked in the portal. `Reissue` (default): the token is replaced. `Hold`: it is
    /// not replaced, and `Stalled` reports it. A token that is revoked again within 24 hours is not replaced in either
    /// case.
    #[serde(default)]
    pub upstream_revocation_policy: UpstreamRevocationPolicy,

    /// What happens to the token when this object is deleted. `Revoke` (default): the token is revoked first. `Orphan`:
    /// token and Secret are left to you. Can be changed while the object is being deleted.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,

    /// While true, no token is requested and no description is edited. A working token stays valid, and deletion still
    /// revokes it. Defaults to false.
    #[serde(default)]
    pub suspend: bool,
}

impl RegistryToken {
    /// The second Secret that the spec wants, for Argo CD.
    #[must_use]
    pub fn argocd_repository(&self) -> Option<&ArgoCDRepository> {
        self.spec.secret.as_ref()?.argocd_repository.as_ref()
    }

    /// Name of the pull secret: `spec.secret.name`, or the name of this object.
    #[must_use]
    pub fn secret_name(&self) -> String {
        let named = self.spec.secret.as_ref().and_then(|secret| secret.name.clone());
        named.unwrap_or_else(|| self.name_any())
    }
}

/// Observed state of a token. It never contains the password.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RegistryTokenStatus {
    /// The `metadata.generation` for which the conditions were set; -1 before the first reconciliation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// UID of the object to which this status belongs. A restored copy of the object has another UID; the tokens in
    /// this status are then not its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,

    /// `Ready`, `LoginVerified` and `DescriptionSynced`; `ServiceAccountsSynced` if the spec names `ServiceAccount`s;
    /// `Reconciling`, `Stalled` and `Suspended` are present only while they are true, `ArgoCDRepositorySynced` and
    /// `NamespaceAllowed` only while they are false.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,

    /// The Secret as last read or written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<RecordedSecret>,

    /// Portal that contains the token, regardless of the current issuer configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub portal: Option<RecordedPortal>,

    /// The token that the Secret stores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<RecordedToken>,

    /// Previous tokens that are still to be revoked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["id".into()]))]
    pub retiring: Vec<RetiringToken>,

    /// Values of `registry-token.dev/rotate` and `registry-token.dev/replace` that have been handled: `rotate` and
    /// `replace` of this object, `issuerRotate` and `issuerReplace` of its issuer.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub handled_annotations: BTreeMap<String, String>,

    /// `ServiceAccount`s to which the operator adds the Secret, or from which it is still to be removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128))]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["name".into()]))]
    pub service_accounts: Vec<RecordedServiceAccount>,

    /// The second Secret, for Argo CD. Present if the spec has `secret.argocdRepository`, or until that Secret is deleted.
    #[serde(rename = "argocdRepository", default, skip_serializing_if = "Option::is_none")]
    pub argocd_repository: Option<RecordedArgoCDRepository>,

    /// Time of the next rotation. Absent without `spec.rotation`, unless the token expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_rotation_time: Option<Time>,

    /// The last time a token of this object was found revoked in the portal by another user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream_revocation: Option<UpstreamRevocation>,
}

/// A revocation in the portal by another user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct UpstreamRevocation {
    /// When the revocation was detected.
    pub time: Time,
    /// It was the second revocation within 24 hours: the token is not replaced before 24 hours have passed.
    pub again: bool,
}

impl UpstreamRevocation {
    /// Whether this revocation concerns the token that was requested at this time, and not a previous one.
    #[must_use]
    pub fn applies_to(&self, requested: &Time) -> bool {
        self.time > *requested
    }
}

/// The pull secret as last read or written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecordedSecret {
    /// Name of the Secret: `spec.secret.name`, or the name of the object.
    pub name: String,
    /// UID of the Secret. Absent while it does not exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// `resourceVersion` of the Secret. The content is read again when it changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_version: Option<String>,
    /// MAC that proves that the operator recorded this UID for this object. Without it, the UID does not make a Secret
    /// the object's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
}

/// The portal that contains a token, and the user that requested it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct RecordedPortal {
    /// The portal type.
    #[serde(rename = "type")]
    pub kind: PortalType,
    /// The root URL of the portal.
    pub url: String,
    /// Part of the portal to which the token belongs. For Thinkwise: the application; for Gitea: the user; for
    /// Harbor: the project, or `/` for robot accounts of the system; for GitLab: the project or group.
    pub scope: String,
    /// The portal user or client that requested the token.
    pub user: String,
}

impl RecordedPortal {
    /// Whether both refer to the same place in the same portal, regardless of the user.
    #[must_use]
    pub fn is_same_location(&self, other: &Self) -> bool {
        self.kind == other.kind && self.url == other.url && self.scope == other.scope
    }
}

/// A token in the portal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecordedToken {
    /// Portal id of the token.
    pub id: String,
    /// Username of the token.
    pub username: String,
    /// The part of the token's marker that identifies the attempt.
    pub nonce: String,
    /// When it was requested.
    pub request_time: Time,
    /// When the token expires, if the issuer limits that. It is rotated when a third of its lifetime is left, or earlier if
    /// `spec.rotation` says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiration_time: Option<Time>,
    /// MAC that proves that the operator recorded this token for this object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
}

/// A previous token that is still to be revoked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RetiringToken {
    /// Portal id of the token.
    pub id: String,
    /// Username of the token.
    pub username: String,
    /// Earliest time of the revocation.
    pub revocation_time: Time,
    /// An audit found the token revoked in the portal. If the portal user cannot list tokens, a rejected revocation of
    /// this token is then not a problem.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub revoked_upstream: bool,
    /// MAC that proves that the operator recorded this token for this object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
}
