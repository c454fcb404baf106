//! Maps calls that got no complete response to errors: whether the portal may have acted, and a message.

use super::{Delivery, PortalError};
use crate::api::Reason;
use crate::http::{self, TransportError, classify};

/// The fields of an issuer that messages name.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConnectionFields {
    /// The field with the portal's address.
    pub url: &'static str,
    /// The field with the CA.
    pub tls: &'static str,
}

/// Maps a missing or incomplete response.
pub(super) fn from_transport(error: impl Into<http::Error>, host: &str, fields: ConnectionFields) -> PortalError {
    // What to check if no connection is established.
    let hint = format!("check {}, network policies, and the proxy (HTTPS_PROXY, NO_PROXY)", fields.url);
    let (kind, cause) = classify(error);
    let (delivery, reason, message) = match kind {
        TransportError::Unsendable => {
            (Delivery::NotSent, Reason::Unreachable, format!("cannot send a request to {host}: {cause}"))
        }
        TransportError::EgressDenied => (Delivery::NotSent, Reason::AddressNotAllowed, cause),
        TransportError::CertificateUntrusted => (
            Delivery::NotSent,
            Reason::TlsUntrusted,
            format!("the certificate of {host} is not trusted ({cause}): set the CA in {}", fields.tls),
        ),
        TransportError::ConnectTimeout => {
            (Delivery::NotSent, Reason::TimedOut, format!("the connection to {host} timed out: {hint}"))
        }
        TransportError::ConnectFailed => {
            (Delivery::NotSent, Reason::Unreachable, format!("cannot connect to {host} ({cause}): {hint}"))
        }
        TransportError::Proxy => (
            Delivery::NotSent,
            Reason::Unreachable,
            format!("the operator's proxy did not connect to {host} ({cause}): check HTTPS_PROXY and NO_PROXY"),
        ),
        TransportError::ResponseTimeout => {
            (Delivery::Unknown, Reason::TimedOut, format!("{host} did not respond in time: {cause}"))
        }
        TransportError::Interrupted => (
            Delivery::Unknown,
            Reason::Unreachable,
            format!("{host} closed the connection before its response was complete: {cause}"),
        ),
    };
    PortalError::new(delivery, reason, message)
}
