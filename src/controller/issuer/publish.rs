//! Stores what is known of an issuer, and requeues the objects that it affects.

use super::cache::{ConnectedIssuer, IssuerEntry, IssuerKey};
use super::finalizers::dependents;
use crate::api::Reason;
use crate::controller::context::Context;
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

/// Forgets a deleted issuer and requeues its objects, which then report it: an issuer that is not in a synced cache
/// does not exist.
pub fn issuer_missing(ctx: &Context, key: &IssuerKey) {
    ctx.issuers.forget(key);
    requeue_dependents(ctx, key);
}

/// Stores what is known of an issuer and requeues its objects.
pub fn set_issuer(ctx: &Context, key: &IssuerKey, entry: IssuerEntry) {
    ctx.issuers.set(key.clone(), entry);
    requeue_dependents(ctx, key);
}

fn requeue_dependents(ctx: &Context, key: &IssuerKey) {
    for token in ctx.tokens_of(key) {
        let _ = ctx.requeue_token.send(ObjectRef::from_obj(&*token));
    }
}
