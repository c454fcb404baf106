//! Each step of the protocol meets each mishap, on a real API server: no token leaks, and the
//! object comes to be ready, or says why not for as long as that lasts.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test stops where it cannot go on, and prints its table"
)]

#[path = "../control_plane/mod.rs"]
mod control_plane;
#[path = "../operator/mod.rs"]
mod operator;
#[path = "../pull/mod.rs"]
mod pull;
#[path = "../simulator/mod.rs"]
mod simulator;
#[path = "../suite/stage.rs"]
#[allow(dead_code, reason = "the suite uses the rest of it")]
mod stage;

mod cell;
mod clocks;
mod forbidden;
mod matrix;
mod order;
mod proxy;
mod refusals;
mod steps;
mod table;
