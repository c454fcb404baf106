//! The operator as it ships, on a real API server, with the portal's stand-in and a real registry
//! protocol.

#[path = "../control_plane/mod.rs"]
mod control_plane;
#[path = "../operator/mod.rs"]
mod operator;
#[path = "../pull/mod.rs"]
mod pull;
#[path = "../simulator/mod.rs"]
mod simulator;

mod admission;
mod admission_cases;
mod bad_input;
mod crash;
mod drift;
mod issuers;
mod life;
mod secret_search;
mod silence;
mod stage;
