//! `check` and `discover`: compare an issuer manifest with its portal.

pub(crate) mod bound_row;
pub mod check;
pub(crate) mod credentials;
pub mod discover;
pub(crate) mod issuer_file;
pub(crate) mod manifest;
pub(crate) mod output;
