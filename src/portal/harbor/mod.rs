//! Harbor: robot accounts of a project, or of the system, over its REST API.
//!
//! A robot account has a name, which never changes and which is unique in its project (`unique_robot` in
//! `make/migrations/postgresql/0004_1.8.0_schema.up.sql`), and a description of up to 1024 characters, which can be edited.
//! A name has lower-case letters, digits, `.`, `_` and `-` only (`validateName` in `src/server/v2.0/handler/robot.go`), so it
//! cannot contain a description. Therefore the marker is at the end of the description ([`TokenHandle::Marker`]): the core
//! finds the tokens of an attempt by it and removes it by an edit, as at a portal without names. The name is made of the
//! marker too, so that Harbor refuses a request that is delivered twice (409), whether or not the marker was removed since.
//!
//! The login name is the name with a prefix that an administrator sets (`populate` in `src/controller/robot/controller.go`):
//! it is taken from the response. Facts are those of Harbor 2.16, in `src/server/v2.0/handler/robot.go` where no other file
//! is named. What a call that fails has changed is undone: it is a transaction, and the response is sent after it
//! (`src/server/middleware/transaction/transaction.go`).

mod account;
mod errors;
#[cfg(test)]
mod fuzz;
mod inspect;
mod list;
mod robots;

use self::errors::{ErrorContext, NAMES, Operation, explain};
pub use self::inspect::{inspect, places};
use super::rest::{Answer, Matching, Method, RestClient, RestSettings, basic, invalid_spec, validity};
use super::{
    Credentials, Delivery, IssuedToken, Portal, PortalError, PortalFuture, PortalInterface, PortalSettings, RowSink,
    TokenRequest,
};
use crate::api::{Harbor, HarborLevel, PortalType, RecordedPortal};
use crate::domain::model::capabilities::{Capabilities, LoginName, TokenHandle, TokenList};
use crate::domain::model::token::{RowQuery, TokenRef, TokenRow};
use crate::domain::model::token_scope::IssuerProjects;
use reqwest::header::{HeaderName, HeaderValue};
use std::fmt;
use tokio::sync::OnceCell;
use url::Url;

/// The length of the database column of the description, in the same file as `unique_robot`.
const DESCRIPTION_MAX: usize = 1024;

/// Makes Harbor take the text in an address for the name of a project, and not for its id (`isResourceName` in
/// `api/v2.0/swagger.yaml`).
const IS_RESOURCE_NAME: HeaderName = HeaderName::from_static("x-is-resource-name");

/// Creates a client for an issuer; sends nothing.
///
/// # Errors
/// If the issuer lacks the configuration of its type, and as [`HarborPortal::new`].
pub(super) fn connect(settings: PortalSettings<'_>) -> Result<HarborPortal, PortalError> {
    HarborPortal::new(settings)
}

/// A client of one Harbor, for the robot accounts of one project or of the system. Cheap to keep: its connections are
/// reused.
pub struct HarborPortal {
    spec: Harbor,
    location: RecordedPortal,
    client: RestClient,
    /// Whether the login may edit descriptions.
    may_edit: OnceCell<bool>,
}

impl fmt::Debug for HarborPortal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HarborPortal").field("location", &self.location).finish_non_exhaustive()
    }
}

/// The configuration of this type.
fn spec(settings: &PortalSettings<'_>) -> Result<Harbor, PortalError> {
    let spec = settings.spec.harbor.clone();
    spec.ok_or_else(|| invalid_spec("spec.harbor is missing: type Harbor requires it"))
}

/// Creates the HTTP client; sends nothing.
fn client(spec: &Harbor, settings: PortalSettings<'_>) -> Result<RestClient, PortalError> {
    let PortalSettings { limits, credentials, ca_pem, egress, .. } = settings;
    let Credentials::Basic { username, password } = credentials else {
        return Err(invalid_spec("Harbor requires HTTP Basic: set spec.harbor.auth.type to Basic"));
    };
    let mut headers = basic(&username, &password)?;
    headers.insert(IS_RESOURCE_NAME, HeaderValue::from_static("true"));
    let (limits, ca_pem, connection) = (&limits, ca_pem.as_deref(), spec.connection());
    RestClient::new(RestSettings { names: &NAMES, connection, limits, headers, ca_pem, egress })
}

