//! Creates the client of an issuer's portal: the only place that knows every type of portal.

use super::rate_limit::Limiter;
use super::settings::PortalSettings;
use super::{Claim, LimitedPortal, OnCall, Portal, PortalError};
use crate::api::PortalType;
use std::sync::Arc;

/// Creates a client of the portal that the issuer names, behind this limiter; sends nothing. There is no other way to
/// get one, so no call is sent without a permit, and nothing is changed without the claim.
///
/// # Errors
/// If the spec is incomplete or invalid, or there is no certificate to trust (`CABundleInvalid`).
pub fn connect(
    settings: PortalSettings<'_>,
    limiter: Arc<Limiter>,
    claim: Claim,
    on_call: OnCall,
) -> Result<LimitedPortal, PortalError> {
    let portal: Box<dyn Portal> = match settings.spec.r#type {
        PortalType::Thinkwise => Box::new(super::thinkwise::connect(settings, OnCall::clone(&on_call))?),
        PortalType::Gitea => Box::new(super::gitea::connect(settings)?),
        PortalType::GitLab => Box::new(super::gitlab::connect(settings)?),
        PortalType::Harbor => Box::new(super::harbor::connect(settings)?),
    };
    Ok(LimitedPortal::new(portal, limiter, claim, on_call))
}
