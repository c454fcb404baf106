//! Why a request got no answer.

use super::egress::AddressDenied;
use crate::sanitize::sanitize;
use std::error::Error as StdError;
use std::io;

/// A request that got no answer.
#[derive(Debug)]
pub(crate) enum Error {
    /// The client cannot be used; with what to change.
    Setup(String),
    /// Its address may not be connected to. Nothing was sent.
    EgressDenied(AddressDenied),
    /// It failed on its way.
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

/// What kept a request from being answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TransportError {
    /// It could not even be begun.
    Unsendable,
    /// Its address may not be connected to. Nothing was sent.
    EgressDenied,
    /// The server's certificate is not trusted. Nothing was sent.
    CertificateUntrusted,
    /// There was no connection in time. Nothing was sent.
    ConnectTimeout,
    /// There was no connection. Nothing was sent.
    ConnectFailed,
    /// The proxy gave no connection. Nothing was sent but the wish for one.
    Proxy,
    /// There was a connection and no answer in time.
    ResponseTimeout,
    /// The connection broke before the answer was complete.
    Interrupted,
}

/// What a failed request means, and its cause for people: one short line, without the address, which
/// may hold a filter and so a description.
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
        // Before there is a connection nothing can have been sent.
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

/// An error of ours among the causes.
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

/// Looks for rustls's verdict. An `io::Error` gives the source of what it wraps and leaves out the
/// wrapped error itself, so those are opened by hand.
fn is_untrusted(error: &(dyn StdError + 'static)) -> bool {
    if let Some(rustls::Error::InvalidCertificate(_)) = error.downcast_ref::<rustls::Error>() {
        return true;
    }
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    wrapped.is_some_and(|inner| is_untrusted(inner)) || error.source().is_some_and(is_untrusted)
}

/// The error of a tunnel has no public type: it is known by its words, which only choose ours.
fn is_proxy_error(error: &(dyn StdError + 'static)) -> bool {
    error.to_string().starts_with("tunnel error") || error.source().is_some_and(is_proxy_error)
}
