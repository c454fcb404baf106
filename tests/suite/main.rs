//! The operator as it ships, on a real API server, with the portal's stand-in and a real registry
//! protocol.

#![allow(
    clippy::expect_used,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::too_many_lines,
    reason = "a test stops where it cannot go on, and reads as the list of what it sees"
)]

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
mod admission_issuer_cases;
mod api_proxy;
mod bad_input;
mod burst;
mod cost;
mod crash;
mod deletion;
mod deletion_while_stopped;
mod drain;
mod drift;
mod egress;
mod first_steps;
mod forged;
mod gitops;
mod hidden;
mod issuer_audits;
mod issuer_credentials;
mod issuer_ends;
mod issuer_says;
mod issuers;
mod kstatus;
mod kstatus_flows;
mod life;
mod lifetime_bad_input;
mod living;
mod login;
mod logs;
mod mac_key;
mod manifests;
mod memory;
mod moves;
mod paged_lists;
mod poisoned;
mod reads;
mod repair;
mod request_backoff;
mod rotation;
mod rotation_by_clock;
mod runbooks;
mod runbooks_restore;
mod secret_search;
mod secret_search_unparsable;
mod silence;
mod stage;
mod start_and_end;
mod suspend;
mod unfilled_caches;
mod unlisted;
mod unreadable;
mod upstream;
