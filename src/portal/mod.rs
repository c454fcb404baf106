//! A vendor's portal: what it can do, and how its failures are told apart.

mod error;
pub mod rate_limit;
pub mod thinkwise;
pub mod token_name;

use crate::api::{RecordedPortal, ResolvedPortal};
use futures::future::BoxFuture;
use secrecy::SecretString;

pub use self::error::{Delivery, PortalError, TokenMade};
pub use crate::http::{EgressPolicy, EgressRules, HostPattern, parse_range};

/// A token as the portal hands it out. Its secret is shown this once.
#[derive(Debug)]
pub struct IssuedToken {
    /// The portal's id, where the answer holds it; else it is looked up by the marker.
    pub id: Option<String>,
    /// The name to log in with.
    pub username: String,
    /// The secret to log in with.
    pub secret: SecretString,
}

/// Which token is meant. An id alone may have been given to another token since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenRef<'a> {
    /// The portal's id.
    pub id: &'a str,
    /// The name that it logs in with.
    pub username: &'a str,
}

/// A row of the portal's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRow {
    /// The portal's id.
    pub id: String,
    /// The name that it logs in with.
    pub username: String,
    /// What colleagues see; empty where the portal shows none.
    pub description: String,
}

/// Which rows of the portal's list are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows<'a> {
    /// The token with this id. Where there is none, the one of this username, which is given with that as
    /// its id: the id of a token that was asked for while nobody could read the list is its username.
    WithId(&'a str),
    /// The token of this username, which is given as its id too: nothing else is known of it.
    OfUser(&'a str),
    /// Those whose description holds this text.
    Containing(&'a str),
    /// One row, to see whether the list can be read at all.
    Probe,
}

/// How a portal is used: what the spec pins, and what was found out for the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortalCapabilities {
    /// The names and the form, for the issuer's status.
    pub names: ResolvedPortal,
    /// The longest description, in characters, the marker of a new token included; no limit where `None`.
    pub description_max: Option<usize>,
    /// Why our user cannot read the list of tokens, where he cannot: then [`Portal::list`] and
    /// [`Portal::scan`] fail with `AccessDenied`, there are no audits, and a token whose answer was lost is not found.
    pub list_denied: Option<String>,
    /// What may be a mistake in the spec and works nevertheless, for people.
    pub warnings: Vec<String>,
}

/// Takes a list while it is read. A closure that takes rows waits for nothing before a page.
pub trait RowSink: Send {
    /// Waits for leave to read one more page, which is one request.
    fn before_page(&mut self) -> BoxFuture<'_, ()>;

    /// Takes a row.
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

/// A portal that hands out registry tokens.
///
/// No implementation repeats a call by itself: the portal has no idempotency key, and a
/// request that is sent twice may make two tokens.
pub trait Portal: Send + Sync {
    /// Where this portal is, and as whom we speak to it.
    fn location(&self) -> &RecordedPortal;

    /// Finds out how the portal is used, and that its list can be read; changes nothing. What was found is kept,
    /// and looked up again after a failure that hints at a change.
    ///
    /// Fails with `MetadataMismatch` where the portal does not have what the spec asks for, or does not tell
    /// which table or task is meant. Every other call begins with it, and fails with it unsent.
    fn resolve(&self) -> PortalFuture<'_, PortalCapabilities>;

    /// Why no token is asked for at present, though all else can be: a request would make another one that
    /// nobody can use. With `retry_after` requests fail unsent for so long. Sends nothing.
    fn open_reason(&self) -> Option<PortalError> {
        None
    }

    /// The same for one namespace: what its requests provoked keeps no other waiting.
    fn open_reason_for(&self, namespace: &str) -> Option<PortalError> {
        let _ = namespace;
        self.open_reason()
    }

    /// Like [`Portal::request`], for an object in this namespace.
    fn request_for<'a>(&'a self, namespace: &'a str, description: &'a str) -> PortalFuture<'a, IssuedToken> {
        let _ = namespace;
        self.request(description)
    }

    /// Asks for a token with this description: one request that creates. A failure tells which token it made,
    /// where that is known and no list shows it.
    fn request<'a>(&'a self, description: &'a str) -> PortalFuture<'a, IssuedToken>;

    /// Sets the description of a token. Repeatable.
    fn edit_description<'a>(&'a self, token: TokenRef<'a>, description: &'a str) -> PortalFuture<'a, ()>;

    /// Revokes a token. Repeatable: that it is gone already shows in the list.
    fn revoke<'a>(&'a self, token: TokenRef<'a>) -> PortalFuture<'a, ()>;

    /// Reads some rows of the portal's list.
    fn list<'a>(&'a self, rows: Rows<'a>) -> PortalFuture<'a, Vec<TokenRow>>;

    /// Reads the whole list and gives each row, holding one page at most. Rows that were given before a
    /// failure are no list: only a reading that ends well is complete.
    fn scan<'a>(&'a self, sink: &'a mut dyn RowSink) -> PortalFuture<'a, ()>;
}
