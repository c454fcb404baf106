//! The Thinkwise Community Portal: three tasks and a table of an application that Indicium serves over OData.

mod circuit_breaker;
pub mod client;
pub mod discovery;
#[cfg(test)]
mod fuzz;
mod interface_cache;
pub mod odata;
mod query;
mod rows;
pub mod tasks;

pub use self::odata::literal::{KindMismatch, Literal};

use self::circuit_breaker::CircuitBreaker;
use self::client::auth::Authenticator;
use self::client::call::Call;
use self::client::cookies::CookieJar;
use self::client::error_context::ErrorContext;
use self::client::http_client::HttpClient;
use self::discovery::metadata::Catalog;
use self::interface_cache::MetadataCache;
use self::tasks::confirm_token::MarkerEvidence;
use self::tasks::id_proof::IdProof;
use super::{
    Credentials, Delivery, IssuedToken, OnCall, Portal, PortalError, PortalFuture, PortalInterface, PortalSettings,
    RowSink, TokenRequest,
};
use crate::api::{Limits, PortalType, Reason, RecordedPortal, Thinkwise};
use crate::domain::model::capabilities::{Capabilities, LoginName, TokenHandle, TokenList};
use crate::domain::model::token::{RowQuery, TokenRef, TokenRow};
use crate::http::EgressPolicy;
use reqwest::{Response, StatusCode};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use url::Url;

/// What a client of a portal needs.
#[derive(Clone, Debug)]
pub struct ThinkwiseSettings {
    /// The portal's address, and the names of its table and tasks.
    pub spec: Thinkwise,
    /// The timeouts. Rate and concurrency are enforced by the caller.
    pub limits: Limits,
    /// The content of the issuer's credentials Secret.
    pub credentials: Credentials,
    /// The CA certificates to trust, and no others; the system's roots if `None`.
    pub ca_pem: Option<String>,
    /// The maximum age of cached metadata; `audit.interval`.
    pub metadata_ttl: Duration,
    /// The allowed addresses, for the portal and for the token endpoint.
    pub egress: EgressPolicy,
}

/// Creates a client for an issuer, which reports its logins; sends nothing.
///
/// # Errors
/// If the issuer lacks the configuration of its type, and as [`ThinkwisePortal::new`].
pub(super) fn connect(settings: PortalSettings<'_>, on_call: OnCall) -> Result<ThinkwisePortal, PortalError> {
    let PortalSettings { spec, limits, credentials, ca_pem, egress } = settings;
    let metadata_ttl = spec.audit.interval.0;
    let spec = spec.thinkwise.clone().ok_or_else(|| {
        let message = "spec.thinkwise is missing: type Thinkwise requires it";
        PortalError::new(Delivery::NotSent, Reason::CredentialsMissing, message)
    })?;
    let settings = ThinkwiseSettings { spec, limits, credentials, ca_pem, metadata_ttl, egress };
    Ok(ThinkwisePortal::new(settings)?.with_login_report(on_call))
}

/// A client of one portal, as one user. Cheap to keep: its connections are reused.
pub struct ThinkwisePortal {
    spec: Thinkwise,
    location: RecordedPortal,
    base: Url,
    http: HttpClient,
    authenticator: Authenticator,
    metadata_cache: Arc<MetadataCache>,
    circuit_breaker: CircuitBreaker,
    id_proof: IdProof,
    marker_evidence: MarkerEvidence,
}

impl fmt::Debug for ThinkwisePortal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThinkwisePortal").field("location", &self.location).finish_non_exhaustive()
    }
}

impl ThinkwisePortal {
    /// Creates a client; sends nothing.
    ///
    /// # Errors
    /// If the addresses are invalid, or there is no certificate to trust (`CABundleInvalid`).
    pub fn new(settings: ThinkwiseSettings) -> Result<Self, PortalError> {
        let ThinkwiseSettings { spec, limits, credentials, ca_pem, metadata_ttl: ttl, egress } = settings;
        let base = self::odata::address::service_root(&spec)?;
        let http = HttpClient::new(&limits, ca_pem.as_deref(), spec.allow_insecure_http, egress)?;
        let user = match &credentials {
            Credentials::Basic { username, .. } => username.clone(),
            Credentials::ClientCredentials { client_id, .. } => client_id.clone(),
            Credentials::Token { .. } => String::new(),
        };
        let location = RecordedPortal {
            kind: PortalType::Thinkwise,
            url: spec.url.clone(),
            scope: spec.application.clone(),
            user,
        };
        let authenticator = Authenticator::new(&spec, credentials)?;
        Ok(Self {
            spec,
            location,
            base,
            http,
            authenticator,
            metadata_cache: Arc::new(MetadataCache::new(ttl)),
            circuit_breaker: CircuitBreaker::default(),
            id_proof: IdProof::default(),
            marker_evidence: MarkerEvidence::default(),
        })
    }

