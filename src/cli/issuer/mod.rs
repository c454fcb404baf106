//! `check` and `discover`: what an issuer manifest says, compared with what its portal serves.

pub(crate) mod bound_row;
pub mod check;
pub(crate) mod credentials;
pub mod discover;
pub(crate) mod issuer_file;
pub(crate) mod manifest;
pub(crate) mod output;
