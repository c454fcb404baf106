//! Creates the client of an issuer's portal: the only place that knows every type of portal. Commands inspect a portal here.

use super::inspection::{Inspection, InspectionSettings, Places, PlacesResult};
use super::rate_limit::Limiter;
use super::settings::PortalSettings;
use super::{Claim, Delivery, LimitedPortal, OnCall, Portal, PortalError};
use crate::api::{PortalType, Reason};
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

/// Reads what an issuer's login may do, for a command: a few calls one after the other, which change nothing, without a
/// limiter.
///
/// # Errors
/// If the spec is incomplete or invalid, or the type of portal is discovered instead.
pub async fn inspect(settings: InspectionSettings<'_>) -> Result<Inspection, PortalError> {
    match settings.portal.spec.r#type {
        PortalType::Thinkwise => Err(not_inspected()),
        PortalType::Gitea => super::gitea::inspect(settings).await,
        PortalType::GitLab => super::gitlab::inspect(settings).await,
        PortalType::Harbor => super::harbor::inspect(settings).await,
    }
}

/// Reads whose tokens a login may manage, in the same way. User, project and group may be missing in the spec.
///
/// # Errors
/// If the login is rejected, or the type of portal is discovered instead.
pub async fn places(settings: InspectionSettings<'_>) -> PlacesResult {
    let found = match settings.portal.spec.r#type {
        PortalType::Thinkwise => Err(not_inspected()),
        PortalType::Gitea => super::gitea::places(settings).await,
        PortalType::GitLab => super::gitlab::places(settings).await,
        PortalType::Harbor => super::harbor::places(settings).await,
    };
    found.map(Places::without_hidden_characters)
}

fn not_inspected() -> PortalError {
    PortalError::new(Delivery::NotSent, Reason::RequestRejected, "this type of portal is discovered, not inspected")
}
