//! Reads tokens and keys from the portal's tables.

pub(crate) mod keys;
pub(crate) mod list;
pub(crate) mod list_budget;
pub(crate) mod username_id;
