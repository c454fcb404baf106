//! The Thinkwise Community Portal: an application served by Indicium over OData.
//! No public text gives the names of its table and tasks: what the spec leaves out is found in `$metadata`.

pub(crate) mod tasks;
use self::tasks::Tasks;
use super::object_name::{DataKey, ObjectName};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// The Thinkwise Community Portal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!self.url.startsWith('http://') || (has(self.allowInsecureHTTP) && self.allowInsecureHTTP)")
    .message("url is http: credentials and tokens would travel in the clear. Write https, or set allowInsecureHTTP: true"))]
#[x_kube(validation = Rule::new("!has(self.auth.oauth2ClientCredentials) || !has(self.auth.oauth2ClientCredentials.tokenURL) || !self.auth.oauth2ClientCredentials.tokenURL.startsWith('http://') || (has(self.allowInsecureHTTP) && self.allowInsecureHTTP)")
    .message("tokenURL is http: the client secret would travel in the clear. Write https, or set allowInsecureHTTP: true"))]
pub struct Thinkwise {
    /// Indicium's root, such as `https://portal.example.com/indicium`: without `/iam`, user, query or a slash at the end.
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(validation = Rule::new("isURL(self) && url(self).getScheme() in ['http', 'https'] && url(self).getHostname() != ''").message("url must be Indicium's root, such as https://portal.example.com/indicium"))]
    #[x_kube(validation = Rule::new("!self.endsWith('/')").message("url must not end with a slash"))]
    #[x_kube(validation = Rule::new("!self.contains('?') && !self.contains('#')").message("url must not have a query or a fragment"))]
    #[x_kube(validation = Rule::new("!self.contains('@')").message("url must not hold a user or password: they belong in the Secret that auth names"))]
    #[x_kube(validation = Rule::new("!self.matches('/iam(/|$)')").message("url must not hold /iam: write the part before it, and the part after it as application"))]
    pub url: String,

    /// The application's id or alias, as in `<url>/iam/<application>`; `tcp` unless given.
    #[serde(default = "default_application")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9_-]+$"))]
    pub application: String,

    /// Lets `url` be http. False unless given.
    #[serde(default, rename = "allowInsecureHTTP")]
    pub allow_insecure_http: bool,

    /// How to log in.
    pub auth: Auth,

    /// Whom to trust; the system's roots unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,

    /// The table that lists the tokens; found in `$metadata` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<Table>,

    /// The three tasks; found in `$metadata` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tasks: Option<Tasks>,
}

fn default_application() -> String {
    "tcp".to_owned()
}

/// How to log in; exactly the member that `type` names is set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("(self.type == 'OAuth2ClientCredentials') == has(self.oauth2ClientCredentials)").message("give oauth2ClientCredentials with type: OAuth2ClientCredentials, and only with it"))]
#[x_kube(validation = Rule::new("(self.type == 'Basic') == has(self.basic)").message("give basic with type: Basic, and only with it"))]
pub struct Auth {
    /// `OAuth2ClientCredentials` or `Basic`.
    pub r#type: AuthType,

    /// OAuth 2.0 client credentials of a service account: the way for machines.
    #[serde(default, rename = "oauth2ClientCredentials", skip_serializing_if = "Option::is_none")]
    pub oauth2_client_credentials: Option<OAuth2ClientCredentials>,

    /// Username and password. Users with a second factor cannot use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic: Option<Basic>,
}

/// A way to log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum AuthType {
    /// OAuth 2.0 client credentials.
    OAuth2ClientCredentials,
    /// HTTP Basic.
    Basic,
}

/// OAuth 2.0 client credentials.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct OAuth2ClientCredentials {
    /// The Secret with client id and secret.
    pub secret_ref: OAuth2SecretRef,

    /// Where a bearer is had; read from `<url>/.well-known/openid-configuration` unless given.
    #[serde(default, rename = "tokenURL", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(validation = Rule::new("isURL(self) && url(self).getScheme() in ['http', 'https']").message("tokenURL must be a URL such as https://portal.example.com/connect/token"))]
    pub token_url: Option<String>,

    /// Scopes to ask for; none unless given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 256)))]
    pub scopes: Vec<String>,
}

