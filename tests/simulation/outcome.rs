//! What can come of a request: an effect or none, with a response or without one.

use super::portal_traits::PortalTraits;
use registry_token_operator::domain::protocol::{Request, Response};

/// The outcome of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RequestOutcome {
    /// It succeeds.
    Success,
    /// It takes effect, and the response is lost.
    LostAfter,
    /// It has no effect, and the response is lost.
    LostBefore,
    /// The response is lost, and it takes effect later.
    DelayedEffect,
    /// It is rejected.
    Rejected,
    /// The portal's list is stale.
    StaleList,
    /// The portal's list is empty.
    ShrunkList,
    /// It is delivered twice. It takes effect, and the response is that of the second delivery: the name is taken.
    DeliveredTwice,
}

/// The possible outcomes of a request to this portal.
pub fn outcomes(request: &Request, portal: &PortalTraits) -> &'static [RequestOutcome] {
    use RequestOutcome::{DelayedEffect, DeliveredTwice, LostAfter, LostBefore, Rejected, StaleList, Success};
    match request {
        Request::ReadObject
        | Request::ReadSecret
        | Request::ReadContent
        | Request::ReadIssuer
        | Request::VerifyLogin => &[Success, LostBefore],
        Request::WriteSecret(_) => &[Success, LostAfter, LostBefore, Rejected],
        Request::DryRunCommit(_) => &[Success, Rejected],
        Request::WriteStatus(_) | Request::SetFinalizer(_) | Request::Revoke(_) => {
            &[Success, LostAfter, LostBefore, Rejected]
        }
        Request::EditDescription { .. } => &[Success, LostAfter, LostBefore, DelayedEffect, Rejected],
        Request::RequestToken { .. } if portal.unique_names => {
            &[Success, LostAfter, LostBefore, DelayedEffect, Rejected, DeliveredTwice]
        }
        Request::RequestToken { .. } => &[Success, LostAfter, LostBefore, DelayedEffect, Rejected],
        Request::QueryRows(_) => &[Success, StaleList, LostBefore],
        Request::AcquireSlot { .. }
        | Request::ReadImport
        | Request::VerifyImportedLogin
        | Request::TryRandomPassword { .. }
        | Request::ClaimToken(_)
        | Request::ReadLastWriter
        | Request::Sleep(_)
        | Request::RequeueIssuer
        | Request::RequestAudit => &[Success],
    }
}

pub fn lost_response() -> Response {
    Response::OutcomeUnknown("lost".to_owned())
}
