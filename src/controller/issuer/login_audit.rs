//! Verifies the login of each object's token at the registries, in place of an audit, if the portal does not list
//! tokens to the portal user.

use super::audit::requeue_affected;
use crate::api::{Reason, RegistryToken};
use crate::controller::context::Context;
use crate::controller::executor::Executor;
use crate::controller::issuer_object::IssuerKey;
use crate::controller::snapshot::Snapshot;
use crate::controller::state::issuer_cache::{AuditResult, ConnectedIssuer};
use crate::domain::audit::login_audit::{AuditEvidence, LoginAudit};
use crate::domain::model::login_result::LoginResult;
use crate::domain::model::problem::Problem;
use crate::domain::model::problem::messages::{api_server_unavailable, transient};
use crate::domain::model::status_view::StatusView;
use crate::domain::model::token::TokenRef;
use futures::{StreamExt, stream};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Maximum number of concurrent checks.
const CONCURRENCY: usize = 8;
/// Longest time that the audit delays the issuer's pass; the results until then count.
const MAX_DURATION: Duration = Duration::from_mins(2);

/// Verifies the login of every token of this issuer's objects, and requeues the affected objects.
pub async fn run(
    ctx: &Context,
    key: &IssuerKey,
    issuer: &ConnectedIssuer,
    max_vanished_percent: usize,
) -> Result<(), Problem> {
    let audit = tokio::select! {
        audit = probe_tokens(ctx, key, issuer) => audit,
        () = ctx.stop.cancelled() => return Err(api_server_unavailable("the operator is shutting down")),
    };
    let (missing_tokens, is_first, complete) =
        (audit.missing_tokens(max_vanished_percent), ctx.issuers.audit_result(key).is_none(), audit.is_complete());
    let audited =
        AuditResult { evidence: AuditEvidence::LoginAudit(audit), missing_tokens, failed_revocations: None, is_first };
    ctx.issuers.set_audit_result(key, audited, issuer.info.response_deadline);
    requeue_affected(ctx, key, issuer);
    if complete {
        return Ok(());
    }
    let message = "the registry, or the API server for the Secrets, did not respond for every token; the remaining ones are checked by the next audit";
    Err(transient(Reason::RegistryUnavailable, message.to_owned()))
}

async fn probe_tokens(ctx: &Context, key: &IssuerKey, issuer: &ConnectedIssuer) -> LoginAudit {
    let previous = ctx.issuers.audit_result(key);
    let previous = previous.as_ref().and_then(|audited| match &audited.evidence {
        AuditEvidence::LoginAudit(audit) => Some(audit),
        AuditEvidence::Inventory(_) => None,
    });
    let mut audit = LoginAudit::new(ctx.clock.now(), previous);
    let mut targets: Vec<(TokenRef, Arc<RegistryToken>)> = ctx
        .tokens_of(key)
        .iter()
        .filter_map(|cached| {
            let token = Arc::new(cached.unpack()?);
            let snapshot = Snapshot { object: Arc::clone(&token), secret: None, issuer: None };
            Some((audit.target(&StatusView::of(&snapshot.parse_object(ctx)), issuer.info.response_deadline)?, token))
        })
        .collect();
    // If not all tokens can be checked, it should not always be the same ones.
    let start = ctx.random().map_or(0, |bytes| targets.len() * usize::from(bytes[0]) / 256);
    targets.rotate_left(start);
    let results = targets.into_iter().map(|(token, object)| async move {
        let login_result = Executor::new(Snapshot::from_caches(object, ctx), ctx).verify_stored_login(&token).await;
        (token, login_result)
    });
    let mut results = std::pin::pin!(stream::iter(results).buffer_unordered(CONCURRENCY));
    let end = Instant::now() + MAX_DURATION;
    while audit.should_continue() {
        match timeout_at(end, results.next()).await {
            Ok(Some((token, login_result))) => {
                if let LoginResult::Rejected(why) = &login_result {
                    let username = token.username.as_str();
                    tracing::info!(
                        issuer = key.name,
                        username,
                        detail = why,
                        "a registry rejects the login of a token"
                    );
                }
                audit.record(&token, &login_result);
            }
            Ok(None) => {
                audit.mark_complete();
                break;
            }
            Err(_) => break,
        }
    }
    audit
}
