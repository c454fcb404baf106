//! The decision core: values in, values out. It has no Kubernetes client, no HTTP, no runtime and no clock; the time is
//! passed in.

pub mod actions;
pub mod argocd_repository;
pub mod audit;
pub mod clock_skew;
pub mod cluster_token;
pub mod decide;
#[cfg(test)]
mod fuzz;
pub mod issuer_deletion;
pub mod leader_election;
pub mod model;
pub mod observed;
pub mod pass;
pub mod protocol;
pub mod retry;
pub mod service_accounts;
pub mod status;
#[cfg(test)]
pub(crate) mod test_support;
