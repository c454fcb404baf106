//! `ClusterRegistryToken`: one `RegistryToken` for each namespace that a selector matches.

use super::duration::{ShortDuration, default_grace_period};
use super::object_name::ObjectName;
use super::registry_token::RegistryTokenSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector};
use kube::{CustomResource, KubeSchema, ResourceExt};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Desired state: which namespaces get a `RegistryToken`, and what it contains.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "registry-token.dev",
    version = "v1alpha1",
    kind = "ClusterRegistryToken",
    status = "ClusterRegistryTokenStatus",
    derive = "PartialEq",
    shortname = "crtok",
    category = "registry-tokens",
    doc = "A RegistryToken for each namespace that a selector matches, each with its own token.",
    printcolumn(name = "MATCHED", type_ = "integer", json_path = ".status.namespaces.matched"),
    printcolumn(name = "READY", type_ = "integer", json_path = ".status.namespaces.ready"),
    printcolumn(name = "FAILING", type_ = "integer", json_path = ".status.namespaces.failing"),
    printcolumn(name = "LEAVING", type_ = "integer", json_path = ".status.namespaces.leaving"),
    printcolumn(name = "WAITING", type_ = "integer", json_path = ".status.namespaces.waiting", priority = 1),
    printcolumn(name = "TOKEN NAME", type_ = "string", json_path = ".status.tokenName", priority = 1),
    printcolumn(name = "ISSUER", type_ = "string", json_path = ".spec.template.spec.issuerRef.name", priority = 1),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("(has(self.spec.tokenName) ? self.spec.tokenName : self.metadata.name) == (has(oldSelf.spec.tokenName) ? oldSelf.spec.tokenName : oldSelf.metadata.name)")
        .message("tokenName cannot be changed, because RegistryTokens of the old name exist. Create a second ClusterRegistryToken with the other name and delete this one when no pod uses its Secrets")
        .field_path(".spec.tokenName"),
    validation = Rule::new("(has(self.spec.template.spec.secret) && has(self.spec.template.spec.secret.name) ? self.spec.template.spec.secret.name : has(self.spec.tokenName) ? self.spec.tokenName : self.metadata.name) == (has(oldSelf.spec.template.spec.secret) && has(oldSelf.spec.template.spec.secret.name) ? oldSelf.spec.template.spec.secret.name : has(oldSelf.spec.tokenName) ? oldSelf.spec.tokenName : oldSelf.metadata.name)")
        .message("secret.name cannot be changed, because pods refer to it. Create a second ClusterRegistryToken with the other name and delete this one when no pod uses it")
        .field_path(".spec.template.spec"),
    validation = Rule::new("!has(self.spec.template.spec.secret) || !has(self.spec.template.spec.secret.labels) || self.spec.template.spec.secret.labels.all(k, self.spec.template.spec.secret.labels[k].replace('$(NAMESPACE)', 'a').matches('^([A-Za-z0-9]([-._A-Za-z0-9]*[A-Za-z0-9])?)?$'))")
        .message("a label's value has at most 63 letters, digits, '-', '_' and '.', and begins and ends with a letter or digit; $(NAMESPACE) is the only variable; use annotations for other text")
        .field_path(".spec.template.spec.secret.labels")
)]
#[serde(rename_all = "camelCase")]
pub struct ClusterRegistryTokenSpec {
    /// Labels of the namespaces that get a `RegistryToken`. `{}` selects every namespace, also those of the cluster's
    /// own components. A namespace is selected or excluded by name with the label `kubernetes.io/metadata.name`.
    #[x_kube(validation = Rule::new("!has(self.matchLabels) || self.matchLabels.size() <= 16").message("matchLabels must have at most 16 labels"))]
    #[x_kube(validation = Rule::new("!has(self.matchExpressions) || self.matchExpressions.size() <= 16").message("matchExpressions must have at most 16 entries"))]
    #[x_kube(validation = Rule::new("!has(self.matchExpressions) || self.matchExpressions.all(e, e.operator in ['In', 'NotIn', 'Exists', 'DoesNotExist'])").message("an operator of matchExpressions is In, NotIn, Exists or DoesNotExist"))]
    #[x_kube(validation = Rule::new("!has(self.matchExpressions) || self.matchExpressions.all(e, (e.operator in ['In', 'NotIn']) == (has(e.values) && e.values.size() > 0))").message("matchExpressions: In and NotIn need values; Exists and DoesNotExist have none"))]
    pub namespace_selector: LabelSelector,

    /// Name of the `RegistryToken` in each namespace. Defaults to the name of this object. Cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<ObjectName>")]
    pub token_name: Option<String>,

    /// What each `RegistryToken` contains. `$(NAMESPACE)` stands for the name of its namespace in the description and in
    /// the values of labels and annotations. A change in a namespace is reverted.
    pub template: TokenTemplate,

