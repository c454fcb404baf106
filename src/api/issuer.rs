//! Issuers: a portal and how to connect to it.

use super::allowed_namespaces::AllowedNamespaces;
use super::gitea::{self, Gitea};
use super::gitlab::{self, GitLab};
use super::harbor::{self, Harbor};
use super::limits::{Audit, Limits};
use super::portal::{PortalConnection, PortalType, SpecFields};
use super::registry::Registry;
use super::thinkwise::tasks::TaskForm;
use super::thinkwise::{self, Thinkwise};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

/// A portal that serves the whole cluster. Its Secrets are in the operator's namespace.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "registry-token.dev",
    version = "v1alpha1",
    kind = "ClusterTokenIssuer",
    status = "IssuerStatus",
    derive = "PartialEq",
    shortname = "ctiss",
    category = "registry-tokens",
    doc = "A vendor's portal that issues registry tokens, for the whole cluster.",
    printcolumn(name = "READY", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "REASON", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "URL", type_ = "string", json_path = ".spec['thinkwise','gitea','harbor','gitlab'].url", priority = 1),
    printcolumn(name = "TOKENS", type_ = "integer", json_path = ".status.tokens", priority = 1),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("(self.spec.type == 'Thinkwise') == has(self.spec.thinkwise)")
        .message("type Thinkwise requires spec.thinkwise with the portal's url and auth, and no other type allows it")
        .field_path(".spec"),
    validation = Rule::new("(self.spec.type == 'Gitea') == has(self.spec.gitea)")
        .message("type Gitea requires spec.gitea with Gitea's url, user and auth, and no other type allows it")
        .field_path(".spec"),
    validation = Rule::new("(self.spec.type == 'Harbor') == has(self.spec.harbor)")
        .message("type Harbor requires spec.harbor with Harbor's url, project and auth, and no other type allows it")
        .field_path(".spec"),
    validation = Rule::new("(self.spec.type == 'GitLab') == has(self.spec.gitlab)")
        .message("type GitLab requires spec.gitlab with GitLab's url, project or group, and auth, and no other type allows it")
        .field_path(".spec"),
    validation = Rule::new("self.spec.type == 'Thinkwise' || self.spec.registries.all(r, r.host != 'registry.thinkwisesoftware.com')")
        .message("this type requires spec.registries: set the host of the container registry that accepts the tokens")
        .field_path(".spec")
)]
#[serde(rename_all = "camelCase")]
pub struct ClusterTokenIssuerSpec {
    /// Fields shared by both issuer kinds.
    #[serde(flatten)]
    pub issuer: IssuerSpec,

    /// Namespaces that may use this issuer. Defaults to all namespaces.
    #[serde(default)]
    pub allowed_namespaces: AllowedNamespaces,
}

/// A portal for one namespace, which also contains its Secrets.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "registry-token.dev",
    version = "v1alpha1",
    kind = "TokenIssuer",
    namespaced,
    status = "IssuerStatus",
    derive = "PartialEq",
    shortname = "tiss",
    category = "registry-tokens",
    doc = "A vendor's portal that issues registry tokens, for one namespace.",
    printcolumn(name = "READY", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "REASON", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "URL", type_ = "string", json_path = ".spec['thinkwise','gitea','harbor','gitlab'].url", priority = 1),
    printcolumn(name = "TOKENS", type_ = "integer", json_path = ".status.tokens", priority = 1),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("(self.spec.type == 'Thinkwise') == has(self.spec.thinkwise)")
        .message("type Thinkwise requires spec.thinkwise with the portal's url and auth, and no other type allows it")
        .field_path(".spec"),
    validation = Rule::new("(self.spec.type == 'Gitea') == has(self.spec.gitea)")
        .message("type Gitea requires spec.gitea with Gitea's url, user and auth, and no other type allows it")
        .field_path(".spec"),
    validation = Rule::new("(self.spec.type == 'Harbor') == has(self.spec.harbor)")
        .message("type Harbor requires spec.harbor with Harbor's url, project and auth, and no other type allows it")
        .field_path(".spec"),
    validation = Rule::new("(self.spec.type == 'GitLab') == has(self.spec.gitlab)")
        .message("type GitLab requires spec.gitlab with GitLab's url, project or group, and auth, and no other type allows it")
        .field_path(".spec"),
    validation = Rule::new("self.spec.type == 'Thinkwise' || self.spec.registries.all(r, r.host != 'registry.thinkwisesoftware.com')")
        .message("this type requires spec.registries: set the host of the container registry that accepts the tokens")
        .field_path(".spec")
)]
pub struct TokenIssuerSpec {
    /// Fields shared by both issuer kinds.
    #[serde(flatten)]
    pub issuer: IssuerSpec,
}

