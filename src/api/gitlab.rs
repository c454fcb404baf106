//! GitLab: deploy tokens of a project or of a group.

use super::auth::Auth;
use super::portal::{PortalConnection, SpecFields};
use super::tls::Tls;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Configuration of GitLab.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!self.url.startsWith('http://') || (has(self.allowInsecureHTTP) && self.allowInsecureHTTP)")
    .message("url is http: credentials and tokens would be sent unencrypted. Use https, or set allowInsecureHTTP: true"))]
#[x_kube(validation = Rule::new("self.auth.type == 'Token'")
    .message("GitLab requires an access token: set auth.type to Token"))]
#[x_kube(validation = Rule::new("has(self.project) != has(self.group)").message("set project or group, not both"))]
pub struct GitLab {
    /// Root URL of GitLab, such as `https://gitlab.com`, without `/api/v4`, user, query or trailing slash.
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(validation = Rule::new("isURL(self) && url(self).getScheme() in ['http', 'https'] && url(self).getHostname() != ''").message("url must be GitLab's root, such as https://gitlab.com"))]
    #[x_kube(validation = Rule::new("!self.endsWith('/')").message("url must not end with a slash"))]
    #[x_kube(validation = Rule::new("!self.contains('?') && !self.contains('#')").message("url must not have a query or a fragment"))]
    #[x_kube(validation = Rule::new("!self.contains('@')").message("url must not contain a user or password: they belong in the Secret that auth refers to"))]
    #[x_kube(validation = Rule::new("!self.matches('/api/v4(/|$)')").message("url must not contain /api/v4: write the part before it"))]
    pub url: String,

    /// Id or path of the project, such as `"42"` or `group/project`. The id stays the same if the project is moved. Set this
    /// or `group`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 1024),
        regex(pattern = r"^[0-9A-Za-z_][0-9A-Za-z_.-]*(/[0-9A-Za-z_][0-9A-Za-z_.-]*)*$")
    )]
    pub project: Option<String>,

    /// Id or path of the group, such as `"7"` or `group/subgroup`. Its tokens can access all of its projects. Set this or
    /// `project`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 1024),
        regex(pattern = r"^[0-9A-Za-z_][0-9A-Za-z_.-]*(/[0-9A-Za-z_][0-9A-Za-z_.-]*)*$")
    )]
    pub group: Option<String>,

    /// Scopes of the tokens. Defaults to `read_registry`, which is sufficient to pull images. A change has an effect on new
    /// tokens only.
    #[serde(default = "default_scopes")]
    #[schemars(length(min = 1, max = 16), inner(length(min = 1, max = 64), regex(pattern = r"^[a-z]+(_[a-z]+)*$")))]
    pub scopes: Vec<String>,

    /// How many days the tokens are valid. By default they do not expire. A token is rotated when a third of this time is left,
    /// or earlier if its `spec.rotation` says so. A change has an effect on new tokens only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3650))]
    pub duration: Option<u16>,

    /// Allows `url` to use http. Defaults to false.
    #[serde(default, rename = "allowInsecureHTTP")]
    pub allow_insecure_http: bool,

    /// How the operator authenticates: `Token`, an access token with the scope `api`, of a Maintainer of the project or an
    /// Owner of the group.
    pub auth: Auth,

    /// TLS trust. Defaults to the system's root certificates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
}

impl GitLab {
    /// The kind of the holder of the tokens in GitLab's API, and its id or path.
    #[must_use]
    pub fn holder(&self) -> (&'static str, &str) {
        match (&self.project, &self.group) {
            (Some(project), _) => ("projects", project),
            (None, group) => ("groups", group.as_deref().unwrap_or_default()),
        }
    }

    /// Returns what this configuration has in common with that of any portal.
    #[must_use]
    pub fn connection(&self) -> PortalConnection<'_> {
        let (kind, name) = self.holder();
        PortalConnection {
            url: &self.url,
            scope: Cow::Owned(format!("{kind}/{name}")),
            allow_insecure_http: self.allow_insecure_http,
            auth: &self.auth,
            tls: self.tls.as_ref(),
        }
    }
}

/// The fields that messages name.
pub(super) const SPEC_FIELDS: SpecFields = SpecFields {
    auth: "spec.gitlab.auth",
    allow_insecure_http: "spec.gitlab.allowInsecureHTTP",
    request: "spec.gitlab.scopes",
    id_output: "spec.gitlab.url",
    list_key: "spec.gitlab.url",
};

fn default_scopes() -> Vec<String> {
    vec!["read_registry".to_owned()]
}
