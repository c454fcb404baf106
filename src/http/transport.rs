//! Classifies requests without a response.

use super::egress::AddressDenied;
use crate::sanitize::sanitize;
use std::error::Error as StdError;
use std::io;

/// A request without a response.
#[derive(Debug)]
pub(crate) enum Error {
    /// The client's configuration is invalid; with what to change.
    Setup(String),
    /// Its address is not allowed. Nothing was sent.
    EgressDenied(AddressDenied),
    /// The request failed.
    Transport(reqwest::Error),
}

impl From<AddressDenied> for Error {
    fn from(denied: AddressDenied) -> Self {
        Self::EgressDenied(denied)
    }
}

impl From<reqwest::Error> for Error {
    fn from(error: reqwest::Error) -> Self {
        Self::Transport(error)
    }
}

/// Why a request has no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TransportError {
    /// It could not be started.
    Unsendable,
    /// Its address is not allowed. Nothing was sent.
    EgressDenied,
    /// The server's certificate is not trusted. Nothing was sent.
    CertificateUntrusted,
    /// The connection timed out. Nothing was sent.
    ConnectTimeout,
    /// The connection failed. Nothing was sent.
    ConnectFailed,
    /// The proxy did not connect. Only the request for the connection was sent.
    Proxy,
    /// The connection was established, but there was no response in time.
    ResponseTimeout,
    /// The connection broke before the response was complete.
    Interrupted,
}

/// Classifies a failed request, with its cause in one short line for messages. The cause does not contain the URL,
/// whose filter may contain a description.
pub(crate) fn classify(error: impl Into<Error>) -> (TransportError, String) {
    match error.into() {
        Error::Setup(cause) => (TransportError::Unsendable, cause),
        Error::EgressDenied(denied) => (TransportError::EgressDenied, denied.to_string()),
        Error::Transport(error) => classify_transport(error),
    }
}

fn classify_transport(error: reqwest::Error) -> (TransportError, String) {
    if let Some(denied) = find_source::<AddressDenied>(&error) {
        return (TransportError::EgressDenied, denied.to_string());
    }
    let error = error.without_url();
    let cause = sanitize(&root_cause(&error));
    let kind = if error.is_builder() {
        TransportError::Unsendable
    } else if error.is_connect() {
        // Without a connection, nothing can have been sent.
        if is_untrusted(&error) {
            TransportError::CertificateUntrusted
        } else if error.is_timeout() {
            TransportError::ConnectTimeout
        } else if is_proxy_error(&error) {
            TransportError::Proxy
        } else {
            TransportError::ConnectFailed
        }
    } else if error.is_timeout() {
        TransportError::ResponseTimeout
    } else {
        TransportError::Interrupted
    };
    (kind, cause)
}

/// Finds an error of this type among the causes.
fn find_source<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    error.downcast_ref().or_else(|| find_source(error.source()?))
}

fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn StdError = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// Looks for rustls's certificate error. The `source` of an `io::Error` is the source of the wrapped error and skips
/// the wrapped error itself, so that one is checked explicitly.
fn is_untrusted(error: &(dyn StdError + 'static)) -> bool {
    if let Some(rustls::Error::InvalidCertificate(_)) = error.downcast_ref::<rustls::Error>() {
        return true;
    }
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    wrapped.is_some_and(|inner| is_untrusted(inner)) || error.source().is_some_and(is_untrusted)
}

/// The error of a tunnel has no public type: it is recognized by its text, which only selects the message.
fn is_proxy_error(error: &(dyn StdError + 'static)) -> bool {
    error.to_string().starts_with("tunnel error") || error.source().is_some_and(is_proxy_error)
}
