//! Where the portal lists no tokens to our user: each object's token is tried at the registries, in the audit's place.

use super::audit::requeue_affected;
use super::cache::{AuditResult, ConnectedIssuer, IssuerKey};
use crate::api::{Reason, RegistryToken};
use crate::controller::context::Context;
use crate::controller::executor::Executor;
use crate::controller::token::snapshot::Snapshot;
use crate::domain::audit::login_audit::{AuditEvidence, LoginAudit};
use crate::domain::model::problem::Problem;
use crate::domain::model::problem::messages::{api_server_unavailable, transient};
use crate::domain::model::status_view::status_view;
use crate::domain::protocol::{Named, Verdict};
use futures::{StreamExt, stream};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// So many are asked about at once.
const CONCURRENCY: usize = 8;
/// The issuer's pass is held up for no longer; what was heard until then counts.
const MAX_DURATION: Duration = Duration::from_mins(2);

/// Asks the registries about every token of this issuer's objects, and wakes the objects that what they say
/// concerns.
pub async fn run(
    ctx: &Context,
    key: &IssuerKey,
    issuer: &ConnectedIssuer,
    max_vanished_percent: usize,
) -> Result<(), Problem> {
    let audit = tokio::select! {
        heard = probe_tokens(ctx, key, issuer) => heard,
        () = ctx.stop.cancelled() => return Err(api_server_unavailable("the operator is asked to end")),
    };
    let (vanished, first, complete) =
        (audit.missing_tokens(max_vanished_percent), ctx.issuers.audit_result(key).is_none(), audit.is_complete());
    let audited = AuditResult {
        evidence: AuditEvidence::LoginAudit(audit),
        missing_tokens: vanished,
        failed_revocations: None,
        is_first: first,
    };
    ctx.issuers.set_audit_result(key, audited, issuer.info.response_deadline);
    requeue_affected(ctx, key, issuer);
    if complete {
        return Ok(());
    }
    let message = "the registry, or the API server for its Secrets, did not answer for each token: the others are asked about next time";
    Err(transient(Reason::RegistryUnavailable, message.to_owned()))
}

async fn probe_tokens(ctx: &Context, key: &IssuerKey, issuer: &ConnectedIssuer) -> LoginAudit {
    let former = ctx.issuers.audit_result(key);
    let former = former.as_ref().and_then(|audited| match &audited.evidence {
        AuditEvidence::LoginAudit(heard) => Some(heard),
        AuditEvidence::Inventory(_) => None,
    });
    let mut audit = LoginAudit::new(ctx.clock.now(), former);
    let mut targets: Vec<(Named, Arc<RegistryToken>)> = ctx
        .tokens_of(key)
        .into_iter()
        .filter_map(|token| {
            let world = Snapshot { object: Arc::clone(&token), secret: None, issuer: None };
            Some((audit.target(&status_view(&world.parse_object(ctx)), issuer.info.response_deadline)?, token))
        })
        .collect();
    // Where not all can be asked, it is not always the same ones.
    let start = ctx.random().map_or(0, |bytes| targets.len() * usize::from(bytes[0]) / 256);
    targets.rotate_left(start);
    let answers = targets.into_iter().map(|(token, object)| async move {
        let verdict = Executor::new(Snapshot::from_caches(object, ctx), ctx).verify_stored_login(&token).await;
        (token, verdict)
    });
    let mut answers = std::pin::pin!(stream::iter(answers).buffer_unordered(CONCURRENCY));
    let end = Instant::now() + MAX_DURATION;
    while audit.should_continue() {
        match timeout_at(end, answers.next()).await {
            Ok(Some((token, verdict))) => {
                if let Verdict::Rejected(why) = &verdict {
                    let username = token.username.as_str();
                    tracing::info!(issuer = key.name, username, detail = why, "a registry refuses a token");
                }
                audit.record(&token, &verdict);
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
