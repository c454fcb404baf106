//! Bodies of requests, and secrets in responses.

use crate::api::Reason;
use crate::portal::{Delivery, PortalError};
use secrecy::SecretString;
use serde::{Deserialize, Deserializer, Serialize};
use std::time::Duration;

/// The body of a request.
pub fn json(value: &impl Serialize) -> Result<Vec<u8>, PortalError> {
    serde_json::to_vec(value).map_err(|error| {
        PortalError::new(Delivery::NotSent, Reason::RequestRejected, format!("the request is not JSON: {error}"))
    })
}

/// How long tokens are valid that are requested for this number of days.
pub fn validity(days: Option<u16>) -> Option<Duration> {
    days.map(|days| Duration::from_hours(u64::from(days) * 24))
}

/// Reads the secret of a new token.
pub fn token_secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    String::deserialize(deserializer).map(SecretString::from)
}
