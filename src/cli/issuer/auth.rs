//! How an issuer authenticates, and whether credentials match it.

use crate::api::{
    AccessToken, Auth, AuthType, Basic, BasicSecretRef, OAuth2ClientCredentials, OAuth2SecretRef, TokenSecretRef,
};
use crate::cli::discover_args::DiscoverArgs;
use crate::cli::error::CliError;
use crate::portal::Credentials;

/// The `auth` of an issuer whose Secret has these credentials.
pub(crate) fn build_auth(arguments: &DiscoverArgs, credentials: &Credentials) -> Auth {
    let name = arguments.secret_name.clone();
    let none = Auth { r#type: auth_type(credentials), oauth2_client_credentials: None, basic: None, token: None };
    match credentials {
        Credentials::Basic { .. } => Auth { basic: Some(Basic { secret_ref: BasicSecretRef::named(name) }), ..none },
        Credentials::ClientCredentials { .. } => Auth {
            oauth2_client_credentials: Some(OAuth2ClientCredentials {
                secret_ref: OAuth2SecretRef::named(name),
                token_url: arguments.thinkwise.token_url.clone(),
                scopes: arguments.thinkwise.scopes.clone(),
            }),
            ..none
        },
        Credentials::Token { .. } => {
            Auth { token: Some(AccessToken { secret_ref: TokenSecretRef::named(name) }), ..none }
        }
    }
}

/// The credentials must be of this type; otherwise something else would be checked.
pub(crate) fn require_auth_type(given: Credentials, required: AuthType, whose: &str) -> Result<Credentials, CliError> {
    let given_type = auth_type(&given);
    if given_type == required {
        return Ok(given);
    }
    let (needed, used) = (id_flag(required), id_flag(given_type));
    Err(format!("{whose} logs in with {required:?}: use {needed} instead of {used}").into())
}

const fn auth_type(credentials: &Credentials) -> AuthType {
    match credentials {
        Credentials::Basic { .. } => AuthType::Basic,
        Credentials::ClientCredentials { .. } => AuthType::OAuth2ClientCredentials,
        Credentials::Token { .. } => AuthType::Token,
    }
}

const fn id_flag(auth: AuthType) -> &'static str {
    match auth {
        AuthType::Basic => "--username",
        AuthType::OAuth2ClientCredentials => "--client-id",
        AuthType::Token => "--token-file",
    }
}
