//! The Thinkwise Community Portal: three tasks and a table of an application that Indicium serves over OData.

mod address;
mod auth;
mod bearer;
mod by_username;
mod call;
mod caution;
mod change;
mod client;
mod confirm;
mod cookies;
mod errors;
mod fields;
pub mod find;
mod flow;
mod forms;
#[cfg(test)]
mod fuzz;
mod id_proof;
mod ids;
pub mod interface;
mod json;
mod known;
mod list_budget;
mod literal;
mod messages;
pub mod metadata;
mod number;
mod oauth;
mod odata;
mod off_workers;
mod pinned;
mod request;
pub mod resolve;
mod rows;
mod wire;

pub use self::literal::{Literal, NotOfKind};

use self::auth::Login;
use self::call::{Call, Subject};
use self::caution::{Caution, nameable};
use self::client::HttpClient;
use self::confirm::Marking;
use self::cookies::Cookies;
use self::id_proof::IdProof;
use self::known::Memory;
use self::metadata::Catalog;
use super::{Answer, Failure, IssuedToken, Pages, Portal, PortalRow, Resolved, Rows, Sent, TokenRef, identity};
use crate::api::{Limits, PortalType, RecordedPortal, Thinkwise};
use crate::http::EgressPolicy;
use reqwest::{Response, StatusCode};
use secrecy::SecretString;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use url::Url;

/// All that it takes to speak to a portal.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the portal is and what its table and tasks are called.
    pub spec: Thinkwise,
    /// How long it may take. Rate and concurrency are kept by the caller.
    pub limits: Limits,
    /// What the issuer's Secret holds.
    pub credentials: Credentials,
    /// The certificates to trust, and no others; the system's roots unless given.
    pub ca_pem: Option<String>,
    /// How long what was found out about the portal is believed, at most; `audit.interval`.
    pub keep: Duration,
    /// Which addresses may be connected to, for the portal and for the token endpoint.
    pub egress: EgressPolicy,
}

/// What the issuer's Secret holds. Its `Debug` shows no secret.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// HTTP Basic.
    Basic {
        /// The portal's user.
        username: String,
        /// The password.
        password: SecretString,
    },
    /// OAuth 2.0 client credentials.
    ClientCredentials {
        /// The client's id.
        client_id: String,
        /// The client's secret.
        client_secret: SecretString,
    },
}

/// A client of one portal, as one user. Cheap to keep: its connections are reused.
pub struct ThinkwisePortal {
    spec: Thinkwise,
    location: RecordedPortal,
    base: Url,
    http: HttpClient,
    login: Login,
    memory: Arc<Memory>,
    caution: Caution,
    id_proof: IdProof,
    marking: Marking,
}

impl fmt::Debug for ThinkwisePortal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThinkwisePortal").field("location", &self.location).finish_non_exhaustive()
    }
}

impl ThinkwisePortal {
    /// Prepares a client; sends nothing.
    ///
    /// # Errors
    /// When the addresses are not usable, or there is no certificate to trust (`TrustMissing`).
    pub fn new(settings: Settings) -> Result<Self, Failure> {
        let Settings { spec, limits, credentials, ca_pem, keep, egress } = settings;
        let base = address::service_root(&spec)?;
        let http = HttpClient::new(&limits, ca_pem.as_deref(), spec.allow_insecure_http, egress)?;
        let user = match &credentials {
            Credentials::Basic { username, .. } => username.clone(),
            Credentials::ClientCredentials { client_id, .. } => client_id.clone(),
        };
        let location = RecordedPortal {
            kind: PortalType::Thinkwise,
            url: spec.url.clone(),
            scope: spec.application.clone(),
            user,
        };
        let login = Login::new(&spec, credentials)?;
        Ok(Self {
            spec,
            location,
            base,
            http,
            login,
            memory: Arc::new(Memory::new(keep)),
            caution: Caution::default(),
            id_proof: IdProof::default(),
            marking: Marking::default(),
        })
    }

