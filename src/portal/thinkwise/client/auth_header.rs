//! The `Authorization` header.

use crate::api::Reason;
use crate::http;
use crate::portal::{Delivery, PortalError};
use reqwest::header::HeaderValue;

/// The authentication of a request.
pub(crate) struct AuthHeader {
    /// The `Authorization` header, marked as sensitive: it is neither printed nor compressed with other headers.
    pub header: HeaderValue,
    /// The generation of an access token, which can be replaced when the portal rejects it.
    pub generation: Option<u64>,
}

/// `Authorization: <scheme> <secret>`.
pub(crate) fn authorization(scheme: &str, secret: &str) -> Result<HeaderValue, PortalError> {
    http::authorization(scheme, secret).ok_or_else(|| {
        PortalError::new(
            Delivery::NotSent,
            Reason::InvalidResponse,
            "the access token contains characters that are not allowed in an HTTP header",
        )
    })
}
