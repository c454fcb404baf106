//! What clients of JSON APIs have in common: the HTTP client with its limits, errors that every server and proxy sends, ids
//! and the selection of rows.

mod client;
mod errors;
mod json;
mod read;
mod rows;

pub(super) use self::client::{Answer, Method, RestClient, RestSettings, access_token, basic};
pub(super) use self::errors::{Refusal, invalid_response, invalid_spec};
pub(super) use self::json::{json, token_secret, validity};
pub(super) use self::read::Document;
pub(super) use self::rows::{Matching, is_id, total_count};

use super::transport::ConnectionFields;

/// What messages name.
#[derive(Debug)]
pub(super) struct Names {
    /// The product that serves the API.
    pub product: &'static str,
    /// The field with its address.
    pub url: &'static str,
    /// The field with the CA.
    pub tls: &'static str,
    /// The field that refers to the credentials.
    pub auth: &'static str,
    /// An example of an address.
    pub example: &'static str,
}

impl Names {
    const fn connection_fields(&self) -> ConnectionFields {
        ConnectionFields { url: self.url, tls: self.tls }
    }
}