    /// Names the source of the credentials in messages, where that is not the Secret of the spec.
    #[must_use]
    pub fn with_login_source(mut self, source: String) -> Self {
        self.login.set_hint(source);
        self
    }

    fn subject<'a>(&'a self, kind: &'static str, name: &'a str) -> Subject<'a> {
        Subject { kind, name, application: &self.spec.application, login: self.login.hint() }
    }

    /// Sends a call with a login. Any answer but 2xx is a failure.
    async fn send(&self, call: &Call<'_>, deadline: Instant) -> Result<Response, Failure> {
        self.send_with(call, &Cookies::default(), deadline).await
    }

    /// The same with the cookies of a task, to which the answer may add some.
    async fn send_with(&self, call: &Call<'_>, cookies: &Cookies, deadline: Instant) -> Result<Response, Failure> {
        let ticket = self.login.ticket(&self.http, deadline).await?;
        let mut response = self.http.send(call.request(&ticket.header, cookies), deadline).await?;
        cookies.take(response.headers());
        if response.status() == StatusCode::UNAUTHORIZED
            && let Some(generation) = ticket.generation
        {
            // A call that is repeated: a 401 proves that the task was refused, and a bearer may be revoked, or
            // its key replaced, before its announced end.
            client::drain(response).await;
            self.login.forget(generation).await;
            let renewed = self.login.ticket(&self.http, deadline).await?;
            response = self.http.send(call.request(&renewed.header, cookies), deadline).await?;
            cookies.take(response.headers());
        }
        if response.status().is_success() {
            return Ok(response);
        }
        let failure = errors::of_status(response.status(), response.headers(), &call.subject, call.step);
        // A redirect comes with a page most often.
        let is_error = !response.status().is_redirection();
        let is_page = client::drain(response).await;
        Err(client::of_page(failure, is_page && is_error))
    }

    async fn found(&self) -> Result<Resolved, Failure> {
        let known = self.known(self.http.deadline()).await?;
        let interface = &known.interface;
        Ok(Resolved {
            names: interface.names(known.hidden.is_none()),
            description_max: interface.description_max,
            list_hidden: known.hidden.clone(),
            notes: interface.notes.clone(),
        })
    }

    /// Reads the tables and tasks that the portal shows our user, past what is known.
    ///
    /// # Errors
    /// When `$metadata` cannot be had, or is not what it should be.
    pub async fn read_catalog(&self) -> Result<Catalog, Failure> {
        self.catalog(self.http.deadline()).await
    }
}

impl Portal for ThinkwisePortal {
    fn location(&self) -> &RecordedPortal {
        &self.location
    }

    fn resolve(&self) -> Answer<'_, Resolved> {
        Box::pin(self.found())
    }

    fn ailment(&self) -> Option<Failure> {
        self.caution.ailment()
    }

    fn ailment_for(&self, namespace: &str) -> Option<Failure> {
        self.caution.ailment_for(namespace)
    }

    fn request_for<'a>(&'a self, namespace: &'a str, description: &'a str) -> Answer<'a, IssuedToken> {
        Box::pin(self.request_token(namespace, description))
    }

    fn request<'a>(&'a self, description: &'a str) -> Answer<'a, IssuedToken> {
        self.request_for("", description)
    }

    fn edit_description<'a>(&'a self, token: TokenRef<'a>, description: &'a str) -> Answer<'a, ()> {
        Box::pin(self.edit(token, description, self.http.deadline()))
    }

    fn revoke<'a>(&'a self, token: TokenRef<'a>) -> Answer<'a, ()> {
        Box::pin(self.take_back(token))
    }

    fn list<'a>(&'a self, rows: Rows<'a>) -> Answer<'a, Vec<PortalRow>> {
        Box::pin(self.rows(rows))
    }

    fn scan<'a>(&'a self, pages: &'a mut dyn Pages) -> Answer<'a, ()> {
        Box::pin(self.all(pages))
    }
}
