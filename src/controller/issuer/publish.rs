//! Stores the result of a connection, and requeues the objects that it affects.

use super::finalizers::dependents;
use crate::api::Reason;
use crate::controller::context::Context;
use crate::controller::issuer_object::IssuerKey;
use crate::controller::state::issuer_cache::{ConnectedIssuer, IssuerEntry};
use crate::domain::model::problem::Problem;
use kube::runtime::reflector::ObjectRef;
use std::sync::Arc;

/// Stores the connection result and requeues the objects that it may affect.
pub fn publish_connection(ctx: &Context, key: &IssuerKey, found: &Result<Arc<ConnectedIssuer>, Problem>) {
    let previous = ctx.issuers.get(key);
    let (entry, changed) = match (found, &previous) {
        (Ok(issuer), Some(IssuerEntry::Ready(old))) => {
            (IssuerEntry::Ready(Arc::clone(issuer)), old.info != issuer.info)
        }
        (Ok(issuer), _) => (IssuerEntry::Ready(Arc::clone(issuer)), true),
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
            (
                IssuerEntry::NotReady(problem.clone()),
                old.reason != problem.reason || (message_matters && old.message != problem.message),
            )
        }
        (Err(problem), _) => (IssuerEntry::NotReady(problem.clone()), true),
    };
    ctx.issuers.set(key.clone(), entry);
    if changed {
        // Read only now: the cache then contains every object that decided on the previous state.
        for user in dependents(ctx, key) {
            let _ = ctx.requeue_token.send(ObjectRef::from_obj(&*user));
        }
    }
}
