//! The operator as released, on a real API server, with the fake portal and a real registry protocol.

#![allow(
    clippy::expect_used,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::too_many_lines,
    reason = "a test stops at the first failure, and lists its steps in order"
)]

#[path = "../support/control_plane/mod.rs"]
mod control_plane;
#[path = "../component/harbor_client/fake.rs"]
#[allow(dead_code, reason = "the component tests use more of it")]
mod fake_harbor;
#[path = "../support/fake_portal/mod.rs"]
mod fake_portal;
#[path = "../support/operator_process/mod.rs"]
mod operator_process;
#[path = "../support/oci_client/mod.rs"]
mod pull;

mod admission;
mod admission_cases;
mod admission_gitea_cases;
mod admission_gitlab_cases;
mod admission_harbor_cases;
mod admission_issuer_cases;
mod api_connections;
mod api_proxy;
mod api_requests;
mod argocd;
mod argocd_repository;
mod argocd_repository_restart;
mod bad_input;
mod bad_input_later;
mod bulk;
#[path = "../chaos/mod.rs"]
mod chaos;
#[path = "../chaos/short.rs"]
mod chaos_short;
mod chart;
mod cluster_tokens;
mod collector;
mod crash;
mod dashboard;
mod deletion;
mod deletion_while_stopped;
mod denied_namespaces;
mod downgrade;
mod drain;
mod egress;
mod examples;
mod expiry;
#[path = "../fault_matrix/mod.rs"]
mod fault_matrix;
mod first_pod;
#[path = "../support/fixture.rs"]
mod fixture;
mod forged;
#[path = "../../tools/generate/mod.rs"]
mod generate;
mod generated_files;
mod gitops;
mod helpers;
mod hidden_list;
mod hidden_list_revocation;
mod idle;
mod import;
mod invalid_objects;
mod issuer_audits;
mod issuer_conditions;
mod issuer_credentials;
mod issuer_deletion;
mod issuers;
mod kstatus;
mod kstatus_flows;
mod leader_election;
mod leader_election_failures;
mod lifecycle;
mod login;
mod logs;
mod mac_key;
mod manifests;
mod memory;
mod metrics_per_object;
mod migration;
mod older_crd;
mod paged_lists;
#[path = "../policies/mod.rs"]
mod policies;
#[path = "../component/portal_faults.rs"]
#[allow(dead_code, reason = "the component tests use more of it")]
mod portal_faults;
mod previous_release;
mod quickstart;
mod registry_clients;
mod repair;
mod repeated_lists;
mod request_backoff;
mod request_budget;
mod rotation;
mod rotation_by_clock;
mod rotation_windows;
mod runbooks;
mod runbooks_restore;
mod secret_leaks;
mod secret_leaks_unparsable;
mod service_accounts;
mod service_accounts_restart;
mod shards;
mod shared_login;
mod startup_shutdown;
mod suspend;
mod traces;
mod two_installations;
mod unsynced_caches;
mod upstream_changes;
mod user_roles;
