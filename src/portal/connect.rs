//! Creates the client of an issuer's portal: the only place that knows every type of portal.

use super::rate_limit::Limiter;
use super::{LimitedPortal, OnCall, Portal, PortalError};
use crate::api::{IssuerSpec, Limits, PortalType};
use crate::http::EgressPolicy;
use secrecy::SecretString;
use std::sync::Arc;

/// What the client of a portal is created from.
#[derive(Clone, Debug)]
pub struct PortalSettings<'a> {
    /// The issuer's spec.
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
        /// The password.
        password: SecretString,
    },
    /// OAuth 2.0 client credentials.
    ClientCredentials {
        /// The client's id.
        client_id: String,
        /// The client's secret.
        client_secret: SecretString,
    },
}

/// Creates a client of the portal that the issuer names, behind this limiter; sends nothing. There is no other way to
/// get one, so no call is sent without a permit.
///
/// # Errors
/// If the spec is incomplete or invalid, or there is no certificate to trust (`CABundleInvalid`).
pub fn connect(
    settings: PortalSettings<'_>,
    limiter: Arc<Limiter>,
    on_call: OnCall,
) -> Result<LimitedPortal, PortalError> {
    let portal: Box<dyn Portal> = match settings.spec.r#type {
        PortalType::Thinkwise => Box::new(super::thinkwise::connect(settings)?),
    };
    Ok(LimitedPortal::new(portal, limiter, on_call))
}
