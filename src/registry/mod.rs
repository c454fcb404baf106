//! The login check: does a registry let this username in with this secret? Asked as `docker login`
//! asks: the version check of the OCI distribution specification and, where the registry wants a
//! bearer, the token flow of the distribution project (both documented).

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

/// A login to try. Its `Debug` shows no secret.
#[derive(Clone, Copy, Debug)]
pub struct RegistryLogin<'a> {
    /// `host[:port][/path]`, as in the issuer's spec. The path says where images lie and is not asked for.
    pub registry: &'a str,
    /// The name to log in with.
    pub username: &'a str,
    /// The secret to log in with.
    pub secret: &'a SecretString,
    /// The certificates to trust, and no others; the system's roots unless given.
    pub ca_pem: Option<&'a str>,
    /// Asks over http: credentials travel in the clear.
    pub plain_http: bool,
    /// Which addresses may be connected to, for the registry and for the token endpoint that it names.
    pub egress: &'a EgressPolicy,
}

/// What a registry says of a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It lets them in. So does a registry that lets in everybody.
    Accepted,
    /// It was given the credentials and does not let them in (HTTP 401 or 403). A registry may lag
    /// behind its portal by seconds.
    Rejected {
        /// For people: who refused.
        message: String,
    },
    /// It could not be asked, or did not answer what a registry answers: this says nothing about the
    /// login.
    Unknown {
        /// The word for it.
        reason: Reason,
        /// For people: what happened and what to do. Never holds a body or a secret.
        message: String,
        /// How long the registry asks to wait.
        retry_after: Option<Duration>,
    },
}

/// Tries logins. A trait, so that whoever decides by the verdict can be tested without a registry.
pub trait LoginChecker: Send + Sync {
    /// Tries one login. Ends within bounded time; repeatable, and changes nothing at the registry.
    fn check<'a>(&'a self, login: RegistryLogin<'a>) -> BoxFuture<'a, Verdict>;
}
