//! Issuers: their credentials, their portal, and whether it answers.

use super::cluster::{ClusterError, call};
use super::context::Context;
use super::hands::SEND_WITHIN;
use super::issuer_kind::IssuerObject;
use super::issuers::{Handle, IssuerKey, RegistryLogin};
use super::world::asked;
use crate::api::{IssuerSpec, Limits, LoginCheck, OwnershipMarker, Reason, Tls};
use crate::domain::dockerconfig::registries_hash;
use crate::domain::marker::IssuerTag;
use crate::domain::observed::{IssuerFacts, LoginMode};
use crate::kube_api::Objects;
use crate::portal::limits::{Gate, Priority};
use crate::portal::thinkwise::{Credentials, Settings, ThinkwisePortal};
use crate::portal::{Failure, Portal, Resolved, Rows};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use ring::digest::SHA256;
use secrecy::{ExposeSecret, SecretString};
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
    let namespace = if key.namespace.is_empty() { &ctx.namespace } else { &key.namespace };
    let secret = credentials_secret(ctx, namespace, spec).await?;
    let credentials_go = secret.metadata.deletion_timestamp.is_some();
    let credentials = credentials(namespace, spec, secret)?;
    let thinkwise = spec
        .thinkwise
        .clone()
        .ok_or_else(|| (Reason::CredentialsMissing, "spec.thinkwise is missing: type Thinkwise needs it".to_owned()))?;
    let ca_pem = trust(ctx, namespace, thinkwise.tls.as_ref()).await?;
    let mut registries: Vec<RegistryLogin> = vec![];
    for registry in &spec.registries {
        let host = registry.stored_host();
        // Two that differ in case only are one, and the first counts.
        if registries.iter().any(|known| known.host == host) {
            continue;
        }
        let ca_pem = trust(ctx, namespace, registry.tls.as_ref()).await?;
        let egress = ctx.policy.egress(key.kind).clone();
        registries.push(RegistryLogin { host, ca_pem, egress });
    }
    let inputs = fingerprint(object, &credentials, ca_pem.as_deref());
    let gate = ctx.issuers.gate(key, &spec.limits);
    let portal = if let Some(former) = ctx.issuers.client(key, &inputs) {
        former
    } else {
        let settings = Settings {
            spec: thinkwise,
            limits: spec.limits.clone(),
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
        longest_answer: longest_answer(&spec.limits),
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

/// Name of the Secret with the portal's credentials.
pub fn credentials_name(spec: &IssuerSpec) -> Option<String> {
    let auth = &spec.thinkwise.as_ref()?.auth;
    let basic = auth.basic.as_ref().map(|basic| basic.secret_ref.name.to_string());
    basic.or_else(|| auth.oauth2_client_credentials.as_ref().map(|oauth| oauth.secret_ref.name.to_string()))
}

async fn credentials_secret(ctx: &Context, namespace: &str, spec: &IssuerSpec) -> Result<Secret, NotReady> {
    let name = credentials_name(spec).unwrap_or_default();
    let secrets: Objects<Secret> = Objects::namespaced(ctx.client.clone(), namespace);
    let found = call("read the issuer's Secret", secrets.get_opt(&name)).await.map_err(unasked)?;
    found.ok_or_else(|| {
        (
            Reason::CredentialsMissing,
            format!("the Secret {namespace}/{name} with the portal's credentials does not exist: create it"),
        )
    })
}

fn credentials(namespace: &str, spec: &IssuerSpec, secret: Secret) -> Result<Credentials, NotReady> {
    let name = credentials_name(spec).unwrap_or_default();
    let data = secret.data.unwrap_or_default();
    let value = |key: &str| {
        let bytes = data.get(key).filter(|bytes| !bytes.0.is_empty());
        let text = bytes.and_then(|bytes| String::from_utf8(bytes.0.clone()).ok());
        text.map(|text| text.trim_end_matches(['\n', '\r']).to_owned()).ok_or_else(|| {
            (
                Reason::CredentialsMissing,
                format!("the Secret {namespace}/{name} has no key {key:?}, or it is empty: add it"),
            )
        })
    };
    let auth = spec.thinkwise.as_ref().map(|thinkwise| &thinkwise.auth);
    if let Some(basic) = auth.and_then(|auth| auth.basic.as_ref()) {
        let password = SecretString::from(value(basic.secret_ref.password_key.as_str())?);
        return Ok(Credentials::Basic { username: value(basic.secret_ref.username_key.as_str())?, password });
    }
    let keys = auth.and_then(|auth| auth.oauth2_client_credentials.as_ref()).map(|oauth| &oauth.secret_ref);
    let keys = keys.ok_or_else(|| (Reason::CredentialsMissing, "spec.thinkwise.auth names no Secret".to_owned()))?;
    let client_secret = SecretString::from(value(keys.client_secret_key.as_str())?);
    Ok(Credentials::ClientCredentials { client_id: value(keys.client_id_key.as_str())?, client_secret })
}

async fn trust(ctx: &Context, namespace: &str, tls: Option<&Tls>) -> Result<Option<String>, NotReady> {
    let Some(tls) = tls.cloned() else { return Ok(None) };
    let Some(reference) = tls.ca_config_map_ref else { return Ok(tls.ca_bundle) };
    let maps: Objects<ConfigMap> = Objects::namespaced(ctx.client.clone(), namespace);
    let found = call("read the issuer's ConfigMap", maps.get_opt(reference.name.as_str())).await.map_err(unasked)?;
    let text = found.and_then(|map| map.data).and_then(|mut data| data.remove(reference.key.as_str()));
    text.map(Some).ok_or_else(|| {
        let (name, key) = (reference.name, reference.key);
        (Reason::TrustMissing, format!("the ConfigMap {namespace}/{name} with the key \"{key}\" does not exist: create it with the CA's certificates"))
    })
}

#[allow(clippy::needless_pass_by_value, reason = "the shape that map_err takes")]
fn unasked(error: ClusterError) -> NotReady {
    (Reason::ClusterUnavailable, error.to_string())
}
