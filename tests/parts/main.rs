//! The parts that the suite stands on, each by itself: the client of the portal, the login
//! check at the registry, the stand-in of both, the control plane.

#![allow(clippy::expect_used, clippy::panic, reason = "a test stops where it cannot go on")]

#[path = "../portal/client/mod.rs"]
mod client;
#[path = "../portal/connections.rs"]
mod connections;
#[path = "../control_plane/mod.rs"]
mod control_plane;
#[path = "../control_plane/self_test.rs"]
mod control_plane_tests;
#[path = "../portal/egress.rs"]
mod egress;
#[path = "../portal/proxies.rs"]
mod proxies;
#[path = "../raw/mod.rs"]
mod raw;
#[path = "../registry/mod.rs"]
mod registry;
#[path = "../portal/sending.rs"]
mod sending;
#[path = "../simulator/mod.rs"]
mod simulator;
#[path = "../simulator/self_test.rs"]
mod simulator_tests;
