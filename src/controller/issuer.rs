//! Issuers: their credentials, their portal, and whether it answers.

use super::context::Context;
use super::hands::SEND_WITHIN;
use super::issuer_credentials::{ca, credentials, credentials_name, credentials_secret, namespace_of};
use super::issuer_kind::IssuerObject;
use super::issuers::{Handle, IssuerKey, RegistryLogin};
use super::world::asked;
use crate::api::{Limits, LoginCheck, OwnershipMarker, Reason};
use crate::domain::dockerconfig::registries_hash;
use crate::domain::marker::IssuerTag;
use crate::domain::observed::{IssuerFacts, LoginMode};
use crate::portal::limits::{Gate, Priority};
use crate::portal::thinkwise::{Credentials, Settings, ThinkwisePortal};
use crate::portal::{Failure, Portal, Resolved, Rows};
use ring::digest::SHA256;
use secrecy::ExposeSecret;
use std::sync::Arc;
use std::time::Duration;

/// Why an issuer cannot be worked with.
pub type NotReady = (Reason, String);

/// Reads credentials and CAs, and finds out whether the portal fits and answers. A portal whose
/// inputs are the same is kept: its connections, its bearer and what it found in `$metadata`.
pub async fn prepare(
    ctx: &Context,
    key: &IssuerKey,
    object: &dyn IssuerObject,
    held: bool,
) -> Result<Arc<Handle>, NotReady> {
    let spec = object.spec();
    ctx.policy.check(key.kind, spec)?;
    let secret = credentials_secret(ctx, key, spec).await?;
    let credentials_go = secret.metadata.deletion_timestamp.is_some();
    let credentials = credentials(namespace_of(ctx, key), spec, secret)?;
    let thinkwise = spec
        .thinkwise
        .clone()
        .ok_or_else(|| (Reason::CredentialsMissing, "spec.thinkwise is missing: type Thinkwise needs it".to_owned()))?;
    let ca_pem = ca(ctx, key, thinkwise.tls.as_ref()).await?;
    let mut registries: Vec<RegistryLogin> = vec![];
    for registry in &spec.registries {
        let host = registry.stored_host();
        // Two that differ in case only are one, and the first counts.
        if registries.iter().any(|known| known.host == host) {
            continue;
        }
        let ca_pem = ca(ctx, key, registry.tls.as_ref()).await?;
        let egress = ctx.policy.egress(key.kind).clone();
        registries.push(RegistryLogin { host, ca_pem, egress });
    }
    let inputs = fingerprint(object, &credentials, ca_pem.as_deref());
    let limits = ctx.policy.limits(key.kind, &spec.limits);
    let gate = ctx.issuers.gate(key, &limits);
    let portal = if let Some(former) = ctx.issuers.client(key, &inputs) {
        former
    } else {
        let settings = Settings {
            spec: thinkwise,
            limits: limits.clone(),
            credentials,
            ca_pem,
            keep: spec.audit.interval.0,
            egress: ctx.policy.egress(key.kind).clone(),
        };
        let portal: Arc<dyn Portal> = Arc::new(ThinkwisePortal::new(settings).map_err(|failure| said(&failure))?);
        ctx.issuers.keep_client(key, inputs, &portal);
        portal
    };
    let resolved = look(&*portal, &gate).await?;
    let hosts: Vec<String> = registries.iter().map(|registry| registry.host.clone()).collect();
    let facts = IssuerFacts {
        tag: IssuerTag::of(&object.uid()),
        portal: portal.location().clone(),
        registries: registries_hash(&hosts),
        inputs,
        description_max: resolved.description_max,
        longest_answer: longest_answer(&limits),
        deleting: object.deleting(),
        held,
        list_visible: resolved.list_hidden.is_none(),
        permanent: spec.ownership_marker == OwnershipMarker::Permanent,
        login: login_mode(spec.login_check),
        asked: asked(object.annotations(), ["issuerRotate", "issuerReplace"]),
    };
    let (uid, generation) = (object.uid(), object.generation());
    let credentials = credentials_name(spec);
    Ok(Arc::new(Handle {
        uid,
        generation,
        facts,
        hosts,
        registries,
        limits,
        resolved,
        credentials,
        credentials_go,
        portal,
        gate,
    }))
}

/// Does the portal answer? What it is like is kept by it; that it lists is asked each time.
async fn look(portal: &dyn Portal, gate: &Gate) -> Result<Resolved, NotReady> {
    let _permit = gate.call(Priority::Later, "").await;
    let failed = |failure: Failure| {
        gate.heed(&failure);
        said(&failure)
    };
    let resolved = portal.resolve().await.map_err(failed)?;
    if resolved.list_hidden.is_none() {
        portal.list(Rows::Probe).await.map_err(failed)?;
    }
    Ok(resolved)
}

const fn login_mode(check: LoginCheck) -> LoginMode {
    match check {
        LoginCheck::Required => LoginMode::Required,
        LoginCheck::BestEffort => LoginMode::BestEffort,
        LoginCheck::Disabled => LoginMode::Disabled,
    }
}

/// Everything that a portal's client is made of, as a hash: it is made anew when one of it changes.
fn fingerprint(object: &dyn IssuerObject, credentials: &Credentials, ca_pem: Option<&str>) -> [u8; 32] {
    let mut digest = ring::digest::Context::new(&SHA256);
    let (name, secret) = match credentials {
        Credentials::Basic { username, password } => (username, password),
        Credentials::ClientCredentials { client_id, client_secret } => (client_id, client_secret),
    };
    let generation = object.generation().to_string();
    for part in [object.uid().as_str(), &generation, name, secret.expose_secret(), ca_pem.unwrap_or_default()] {
        digest.update(&(part.len() as u64).to_be_bytes());
        digest.update(part.as_bytes());
    }
    digest.finish().as_ref().try_into().unwrap_or_default()
}

/// From reading the issuer to the last moment at which an answer may come.
pub fn longest_answer(limits: &Limits) -> Duration {
    SEND_WITHIN + limits.request_timeout.0
}

fn said(failure: &Failure) -> NotReady {
    (failure.reason, failure.message.clone())
}
