//! Connects an issuer: reads its credentials and checks that its portal responds.

use super::credentials::{credentials_name, load_ca, namespace_of, parse_credentials, read_credentials_secret};
use crate::api::{Limits, OwnershipMarker};
use crate::controller::annotations::requested;
use crate::controller::context::Context;
use crate::controller::issuer_object::{AnyIssuer, IssuerKey};
use crate::controller::state::issuer_cache::{ConnectedIssuer, IssuerReads, NamespaceRule, RegistryEndpoint};
use crate::domain::model::capabilities::LoginName;
use crate::domain::model::dockerconfig::registries_hash;
use crate::domain::model::issuer::IssuerInfo;
use crate::domain::model::marker::IssuerTag;
use crate::domain::model::problem::Problem;
use crate::domain::model::problem::messages::issuer_problem;
use crate::metrics::{Metrics, PortalOperation, PortalOutcome};
use crate::portal::{
    self, CallContext, CallKind, CompletedCall, Credentials, Delivery, ISSUER_READ_TTL, OnCall, OnShutdown,
    PortalSettings,
};
use ring::digest::SHA256;
use secrecy::ExposeSecret;
use std::sync::Arc;
use std::time::Duration;

/// Reads credentials and CAs, and checks that the portal matches the spec and responds. The client of a portal is kept
/// while its configuration is unchanged, with its connections, its access token and what it found in `$metadata`.
pub async fn connect(
    ctx: &Context,
    key: &IssuerKey,
    object: &dyn AnyIssuer,
    has_finalizer: bool,
) -> Result<Arc<ConnectedIssuer>, Problem> {
    let spec = object.spec();
    ctx.policy.check(key.kind, spec)?;
    let secret = read_credentials_secret(ctx, key, spec).await?;
    let credentials_deleting = secret.metadata.deletion_timestamp.is_some();
    let credentials = parse_credentials(namespace_of(ctx, key), spec, secret)?;
    let ca_pem = load_ca(ctx, key, spec.connection().and_then(|connection| connection.tls)).await?;
    let (mut registries, mut keys): (Vec<RegistryEndpoint>, Vec<String>) = (vec![], vec![]);
    for registry in &spec.registries {
        let secret_key = registry.pull_secret_key();
        // Hosts that differ only in case are the same, and the first one counts.
        if keys.contains(&secret_key) {
            continue;
        }
        keys.push(secret_key);
        let host = registry.login_address();
        let ca_pem = load_ca(ctx, key, registry.tls.as_ref()).await?;
        let egress = ctx.policy.egress(key.kind).clone();
        registries.push(RegistryEndpoint { host, ca_pem, egress });
    }
    let config_hash = config_hash(object, &credentials, ca_pem.as_deref());
    let limits = ctx.policy.limits(key.kind, &spec.limits);
    let limiter = ctx.issuers.limiter(key, &limits);
    let portal = if let Some(existing) = ctx.issuers.client(key, &config_hash) {
        existing
    } else {
        let egress = ctx.policy.egress(key.kind).clone();
        let settings = PortalSettings { spec, limits: limits.clone(), credentials, ca_pem, egress };
        let on_call = count_calls(Arc::clone(&ctx.metrics), key.metrics_label());
        let portal =
            Arc::new(portal::connect(settings, limiter, ctx.claim.clone(), on_call).map_err(connection_problem)?);
        ctx.issuers.retain_client(key, config_hash, &portal);
        portal
    };
    let context = CallContext::of_issuer(OnShutdown::KeepWaiting);
    let resolved = portal.probe(context).await.map_err(connection_problem)?;
    let info = IssuerInfo {
        tag: IssuerTag::of(&object.uid()),
        portal: portal.location().clone(),
        registries_hash: registries_hash(&keys),
        config_hash,
        max_description_chars: resolved.capabilities.description_max,
        response_deadline: response_deadline(&limits),
        deleting: object.deleting(),
        has_finalizer,
        list_visible: resolved.capabilities.list_visible(),
        can_edit: resolved.capabilities.edit,
        keep_marker: spec.ownership_marker == OwnershipMarker::Permanent || !resolved.capabilities.edit,
        login_shared: resolved.capabilities.login_name == LoginName::Shared,
        projects: resolved.capabilities.projects.clone().map(Arc::new),
        login_check: spec.login_check,
        requested_annotations: requested(object.annotations(), ["issuerRotate", "issuerReplace"]),
    };
    let (uid, generation) = (object.uid(), object.generation());
    let credentials_secret = credentials_name(spec);
    Ok(Arc::new(ConnectedIssuer {
        uid,
        generation,
        info,
        hosts: keys,
        registries,
        limits,
        resolved,
        credentials_secret,
        credentials_deleting,
        portal,
        reads: IssuerReads::new(),
        namespace_rule: NamespaceRule::of(object),
    }))
}

/// Counts the calls of this issuer's portal.
fn count_calls(metrics: Arc<Metrics>, issuer: String) -> OnCall {
    Arc::new(move |call: CompletedCall<'_>| {
        tracing::debug!(call = ?call.kind, failure = ?call.failure.map(|failure| failure.reason), "portal called");
        let operation = match call.kind {
            CallKind::Probe => PortalOperation::Metadata,
            CallKind::Request => PortalOperation::Request,
            CallKind::Edit => PortalOperation::Edit,
            CallKind::Revoke => PortalOperation::Revoke,
            CallKind::List | CallKind::Scan => PortalOperation::List,
            CallKind::Login => PortalOperation::Login,
        };
        let outcome = match call.failure.map(|failure| failure.delivery) {
            None => PortalOutcome::Ok,
            Some(Delivery::NotSent) => PortalOutcome::Unsent,
            Some(Delivery::Rejected) => PortalOutcome::Refused,
            Some(Delivery::Unknown) => PortalOutcome::Ambiguous,
        };
        let retry_after = call.failure.and_then(|failure| failure.retry_after);
        metrics.issuers.record_portal_request(&issuer, (operation, outcome), call.duration, retry_after);
    })
}

/// Hashes everything that a portal's client is built from: a new client is created when any of it changes.
fn config_hash(object: &dyn AnyIssuer, credentials: &Credentials, ca_pem: Option<&str>) -> [u8; 32] {
    let mut digest = ring::digest::Context::new(&SHA256);
    let (name, secret) = match credentials {
        Credentials::Basic { username, password } => (username, password),
        Credentials::ClientCredentials { client_id, client_secret } => (client_id, client_secret),
        Credentials::Token { token } => (&String::new(), token),
    };
    let generation = object.generation().to_string();
    for part in [object.uid().as_str(), &generation, name, secret.expose_secret(), ca_pem.unwrap_or_default()] {
        digest.update(&(part.len() as u64).to_be_bytes());
        digest.update(part.as_bytes());
    }
    digest.finish().as_ref().try_into().unwrap_or_default()
}

/// The time from reading the issuer until no response can arrive any more.
pub fn response_deadline(limits: &Limits) -> Duration {
    ISSUER_READ_TTL + limits.request_timeout.0
}

/// For an issuer, the reason determines whether manual action is required.
fn connection_problem(error: impl Into<Problem>) -> Problem {
    let Problem { reason, message, .. } = error.into();
    issuer_problem(reason, message)
}
