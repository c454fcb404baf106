//! The requests of the core to its executor, and their responses.
//!
//! The core performs nothing itself. A driver performs one request and passes on the response, so that "the process
//! dies after the n-th request" can be enumerated. The core never sees a token's password: the driver keeps it between
//! [`Request::RequestToken`] and the commit.

use super::model::foreign_login::UnusableLogin;
use super::model::login_result::LoginResult;
use super::model::marker::Nonce;
use super::model::object::Object;
use super::model::problem::Problem;
use super::model::pull_secret::{Reservation, SecretMeta, StoredToken};
use super::model::token::{RowQuery, TokenRef, TokenRow};
use super::model::token_mac::TokenSignature;
use crate::api::RegistryTokenStatus;
use jiff::Timestamp;
use std::time::Duration;

/// A write to the Secret, guarded by the version that was read last.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SecretWrite {
    /// Reserve an attempt. Creates an empty Secret if none exists.
    Reserve(Reservation),
    ClearReservation,
    /// Close the Secret for further attempts, and clear the reservation.
    Close,
    /// The stored token no longer belongs to the object. The data are kept, since pods may still use them.
    ClearToken,
    /// Remove the login and the record of the token, which is about to be revoked. If the data cannot be changed, the
    /// record alone is removed.
    RemoveLogin,
    /// Store the uncommitted token, and clear the reservation.
    Commit(StoredToken),
    /// Record this token, whose login the Secret holds already. The login is kept.
    Import(StoredToken),
    /// Repair labels, annotations, owner and registries, and record this proof. The login is kept.
    Repair(TokenSignature),
    /// Restore the owner label and the owner reference and change nothing else. This needs neither the issuer nor the
    /// content.
    RestoreOwnership,
    /// Release the Secret to its user: remove the owner reference and the operator's annotations. These markers may
    /// remain in the portal and are recorded in the Secret; otherwise an audit would consider the tokens orphaned.
    Orphan(Vec<Nonce>),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Acquire a preparation slot for a token request. Nothing is kept while it waits.
    AcquireSlot {
        /// A pod waits for the token. Otherwise it is the successor of a working token.
        urgent: bool,
    },
    ReadObject,
    /// Read the Secret's metadata live.
    ReadSecret,
    /// Read the complete Secret live.
    ReadContent,
    /// Look up the field manager that last wrote the Secret.
    ReadLastWriter,
    /// Read the issuer live, and check that this namespace may use it.
    ReadIssuer,
    /// Add the finalizer to the object, or remove it.
    SetFinalizer(bool),
    /// Check, without writing, whether the API server would reject a commit of maximum size.
    DryRunCommit(Box<StoredToken>),
    WriteSecret(SecretWrite),
    /// Write the status, guarded by the object's version.
    WriteStatus(Box<RegistryTokenStatus>),
    /// Request a token from the portal. Sent once.
    RequestToken {
        /// The description with the marker.
        description: String,
        /// The projects that the token may access; empty if it may access all that the issuer allows.
        projects: Vec<String>,
    },
    /// Query rows of the portal's list.
    QueryRows(RowQuery),
    EditDescription {
        token: TokenRef,
        description: String,
    },
    Revoke(TokenRef),
    /// Log in at the registries, with the uncommitted token or else with the content of the Secret.
    VerifyLogin,
    /// Read the complete Secret live, to import the token whose login another client wrote into it.
    ReadImport,
    /// Log in at the registries with the content of a Secret that was handed over, in the version that was read last.
    VerifyImportedLogin,
    /// Log in at the registries with this username and a random password: one that accepts it verifies no logins.
    TryRandomPassword {
        username: String,
    },
    /// Check that no other object has this token, and keep others from importing it for a while. A conflict if one has it.
    ClaimToken(TokenRef),
    Sleep(Duration),
    RequeueIssuer,
    /// Request an audit of the portal, once no response can be outstanding.
    RequestAudit,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Response {
    /// The request succeeded.
    Done,
    /// The commit would succeed without the labels and annotations of the spec, which the API server rejects with this
    /// message.
    DoneWithoutTemplate(String),
    /// The Secret was written without the labels and annotations of the spec, which the API server rejects with this
    /// message.
    SecretWithoutTemplate(Box<SecretMeta>, String),
    /// The object as read or written; `None` if it does not exist or was replaced by another of the same name.
    Object(Option<Box<Object>>),
    /// The Secret as read or written.
    Secret(Option<Box<SecretMeta>>),
    /// The complete Secret as read.
    Content(Option<Box<(SecretMeta, SecretContent)>>),
    /// The complete Secret as read for an import.
    Import(Option<Box<(SecretMeta, ImportContent)>>),
    /// The field manager that last wrote the Secret; `None` if unknown.
    LastWriter(Option<String>),
    /// Rows of the portal's list.
    Rows(Vec<TokenRow>),
    /// A token, whose password the driver keeps.
    Token {
        /// Portal id, if the response contained one.
        id: Option<String>,
        username: String,
        /// When it expires, if it does.
        expiration_time: Option<Timestamp>,
    },
    /// A token that cannot be used: its password is unknown, or it could not be identified later. No list shows it.
    UnusableToken {
        token: TokenRef,
        /// What is missing.
        problem: Problem,
    },
    /// The response contains a token that cannot be recorded. The list shows it by its marker.
    InvalidToken(Problem),
    Login(LoginResult),
    /// The API server reports a conflict: another writer was first, or the object does not exist or already exists.
    Conflict,
    /// The API server rejects the write: quota, admission, validation or permissions.
    WriteRejected(String),
    /// The API server gave no clear response.
    OutcomeUnknown(String),
    /// The issuer must not be used.
    IssuerDenied(Problem),
    /// The issuer has changed since the attempt started.
    IssuerChanged,
    /// The issuer was read too long ago to send the request now.
    IssuerReadExpired,
    /// It is certain that nothing was sent to the portal.
    NotSent(Problem),
    /// The portal rejected the request: nothing was done.
    Rejected(Problem),
    /// The portal may or may not have performed the request.
    PortalOutcomeUnknown(Problem),
}

/// The content of a Secret, classified.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SecretContent {
    /// The Secret has another type, which cannot be changed.
    WrongType,
    Immutable {
        /// The username in its login, if the operator wrote it.
        username: Option<String>,
    },
    /// The Secret contains one login.
    Login {
        username: String,
        /// The login is for exactly the issuer's registries.
        registries_match: bool,
        /// A checksum, salted with the object's UID, shows that the content and the annotations about its token are
        /// what the operator wrote.
        checksum_valid: bool,
        /// Labels and annotations match the spec.
        template_applied: bool,
    },
    /// The Secret contains no usable login.
    Empty,
}

/// The content of a Secret that is to be imported, classified.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ImportContent {
    /// The Secret has another type, which cannot be changed.
    WrongType,
    Immutable,
    /// It has no login that can be imported.
    Unusable(UnusableLogin),
    /// It has one login, for nothing but registries of the issuer.
    Login {
        username: String,
    },
}
