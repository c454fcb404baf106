//! Audits one issuer's portal and stores the result.

use crate::api::{OWNER_LABEL, Reason, RegistryToken, RegistryTokenStatus};
use crate::controller::api_call::{ApiError, call, to_api_error};
use crate::controller::context::Context;
use crate::controller::issuer_object::IssuerKey;
use crate::controller::live_list::{list_pages, list_tokens};
use crate::controller::snapshot::{Snapshot, raw_meta};
use crate::controller::state::issuer_cache::{AuditResult, ConnectedIssuer};
use crate::controller::{decode, live_list};
use crate::domain::audit::inventory::Inventory;
use crate::domain::audit::login_audit::AuditEvidence;
use crate::domain::audit::missing_tokens::MissingTokens;
use crate::domain::audit::{
    AuditReport, AuditRequest, AuditResponse, AuditStep, AuditedSecret, AuditedToken, Claims, PortalAudit,
};
use crate::domain::model::hash::hash64;
use crate::domain::model::problem::Problem;
use crate::domain::model::problem::messages::api_server_unavailable;
use crate::domain::model::status_view::StatusView;
use crate::domain::model::token::{RowQuery, TokenRef};
use crate::domain::model::token_mac::MacKeys;
use crate::domain::observed::UpstreamState;
use crate::kube_client::objects::{ObjectClient, in_namespace};
use crate::portal::{CallContext, OnShutdown};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use kube::api::ListParams;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// Whether the caches may clear a token of suspicion. In an issuer's final audit they may not: a token that a stale
/// cache wrongly accounts for would never be found by a later audit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefilter {
    Caches,
    /// Every token with a marker is checked with live reads.
    None,
}

/// Audits the portal and requeues the affected objects.
pub async fn run(
    ctx: &Context,
    key: &IssuerKey,
    issuer: &ConnectedIssuer,
    max_vanished_percent: usize,
    prefilter: Prefilter,
) -> Result<(), Problem> {
    let found = drive(ctx, key, issuer, prefilter).await?;
    let lag = issuer.info.response_deadline;
    let missing_tokens = MissingTokens::count(&found.inventory, cached_tokens(ctx, key), lag, max_vanished_percent);
    let orphans = found.revoked + found.failed.as_ref().map_or(0, |failed| failed.count);
    ctx.metrics.issuers.record_orphans(&key.metrics_label(), orphans, found.revoked);
    if found.revoked > 0 {
        tracing::info!(issuer = key.name, revoked = found.revoked, "orphaned tokens revoked");
    }
    let is_first = ctx.issuers.audit_result(key).is_none();
    if let Some(left) = &found.failed {
        tracing::warn!(
            issuer = key.name,
            left = left.count,
            reason = %left.fault.reason,
            detail = left.fault.message,
            "orphaned tokens not revoked"
        );
    }
    let audited = AuditResult {
        evidence: AuditEvidence::Inventory(found.inventory),
        missing_tokens,
        failed_revocations: found.failed,
        is_first,
    };
    ctx.issuers.set_audit_result(key, audited, lag);
    requeue_affected(ctx, key, issuer);
    Ok(())
}

async fn drive(
    ctx: &Context,
    key: &IssuerKey,
    issuer: &ConnectedIssuer,
    prefilter: Prefilter,
) -> Result<AuditReport, Problem> {
    let (mut audit, mut next) = PortalAudit::begin();
    loop {
        match next {
            AuditStep::Done(found) => return found,
            AuditStep::Perform(request) => {
                tracing::debug!(issuer = key.name, ?request, "audit");
                let answer = execute(ctx, key, issuer, request, prefilter).await.unwrap_or_else(AuditResponse::Failed);
                (audit, next) = audit.step(answer);
            }
        }
    }
}

async fn execute(
    ctx: &Context,
    key: &IssuerKey,
    issuer: &ConnectedIssuer,
    request: AuditRequest,
    prefilter: Prefilter,
) -> Result<AuditResponse, Problem> {
    // An audit may take a long time, so a shutdown ends it.
    let context = CallContext::of_issuer(OnShutdown::GiveUp(&ctx.stop));
    Ok(match request {
        AuditRequest::ReadPortalList => {
            let begin = || Inventory::new(ctx.clock.now(), issuer.info.portal.user.clone(), issuer.info.tag.clone());
            let inventory = issuer.portal.scan(context, begin, Inventory::add).await?;
            // The claims take more memory than the list, and without a marked token nothing asks for them.
            let uses_caches = prefilter == Prefilter::Caches && inventory.has_marked();
            let known = if uses_caches { claims_from_caches(ctx, key) } else { Claims::default() };
            AuditResponse::PortalList(inventory, known)
        }
        // If the kind was missing from the start, the objects that return with its CRD are unknown.
        AuditRequest::ListObjects if prefilter == Prefilter::Caches && !ctx.dependents_are_listed(key) => {
            return Err(api_server_unavailable("the RegistryTokens have not been listed yet: install their CRD"));
        }
        AuditRequest::ListObjects => AuditResponse::Objects(
            list_tokens(ctx, key, |one| Some(audited_live_token(one, &ctx.keyring.keys()))).await?,
        ),
        AuditRequest::ListSecrets(names) => AuditResponse::Secrets(read_audited_secrets(ctx, key, &names).await?),
        AuditRequest::ReadRow(token) => {
            let found = issuer.portal.list(context, &RowQuery::WithId(token.id.clone())).await?;
            AuditResponse::Row(found.into_iter().find(|row| row.token == token))
        }
        AuditRequest::Revoke(token) => {
            issuer.portal.revoke(context, &token).await?;
            AuditResponse::Done
        }
    })
}

