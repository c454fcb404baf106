//! The types of portals, and what their configurations have in common.

use super::auth::Auth;
use super::tls::Tls;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The type of a vendor's portal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub enum PortalType {
    /// The Thinkwise Community Portal, served by Indicium.
    Thinkwise,
    /// Gitea or Forgejo.
    Gitea,
    /// Harbor.
    Harbor,
    /// GitLab.
    GitLab,
}

/// Fields of a portal's configuration that messages tell the admin to change, as paths from `spec`.
#[derive(Debug)]
pub struct SpecFields {
    /// How the operator authenticates.
    pub auth: &'static str,
    /// Allows http.
    pub allow_insecure_http: &'static str,
    /// How a token is requested, with the parameters that are sent.
    pub request: &'static str,
    /// The name of the token's id in the response to a request.
    pub id_output: &'static str,
    /// The name of the token's id in the list.
    pub list_key: &'static str,
}

/// The part of a portal's configuration that every type of portal has.
#[derive(Clone, Debug)]
pub struct PortalConnection<'a> {
    /// The root URL of the portal.
    pub url: &'a str,
    /// The part of the portal to which the tokens belong, as in [`PortalLocation::scope`](super::PortalLocation::scope).
    pub scope: Cow<'a, str>,
    /// Allows the URL to use http.
    pub allow_insecure_http: bool,
    /// How the operator authenticates.
    pub auth: &'a Auth,
    /// TLS trust.
    pub tls: Option<&'a Tls>,
}
