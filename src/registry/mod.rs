//! The login check: does a registry accept this username and secret? It works like `docker login`: the version check
//! of the OCI distribution specification and, if the registry requires a bearer token, the token flow of the
//! distribution project (both documented).

mod challenge;
mod check;
mod client_cache;
#[cfg(test)]
mod fuzz;
mod response;

use crate::domain::model::login_result::LoginResult;
use futures::future::BoxFuture;
use secrecy::SecretString;

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

/// Checks logins. A trait, so that code that depends on the result can be tested without a registry.
pub trait LoginChecker: Send + Sync {
    /// Checks one login. Completes within a limited time; idempotent, and changes nothing at the registry. A registry
    /// that could not be reached, or did not respond like a registry, says nothing about the login.
    fn check<'a>(&'a self, login: RegistryLogin<'a>) -> BoxFuture<'a, LoginResult>;
}
