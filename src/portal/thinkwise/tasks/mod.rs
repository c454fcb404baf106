//! Runs the three tasks: every form of invocation, and the parsing of their outputs.

pub(crate) mod confirm_token;
pub(crate) mod edit_revoke;
pub(crate) mod id_proof;
pub(crate) mod invoke;
pub(crate) mod outputs;
pub(crate) mod process_flow;
pub(crate) mod request_token;
pub(crate) mod session;
pub(crate) mod token_identity;
