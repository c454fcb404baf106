//! The Thinkwise client against a portal that records what really happened: the client must never report a better
//! result of a failed call than the ledger.

#![allow(clippy::expect_used, reason = "a test stops at the first failure")]

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