/// A Secret with client id and client secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct OAuth2SecretRef {
    /// Its name; in the operator's namespace, or for a `TokenIssuer` in its own.
    pub name: ObjectName,
    /// Key of the client id; `client_id` unless given.
    #[serde(default = "default_client_id_key", rename = "clientIDKey")]
    pub client_id_key: DataKey,
    /// Key of the client secret; `client_secret` unless given.
    #[serde(default = "default_client_secret_key", rename = "clientSecretKey")]
    pub client_secret_key: DataKey,
}

impl OAuth2SecretRef {
    /// A Secret of this name, with the usual keys.
    #[must_use]
    pub fn named(name: ObjectName) -> Self {
        Self { name, client_id_key: default_client_id_key(), client_secret_key: default_client_secret_key() }
    }
}

fn default_client_id_key() -> DataKey {
    DataKey::from_static("client_id")
}

fn default_client_secret_key() -> DataKey {
    DataKey::from_static("client_secret")
}

/// Username and password.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Basic {
    /// The Secret with both.
    pub secret_ref: BasicSecretRef,
}

/// A Secret with username and password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct BasicSecretRef {
    /// Its name; in the operator's namespace, or for a `TokenIssuer` in its own.
    pub name: ObjectName,
    /// Key of the username; `username` unless given.
    #[serde(default = "default_username_key")]
    pub username_key: DataKey,
    /// Key of the password; `password` unless given.
    #[serde(default = "default_password_key")]
    pub password_key: DataKey,
}

impl BasicSecretRef {
    /// A Secret of this name, with the usual keys.
    #[must_use]
    pub fn named(name: ObjectName) -> Self {
        Self { name, username_key: default_username_key(), password_key: default_password_key() }
    }
}

fn default_username_key() -> DataKey {
    DataKey::from_static("username")
}

fn default_password_key() -> DataKey {
    DataKey::from_static("password")
}

/// Whom to trust.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(has(self.caConfigMapRef) && has(self.caBundle))").message("give caConfigMapRef or caBundle, not both"))]
pub struct Tls {
    /// A ConfigMap with the CA's certificates in PEM, beside the issuer's Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_config_map_ref: Option<ConfigMapKeyRef>,
    /// The CA's certificates in PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 65_536))]
    #[x_kube(validation = Rule::new("self.contains('-----BEGIN CERTIFICATE-----')").message("caBundle must be PEM: it begins with -----BEGIN CERTIFICATE-----"))]
    pub ca_bundle: Option<String>,
}

/// A key of a ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct ConfigMapKeyRef {
    /// Its name; in the operator's namespace, or for a `TokenIssuer` in its own.
    pub name: ObjectName,
    /// The key; `ca.crt` unless given.
    #[serde(default = "default_ca_key")]
    pub key: DataKey,
}

fn default_ca_key() -> DataKey {
    DataKey::from_static("ca.crt")
}

/// The table that lists the tokens.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Table {
    /// Its name; Thinkwise tables are singular and in lower case. Found in `$metadata` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub name: Option<String>,
    /// The columns of its key: the token's id, and those that have one value for all of our tokens. A column
    /// that is not named here is read from the token's row. Found in `$metadata` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8))]
    #[x_kube(validation = Rule::new("self.filter(k, has(k.from)).size() == 1").message("exactly one column of the key has from: TokenID; give each other one its value"))]
    #[x_kube(validation = Rule::new("self.all(k, self.exists_one(l, l.column == k.column))").message("the key names a column twice: write each once"))]
    pub key: Option<Vec<KeyColumn>>,
    /// The columns with username and description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<TableColumns>,
    /// How long a description may be, with the marker of some 25 characters that a new token carries
    /// until it is stored. `MaxLength` in `$metadata` unless given; no limit where that has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 40, max = 100_000))]
    pub description_max_length: Option<i32>,
}

/// A column of the table's key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("has(self.from) != has(self.value)").message("a column of the key has from: TokenID or a fixed value, not both"))]
pub struct KeyColumn {
    /// Its name.
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub column: String,
    /// What it holds: `TokenID`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<KeySource>,
    /// Its value for all of our tokens, such as a customer's id; written as `$metadata` types the column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub value: Option<String>,
}

/// What a key column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum KeySource {
    /// The token's id.
    TokenID,
}

/// The columns of the table that matter; found in `$metadata` unless given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct TableColumns {
    /// The token's username.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub username: Option<String>,
    /// The token's description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub description: Option<String>,
}
