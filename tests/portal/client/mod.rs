//! The Thinkwise client against a portal that keeps a ledger: what the client says about a failed
//! call must never be better than what the ledger says about it.

#![allow(clippy::expect_used, reason = "a test stops where it cannot go on")]

mod calls;
mod cli;
pub mod fake;
mod faults;
mod flows;
mod forms;
mod habits;
mod hidden;
mod identity;
mod list_limits;
mod login;
mod matrix;
mod metadata;
mod profiles;
mod staged;
mod types;
mod useless;
pub mod world;
