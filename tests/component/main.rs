//! The parts that the suite stands on, each by itself: the client of the portal, the login
//! check at the registry, the stand-in of both, the control plane.

#![allow(clippy::expect_used, clippy::panic, reason = "a test stops where it cannot go on")]

#[path = "connections.rs"]
mod connections;
#[path = "../support/control_plane/mod.rs"]
mod control_plane;
#[path = "../support/control_plane/self_test.rs"]
mod control_plane_tests;
#[path = "delivery.rs"]
mod delivery;
#[path = "../support/fake_portal/mod.rs"]
mod fake_portal;
#[path = "portal_client/mod.rs"]
mod portal_client;
#[path = "portal_egress.rs"]
mod portal_egress;
#[path = "proxies.rs"]
mod proxies;
#[path = "../support/raw_server/mod.rs"]
mod raw_server;
#[path = "registry/mod.rs"]
mod registry;
#[path = "../support/fake_portal/self_test.rs"]
mod simulator_tests;
