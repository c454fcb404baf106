//! The HTTP client for Indicium: authentication, errors and Indicium's messages.

pub(crate) mod access_token;
pub(crate) mod auth;
pub(crate) mod auth_header;
pub(crate) mod call;
pub(crate) mod cookies;
pub(crate) mod error_context;
pub(crate) mod errors;
pub(crate) mod http_client;
pub(crate) mod messages;
pub(crate) mod oauth;
pub(crate) mod oauth_errors;
