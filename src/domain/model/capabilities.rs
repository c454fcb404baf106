//! What a portal can do.

use super::token_scope::IssuerProjects;
use std::time::Duration;

/// What a portal can do for its portal user. A portal states each of these; a field that nothing reads yet says which
/// part of the operator assumes its present value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// The description of a token can be edited. If not, a token keeps its description and the marker in it, whatever
    /// `ownershipMarker` says, and a changed description is reported (`EditUnsupported`) until the next token.
    pub edit: bool,
    /// The maximum length of a description in characters, including the marker of a new token; `None` means no limit.
    pub description_max: Option<usize>,
    /// What identifies a token whose response was lost. The core writes a marker into each description, which is the
    /// name where names are unique. A portal with unique names rejects a name that exists; as no other request uses the
    /// name of an attempt, its client reports this as an unknown outcome: an earlier delivery created the token.
    pub handle: TokenHandle,
    /// Whose name a token logs in with. A shared one identifies no token.
    pub login_name: LoginName,
    /// What the list shows to the portal user.
    pub list: TokenList,
    /// How long the portal accepts a token; `None` if until its revocation. It counts from the request of a token whose
    /// response does not say when it expires.
    pub expiry: Option<Duration>,
    /// The projects to which a token can be limited; `None` if the portal cannot limit tokens.
    pub projects: Option<IssuerProjects>,
}

impl Capabilities {
    /// Whether the list shows which tokens are the operator's. Only then does a missing row prove that a token does not
    /// exist.
    #[must_use]
    pub const fn list_visible(&self) -> bool {
        match self.list {
            TokenList::Description => true,
            TokenList::NameOnly => matches!(self.handle, TokenHandle::UniqueName),
            TokenList::Hidden(_) => false,
        }
    }

    /// Why the portal user cannot read the list, if so.
    #[must_use]
    pub fn list_denied(&self) -> Option<&str> {
        match &self.list {
            TokenList::Hidden(why) => Some(why),
            TokenList::Description | TokenList::NameOnly => None,
        }
    }
}

/// What identifies a token whose response was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenHandle {
    /// A name that the request chooses, and that no two tokens have.
    UniqueName,
    /// A marker in the description.
    Marker,
}

/// Whose name a token logs in with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginName {
    /// Each token has its own.
    PerToken,
    /// All tokens of the portal user have the same. Then no id of a token may equal that name, because a token that is
    /// recorded with its username as its id is identified by its username.
    Shared,
}

/// What the list shows to the portal user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenList {
    /// Each token with its description.
    Description,
    /// Each token without its description, so that no marker is found.
    NameOnly,
    /// No token, for this reason. Then reading the list fails with `AccessDenied`, there are no audits, and a token whose
    /// response was lost cannot be found.
    Hidden(String),
}
