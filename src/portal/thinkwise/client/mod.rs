//! HTTP to Indicium: authentication, errors, and the messages that it sends.

pub(crate) mod access_token;
pub(crate) mod auth;
pub(crate) mod call;
pub(crate) mod cookies;
pub(crate) mod errors;
pub(crate) mod http_client;
pub(crate) mod messages;
pub(crate) mod oauth;