    /// Sets the source of the credentials that messages name, if it is not the Secret of the spec.
    #[must_use]
    pub fn with_credentials_source(mut self, source: String) -> Self {
        self.authenticator.set_credentials_source(source);
        self
    }

    /// Reports each login at the token endpoint, which is not a call of its own, to `on_call`.
    #[must_use]
    pub fn with_login_report(mut self, on_call: OnCall) -> Self {
        self.authenticator.report_logins(on_call);
        self
    }

    fn error_context<'a>(&'a self, kind: &'static str, name: &'a str) -> ErrorContext<'a> {
        ErrorContext {
            kind,
            name,
            application: &self.spec.application,
            credentials_source: self.authenticator.credentials_source(),
        }
    }

    /// Sends an authenticated call. Any response but 2xx is an error.
    async fn send(&self, call: &Call<'_>, deadline: Instant) -> Result<Response, PortalError> {
        self.send_with(call, &CookieJar::default(), deadline).await
    }

    /// The same with the cookies of a task, to which the response may add some.
    async fn send_with(
        &self,
        call: &Call<'_>,
        cookies: &CookieJar,
        deadline: Instant,
    ) -> Result<Response, PortalError> {
        let auth = self.authenticator.auth_header(&self.http, deadline).await?;
        let mut response = self.http.send(call.request(&auth.header, cookies), deadline).await?;
        cookies.store(response.headers());
        if response.status() == StatusCode::UNAUTHORIZED
            && let Some(generation) = auth.generation
        {
            // This is the only call that is repeated: a 401 proves that the task was rejected, and an access token
            // may be revoked, or its signing key replaced, before its announced expiry.
            self::client::http_client::drain(response).await;
            self.authenticator.invalidate(generation).await;
            let renewed = self.authenticator.auth_header(&self.http, deadline).await?;
            response = self.http.send(call.request(&renewed.header, cookies), deadline).await?;
            cookies.store(response.headers());
        }
        if response.status().is_success() {
            return Ok(response);
        }
        let failure =
            self::client::errors::from_status(response.status(), response.headers(), &call.context, call.step);
        // A redirect usually comes with an HTML page.
        let is_error = !response.status().is_redirection();
        let is_page = self::client::http_client::drain(response).await;
        Err(self::client::http_client::with_page_hint(failure, is_page && is_error))
    }

    async fn resolved(&self) -> Result<PortalInterface, PortalError> {
        let cached = self.interface(self.http.deadline()).await?;
        let interface = &cached.interface;
        Ok(PortalInterface {
            names: Some(interface.resolved_names(cached.list_denied.is_none())),
            capabilities: Capabilities {
                edit: true,
                description_max: interface.description_max,
                handle: TokenHandle::Marker,
                login_name: LoginName::PerToken,
                list: cached.list_denied.clone().map_or(TokenList::Description, TokenList::Hidden),
                expiry: None,
                projects: None,
            },
            warnings: interface.warnings.clone(),
        })
    }

    /// Reads the tables and tasks that the portal shows to its user, bypassing the cache.
    ///
    /// # Errors
    /// If `$metadata` cannot be read or is invalid.
    pub async fn read_catalog(&self) -> Result<Catalog, PortalError> {
        self.read_fresh_catalog(self.http.deadline()).await
    }
}

impl Portal for ThinkwisePortal {
    fn location(&self) -> &RecordedPortal {
        &self.location
    }

    fn resolve(&self) -> PortalFuture<'_, PortalInterface> {
        Box::pin(self.resolved())
    }

    fn open_reason(&self) -> Option<PortalError> {
        self.circuit_breaker.open_reason()
    }

    fn open_reason_for(&self, namespace: &str) -> Option<PortalError> {
        self.circuit_breaker.open_reason_for(namespace)
    }

    fn request_for<'a>(&'a self, request: TokenRequest<'a>) -> PortalFuture<'a, IssuedToken> {
        Box::pin(async move {
            request.without_scope()?;
            self.request_token(request.namespace, request.description).await
        })
    }

    fn request<'a>(&'a self, description: &'a str) -> PortalFuture<'a, IssuedToken> {
        Box::pin(self.request_token("", description))
    }

    fn edit_description<'a>(&'a self, token: &'a TokenRef, description: &'a str) -> PortalFuture<'a, ()> {
        Box::pin(self.edit(token, description, self.http.deadline()))
    }

    fn revoke<'a>(&'a self, token: &'a TokenRef) -> PortalFuture<'a, ()> {
        Box::pin(self.revoke_token(token))
    }

    fn list<'a>(&'a self, rows: &'a RowQuery) -> PortalFuture<'a, Vec<TokenRow>> {
        Box::pin(self.list_rows(rows))
    }

    fn scan<'a>(&'a self, sink: &'a mut dyn RowSink) -> PortalFuture<'a, ()> {
        Box::pin(self.list_all(sink))
    }
}
