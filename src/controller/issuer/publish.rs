//! Stores the result of a connection, and requeues the objects that it affects.

use super::finalizers::dependents;
use crate::api::Reason;
use crate::controller::context::Context;
use crate::controller::issuer_object::IssuerKey;
use crate::controller::state::issuer_cache::{ConnectedIssuer, IssuerEntry};
use crate::domain::model::problem::Problem;
use std::sync::Arc;

/// Stores the connection result and requeues the objects that it may affect.
pub fn publish_connection(ctx: &Context, key: &IssuerKey, found: &Result<Arc<ConnectedIssuer>, Problem>) {
    let changed = match (found, ctx.issuers.get(key)) {
        (Ok(issuer), Some(IssuerEntry::Ready(old))) => old.info != issuer.info,
        (Err(problem), Some(IssuerEntry::NotReady(old))) => {
            // The message may name another thing that the user has to fix; network errors differ each time.
            let message_matters = matches!(
                problem.reason,
                Reason::CredentialsMissing
                    | Reason::CredentialsInvalid
                    | Reason::CredentialsNotLabeled
                    | Reason::CABundleInvalid
                    | Reason::MetadataMismatch
            );
            old.reason != problem.reason || (message_matters && old.message != problem.message)
        }
        _ => true,
    };
    let entry = match found {
        Ok(issuer) => IssuerEntry::Ready(Arc::clone(issuer)),
        Err(problem) => IssuerEntry::NotReady(problem.clone()),
    };
    ctx.issuers.set(key.clone(), entry);
    if changed {
        // Read only now: the cache then contains every object that decided on the previous state.
        for user in dependents(ctx, key) {
            let _ = ctx.requeue_token.send(user.reference());
        }
    }
}
