//! The Thinkwise client against a portal that keeps a ledger: what the client says about a failed
//! call must never be better than what the ledger says about it.

#![allow(clippy::expect_used, reason = "a test stops where it cannot go on")]

mod calls;
mod cli;
mod content_types;
mod fault_matrix;
mod faults;
pub mod fixtures;
mod hidden_list;
mod invocation_forms;
mod list_limits;
mod login;
mod metadata;
#[path = "../../support/minimal_portal/mod.rs"]
pub mod minimal_portal;
mod portal_behavior;
mod process_flows;
mod profiles;
mod task_steps;
mod token_identity;
mod unusable_tokens;
