//! The Thinkwise Community Portal: an application served by Indicium over OData.
//! The names of its table and tasks are not publicly documented: those that the spec omits are found in `$metadata`.

pub(crate) mod tasks;
use self::tasks::Tasks;
use super::auth::Auth;
use super::portal::{PortalConnection, SpecFields};
use super::tls::Tls;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Configuration of the Thinkwise Community Portal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!self.url.startsWith('http://') || (has(self.allowInsecureHTTP) && self.allowInsecureHTTP)")
    .message("url is http: credentials and tokens would be sent unencrypted. Use https, or set allowInsecureHTTP: true"))]
#[x_kube(validation = Rule::new("!has(self.auth.oauth2ClientCredentials) || !has(self.auth.oauth2ClientCredentials.tokenURL) || !self.auth.oauth2ClientCredentials.tokenURL.startsWith('http://') || (has(self.allowInsecureHTTP) && self.allowInsecureHTTP)")
    .message("tokenURL is http: the client secret would be sent unencrypted. Use https, or set allowInsecureHTTP: true"))]
#[x_kube(validation = Rule::new("self.auth.type != 'Token'")
    .message("the Thinkwise portal has no access tokens: set auth.type to OAuth2ClientCredentials or Basic"))]
pub struct Thinkwise {
    /// Root URL of Indicium, such as `https://portal.example.com/indicium`, without `/iam`, user, query or trailing
    /// slash.
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(validation = Rule::new("isURL(self) && url(self).getScheme() in ['http', 'https'] && url(self).getHostname() != ''").message("url must be Indicium's root, such as https://portal.example.com/indicium"))]
    #[x_kube(validation = Rule::new("!self.endsWith('/')").message("url must not end with a slash"))]
    #[x_kube(validation = Rule::new("!self.contains('?') && !self.contains('#')").message("url must not have a query or a fragment"))]
    #[x_kube(validation = Rule::new("!self.contains('@')").message("url must not contain a user or password: they belong in the Secret that auth refers to"))]
    #[x_kube(validation = Rule::new("!self.matches('/iam(/|$)')").message("url must not contain /iam: write the part before it as url, and the part after it as application"))]
    pub url: String,

    /// Id or alias of the application, as in `<url>/iam/<application>`. Defaults to `tcp`.
    #[serde(default = "default_application")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9_-]+$"))]
    pub application: String,

    /// Allows `url` to use http. Defaults to false.
    #[serde(default, rename = "allowInsecureHTTP")]
    pub allow_insecure_http: bool,

    /// How the operator authenticates.
    pub auth: Auth,

    /// TLS trust. Defaults to the system's root certificates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,

    /// Table that lists the tokens. Discovered in `$metadata` if omitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<Table>,

    /// The three tasks. Discovered in `$metadata` if omitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tasks: Option<Tasks>,
}

impl Thinkwise {
    /// Returns what this configuration has in common with that of any portal.
    #[must_use]
    pub fn connection(&self) -> PortalConnection<'_> {
        PortalConnection {
            url: &self.url,
            scope: Cow::Borrowed(&self.application),
            allow_insecure_http: self.allow_insecure_http,
            auth: &self.auth,
            tls: self.tls.as_ref(),
        }
    }
}

/// The fields that messages name.
pub(super) const SPEC_FIELDS: SpecFields = SpecFields {
    auth: "spec.thinkwise.auth",
    allow_insecure_http: "spec.thinkwise.allowInsecureHTTP",
    request: "spec.thinkwise.tasks.request",
    id_output: "spec.thinkwise.tasks.request.outputs.id",
    list_key: "spec.thinkwise.table.key",
};

fn default_application() -> String {
    "tcp".to_owned()
}

/// The table that lists the tokens.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Table {
    /// Name of the table. Thinkwise tables are singular and in lower case. Discovered in `$metadata` if omitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub name: Option<String>,
    /// Key columns of the table: the token id, and columns that have the same value for all tokens of the operator. A
    /// key column that is not listed here is read from the token's row. Discovered in `$metadata` if omitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8))]
    #[x_kube(validation = Rule::new("self.filter(k, has(k.from)).size() == 1").message("exactly one key column must have from: TokenID; set value for each other one"))]
    #[x_kube(validation = Rule::new("self.all(k, self.exists_one(l, l.column == k.column))").message("the key contains a column twice: list each once"))]
    pub key: Option<Vec<KeyColumn>>,
    /// Columns of the username and the description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<TableColumns>,
    /// Maximum length of a description, including the marker of about 25 characters that a new token carries until it
    /// is stored. Defaults to `MaxLength` in `$metadata`, or no limit if that is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 40, max = 100_000))]
    pub description_max_length: Option<i32>,
}

/// A key column of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("has(self.from) != has(self.value)").message("set from: TokenID or value for a key column, not both"))]
pub struct KeyColumn {
    /// Name of the column.
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub column: String,
    /// Source of the value: `TokenID`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<KeySource>,
    /// Value of the column for all tokens of the operator, such as a customer id. Written in the format of the column's
    /// type in `$metadata`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub value: Option<String>,
}

/// Source of a key column's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum KeySource {
    /// The token's id.
    TokenID,
}

/// The columns that the operator reads. Discovered in `$metadata` if omitted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct TableColumns {
    /// Column of the token's username.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub username: Option<String>,
    /// Column of the token's description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub description: Option<String>,
}
