//! The Thinkwise Community Portal: three tasks and a table of an application that Indicium serves over OData.

mod auth;
mod call;
mod client;
mod errors;
mod fields;
#[cfg(test)]
mod fuzz;
mod messages;
mod oauth;
mod odata;
mod wire;

use self::auth::Login;
use self::call::{Call, Subject};
use self::client::HttpClient;
use super::{Answer, Failure, IssuedToken, Portal, PortalRow, Rows, Sent, TokenRef};
use crate::api::{Limits, Parameter, Reason, RecordedPortal, Thinkwise};
use reqwest::{Response, StatusCode};
use secrecy::SecretString;
use std::collections::HashSet;
use std::fmt;
use tokio::time::Instant;
use url::Url;

/// A task's answer is one flat object: more than this is not one.
const TASK_ANSWER_LIMIT: usize = 1 << 20;
/// A page is at most 1,000 rows of three columns (documented from platform 2026.1 on); older ones do not page.
const PAGE_LIMIT: usize = 16 << 20;
/// Ten million rows: a portal that has still more to say is broken.
const MAX_PAGES: usize = 10_000;

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
        let Settings { spec, limits, credentials, ca_pem } = settings;
        let base = odata::service_root(&spec)?;
        let http = HttpClient::new(&limits, ca_pem.as_deref(), spec.allow_insecure_http)?;
        let user = match &credentials {
            Credentials::Basic { username, .. } => username.clone(),
            Credentials::ClientCredentials { client_id, .. } => client_id.clone(),
        };
        let location = RecordedPortal { url: spec.url.clone(), application: spec.application.clone(), user };
        let login = Login::new(&spec, credentials)?;
        Ok(Self { spec, location, base, http, login })
    }

    fn subject<'a>(&'a self, kind: &'static str, name: &'a str) -> Subject<'a> {
        Subject { kind, name, application: &self.spec.application, login: self.login.hint() }
    }

    /// Sends a call with a login. Any answer but 2xx is a failure.
    async fn send(&self, call: &Call<'_>, deadline: Instant) -> Result<Response, Failure> {
        let ticket = self.login.ticket(&self.http, deadline).await?;
        let mut response = self.http.send(call.request(&ticket.header), deadline).await?;
        if response.status() == StatusCode::UNAUTHORIZED
            && let Some(generation) = ticket.generation
        {
            // The one case of a call that is repeated: a 401 proves that the task was refused, and a
            // bearer may be revoked, or its key replaced, before its announced end.
            client::drain(response).await;
            self.login.forget(generation).await;
            let renewed = self.login.ticket(&self.http, deadline).await?;
            response = self.http.send(call.request(&renewed.header), deadline).await?;
        }
        if response.status().is_success() {
            return Ok(response);
        }
        let failure = errors::of_status(response.status(), response.headers(), &call.subject);
        client::drain(response).await;
        Err(failure)
    }

    /// Runs a task: one POST with a flat object (documented). Any 2xx is success.
    async fn run(
        &self,
        task: &str,
        parameters: &[Parameter],
        values: &wire::Values<'_>,
        deadline: Instant,
    ) -> Result<Response, Failure> {
        let body = wire::body(parameters, values)?;
        let subject = self.subject("task", task);
        self.send(&Call { url: odata::resource(&self.base, task)?, body: Some(body), subject }, deadline).await
    }

    async fn request_token(&self, description: &str) -> Result<IssuedToken, Failure> {
        let task = &self.spec.tasks.request;
        let deadline = self.http.deadline();
        let values = wire::Values { description: Some(description), token: None };
        let response = self.run(&task.name, &task.parameters, &values, deadline).await?;
        let status = response.status();
        let body = client::body(response, TASK_ANSWER_LIMIT, deadline).await?;
        wire::issued(&body, &task.outputs, status)
    }

    async fn run_and_forget(
        &self,
        task: &str,
        parameters: &[Parameter],
        values: wire::Values<'_>,
    ) -> Result<(), Failure> {
        let response = self.run(task, parameters, &values, self.http.deadline()).await?;
        client::drain(response).await;
        Ok(())
    }

    async fn pages(&self, rows: Rows<'_>) -> Result<Vec<PortalRow>, Failure> {
        let mut url = odata::query(&self.base, &self.spec.table, rows)?;
        let mut seen = HashSet::new();
        let mut found = Vec::new();
        while seen.insert(url.clone()) {
            if seen.len() > MAX_PAGES {
                return Err(malformed_list("the portal's list has more than 10000 pages"));
            }
            let next = self.page(&url, &mut found).await?;
            match next {
                // For a probe the first row is enough, whatever comes after it.
                Some(link) if rows != Rows::Probe => url = odata::next_page(&url, &link)?,
                _ => return Ok(found),
            }
        }
        Err(malformed_list("the portal's list leads back to a page that was read already"))
    }

    async fn page(&self, url: &Url, found: &mut Vec<PortalRow>) -> Result<Option<String>, Failure> {
        let deadline = self.http.deadline();
        let subject = self.subject("table", &self.spec.table.name);
        let response = self.send(&Call { url: url.clone(), body: None, subject }, deadline).await?;
        let body = client::body(response, PAGE_LIMIT, deadline).await?;
        odata::read_page(&body, &self.spec.table, found)
    }
}

fn malformed_list(message: &str) -> Failure {
    Failure::new(Sent::Perhaps, Reason::AnswerMalformed, message)
}

impl Portal for ThinkwisePortal {
    fn location(&self) -> &RecordedPortal {
        &self.location
    }

    fn request<'a>(&'a self, description: &'a str) -> Answer<'a, IssuedToken> {
        Box::pin(self.request_token(description))
    }

    fn edit_description<'a>(&'a self, token: TokenRef<'a>, description: &'a str) -> Answer<'a, ()> {
        let task = &self.spec.tasks.edit_description;
        let values = wire::Values { description: Some(description), token: Some(token) };
        Box::pin(self.run_and_forget(&task.name, &task.parameters, values))
    }

    fn revoke<'a>(&'a self, token: TokenRef<'a>) -> Answer<'a, ()> {
        let task = &self.spec.tasks.revoke;
        let values = wire::Values { description: None, token: Some(token) };
        Box::pin(self.run_and_forget(&task.name, &task.parameters, values))
    }

    fn list<'a>(&'a self, rows: Rows<'a>) -> Answer<'a, Vec<PortalRow>> {
        Box::pin(self.pages(rows))
    }
}
