//! What the core asks of the outside, and what it is told.
//!
//! Nothing in the core does anything. Whoever drives it performs one request and brings the
//! answer, so that "the process dies after the n-th request" can be enumerated. A token's secret
//! is never seen here: the driver keeps it between [`Request::Token`] and the commit.

use super::model::marker::{Marker, Nonce};
use super::model::object::Object;
use super::model::problem::Problem;
use super::model::pull_secret::{Reservation, SecretMeta, StoredToken};
use super::model::token_mac::TokenSignature;
use crate::api::{Reason, RecordedToken, RegistryTokenStatus, RetiringToken};
use std::time::Duration;

/// A token in the portal. An id alone may have been given to another token since. Two are equal as
/// [`super::model::token`] has it.
#[derive(Clone, Debug)]
pub struct Named {
    /// The portal's id of it.
    pub id: String,
    /// The name that it logs in with.
    pub username: String,
}

impl From<&RecordedToken> for Named {
    fn from(token: &RecordedToken) -> Self {
        Self { id: token.id.clone(), username: token.username.clone() }
    }
}

impl From<&RetiringToken> for Named {
    fn from(token: &RetiringToken) -> Self {
        Self { id: token.id.clone(), username: token.username.clone() }
    }
}

impl Named {
    /// Whether its username was taken for its id: it was asked for while nobody could read the list, and
    /// the portal's answer told no id.
    #[must_use]
    pub fn is_identified_by_username(&self) -> bool {
        self.id == self.username
    }

    /// The rows among which its own is.
    #[must_use]
    pub fn row_query(&self) -> Rows {
        if self.is_identified_by_username() {
            Rows::WithUsername(self.username.clone())
        } else {
            Rows::WithId(self.id.clone())
        }
    }
}

/// A row of the portal's list.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Row {
    /// Which token.
    pub token: Named,
    /// What colleagues see.
    pub description: String,
}

/// Which rows are wanted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Rows {
    /// The one with this id.
    WithId(String),
    /// That of a token that is known by its username only, which the row then has as its id too.
    WithUsername(String),
    /// Those that bear this mark.
    WithMarker(Marker),
}

/// A write to the Secret, guarded by the version that was read last.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SecretWrite {
    /// Reserve; where there is no Secret it is created, with nothing else in it.
    Reserve(Reservation),
    /// Take the reservation back.
    ClearReservation,
    /// Close it for further attempts, and take the reservation back.
    Close,
    /// The token in it is no longer the object's. The data stay: pods may still use them.
    ClearToken,
    /// Store the token in hand, and take the reservation back.
    Commit(StoredToken),
    /// Put labels, annotations, owner and registries right, and note this proof; the login stays.
    Repair(TokenSignature),
    /// Put our label and owner reference back and change nothing else: this needs neither the issuer nor the content.
    RestoreOwnership,
    /// Leave it to its user: without owner and without our annotations. What may still bear these marks
    /// in the portal stays noted in it: an audit would take it for nobody's.
    Orphan(Vec<Nonce>),
}

