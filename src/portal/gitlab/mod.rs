//! GitLab: deploy tokens of a project or of a group, over its REST API.
//!
//! A deploy token has a name of up to 255 characters, which is any text, need not be unique and never changes: there is no
//! call to edit it (`lib/api/deploy_tokens.rb`, `app/models/deploy_token.rb`). So the marker is at the end of the name
//! ([`TokenHandle::Marker`]), and stays there. A username could be chosen, but it is not unique either, and allows no
//! brackets. Without it GitLab gives each token a name of its own, `gitlab+deploy-token-<id>` (`default_username`), which
//! is taken from the response.
//!
//! A token that was revoked on GitLab's pages stays in the list (`revoke!`, which only sets `revoked`). Here it counts as
//! absent, since it cannot log in (`active` in `app/models/deploy_token.rb`).

mod account;
mod errors;
#[cfg(test)]
mod fuzz;
mod inspect;
mod list;
mod tokens;

use self::errors::{ErrorContext, NAMES, Operation, explain};
pub use self::inspect::{inspect, places};
use super::rest::{Answer, Method, RestClient, RestSettings, access_token, invalid_spec, validity};
use super::{
    Credentials, Delivery, IssuedToken, Portal, PortalError, PortalFuture, PortalInterface, PortalSettings, RowSink,
};
use crate::api::{GitLab, PortalType, Reason, RecordedPortal};
use crate::domain::model::capabilities::{Capabilities, LoginName, TokenHandle, TokenList};
use crate::domain::model::token::{RowQuery, TokenRef, TokenRow};
use reqwest::header::HeaderName;
use std::fmt;
use url::Url;

/// The length of a name (`validates :name` in `app/models/deploy_token.rb`).
const NAME_MAX: usize = 255;

/// The header with the access token (`PRIVATE_TOKEN_HEADER` in `lib/gitlab/auth/auth_finders.rb`).
const PRIVATE_TOKEN: HeaderName = HeaderName::from_static("private-token");

/// Creates a client for an issuer; sends nothing.
///
/// # Errors
/// If the issuer lacks the configuration of its type, and as [`GitLabPortal::new`].
pub(super) fn connect(settings: PortalSettings<'_>) -> Result<GitLabPortal, PortalError> {
    GitLabPortal::new(settings)
}

/// A client of one GitLab, for the deploy tokens of one project or group. Cheap to keep: its connections are reused.
pub struct GitLabPortal {
    spec: GitLab,
    location: RecordedPortal,
    client: RestClient,
}

impl fmt::Debug for GitLabPortal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitLabPortal").field("location", &self.location).finish_non_exhaustive()
    }
}

/// The configuration of this type.
fn spec(settings: &PortalSettings<'_>) -> Result<GitLab, PortalError> {
    let spec = settings.spec.gitlab.clone();
    spec.ok_or_else(|| invalid_spec("spec.gitlab is missing: type GitLab requires it"))
}

/// Creates the HTTP client; sends nothing.
fn client(spec: &GitLab, settings: PortalSettings<'_>) -> Result<RestClient, PortalError> {
    let PortalSettings { limits, credentials, ca_pem, egress, .. } = settings;
    let Credentials::Token { token } = credentials else {
        return Err(invalid_spec("GitLab requires an access token: set spec.gitlab.auth.type to Token"));
    };
    let headers = access_token(PRIVATE_TOKEN, &token)?;
    let (limits, ca_pem, connection) = (&limits, ca_pem.as_deref(), spec.connection());
    RestClient::new(RestSettings { names: &NAMES, connection, limits, headers, ca_pem, egress })
}

impl GitLabPortal {
    /// Creates a client; sends nothing.
    ///
    /// # Errors
    /// If the spec is incomplete or invalid, or there is no certificate to trust (`CABundleInvalid`).
    pub fn new(settings: PortalSettings<'_>) -> Result<Self, PortalError> {
        let spec = spec(&settings)?;
        if spec.project.is_some() == spec.group.is_some() {
            return Err(invalid_spec("set spec.gitlab.project or spec.gitlab.group, not both"));
        }
        let scope = spec.connection().scope.to_string();
        let client = client(&spec, settings)?;
        // The list is the same for everyone who may read it.
        let user = scope.clone();
        let location = RecordedPortal { kind: PortalType::GitLab, url: spec.url.clone(), scope, user };
        Ok(Self { spec, location, client })
    }

    /// The address of the tokens of the project or group, or of one of them. GitLab reads a path as one segment.
    fn address(&self, id: Option<&str>) -> Url {
        let (kind, holder) = self.spec.holder();
        let mut segments = vec!["api", "v4", kind, holder, "deploy_tokens"];
        segments.extend(id);
        self.client.address(&segments)
    }

    /// Sends a call once, and reads its response up to a limit.
    async fn send(
        &self,
        operation: Operation,
        call: (Method, Url, Option<Vec<u8>>),
        limit: usize,
    ) -> Result<Answer, PortalError> {
        let context = ErrorContext { holder: self.spec.holder(), credentials_source: self.client.credentials_source() };
        self.client.send(call, limit, |refusal| explain(refusal, operation, context)).await
    }
}

impl Portal for GitLabPortal {
    fn location(&self) -> &RecordedPortal {
        &self.location
    }

    fn resolve(&self) -> PortalFuture<'_, PortalInterface> {
        let capabilities = Capabilities {
            edit: false,
            description_max: Some(NAME_MAX),
            handle: TokenHandle::Marker,
            login_name: LoginName::PerToken,
            list: TokenList::Description,
            projects: None,
            expiry: validity(self.spec.duration),
        };
        Box::pin(std::future::ready(Ok(PortalInterface { names: None, capabilities, warnings: vec![] })))
    }

    fn request<'a>(&'a self, description: &'a str) -> PortalFuture<'a, IssuedToken> {
        Box::pin(self.create_token(description))
    }

    fn edit_description<'a>(&'a self, _: &'a TokenRef, _: &'a str) -> PortalFuture<'a, ()> {
        let failure =
            PortalError::new(Delivery::NotSent, Reason::EditUnsupported, "GitLab cannot rename a deploy token");
        Box::pin(std::future::ready(Err(failure)))
    }

    fn revoke<'a>(&'a self, token: &'a TokenRef) -> PortalFuture<'a, ()> {
        Box::pin(self.delete_token(token))
    }

    fn list<'a>(&'a self, rows: &'a RowQuery) -> PortalFuture<'a, Vec<TokenRow>> {
        Box::pin(self.find(rows))
    }

    fn scan<'a>(&'a self, sink: &'a mut dyn RowSink) -> PortalFuture<'a, ()> {
        Box::pin(self.read_list(sink))
    }
}
