//! Issuers: a portal, and how to speak to it.

use super::limits::{Audit, Limits};
use super::thinkwise::tasks::TaskForm;
use super::thinkwise::{Thinkwise, Tls};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector, Time};
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

/// A portal that serves the whole cluster. Its Secrets lie in the operator's namespace.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "registry-token.dev",
    version = "v1alpha1",
    kind = "ClusterTokenIssuer",
    status = "IssuerStatus",
    derive = "PartialEq",
    category = "registry-tokens",
    doc = "A vendor's portal that hands out registry tokens, for the whole cluster.",
    printcolumn(name = "READY", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "REASON", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "URL", type_ = "string", json_path = ".spec.thinkwise.url", priority = 1),
    printcolumn(name = "TOKENS", type_ = "integer", json_path = ".status.tokens", priority = 1),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.spec.type != 'Thinkwise' || has(self.spec.thinkwise)")
        .message("type Thinkwise needs spec.thinkwise with the portal's url and auth")
        .field_path(".spec")
)]
#[serde(rename_all = "camelCase")]
pub struct ClusterTokenIssuerSpec {
    /// What both kinds of issuer share.
    #[serde(flatten)]
    pub issuer: IssuerSpec,

    /// Which namespaces may use this issuer; all of them unless given.
    #[serde(default)]
    pub allowed_namespaces: AllowedNamespaces,
}

/// A portal for one namespace, which holds its Secrets too.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "registry-token.dev",
    version = "v1alpha1",
    kind = "TokenIssuer",
    namespaced,
    status = "IssuerStatus",
    derive = "PartialEq",
    category = "registry-tokens",
    doc = "A vendor's portal that hands out registry tokens, for one namespace.",
    printcolumn(name = "READY", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "REASON", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "URL", type_ = "string", json_path = ".spec.thinkwise.url", priority = 1),
    printcolumn(name = "TOKENS", type_ = "integer", json_path = ".status.tokens", priority = 1),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.spec.type != 'Thinkwise' || has(self.spec.thinkwise)")
        .message("type Thinkwise needs spec.thinkwise with the portal's url and auth")
        .field_path(".spec")
)]
pub struct TokenIssuerSpec {
    /// What both kinds of issuer share.
    #[serde(flatten)]
    pub issuer: IssuerSpec,
}

/// The part that both kinds of issuer share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct IssuerSpec {
    /// Which vendor's portal this is; exactly the member that it names is set.
    pub r#type: PortalType,

    /// The Thinkwise Community Portal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thinkwise: Option<Thinkwise>,

    /// The registries that the token logs in to, each an entry of the pull secret.
    /// `registry.thinkwisesoftware.com` unless given. Their `caBundle`s have at most 64 KiB in total.
    #[serde(default = "default_registries")]
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["host".into()]))]
    #[x_kube(validation = Rule::new("self.map(r, has(r.tls) && has(r.tls.caBundle) ? r.tls.caBundle.size() : 0).sum() <= 65536").message("the caBundles of all registries must have at most 65536 characters in total: name config maps in caConfigMapRef instead"))]
    pub registries: Vec<Registry>,

    /// How hard the portal may be worked, and how long it may take.
    #[serde(default)]
    pub limits: Limits,

    /// How often the portal's whole list is read, and what of it is believed.
    #[serde(default)]
    pub audit: Audit,

    /// How much the registry's word counts: with `Required` (the default) no token is ready that has not
    /// logged in to every registry; with `BestEffort` one that cannot be asked holds nothing up; with
    /// `Disabled` none is asked.
    #[serde(default)]
    pub login_check: LoginCheck,

    /// Whether the operator's mark stays in the description. `Transient` (the default): only until the
    /// token is stored. `Permanent`: always, so that an audit also finds what a force-removed object or a
    /// restored cluster left behind.
    #[serde(default)]
    pub ownership_marker: OwnershipMarker,
}

/// How much the registry's word counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum LoginCheck {
    /// No token is ready that has not logged in.
    #[default]
    Required,
    /// A registry that cannot be asked holds nothing up.
    BestEffort,
    /// It is not asked.
    Disabled,
}

/// Whether the operator's mark stays in a token's description.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum OwnershipMarker {
    /// Only until the token is stored.
    #[default]
    Transient,
    /// Always.
    Permanent,
}

/// A vendor's portal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub enum PortalType {
    /// The Thinkwise Community Portal, served by Indicium.
    Thinkwise,
}

/// A container registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Registry {
    /// `host[:port][/path]`, without a scheme, as it stands before an image's name.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("!self.contains('://')").message("write the registry's host[:port][/path] without https://, as it stands before an image's name"))]
    #[x_kube(validation = Rule::new("self.contains('://') || self.matches('^[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?(:[0-9]{1,5})?(/[a-z0-9._-]+)*$')").message("a registry is host[:port][/path], such as registry.example.com:5000"))]
    pub host: String,

    /// Whom to trust when the token is tried there; the system's roots unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
}

impl Registry {
    /// The host as pull secrets hold it. The name of a host is written in any case, but kubelets compare it letter
    /// by letter with that of an image.
    #[must_use]
    pub fn stored_host(&self) -> String {
        self.host.to_ascii_lowercase()
    }
}

fn default_registries() -> Vec<Registry> {
    vec![Registry { host: "registry.thinkwisesoftware.com".to_owned(), tls: None }]
}

/// Which namespaces may use a cluster issuer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("(self.from == 'Selector') == has(self.selector)")
    .message("give a selector with from: Selector, and only with it"))]
pub struct AllowedNamespaces {
    /// `All` (the default) or `Selector`.
    #[serde(default)]
    pub from: NamespacesFrom,

    /// With `from: Selector`: the labels that a namespace must carry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
}

/// How namespaces are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum NamespacesFrom {
    /// Every namespace.
    #[default]
    All,
    /// Those with certain labels.
    Selector,
}

/// What the operator knows of the portal.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct IssuerStatus {
    /// The `metadata.generation` that the conditions speak of; -1 before the first pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// `Ready`; `Reconciling` and `Stalled` only while they are true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,

    /// Where the tokens live; frozen by the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub portal: Option<PortalLocation>,

    /// What was found in the portal's `$metadata`, or is pinned by the spec and fits it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<ResolvedPortal>,

    /// How many tokens the portal showed our user at the last audit, whoever asked for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<i64>,

    /// The Secrets with the portal's credentials that carry our finalizer: the one that the spec names, and
    /// former ones until that one works.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credentials_secrets: Vec<String>,

    /// The config maps with CAs that carry our finalizer: those that the spec names, and former ones until these
    /// work. Without them no token can be revoked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ca_config_maps: Vec<String>,

    /// When the portal's list was last read. Written only together with another change, so that at rest
    /// nothing is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_audit_time: Option<Time>,
}

/// The names and forms under which the portal is used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedPortal {
    /// The table that lists the tokens; absent where our user may not see it: then there are no audits, and
    /// each token is tried at the registry instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// The task *Request token*.
    pub request: String,
    /// How that is called.
    pub form: TaskForm,
    /// The task *Edit token description*.
    pub edit_description: String,
    /// The task *Revoke token*.
    pub revoke: String,
}

/// A portal and a part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct PortalLocation {
    /// The vendor's kind of portal.
    #[serde(rename = "type")]
    pub kind: PortalType,
    /// The portal's root.
    pub url: String,
    /// The part of the portal that tokens are for, as its type names it: of Thinkwise, the application.
    pub scope: String,
}
