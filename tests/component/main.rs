//! Tests of single components: the client of the portal, the login check at the registry, the fake portal and registry,
//! the control plane.

#![allow(clippy::expect_used, clippy::panic, reason = "a test stops at the first failure")]

#[path = "commands/mod.rs"]
mod commands;
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
#[path = "../support/fake_portal/self_test.rs"]
mod fake_portal_tests;
#[path = "../support/fault_proxy/mod.rs"]
mod fault_proxy;
#[path = "gitea_client/mod.rs"]
mod gitea_client;
#[path = "gitlab_client/mod.rs"]
mod gitlab_client;
#[path = "harbor_client/mod.rs"]
mod harbor_client;
#[path = "health_port.rs"]
mod health_port;
// jemalloc is the allocator of these targets only.
#[cfg(all(target_os = "linux", target_env = "gnu", any(target_arch = "x86_64", target_arch = "aarch64")))]
#[path = "heap_profile.rs"]
mod heap_profile;
#[path = "portal_client/mod.rs"]
mod portal_client;
#[path = "portal_contract/mod.rs"]
mod portal_contract;
#[path = "portal_egress.rs"]
mod portal_egress;
#[path = "portal_faults.rs"]
mod portal_faults;
#[path = "proxies/mod.rs"]
mod proxies;
#[path = "../support/raw_server/mod.rs"]
mod raw_server;
#[path = "registry/mod.rs"]
mod registry;
#[path = "rest_bad_input.rs"]
mod rest_bad_input;
