//! The interface to a vendor's portal, and the classification of its errors.

mod call;
mod claim;
mod connect;
mod error;
pub mod gitea;
pub mod gitlab;
pub mod harbor;
pub mod inspection;
mod limited;
pub mod rate_limit;
mod rest;
mod settings;
pub mod thinkwise;
mod token_limit;
pub mod token_name;
mod transport;

use self::call::StartedCall;
use crate::api::{Reason, RecordedPortal, ResolvedPortal};
use crate::domain::model::capabilities::Capabilities;
use crate::domain::model::token::{RowQuery, TokenRef, TokenRow};
use futures::future::BoxFuture;
use jiff::Timestamp;
use secrecy::SecretString;

pub use self::call::{CallContext, CallError, CallKind, CompletedCall, ISSUER_READ_TTL, OnCall, OnShutdown};
pub use self::claim::Claim;
pub use self::connect::connect;
pub use self::error::{Delivery, PortalError};
pub use self::limited::LimitedPortal;
pub use self::settings::{Credentials, PortalSettings};
pub use crate::http::{EgressPolicy, EgressRules, HostPattern, parse_range};

/// A token as the portal issues it. The portal shows its secret only once.
#[derive(Debug)]
pub struct IssuedToken {
    /// The portal's id, if the response contains it; otherwise it is looked up by the marker.
    pub id: Option<String>,
    /// The username to log in with.
    pub username: String,
    /// The password to log in with.
    pub secret: SecretString,
    /// When it expires, if the response says so.
    pub expiration_time: Option<Timestamp>,
}

/// A token that an object needs.
#[derive(Clone, Copy, Debug)]
pub struct TokenRequest<'a> {
    /// The namespace of the object.
    pub namespace: &'a str,
    /// The description, with the marker at its end.
    pub description: &'a str,
    /// The projects that the token may access; empty if it may access all that the issuer allows.
    pub projects: &'a [String],
}

impl TokenRequest<'_> {
    /// Fails if the token is to be limited: the portal cannot do that.
    fn without_scope(&self) -> Result<(), PortalError> {
        let message = "the portal cannot limit a token to projects";
        let failure = || PortalError::new(Delivery::NotSent, Reason::ScopeNotAllowed, message);
        if self.projects.is_empty() { Ok(()) } else { Err(failure()) }
    }
}

/// How to use a portal, and what it can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortalInterface {
    /// The names and the invocation form, for the issuer's status: those set in the spec, and those that were discovered.
    /// `None` if nothing is discovered.
    pub names: Option<ResolvedPortal>,
    /// What the portal can do.
    pub capabilities: Capabilities,
    /// Possible mistakes in the spec that do not prevent its use; human-readable.
    pub warnings: Vec<String>,
}

/// Receives rows while a list is read. A closure that receives rows never delays a page.
pub trait RowSink: Send {
    /// Waits for a permit to read one more page, which is one request.
    fn before_page(&mut self) -> BoxFuture<'_, ()>;

    /// Receives a row.
    fn push(&mut self, row: TokenRow);
}

impl<F: FnMut(TokenRow) + Send> RowSink for F {
    fn before_page(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    fn push(&mut self, row: TokenRow) {
        self(row);
    }
}

/// The result of a call.
pub type PortalFuture<'a, T> = BoxFuture<'a, Result<T, PortalError>>;

/// A portal that issues registry tokens.
///
/// No implementation retries a call by itself: the portal has no idempotency key, so a request that is sent twice may
/// create two tokens.
pub trait Portal: Send + Sync {
    /// The portal's address and the user that the operator logs in as.
    fn location(&self) -> &RecordedPortal;

    /// Discovers how to use the portal and whether its list can be read; changes nothing. The result is cached, and
    /// refreshed after a failure that suggests a change.
    ///
    /// Fails with `MetadataMismatch` if the portal lacks something that the spec requires, or if it is ambiguous
    /// which table or task is meant. Every other call resolves first; if that fails, it returns this error and sends
    /// nothing.
    fn resolve(&self) -> PortalFuture<'_, PortalInterface>;

    /// Why no token is requested at present, although all other calls work: a request would create another unusable
    /// token. While `retry_after` is set, requests fail unsent for that long. Sends nothing.
    fn open_reason(&self) -> Option<PortalError> {
        None
    }

    /// The same for one namespace: failures that its requests cause do not delay other namespaces.
    fn open_reason_for(&self, namespace: &str) -> Option<PortalError> {
        let _ = namespace;
        self.open_reason()
    }

    /// Like [`Portal::request`], for an object of a namespace, with the scope that it names. A portal that cannot limit
    /// tokens requests none with a scope.
    fn request_for<'a>(&'a self, request: TokenRequest<'a>) -> PortalFuture<'a, IssuedToken> {
        match request.without_scope() {
            Ok(()) => self.request(request.description),
            Err(failure) => Box::pin(std::future::ready(Err(failure))),
        }
    }

    /// Requests a token with this description: one request that creates. An error identifies the token that was
    /// created, where it is known and no list shows it.
    fn request<'a>(&'a self, description: &'a str) -> PortalFuture<'a, IssuedToken>;

    /// Sets the description of a token. Idempotent.
    fn edit_description<'a>(&'a self, token: &'a TokenRef, description: &'a str) -> PortalFuture<'a, ()>;

    /// Revokes a token. Idempotent; the list shows whether it is already revoked.
    fn revoke<'a>(&'a self, token: &'a TokenRef) -> PortalFuture<'a, ()>;

    /// Reads the selected rows of the portal's list, and no others, even if the portal returns more.
    fn list<'a>(&'a self, rows: &'a RowQuery) -> PortalFuture<'a, Vec<TokenRow>>;

    /// Reads the whole list and passes on each row, with at most one page in memory. If reading fails, the rows
    /// received so far are not a list: only a successful read is complete.
    fn scan<'a>(&'a self, sink: &'a mut dyn RowSink) -> PortalFuture<'a, ()>;
}
