//! What a reconcile of an issuer found, for its status.

use crate::controller::state::issuer_cache::ConnectedIssuer;
use crate::controller::state::token_cache::CachedToken;
use crate::domain::model::problem::Problem;
use std::sync::Arc;

/// The results of a pass.
pub struct Findings<'a> {
    /// The connection to the portal, or the problem to report.
    pub connection: &'a Result<Arc<ConnectedIssuer>, Problem>,
    /// Why the audit failed.
    pub audit: Option<&'a Problem>,
    pub dependents: &'a [Arc<CachedToken>],
    /// What the issuer no longer needs, but cannot release yet.
    pub still_protected: &'a ProtectedNames,
}

/// Names of objects that have our finalizer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProtectedNames {
    pub secrets: Vec<String>,
    pub config_maps: Vec<String>,
}
