//! Reconciles issuers: connects to the portal, audits its tokens, protects what revocation needs.

pub(crate) mod audit;
pub(crate) mod connect;
pub(crate) mod controller;
pub(crate) mod credentials;
pub(crate) mod credentials_watch;
pub(crate) mod deletion;
pub(crate) mod finalizers;
pub(crate) mod findings;
pub(crate) mod login_audit;
mod measure;
pub(crate) mod publish;
pub(crate) mod ready_condition;
pub(crate) mod reconcile;
pub(crate) mod restore_finalizers;
pub(crate) mod shared_finalizers;
pub(crate) mod status;
