//! `check` and `discover`: compare an issuer manifest with its portal.

pub(crate) mod access;
pub(crate) mod auth;
pub(crate) mod bound_row;
pub(crate) mod capabilities;
pub mod check;
pub(crate) mod credentials;
pub mod discover;
pub(crate) mod discover_login;
pub(crate) mod inspect;
pub(crate) mod issuer_file;
pub(crate) mod manifest;
pub(crate) mod next_steps;
pub(crate) mod output;
pub(crate) mod place;
