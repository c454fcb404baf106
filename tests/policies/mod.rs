//! The admission policies on a real API server: a stolen credential of the operator and tenants are refused,
//! and the operator, with exactly the shipped permissions, is not.

mod argocd;
mod cluster;
mod flows;
mod namespaces;
mod namespaces_deleted;
mod permissions;
mod stolen;
mod tenants;
