//! What the process keeps between passes, and what they share: caches, connected issuers, MAC keys, and what a pass
//! leaves for the next one.

pub(crate) mod account_changes;
pub(crate) mod cluster_tokens;
pub(crate) mod import_claims;
pub(crate) mod issuer_cache;
pub(crate) mod keyring;
mod lookup;
pub(crate) mod namespace_cache;
pub(crate) mod object_cache;
pub(crate) mod packed;
pub(crate) mod process_state;
mod recent_changes;
pub(crate) mod secret_cache;
pub(crate) mod shared_read;
pub(crate) mod shrink;
pub(crate) mod template_facts;
pub(crate) mod token_cache;
pub(crate) mod token_facts;