/// One thing that the core asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Leave to prepare a request for a token; holds nothing while it waits.
    AcquireSlot {
        /// A pod waits for it; else it is the successor of a token that works.
        urgent: bool,
    },
    /// Read the object past every cache.
    ReadObject,
    /// Read the Secret's metadata past every cache.
    ReadSecret,
    /// Read the whole Secret past every cache.
    ReadContent,
    /// Look up which field manager last wrote the Secret.
    ReadLastWriter,
    /// Read the issuer past every cache: may it be used, by this namespace?
    ReadIssuer,
    /// Put our finalizer on the object, or take it off.
    SetFinalizer(bool),
    /// Try what the largest possible commit would be refused for, without writing.
    DryRunCommit(Box<StoredToken>),
    /// Write to the Secret.
    WriteSecret(SecretWrite),
    /// Write the status, guarded by the object's version.
    WriteStatus(Box<RegistryTokenStatus>),
    /// Ask the portal for a token: sent once.
    RequestToken {
        /// With the mark.
        description: String,
    },
    /// Read rows of the portal's list.
    QueryRows(Rows),
    /// Set the description of a token.
    EditDescription {
        /// Which one.
        token: Named,
        /// The new one.
        description: String,
    },
    /// Revoke a token.
    Revoke(Named),
    /// Log in at the registries: with the token in hand, or else with what the Secret holds.
    VerifyLogin,
    /// Let time pass.
    Sleep(Duration),
    /// Have the issuer looked at.
    RequeueIssuer,
    /// Have the whole portal audited when no late answer can come any more.
    RequestAudit,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Response {
    /// It is done.
    Done,
    /// The commit would succeed without the labels and annotations of the spec, which are refused with this message.
    DoneWithoutTemplate(String),
    /// The Secret as it was written without the labels and annotations of the spec, which are refused with this message.
    SecretWithoutTemplate(Box<SecretMeta>, String),
    /// The object as it was read or written; none where there is none, or another of that name.
    Object(Option<Box<Object>>),
    /// The Secret as it was read or written.
    Secret(Option<Box<SecretMeta>>),
    /// The whole Secret as it was read.
    Content(Option<Box<(SecretMeta, SecretContent)>>),
    /// The field manager that last wrote the Secret; none where that is not known.
    LastWriter(Option<String>),
    /// Rows of the portal's list.
    Rows(Vec<Row>),
    /// A token, whose secret the driver keeps.
    Token {
        /// Its id, where the answer held one.
        id: Option<String>,
        /// The name that it logs in with.
        username: String,
    },
    /// A token that is of no use: its secret is not known, or it could not be named later. No list shows it.
    UnusableToken {
        /// Which one.
        token: Named,
        /// What it lacks.
        problem: Problem,
    },
    /// The portal's answer holds a token that cannot be recorded. The list shows it by its mark.
    InvalidToken(Problem),
    /// What the registry says of a login.
    Login(Verdict),
    /// The API server: somebody else wrote first, or the thing is not or already there.
    Conflict,
    /// The API server refuses: quota, admission, validation or permissions.
    WriteRejected(String),
    /// The API server gave no clear answer.
    OutcomeUnknown(String),
    /// The issuer may not be used.
    IssuerDenied(Problem),
    /// The issuer is another than the one that the attempt was begun with.
    IssuerChanged,
    /// The issuer was read too long ago for a request to be sent now.
    IssuerReadExpired,
    /// The portal: it is proved that nothing was sent.
    NotSent(Problem),
    /// The portal refused with an answer: nothing was done.
    Rejected(Problem),
    /// The portal may have acted, or may not.
    PortalOutcomeUnknown(Problem),
}

/// What the content of a Secret amounts to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SecretContent {
    /// It cannot be changed in place: its type is another.
    WrongType,
    /// It cannot be changed in place: it was made immutable.
    Immutable {
        /// The name of the login in it, if that is what the operator wrote.
        username: Option<String>,
    },
    /// One login.
    Login {
        /// The name in it.
        username: String,
        /// It is for exactly the issuer's registries.
        registries_match: bool,
        /// It, and what is noted of its token, is what the operator wrote, as far as a checksum says that is salted
        /// with the object's UID.
        checksum_valid: bool,
        /// Labels and annotations are as the spec wants them.
        template_applied: bool,
    },
    /// Nothing that could log in.
    Empty,
}

/// Why a registry said nothing about a login.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RegistryProblem {
    /// `RegistryUnavailable`, or what the registry itself is to blame for, such as `RegistryError`.
    pub reason: Reason,
    /// For people.
    pub message: String,
    /// How long the registry asks to wait.
    pub retry_after: Option<Duration>,
}

impl<T: Into<String>> From<T> for RegistryProblem {
    fn from(message: T) -> Self {
        Self { reason: Reason::RegistryUnavailable, message: message.into(), retry_after: None }
    }
}

impl std::fmt::Display for RegistryProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

/// What a registry says of a login.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It lets the token in.
    Accepted,
    /// It does not; with its words.
    Rejected(String),
    /// It cannot be asked; with the cause. Says nothing of the token.
    Unknown(RegistryProblem),
    /// The check is not wanted, or the secret is not known.
    NotChecked,
}
