//! Runs the shipped decision core in a simulated world, with one or two operators, crashes at every point, lost
//! responses, stale caches and interference by users.
//!
//! The core is a state machine, (state, response) -> (state, request). A schedule is therefore a list of events: which
//! operator takes a step, the outcome of its request, and what users do. [`random`] generates schedules from a seed.
//! [`model`] visits all schedules up to a bound with a model checker. [`invariants`] checks what must always hold, at
//! each operation. [`invariants_at_rest`] checks what must hold at rest.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::expect_used,
    clippy::match_same_arms,
    clippy::struct_excessive_bools,
    clippy::missing_errors_doc,
    clippy::must_use_candidate,
    clippy::print_stdout,
    clippy::too_many_lines,
    reason = "several targets include this module, and each uses its own part"
)]

pub mod action;
pub mod actors;
pub mod audits;
pub mod config;
pub mod execute;
pub mod fakes;
mod interference;
pub mod invariants;
pub mod invariants_at_rest;
pub mod issuer;
pub mod login_audit;
pub mod model;
pub mod mutant;
pub mod object_state;
pub mod operator;
pub mod operator_audit;
pub mod oracle;
pub mod outcome;
pub mod portal;
pub mod portal_traits;
pub mod progress;
pub mod projection;
pub mod quiesce;
pub mod random;
pub mod schedule;
pub mod secrets;
pub mod trace;
pub mod undisturbed;
pub mod world;
