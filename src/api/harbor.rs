//! Harbor: robot accounts of a project, or of the system.

use super::auth::Auth;
use super::portal::{PortalConnection, SpecFields};
use super::tls::Tls;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Configuration of Harbor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!self.url.startsWith('http://') || (has(self.allowInsecureHTTP) && self.allowInsecureHTTP)")
    .message("url is http: credentials and tokens would be sent unencrypted. Use https, or set allowInsecureHTTP: true"))]
#[x_kube(validation = Rule::new("self.auth.type == 'Basic'")
    .message("Harbor requires HTTP Basic: set auth.type to Basic, with the name and password of a user or of a robot account"))]
#[x_kube(validation = Rule::new("(self.level == 'Project') == has(self.project)").message("set project if and only if level is Project"))]
#[x_kube(validation = Rule::new("(self.level == 'System') == has(self.projects)").message("set projects if and only if level is System"))]
pub struct Harbor {
    /// Root URL of Harbor, such as `https://harbor.example.com`, without `/api/v2.0`, user, query or trailing slash.
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(validation = Rule::new("isURL(self) && url(self).getScheme() in ['http', 'https'] && url(self).getHostname() != ''").message("url must be Harbor's root, such as https://harbor.example.com"))]
    #[x_kube(validation = Rule::new("!self.endsWith('/')").message("url must not end with a slash"))]
    #[x_kube(validation = Rule::new("!self.contains('?') && !self.contains('#')").message("url must not have a query or a fragment"))]
    #[x_kube(validation = Rule::new("!self.contains('@')").message("url must not contain a user or password: they belong in the Secret that auth refers to"))]
    #[x_kube(validation = Rule::new("!self.matches('/(api|v2)(/|$)')").message("url must not contain /api or /v2: write the part before it"))]
    pub url: String,

    /// `Project` (default): robot accounts of one project, which can access nothing else. `System`: robot accounts of the
    /// system, for several projects. They require the login of an administrator or of a robot account of the system.
    #[serde(default)]
    pub level: HarborLevel,

    /// The project. Required with `level: Project`, and only allowed with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^[a-z0-9]+([._-][a-z0-9]+)*$"))]
    pub project: Option<String>,

    /// The projects that the tokens can access, or `*` for all of them. Required with `level: System`, and only allowed
    /// with it. A change has an effect on new tokens only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 64),
        inner(length(min = 1, max = 255), regex(pattern = r"^(\*|[a-z0-9]+([._-][a-z0-9]+)*)$"))
    )]
    pub projects: Option<Vec<String>>,

    /// What the tokens may do in each project. Defaults to `pull` of `repository`, which is sufficient to pull images. A
    /// change has an effect on new tokens only.
    #[serde(default = "default_permissions")]
    #[schemars(length(min = 1, max = 64))]
    pub permissions: Vec<HarborPermission>,

    /// How many days the tokens are valid. By default they do not expire. A token is rotated when a third of this time is left,
    /// or earlier if its `spec.rotation` says so. A change has an effect on new tokens only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3650))]
    pub duration: Option<u16>,

    /// Allows `url` to use http. Defaults to false.
    #[serde(default, rename = "allowInsecureHTTP")]
    pub allow_insecure_http: bool,

    /// How the operator authenticates: `Basic`, as a user or a robot account. A robot account may not edit descriptions.
    pub auth: Auth,

    /// TLS trust. Defaults to the system's root certificates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
}

/// Where the robot accounts belong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum HarborLevel {
    /// To a project.
    #[default]
    Project,
    /// To the system.
    System,
}

/// An action that a token may perform on a kind of resource, as Harbor names both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct HarborPermission {
    /// The kind of resource, such as `repository`.
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[a-z]+(-[a-z]+)*$"))]
    pub resource: String,
    /// The action, such as `pull`.
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[a-z]+(-[a-z]+)*$"))]
    pub action: String,
}

/// What [`PortalConnection::scope`] is for robot accounts of the system. No project has this name, and Harbor uses it for
/// the system too.
const SYSTEM_SCOPE: &str = "/";

impl Harbor {
    /// Returns what this configuration has in common with that of any portal.
    #[must_use]
    pub fn connection(&self) -> PortalConnection<'_> {
        PortalConnection {
            url: &self.url,
            scope: Cow::Borrowed(
                self.project.as_deref().filter(|_| self.level == HarborLevel::Project).unwrap_or(SYSTEM_SCOPE),
            ),
            allow_insecure_http: self.allow_insecure_http,
            auth: &self.auth,
            tls: self.tls.as_ref(),
        }
    }
}

/// The fields that messages name.
pub(super) const SPEC_FIELDS: SpecFields = SpecFields {
    auth: "spec.harbor.auth",
    allow_insecure_http: "spec.harbor.allowInsecureHTTP",
    request: "spec.harbor.permissions",
    id_output: "spec.harbor.url",
    list_key: "spec.harbor.url",
};

fn default_permissions() -> Vec<HarborPermission> {
    vec![HarborPermission { resource: "repository".to_owned(), action: "pull".to_owned() }]
}
