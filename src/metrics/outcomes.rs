//! What a request to a portal or a registry was for, and how it ended: the values of labels.

/// An operation of a portal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortalOperation {
    /// Reads how to use the portal.
    Metadata,
    /// Requests a token.
    Request,
    /// Edits a description.
    Edit,
    /// Revokes a token.
    Revoke,
    /// Reads rows of the list.
    List,
    /// Logs in at the token endpoint. A login at a registry is counted as a [`LoginOutcome`].
    Login,
}

/// How a portal request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortalOutcome {
    /// It succeeded.
    Ok,
    /// The portal refused it, and did nothing.
    Refused,
    /// The portal may have acted.
    Ambiguous,
    /// It did not reach the portal.
    Unsent,
}

/// The result of a login check at a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginOutcome {
    /// The registry accepts the login.
    Accepted,
    /// It rejects the login.
    Rejected,
    /// There was no clear response.
    Unknown,
}

impl PortalOperation {
    pub(super) const ALL: [Self; 6] =
        [Self::Metadata, Self::Request, Self::Edit, Self::Revoke, Self::List, Self::Login];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Metadata => "metadata",
            Self::Request => "request",
            Self::Edit => "edit",
            Self::Revoke => "revoke",
            Self::List => "list",
            Self::Login => "login",
        }
    }
}

impl PortalOutcome {
    pub(super) const ALL: [Self; 4] = [Self::Ok, Self::Refused, Self::Ambiguous, Self::Unsent];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Ambiguous => "ambiguous",
            Self::Unsent => "unsent",
        }
    }
}

impl LoginOutcome {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Unknown => "unknown",
        }
    }
}
