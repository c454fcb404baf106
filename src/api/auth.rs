//! How the operator authenticates at a portal, and the Secrets with the credentials.

use super::object_name::{DataKey, ObjectName};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// How the operator authenticates. Only the field that matches `type` must be set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("(self.type == 'OAuth2ClientCredentials') == has(self.oauth2ClientCredentials)").message("set oauth2ClientCredentials if and only if type is OAuth2ClientCredentials"))]
#[x_kube(validation = Rule::new("(self.type == 'Basic') == has(self.basic)").message("set basic if and only if type is Basic"))]
#[x_kube(validation = Rule::new("(self.type == 'Token') == has(self.token)").message("set token if and only if type is Token"))]
pub struct Auth {
    /// `OAuth2ClientCredentials`, `Basic` or `Token`. Which of them is possible depends on the portal.
    pub r#type: AuthType,

    /// OAuth 2.0 client credentials of a service account. Recommended.
    #[serde(default, rename = "oauth2ClientCredentials", skip_serializing_if = "Option::is_none")]
    pub oauth2_client_credentials: Option<OAuth2ClientCredentials>,

    /// Username and password. A user with a second factor cannot log in with its own password; where the portal has access
    /// tokens, as Gitea has, one of them may be the password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic: Option<Basic>,

    /// An access token. Only for type `GitLab`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<AccessToken>,
}

impl Auth {
    /// Name of the Secret with the credentials.
    #[must_use]
    pub fn secret_name(&self) -> Option<&ObjectName> {
        let oauth = self.oauth2_client_credentials.as_ref().map(|oauth| &oauth.secret_ref.name);
        let token = self.token.as_ref().map(|token| &token.secret_ref.name);
        self.basic.as_ref().map(|basic| &basic.secret_ref.name).or(oauth).or(token)
    }
}

/// An authentication method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum AuthType {
    /// OAuth 2.0 client credentials.
    OAuth2ClientCredentials,
    /// HTTP Basic.
    Basic,
    /// An access token.
    Token,
}

/// OAuth 2.0 client credentials.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct OAuth2ClientCredentials {
    /// Secret with the client id and client secret.
    pub secret_ref: OAuth2SecretRef,

    /// OAuth 2.0 token endpoint. Defaults to the one in `<url>/.well-known/openid-configuration`.
    #[serde(default, rename = "tokenURL", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(validation = Rule::new("isURL(self) && url(self).getScheme() in ['http', 'https']").message("tokenURL must be a URL such as https://portal.example.com/connect/token"))]
    pub token_url: Option<String>,

    /// Scopes to request. Defaults to none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 256)))]
    pub scopes: Vec<String>,
}

/// A Secret with client id and client secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct OAuth2SecretRef {
    /// Name of the Secret. It is in the operator's namespace or, for a `TokenIssuer`, in the issuer's own namespace.
    pub name: ObjectName,
    /// Key of the client id. Defaults to `client_id`.
    #[serde(default = "default_client_id_key", rename = "clientIDKey")]
    pub client_id_key: DataKey,
    /// Key of the client secret. Defaults to `client_secret`.
    #[serde(default = "default_client_secret_key", rename = "clientSecretKey")]
    pub client_secret_key: DataKey,
}

impl OAuth2SecretRef {
    /// Refers to a Secret of this name with the default keys.
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
    /// Secret with the username and password.
    pub secret_ref: BasicSecretRef,
}

/// A Secret with username and password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct BasicSecretRef {
    /// Name of the Secret. It is in the operator's namespace or, for a `TokenIssuer`, in the issuer's own namespace.
    pub name: ObjectName,
    /// Key of the username. Defaults to `username`.
    #[serde(default = "default_username_key")]
    pub username_key: DataKey,
    /// Key of the password. Defaults to `password`.
    #[serde(default = "default_password_key")]
    pub password_key: DataKey,
}

impl BasicSecretRef {
    /// Refers to a Secret of this name with the default keys.
    #[must_use]
    pub fn named(name: ObjectName) -> Self {
        Self { name, username_key: default_username_key(), password_key: default_password_key() }
    }
}

/// An access token of the portal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccessToken {
    /// Secret with the access token.
    pub secret_ref: TokenSecretRef,
}

/// A Secret with an access token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenSecretRef {
    /// Name of the Secret. It is in the operator's namespace or, for a `TokenIssuer`, in the issuer's own namespace.
    pub name: ObjectName,
    /// Key of the access token. Defaults to `token`.
    #[serde(default = "default_token_key")]
    pub token_key: DataKey,
}

impl TokenSecretRef {
    /// Refers to a Secret of this name with the default key.
    #[must_use]
    pub fn named(name: ObjectName) -> Self {
        Self { name, token_key: default_token_key() }
    }
}

fn default_token_key() -> DataKey {
    DataKey::from_static("token")
}

fn default_username_key() -> DataKey {
    DataKey::from_static("username")
}

fn default_password_key() -> DataKey {
    DataKey::from_static("password")
}