/// The fields shared by both issuer kinds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct IssuerSpec {
    /// Portal type. The field with the configuration of this type must be set, and no other.
    pub r#type: PortalType,

    /// Configuration of the Thinkwise Community Portal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thinkwise: Option<Thinkwise>,

    /// Configuration of Gitea or Forgejo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gitea: Option<Gitea>,

    /// Configuration of Harbor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub harbor: Option<Harbor>,

    /// Configuration of GitLab.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gitlab: Option<GitLab>,

    /// Registries that accept the token. Each becomes an entry of the pull secret. Defaults to
    /// `registry.thinkwisesoftware.com`; required for the other types than `Thinkwise`. All `caBundle`s together have at most 64 KiB.
    #[serde(default = "default_registries")]
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["host".into()]))]
    #[x_kube(validation = Rule::new("self.map(r, has(r.tls) && has(r.tls.caBundle) ? r.tls.caBundle.size() : 0).sum() <= 65536").message("the caBundles of all registries must have at most 65536 characters in total: use caConfigMapRef instead"))]
    pub registries: Vec<Registry>,

    /// Request rate, concurrency and timeouts.
    #[serde(default)]
    pub limits: Limits,

    /// How often the portal's complete list is read, and when it is considered implausible.
    #[serde(default)]
    pub audit: Audit,

    /// Whether a login at the registries is verified. `Required` (default): a token becomes ready, or replaces a
    /// working one, only after logging in to every registry. `BestEffort`: an unreachable registry does not block; a
    /// rejected login does. `Disabled`: no check.
    #[serde(default)]
    pub login_check: LoginCheck,

    /// Whether the operator's marker stays in the description. `Transient` (default): the marker is removed once the
    /// token is stored, unless the portal cannot edit descriptions (types `Gitea` and `GitLab`). `Permanent`: the marker stays, so that
    /// an audit also finds tokens left behind by a force-deleted object or a restored cluster.
    #[serde(default)]
    pub ownership_marker: OwnershipMarker,
}

/// Whether a login at the registries is verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub enum LoginCheck {
    /// A token becomes ready only after it has logged in.
    #[default]
    Required,
    /// An unreachable registry does not block; a rejected login does.
    BestEffort,
    /// The login is not checked.
    Disabled,
}

/// Whether the operator's marker stays in a token's description.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum OwnershipMarker {
    /// The marker is removed once the token is stored.
    #[default]
    Transient,
    /// The marker stays.
    Permanent,
}

fn default_registries() -> Vec<Registry> {
    vec![Registry { host: "registry.thinkwisesoftware.com".to_owned(), tls: None }]
}

/// Observed state of an issuer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct IssuerStatus {
    /// The `metadata.generation` for which the conditions were set; -1 before the first reconciliation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// `Ready`; `Reconciling` and `Stalled` are present only while they are true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = kube::core::ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,

    /// Portal that contains the tokens. It cannot change once a token has been requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub portal: Option<PortalLocation>,

    /// Names found in the portal's `$metadata`, or set in the spec and present in `$metadata`. Only for type `Thinkwise`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<ResolvedPortal>,

    /// Number of tokens that the portal user saw at the last audit, regardless of who requested them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<i64>,

    /// Secrets with portal credentials that carry the operator's finalizer: the Secret named in the spec, and previous
    /// ones until the new credentials work.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credentials_secrets: Vec<String>,

    /// ConfigMaps with CA certificates that carry the operator's finalizer: those named in the spec, and previous ones
    /// until the new ones work. Without them no token can be revoked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ca_config_maps: Vec<String>,

    /// Time of the last read of the portal's list. Updated only together with another change, so that an idle issuer
    /// causes no writes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_audit_time: Option<Time>,
}

/// The resolved names and call forms of the portal's table and tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedPortal {
    /// Table that lists the tokens. Absent if the portal user may not read it: then there are no audits, and the login
    /// of each token is checked at the registries instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// The task *Request token*.
    pub request: String,
    /// How *Request token* is called.
    pub form: TaskForm,
    /// The task *Edit token description*.
    pub edit_description: String,
    /// The task *Revoke token*.
    pub revoke: String,
}

/// A portal and a part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct PortalLocation {
    /// The portal type.
    #[serde(rename = "type")]
    pub kind: PortalType,
    /// The root URL of the portal.
    pub url: String,
    /// Part of the portal to which the tokens belong. For Thinkwise: the application; for Gitea: the user; for
    /// Harbor: the project, or `/` for robot accounts of the system; for GitLab: the project or group.
    pub scope: String,
}

impl PortalType {
    /// The fields of the spec that messages name.
    #[must_use]
    pub const fn spec_fields(self) -> &'static SpecFields {
        match self {
            Self::Thinkwise => &thinkwise::SPEC_FIELDS,
            Self::Gitea => &gitea::SPEC_FIELDS,
            Self::Harbor => &harbor::SPEC_FIELDS,
            Self::GitLab => &gitlab::SPEC_FIELDS,
        }
    }
}

impl IssuerSpec {
    /// Returns how to connect to the portal; `None` if the configuration of the portal's type is missing, which the API
    /// server rejects.
    #[must_use]
    pub fn connection(&self) -> Option<PortalConnection<'_>> {
        match self.r#type {
            PortalType::Thinkwise => self.thinkwise.as_ref().map(Thinkwise::connection),
            PortalType::Gitea => self.gitea.as_ref().map(Gitea::connection),
            PortalType::Harbor => self.harbor.as_ref().map(Harbor::connection),
            PortalType::GitLab => self.gitlab.as_ref().map(GitLab::connection),
        }
    }
}
