//! What the client of a portal is created from.

use crate::api::{IssuerSpec, Limits};
use crate::http::EgressPolicy;
use secrecy::SecretString;

/// What the client of a portal is created from.
#[derive(Clone, Debug)]
pub struct PortalSettings<'a> {
    pub spec: &'a IssuerSpec,
    /// The effective limits, which may be lower than those of the spec.
    pub limits: Limits,
    /// The content of the issuer's credentials Secret.
    pub credentials: Credentials,
    /// The CA certificates to trust, and no others; the system's roots if `None`.
    pub ca_pem: Option<String>,
    /// The allowed addresses, for the portal and for the token endpoint.
    pub egress: EgressPolicy,
}

/// The content of the issuer's credentials Secret. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// HTTP Basic.
    Basic {
        /// The portal's user.
        username: String,
        password: SecretString,
    },
    /// OAuth 2.0 client credentials.
    ClientCredentials { client_id: String, client_secret: SecretString },
    /// An access token.
    Token { token: SecretString },
}
