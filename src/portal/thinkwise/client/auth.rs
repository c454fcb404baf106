//! How we log in.

use super::http_client::HttpClient;
use super::oauth::OAuth;
use crate::api::{Reason, Thinkwise};
use crate::http;
use crate::portal::thinkwise::{Credentials, Delivery, PortalError};
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;

/// A way to log in, with its credentials.
pub(crate) struct Authenticator {
    method: AuthMethod,
    credentials_source: String,
}

enum AuthMethod {
    Basic(HeaderValue),
    OAuth(Box<OAuth>),
}

/// What a request carries.
pub(crate) struct AuthHeader {
    /// `Authorization`, marked as sensitive: it is neither printed nor compressed with other headers.
    pub header: HeaderValue,
    /// For a bearer: which one it is. It can be replaced when the portal refuses it.
    pub generation: Option<u64>,
}

impl Authenticator {
    pub(crate) fn new(spec: &Thinkwise, credentials: Credentials) -> Result<Self, PortalError> {
        let (basic, oauth) = (&spec.auth.basic, &spec.auth.oauth2_client_credentials);
        let (way, secret) = match credentials {
            Credentials::Basic { username, password } => (
                AuthMethod::Basic(basic_header(&username, &password)?),
                basic.as_ref().map(|basic| basic.secret_ref.name.as_str()),
            ),
            Credentials::ClientCredentials { client_id, client_secret } => (
                AuthMethod::OAuth(Box::new(OAuth::new(spec, client_id, client_secret)?)),
                oauth.as_ref().map(|oauth| oauth.secret_ref.name.as_str()),
            ),
        };
        let hint = secret.map_or_else(
            || "the Secret that spec.thinkwise.auth names".to_owned(),
            |name| format!("the Secret {name}, which spec.thinkwise.auth names"),
        );
        Ok(Self { method: way, credentials_source: hint })
    }

    /// Where the credentials come from, for people.
    pub(crate) fn credentials_source(&self) -> &str {
        &self.credentials_source
    }

    pub(crate) fn set_credentials_source(&mut self, source: String) {
        self.credentials_source = source;
    }

    /// What the next request carries. A failure means that no request was sent.
    pub(crate) async fn auth_header(&self, http: &HttpClient, deadline: Instant) -> Result<AuthHeader, PortalError> {
        match &self.method {
            AuthMethod::Basic(header) => Ok(AuthHeader { header: header.clone(), generation: None }),
            AuthMethod::OAuth(oauth) => oauth.auth_header(http, &self.credentials_source, deadline).await,
        }
    }

    /// Drops the bearer that the portal refused, unless another call has replaced it already.
    pub(crate) async fn invalidate(&self, generation: u64) {
        if let AuthMethod::OAuth(oauth) = &self.method {
            oauth.invalidate(generation).await;
        }
    }
}

fn basic_header(username: &str, password: &SecretString) -> Result<HeaderValue, PortalError> {
    http::basic(username, password.expose_secret()).ok_or_else(|| {
        let message = "the portal's username holds a colon, which HTTP Basic cannot carry";
        PortalError::new(Delivery::NotSent, Reason::Unauthorized, message)
    })
}

/// `Authorization: <scheme> <secret>`.
pub(crate) fn authorization(scheme: &str, secret: &str) -> Result<HeaderValue, PortalError> {
    http::authorization(scheme, secret).ok_or_else(|| {
        PortalError::new(
            Delivery::NotSent,
            Reason::InvalidResponse,
            "the bearer holds characters that no HTTP header can carry",
        )
    })
}
