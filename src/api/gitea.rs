//! Gitea and Forgejo: access tokens of one user.

use super::auth::Auth;
use super::portal::{PortalConnection, SpecFields};
use super::tls::Tls;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Configuration of Gitea or Forgejo.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!self.url.startsWith('http://') || (has(self.allowInsecureHTTP) && self.allowInsecureHTTP)")
    .message("url is http: credentials and tokens would be sent unencrypted. Use https, or set allowInsecureHTTP: true"))]
#[x_kube(validation = Rule::new("self.auth.type == 'Basic'")
    .message("Gitea lets only HTTP Basic create tokens: set auth.type to Basic. The password may be an access token with the scope write:user"))]
pub struct Gitea {
    /// Root URL of Gitea, such as `https://git.example.com`, without `/api/v1`, user, query or trailing slash.
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(validation = Rule::new("isURL(self) && url(self).getScheme() in ['http', 'https'] && url(self).getHostname() != ''").message("url must be Gitea's root, such as https://git.example.com"))]
    #[x_kube(validation = Rule::new("!self.endsWith('/')").message("url must not end with a slash"))]
    #[x_kube(validation = Rule::new("!self.contains('?') && !self.contains('#')").message("url must not have a query or a fragment"))]
    #[x_kube(validation = Rule::new("!self.contains('@')").message("url must not contain a user or password: they belong in the Secret that auth refers to"))]
    #[x_kube(validation = Rule::new("!self.matches('/api/v1(/|$)')").message("url must not contain /api/v1: write the part before it"))]
    pub url: String,

    /// Name of the user to whom the tokens belong, and with whose name they log in. The operator logs in as this user, or
    /// as an administrator.
    #[schemars(length(min = 1, max = 40), regex(pattern = r"^[0-9A-Za-z][0-9A-Za-z_.-]*$"))]
    #[x_kube(validation = Rule::new("!self.matches('^[0-9]+$')").message("user must not consist of digits only, because the ids of tokens are numbers too: use another user"))]
    pub user: String,

    /// Scopes of the tokens. Defaults to `read:package`, which is sufficient to pull images.
    #[serde(default = "default_scopes")]
    #[schemars(
        length(min = 1, max = 32),
        inner(length(min = 1, max = 64), regex(pattern = r"^[a-z]+(-[a-z]+)*(:[a-z]+)?$"))
    )]
    pub scopes: Vec<String>,

    /// Allows `url` to use http. Defaults to false.
    #[serde(default, rename = "allowInsecureHTTP")]
    pub allow_insecure_http: bool,

    /// How the operator authenticates: `Basic`. The password may be an access token with the scope `write:user`; users with
    /// a second factor require that.
    pub auth: Auth,

    /// TLS trust. Defaults to the system's root certificates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
}

impl Gitea {
    /// Returns what this configuration has in common with that of any portal.
    #[must_use]
    pub fn connection(&self) -> PortalConnection<'_> {
        PortalConnection {
            url: &self.url,
            scope: Cow::Borrowed(&self.user),
            allow_insecure_http: self.allow_insecure_http,
            auth: &self.auth,
            tls: self.tls.as_ref(),
        }
    }
}

/// The fields that messages name.
pub(super) const SPEC_FIELDS: SpecFields = SpecFields {
    auth: "spec.gitea.auth",
    allow_insecure_http: "spec.gitea.allowInsecureHTTP",
    request: "spec.gitea.scopes",
    id_output: "spec.gitea.url",
    list_key: "spec.gitea.url",
};

fn default_scopes() -> Vec<String> {
    vec!["read:package".to_owned()]
}
