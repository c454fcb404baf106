//! The core's data types: objects, tokens, pull secrets, conditions, problems.

pub mod capabilities;
pub mod conditions;
pub mod cooldown;
pub mod dockerconfig;
pub mod evidence;
pub mod foreign_login;
pub mod hash;
pub mod issuer;
pub mod login_result;
pub mod marker;
pub mod namespace_access;
pub mod object;
pub mod problem;
pub mod pull_secret;
pub mod request_cause;
pub mod request_history;
pub mod rotation_windows;
pub mod status_view;
pub mod token;
pub mod token_expiry;
pub mod token_mac;
pub mod token_scope;
pub mod unverified_tokens;