/// Claims from the caches: sufficient to see that no token is suspect.
fn claims_from_caches(ctx: &Context, key: &IssuerKey) -> Claims {
    let owners: Vec<AuditedToken> = cached_tokens(ctx, key).collect();
    let keys = ctx.keyring.keys();
    let secrets: Vec<AuditedSecret> = ctx
        .secrets
        .state()
        .iter()
        .filter_map(|secret| secret.meta())
        .map(|meta| audited_secret(&meta, &keys))
        .collect();
    Claims::collect(&secrets, &owners)
}

/// The issuer's objects. Each is unpacked when it is asked for, because together they take several MiB.
fn cached_tokens(ctx: &Context, key: &IssuerKey) -> impl Iterator<Item = AuditedToken> {
    let keys = ctx.keyring.keys();
    ctx.tokens_of(key).into_iter().filter_map(|token| token.unpack()).map(move |token| audited_token(&token, &keys))
}

fn audited_token(token: &RegistryToken, keys: &MacKeys) -> AuditedToken {
    to_audited_token(&token.metadata, &token.secret_name(), token.status.as_ref(), keys)
}

fn audited_live_token(one: live_list::PartialToken, keys: &MacKeys) -> AuditedToken {
    let secret = one.secret_name.or_else(|| one.metadata.name.clone()).unwrap_or_default();
    to_audited_token(&one.metadata, &secret, one.status.as_ref(), keys)
}

fn to_audited_token(
    meta: &ObjectMeta,
    secret: &str,
    status: Option<&RegistryTokenStatus>,
    keys: &MacKeys,
) -> AuditedToken {
    let namespace = meta.namespace.as_deref().unwrap_or_default();
    AuditedToken::parse((namespace, secret), meta.uid.as_deref().unwrap_or_default(), status, keys)
}

fn audited_secret(meta: &ObjectMeta, keys: &MacKeys) -> AuditedSecret {
    let name = (meta.namespace.as_deref().unwrap_or_default(), meta.name.as_deref().unwrap_or_default());
    let owners = meta.owner_references.iter().flatten().map(|owner| owner.uid.as_str());
    let empty = BTreeMap::new();
    // A Secret without a creation time is not older than the keys.
    let created = meta.creation_timestamp.as_ref().map_or(jiff::Timestamp::MAX, |time| time.0);
    AuditedSecret::parse(name, owners, raw_meta(meta, &empty), (keys, created))
}

/// Secrets with the owner label, and the named ones that may have lost it.
async fn read_audited_secrets(
    ctx: &Context,
    key: &IssuerKey,
    names: &[(String, String)],
) -> Result<Vec<AuditedSecret>, ApiError> {
    let what = "list the pull secrets";
    let request = in_namespace::<Secret>(&key.namespace).map_err(|error| to_api_error(what, &error))?;
    let mut found = vec![];
    // Secrets with invalid metadata are reported by the watch.
    let keys = ctx.keyring.keys();
    let each =
        |secret: &[u8]| found.extend(decode::metadata::<Secret>(secret).ok().map(|meta| audited_secret(&meta, &keys)));
    let page = |params: &ListParams| request.list_metadata(params);
    list_pages(&ctx.client, what, ListParams::default().labels(OWNER_LABEL), page, each).await?;
    let labelled: HashSet<(String, String)> =
        found.iter().map(|secret| (secret.namespace.clone(), secret.name.clone())).collect();
    for (namespace, name) in names.iter().filter(|name| !labelled.contains(*name)) {
        let secrets: ObjectClient<Secret> = ObjectClient::namespaced(ctx.client.clone(), namespace);
        let secret = call("read a pull secret", secrets.get_metadata_opt(name)).await?;
        found.extend(secret.map(|secret| audited_secret(&secret.metadata, &keys)));
    }
    Ok(found)
}

/// Requeues each object whose token is missing, was found again, or has another description than the spec.
pub fn requeue_affected(ctx: &Context, key: &IssuerKey, issuer: &ConnectedIssuer) {
    let Some(audited) = ctx.issuers.audit_result(key) else { return };
    let unconfirmed_reasons = [Reason::TokenNotFound, Reason::RevokedUpstream].map(|reason| reason.to_string());
    for cached in ctx.tokens_of(key) {
        let Some(token) = cached.unpack().map(Arc::new) else { continue };
        ctx.process_state.settle(&token.uid().unwrap_or_default(), audited.evidence.started_at(), ctx.clock.now());
        let status = token.status.as_ref().filter(|status| status.uid == token.uid());
        let snapshot = Snapshot { object: Arc::clone(&token), secret: None, issuer: None };
        let Some(current) = StatusView::of(&snapshot.parse_object(ctx)).token else { continue };
        let named = TokenRef::from(&current);
        let wanted = hash64(&issuer.info.published_description(&token.spec.description, &current.nonce));
        let unconfirmed =
            status.is_some_and(|status| status.conditions.iter().any(|one| unconfirmed_reasons.contains(&one.reason)));
        let as_expected = match audited
            .evidence
            .upstream_state(&named, audited.missing_tokens.is_plausible_in(&token.namespace().unwrap_or_default()))
        {
            UpstreamState::Present(shown) => shown == wanted,
            UpstreamState::LoginAccepted => true,
            UpstreamState::Absent(_) | UpstreamState::Unknown => false,
        };
        if unconfirmed || !as_expected {
            let _ = ctx.requeue_token.send(cached.reference());
        }
    }
}