    /// How long a namespace that no longer matches keeps its token, so that a label that is removed by mistake revokes
    /// nothing at once. Defaults to 1h; at most 8760h. 0s revokes at once.
    #[serde(default = "default_grace_period")]
    #[schemars(regex(pattern = "^([0-9]+h)?([0-9]+m)?([0-9]+s)?$"))]
    #[x_kube(validation = Rule::new("duration(self) <= duration('8760h')").message("unmatchedGracePeriod must be at most 8760h, a year"))]
    pub unmatched_grace_period: ShortDuration,

    /// While true, no `RegistryToken` is created, changed or deleted. Existing tokens stay valid and are rotated, and
    /// deleting this object still revokes them. Defaults to false.
    #[serde(default)]
    pub suspend: bool,
}

/// What each `RegistryToken` contains.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct TokenTemplate {
    /// Labels and annotations of each `RegistryToken`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<TokenTemplateMetadata>,

    /// Spec of each `RegistryToken`. Its issuer and the name of its Secret cannot be changed.
    pub spec: RegistryTokenSpec,
}

/// Labels and annotations of each `RegistryToken`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct TokenTemplateMetadata {
    /// Labels, at most 16.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16, "additionalProperties" = {"type": "string", "maxLength": 63}))]
    #[x_kube(validation = Rule::new("self.all(k, k.matches('^([a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([-._A-Za-z0-9]{0,61}[A-Za-z0-9])?$') && k.split('/')[0].size() <= 253)").message("a label's key is a name of at most 63 letters, digits, '-', '_' and '.', optionally prefixed with a DNS name and a slash, such as app or example.com/app"))]
    #[x_kube(validation = Rule::new("self.all(k, self[k].replace('$(NAMESPACE)', 'a').matches('^([A-Za-z0-9]([-._A-Za-z0-9]*[A-Za-z0-9])?)?$'))").message("a label's value has at most 63 letters, digits, '-', '_' and '.', and begins and ends with a letter or digit; $(NAMESPACE) is the only variable; use annotations for other text"))]
    #[x_kube(validation = Rule::new("self.all(k, !k.startsWith('registry-token.dev/'))").message("labels must not use the prefix registry-token.dev/, which is reserved for the operator"))]
    pub labels: BTreeMap<String, String>,

    /// Annotations, at most 16 with 4 KiB in total.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16, "additionalProperties" = {"type": "string", "maxLength": 4096}))]
    #[x_kube(validation = Rule::new("self.all(k, k.matches('^([A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?([.][A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?)*/)?[A-Za-z0-9]([-._A-Za-z0-9]{0,61}[A-Za-z0-9])?$') && k.split('/')[0].size() <= 253)").message("an annotation's key is a name of at most 63 letters, digits, '-', '_' and '.', optionally prefixed with a DNS name and a slash, such as note or example.com/note"))]
    #[x_kube(validation = Rule::new("self.map(k, bytes(k).size() + bytes(self[k]).size()).sum() <= 4096").message("annotations must have at most 4096 bytes in total, keys and values: store larger text elsewhere and refer to it here"))]
    #[x_kube(validation = Rule::new("self.all(k, !k.startsWith('registry-token.dev/'))").message("annotations must not use the prefix registry-token.dev/, which is reserved for the operator; to rotate or replace all tokens, annotate the ClusterRegistryToken itself"))]
    pub annotations: BTreeMap<String, String>,
}

impl ClusterRegistryToken {
    /// Name of the `RegistryToken` in each namespace: `spec.tokenName`, or the name of this object.
    #[must_use]
    pub fn token_name(&self) -> String {
        self.spec.token_name.clone().unwrap_or_else(|| self.name_any())
    }
}

/// Observed state of all `RegistryToken`s of this object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterRegistryTokenStatus {
    /// The `metadata.generation` for which the conditions were set; -1 before the first reconciliation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// `Ready`; `Reconciling`, `Stalled` and `Suspended` are present only while they are true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,

    /// Name of the `RegistryToken` in each namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_name: Option<String>,

    /// The number of namespaces by the state of their token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<NamespaceCounts>,

    /// Namespaces whose token is failing, sorted by name, at most 10. `namespaces.failing` counts all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["namespace".into()]))]
    pub failures: Vec<NamespaceFailure>,
}

/// The number of namespaces by the state of their token. `matched` is the sum of `ready`, `waiting` and `failing`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct NamespaceCounts {
    /// Namespaces that match and are not being deleted.
    pub matched: i64,
    /// Those in which pods can pull.
    pub ready: i64,
    /// Those whose token is requested or changed now.
    pub waiting: i64,
    /// Those that require manual action; see `failures`.
    pub failing: i64,
    /// Namespaces that do not match and still have a token: its grace period is running, or it is being revoked.
    pub leaving: i64,
}

/// Why a namespace has no working token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct NamespaceFailure {
    /// Name of the namespace.
    pub namespace: String,
    /// Reason in one word, as in a condition.
    pub reason: String,
    /// What happened and what to do.
    pub message: String,
}
