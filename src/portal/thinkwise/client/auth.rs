//! Authentication at the portal.

use super::auth_header::AuthHeader;
use super::http_client::HttpClient;
use super::oauth::OAuth;
use crate::api::{Reason, Thinkwise};
use crate::http;
use crate::portal::{Credentials, Delivery, OnCall, PortalError};
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;

/// An authentication method with its credentials.
pub(crate) struct Authenticator {
    method: AuthMethod,
    credentials_source: String,
}

enum AuthMethod {
    Basic(HeaderValue),
    OAuth(Box<OAuth>),
}

impl Authenticator {
    pub(crate) fn new(spec: &Thinkwise, credentials: Credentials) -> Result<Self, PortalError> {
        let (basic, oauth) = (&spec.auth.basic, &spec.auth.oauth2_client_credentials);
        let (method, secret) = match credentials {
            Credentials::Basic { username, password } => (
                AuthMethod::Basic(basic_header(&username, &password)?),
                basic.as_ref().map(|basic| basic.secret_ref.name.as_str()),
            ),
            Credentials::ClientCredentials { client_id, client_secret } => (
                AuthMethod::OAuth(Box::new(OAuth::new(spec, client_id, client_secret)?)),
                oauth.as_ref().map(|oauth| oauth.secret_ref.name.as_str()),
            ),
            Credentials::Token { .. } => {
                let message =
                    "the portal has no access tokens: set spec.thinkwise.auth.type to OAuth2ClientCredentials or Basic";
                return Err(PortalError::new(Delivery::NotSent, Reason::CredentialsInvalid, message));
            }
        };
        let source = secret.map_or_else(
            || "the Secret referenced by spec.thinkwise.auth".to_owned(),
            |name| format!("the Secret {name} (spec.thinkwise.auth)"),
        );
        Ok(Self { method, credentials_source: source })
    }

    /// The source of the credentials; human-readable.
    pub(crate) fn credentials_source(&self) -> &str {
        &self.credentials_source
    }

    pub(crate) fn set_credentials_source(&mut self, source: String) {
        self.credentials_source = source;
    }

    /// Reports each login to `on_call`. With HTTP Basic there is none.
    pub(crate) fn report_logins(&mut self, on_call: OnCall) {
        if let AuthMethod::OAuth(oauth) = &mut self.method {
            oauth.report_logins(on_call);
        }
    }

    /// The authentication of the next request. An error means that the request was not sent.
    pub(crate) async fn auth_header(&self, http: &HttpClient, deadline: Instant) -> Result<AuthHeader, PortalError> {
        match &self.method {
            AuthMethod::Basic(header) => Ok(AuthHeader { header: header.clone(), generation: None }),
            AuthMethod::OAuth(oauth) => oauth.auth_header(http, &self.credentials_source, deadline).await,
        }
    }

    /// Discards the access token that the portal rejected, unless another call has replaced it already.
    pub(crate) async fn invalidate(&self, generation: u64) {
        if let AuthMethod::OAuth(oauth) = &self.method {
            oauth.invalidate(generation).await;
        }
    }
}

fn basic_header(username: &str, password: &SecretString) -> Result<HeaderValue, PortalError> {
    http::basic(username, password.expose_secret()).ok_or_else(|| {
        let message = "the portal's username contains a colon, which HTTP Basic does not allow";
        PortalError::new(Delivery::NotSent, Reason::Unauthorized, message)
    })
}
