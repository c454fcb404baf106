//! The command line: arguments, and one module for each command.

pub mod args;
pub mod credentials;
pub mod drain;
pub mod issuer;
pub mod issuer_policy_args;
pub mod report;
pub mod run;
