//! Gitea and Forgejo: the access tokens of one user, over their REST API.
//!
//! A token has a name and no description, and the name never changes. So the name of a token is its description with the
//! marker. Every token logs in with the name of the user. The facts that this client relies on are those of the
//! functions `ListAccessTokens`, `CreateAccessToken` and `DeleteAccessToken` in `routers/api/v1/user/app.go` of Gitea
//! 1.26; Forgejo's are the same.

mod account;
mod errors;
#[cfg(test)]
mod fuzz;
mod inspect;
mod list;
mod tokens;

use self::errors::{ErrorContext, NAMES, Operation, explain};
pub use self::inspect::{inspect, places};
use super::rest::{Answer, Method, RestClient, RestSettings, basic, invalid_spec};
use super::{
    Credentials, Delivery, IssuedToken, Portal, PortalError, PortalFuture, PortalInterface, PortalSettings, RowSink,
};
use crate::api::{Gitea, PortalType, Reason, RecordedPortal};
use crate::domain::model::capabilities::{Capabilities, LoginName, TokenHandle, TokenList};
use crate::domain::model::token::{RowQuery, TokenRef, TokenRow};
use std::fmt;
use url::Url;

/// The length of the database column of the name.
const NAME_MAX: usize = 255;

/// Creates a client for an issuer; sends nothing.
///
/// # Errors
/// If the issuer lacks the configuration of its type, and as [`GiteaPortal::new`].
pub(super) fn connect(settings: PortalSettings<'_>) -> Result<GiteaPortal, PortalError> {
    GiteaPortal::new(settings)
}

/// A client of one Gitea, for the tokens of one user. Cheap to keep: its connections are reused.
pub struct GiteaPortal {
    spec: Gitea,
    location: RecordedPortal,
    client: RestClient,
}

impl fmt::Debug for GiteaPortal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GiteaPortal").field("location", &self.location).finish_non_exhaustive()
    }
}

/// The configuration of this type.
fn spec(settings: &PortalSettings<'_>) -> Result<Gitea, PortalError> {
    let spec = settings.spec.gitea.clone();
    spec.ok_or_else(|| invalid_spec("spec.gitea is missing: type Gitea requires it"))
}

/// Creates the HTTP client; sends nothing.
fn client(spec: &Gitea, settings: PortalSettings<'_>) -> Result<RestClient, PortalError> {
    let PortalSettings { limits, credentials, ca_pem, egress, .. } = settings;
    let Credentials::Basic { username, password } = credentials else {
        return Err(invalid_spec("Gitea lets only HTTP Basic create tokens: set spec.gitea.auth.type to Basic"));
    };
    let headers = basic(&username, &password)?;
    let (limits, ca_pem, connection) = (&limits, ca_pem.as_deref(), spec.connection());
    RestClient::new(RestSettings { names: &NAMES, connection, limits, headers, ca_pem, egress })
}

impl GiteaPortal {
    /// Creates a client; sends nothing.
    ///
    /// # Errors
    /// If the spec is incomplete or invalid, or there is no certificate to trust (`CABundleInvalid`).
    pub fn new(settings: PortalSettings<'_>) -> Result<Self, PortalError> {
        let spec = spec(&settings)?;
        // The id of a token would otherwise be taken for the name of the user, who identifies no token.
        if spec.user.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(invalid_spec(
                "spec.gitea.user consists of digits only, as the ids of tokens do: use another user",
            ));
        }
        let client = client(&spec, settings)?;
        // The list of a user is the same for everyone who may read it.
        let location = RecordedPortal {
            kind: PortalType::Gitea,
            url: spec.url.clone(),
            scope: spec.user.clone(),
            user: spec.user.clone(),
        };
        Ok(Self { spec, location, client })
    }

    /// The address of the user's tokens.
    fn tokens_address(&self) -> Url {
        self.client.address(&["api", "v1", "users", &self.spec.user, "tokens"])
    }

    /// Sends a call once, and reads its response up to a limit.
    async fn send(
        &self,
        operation: Operation,
        call: (Method, Url, Option<Vec<u8>>),
        limit: usize,
    ) -> Result<Answer, PortalError> {
        let context = ErrorContext { user: &self.spec.user, credentials_source: self.client.credentials_source() };
        self.client.send(call, limit, |refusal| explain(refusal, operation, context)).await
    }
}

impl Portal for GiteaPortal {
    fn location(&self) -> &RecordedPortal {
        &self.location
    }

    fn resolve(&self) -> PortalFuture<'_, PortalInterface> {
        let capabilities = Capabilities {
            edit: false,
            description_max: Some(NAME_MAX),
            handle: TokenHandle::UniqueName,
            login_name: LoginName::Shared,
            list: TokenList::NameOnly,
            expiry: None,
            projects: None,
        };
        Box::pin(std::future::ready(Ok(PortalInterface { names: None, capabilities, warnings: vec![] })))
    }

    fn request<'a>(&'a self, description: &'a str) -> PortalFuture<'a, IssuedToken> {
        Box::pin(self.create_token(description))
    }

    fn edit_description<'a>(&'a self, _: &'a TokenRef, _: &'a str) -> PortalFuture<'a, ()> {
        let failure = PortalError::new(Delivery::NotSent, Reason::EditUnsupported, "Gitea cannot rename a token");
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
