//! The login check: does a registry accept this username and secret? It works like `docker login`: the version check
//! of the OCI distribution specification and, if the registry requires a bearer token, the token flow of the
//! distribution project (both documented).

mod challenge;
mod check;
mod client_cache;
#[cfg(test)]
mod fuzz;
mod response;

use crate::api::Reason;
use futures::future::BoxFuture;
use secrecy::SecretString;
use std::time::Duration;

pub use self::check::RegistryLoginChecker;
pub use crate::http::EgressPolicy;

/// A login to check. `Debug` shows no secret.
#[derive(Clone, Copy, Debug)]
pub struct RegistryLogin<'a> {
    /// `host[:port][/path]`, as in the issuer's spec. The path is the location of images and is not used.
    pub registry: &'a str,
    /// The name to log in with.
    pub username: &'a str,
    /// The password to log in with.
    pub secret: &'a SecretString,
    /// The CA certificates to trust, and no others; the system's roots if `None`.
    pub ca_pem: Option<&'a str>,
    /// Uses plain HTTP: credentials are sent unencrypted.
    pub plain_http: bool,
    /// The allowed addresses, for the registry and for its token endpoint.
    pub egress: &'a EgressPolicy,
}

/// The result of a login check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The registry accepted the login. A registry that allows anonymous access does so too.
    Accepted,
    /// The registry received the credentials and rejected them (HTTP 401 or 403). A registry may lag behind its
    /// portal by seconds.
    Rejected {
        /// Human-readable: which host rejected the login.
        message: String,
    },
    /// The registry could not be reached, or did not respond like a registry: the result says nothing about the
    /// login.
    Unknown {
        /// The condition reason.
        reason: Reason,
        /// Human-readable: what happened and what to do. Never contains a response body or a secret.
        message: String,
        /// How long to wait before the next check, if the registry said so.
        retry_after: Option<Duration>,
    },
}

/// Checks logins. A trait, so that code that depends on the result can be tested without a registry.
pub trait LoginChecker: Send + Sync {
    /// Checks one login. Completes within a limited time; idempotent, and changes nothing at the registry.
    fn check<'a>(&'a self, login: RegistryLogin<'a>) -> BoxFuture<'a, Verdict>;
}
