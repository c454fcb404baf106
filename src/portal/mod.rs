//! A vendor's portal: what it can do, and how its failures are told apart.

mod failure;
pub mod limits;
pub mod thinkwise;

use crate::api::RecordedPortal;
use futures::future::BoxFuture;
use secrecy::SecretString;

pub use failure::{Failure, Sent};

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
pub struct PortalRow {
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
    /// The token with this id.
    WithId(&'a str),
    /// Those whose description holds this text.
    Containing(&'a str),
    /// All that our user sees.
    All,
    /// One row, to see whether the list can be read at all.
    Probe,
}

/// The result of a call.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, Failure>>;

/// A portal that hands out registry tokens.
///
/// No implementation repeats a call by itself: the portal has no idempotency key, and a
/// request that is sent twice may make two tokens.
pub trait Portal: Send + Sync {
    /// Where this portal is, and as whom we speak to it.
    fn location(&self) -> &RecordedPortal;

    /// Asks for a token with this description: one request.
    fn request<'a>(&'a self, description: &'a str) -> Answer<'a, IssuedToken>;

    /// Sets the description of a token. Repeatable.
    fn edit_description<'a>(&'a self, token: TokenRef<'a>, description: &'a str) -> Answer<'a, ()>;

    /// Revokes a token. Repeatable: that it is gone already shows in the list.
    fn revoke<'a>(&'a self, token: TokenRef<'a>) -> Answer<'a, ()>;

    /// Reads the portal's list, all pages of it.
    fn list<'a>(&'a self, rows: Rows<'a>) -> Answer<'a, Vec<PortalRow>>;
}
