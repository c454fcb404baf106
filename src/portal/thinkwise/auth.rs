//! How we log in.

use super::client::HttpClient;
use super::oauth::OAuth;
use super::{Credentials, Failure, Sent};
use crate::api::{Reason, Thinkwise};
use crate::http;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;

/// A way to log in, with its credentials.
pub(super) struct Login {
    way: Way,
    hint: String,
}

enum Way {
    Basic(HeaderValue),
    OAuth(Box<OAuth>),
}

/// What a request carries.
pub(super) struct Ticket {
    /// `Authorization`, marked as sensitive: it is neither printed nor compressed with other headers.
    pub header: HeaderValue,
    /// For a bearer: which one it is. It can be replaced when the portal refuses it.
    pub generation: Option<u64>,
}

impl Login {
    pub(super) fn new(spec: &Thinkwise, credentials: Credentials) -> Result<Self, Failure> {
        let (basic, oauth) = (&spec.auth.basic, &spec.auth.oauth2_client_credentials);
        let (way, secret) = match credentials {
            Credentials::Basic { username, password } => (
                Way::Basic(basic_header(&username, &password)?),
                basic.as_ref().map(|basic| basic.secret_ref.name.as_str()),
            ),
            Credentials::ClientCredentials { client_id, client_secret } => (
                Way::OAuth(Box::new(OAuth::new(spec, client_id, client_secret)?)),
                oauth.as_ref().map(|oauth| oauth.secret_ref.name.as_str()),
            ),
        };
        let hint = secret.map_or_else(
            || "the Secret that spec.thinkwise.auth names".to_owned(),
            |name| format!("the Secret {name}, which spec.thinkwise.auth names"),
        );
        Ok(Self { way, hint })
    }

    /// Where the credentials come from, for people.
    pub(super) fn hint(&self) -> &str {
        &self.hint
    }

    pub(super) fn set_hint(&mut self, hint: String) {
        self.hint = hint;
    }

    /// What the next request carries. A failure means that no request was sent.
    pub(super) async fn ticket(&self, http: &HttpClient, deadline: Instant) -> Result<Ticket, Failure> {
        match &self.way {
            Way::Basic(header) => Ok(Ticket { header: header.clone(), generation: None }),
            Way::OAuth(oauth) => oauth.ticket(http, &self.hint, deadline).await,
        }
    }

    /// Drops the bearer that the portal refused, unless another call has replaced it already.
    pub(super) async fn forget(&self, generation: u64) {
        if let Way::OAuth(oauth) = &self.way {
            oauth.forget(generation).await;
        }
    }
}

fn basic_header(username: &str, password: &SecretString) -> Result<HeaderValue, Failure> {
    http::basic(username, password.expose_secret()).ok_or_else(|| {
        let message = "the portal's username holds a colon, which HTTP Basic cannot carry";
        Failure::new(Sent::No, Reason::Unauthorised, message)
    })
}

/// `Authorization: <scheme> <secret>`.
pub(super) fn authorization(scheme: &str, secret: &str) -> Result<HeaderValue, Failure> {
    http::authorization(scheme, secret).ok_or_else(|| {
        Failure::new(Sent::No, Reason::AnswerMalformed, "the bearer holds characters that no HTTP header can carry")
    })
}
