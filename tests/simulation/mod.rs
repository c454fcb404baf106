//! The shipped decision core in a world of its own: every crash point, lost answer, stale cache and
//! meddling hand, for one operator or two.
//!
//! The core is a state machine, (state, answer) -> (state, request), so that a schedule is a list of
//! events: who goes next, how a request turns out, what a person does. [`random`] draws schedules
//! from a seed; [`model`] lets a model checker go through all of them up to a bound. What must hold
//! always is judged where it is done ([`judge`]); what must hold at rest in [`rest`].

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
    missing_docs,
    reason = "several targets include this module, and each uses its own part"
)]

pub mod action;
pub mod actors;
pub mod audits;
pub mod config;
pub mod execute;
mod interference;
pub mod invariants;
pub mod invariants_at_rest;
pub mod issuer;
pub mod login_audit;
pub mod model;
pub mod mutant;
pub mod operator;
pub mod oracle;
pub mod portal;
pub mod progress;
pub mod projection;
pub mod quiesce;
pub mod random;
pub mod schedule;
pub mod secrets;
pub mod trace;
pub mod undisturbed;
pub mod world;