impl HarborPortal {
    /// Creates a client; sends nothing.
    ///
    /// # Errors
    /// If the spec is incomplete or invalid, or there is no certificate to trust (`CABundleInvalid`).
    pub fn new(settings: PortalSettings<'_>) -> Result<Self, PortalError> {
        let spec = spec(&settings)?;
        match spec.level {
            HarborLevel::Project if spec.project.is_none() => {
                return Err(invalid_spec("spec.harbor.project is missing: level Project requires it"));
            }
            HarborLevel::System if spec.projects.as_ref().is_none_or(Vec::is_empty) => {
                return Err(invalid_spec("spec.harbor.projects is missing: level System requires it"));
            }
            HarborLevel::Project | HarborLevel::System => {}
        }
        let scope = spec.connection().scope.to_string();
        let client = client(&spec, settings)?;
        // The list is the same for everyone who may read it.
        let user = scope.clone();
        let location = RecordedPortal { kind: PortalType::Harbor, url: spec.url.clone(), scope, user };
        Ok(Self { spec, location, client, may_edit: OnceCell::new() })
    }

    /// The project, if the robot accounts belong to one.
    fn project(&self) -> Option<&str> {
        self.spec.project.as_deref().filter(|_| self.spec.level == HarborLevel::Project)
    }

    /// The projects to which a token can be limited.
    fn allowed_projects(&self) -> IssuerProjects {
        let named = self.project().map(|project| vec![project.to_owned()]);
        IssuerProjects::new(named.or_else(|| self.spec.projects.clone()).unwrap_or_default())
    }

    /// The address of a resource of the API.
    fn address(&self, segments: &[&str]) -> Url {
        self.client.address(&[&["api", "v2.0"], segments].concat())
    }

    /// Sends a call once, and reads its response up to a limit.
    async fn send(
        &self,
        operation: Operation,
        call: (Method, Url, Option<Vec<u8>>),
        limit: usize,
    ) -> Result<Answer, PortalError> {
        let context = self.error_context();
        self.client.send(call, limit, |refusal| explain(refusal, operation, context)).await
    }

    fn error_context(&self) -> ErrorContext<'_> {
        ErrorContext { project: self.project(), credentials_source: self.client.credentials_source() }
    }

    async fn interface(&self) -> Result<PortalInterface, PortalError> {
        let edit = *self.may_edit.get_or_try_init(|| self.is_user()).await?;
        let capabilities = Capabilities {
            edit,
            description_max: Some(DESCRIPTION_MAX),
            handle: TokenHandle::Marker,
            login_name: LoginName::PerToken,
            list: TokenList::Description,
            expiry: validity(self.spec.duration),
            projects: Some(self.allowed_projects()),
        };
        Ok(PortalInterface { names: None, capabilities, warnings: vec![] })
    }

    async fn find(&self, query: &RowQuery) -> Result<Vec<TokenRow>, PortalError> {
        let mut matching = Matching::new(query);
        self.read_rows(query, &mut matching).await?;
        Ok(matching.into_rows())
    }
}

impl Portal for HarborPortal {
    fn location(&self) -> &RecordedPortal {
        &self.location
    }

    fn resolve(&self) -> PortalFuture<'_, PortalInterface> {
        Box::pin(self.interface())
    }

    fn request_for<'a>(&'a self, request: TokenRequest<'a>) -> PortalFuture<'a, IssuedToken> {
        Box::pin(self.create_robot(request.description, request.projects))
    }

    fn request<'a>(&'a self, description: &'a str) -> PortalFuture<'a, IssuedToken> {
        Box::pin(self.create_robot(description, &[]))
    }

    fn edit_description<'a>(&'a self, token: &'a TokenRef, description: &'a str) -> PortalFuture<'a, ()> {
        Box::pin(self.describe_robot(token, description))
    }

    fn revoke<'a>(&'a self, token: &'a TokenRef) -> PortalFuture<'a, ()> {
        Box::pin(self.delete_robot(token))
    }

    fn list<'a>(&'a self, rows: &'a RowQuery) -> PortalFuture<'a, Vec<TokenRow>> {
        Box::pin(self.find(rows))
    }

    fn scan<'a>(&'a self, sink: &'a mut dyn RowSink) -> PortalFuture<'a, ()> {
        Box::pin(self.read_all(sink))
    }
}
