//! Issuers: their credentials, their portal, and whether it answers.

use super::cluster::{ClusterError, call};
use super::context::Context;
use super::issuer_kind::IssuerObject;
use super::issuers::{Handle, IssuerKey};
use crate::api::{
    AllowedNamespaces, ClusterTokenIssuer, FINALIZER, IssuerKind, IssuerSpec, Limits, NamespacesFrom, Reason,
    TokenIssuer,
};
use crate::domain::attempt::Fault;
use crate::domain::decide::waiting;
use crate::domain::dockerconfig::registries_hash;
use crate::domain::marker::IssuerTag;
use crate::domain::observed::IssuerFacts;
use crate::portal::limits::{Gate, Priority};
use crate::portal::thinkwise::{Credentials, Settings, ThinkwisePortal};
use crate::portal::{Failure, Portal, Rows};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::core::SelectorExt;
use kube::{Api, ResourceExt};
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A request may be sent so much later than the issuer was read.
const SEND_MARGIN: Duration = Duration::from_secs(2);

/// Why an issuer cannot be worked with.
pub type NotReady = (Reason, String);

/// Reads credentials and CA, builds the portal and asks it for one row.
pub async fn prepare(
    ctx: &Context,
    key: &IssuerKey,
    object: &dyn IssuerObject,
    held: bool,
) -> Result<Arc<Handle>, NotReady> {
    let spec = object.spec();
    let thinkwise = spec
        .thinkwise
        .clone()
        .ok_or_else(|| (Reason::CredentialsMissing, "spec.thinkwise is missing: type Thinkwise needs it".to_owned()))?;
    let namespace = if key.namespace.is_empty() { &ctx.namespace } else { &key.namespace };
    let credentials = credentials(ctx, namespace, spec).await?;
    let ca_pem = trust(ctx, namespace, spec).await?;
    let description_max = thinkwise.table.description_max_length.and_then(|most| usize::try_from(most).ok());
    let settings = Settings { spec: thinkwise, limits: spec.limits.clone(), credentials, ca_pem };
    let portal = ThinkwisePortal::new(settings).map_err(|failure| said(&failure))?;
    let hosts: Vec<String> = spec.registries.iter().map(|registry| registry.host.clone()).collect();
    let handle = Handle {
        uid: object.uid(),
        generation: object.generation(),
        tag: IssuerTag::of(&object.uid()),
        facts: IssuerFacts {
            portal: portal.location().clone(),
            registries: registries_hash(&hosts),
            description_max,
            longest_answer: longest_answer(&spec.limits),
            deleting: object.deleting(),
        },
        hosts,
        credentials: credentials_name(spec),
        held,
        portal: Arc::new(portal),
        gate: gate(ctx, key, &spec.limits),
    };
    let permit = handle.gate.call(Priority::Later, "").await;
    handle.portal.list(Rows::Probe).await.map_err(|failure| said(&failure))?;
    drop(permit);
    Ok(Arc::new(handle))
}

/// The time-out of a request, and as much for the way to it.
fn longest_answer(limits: &Limits) -> Duration {
    limits.request_timeout.0 + SEND_MARGIN
}

fn said(failure: &Failure) -> NotReady {
    (failure.reason, failure.message.clone())
}

/// The limiter outlives a change of the spec or the credentials: what is under way still counts.
fn gate(ctx: &Context, key: &IssuerKey, limits: &Limits) -> Arc<Gate> {
    let former = ctx.issuers.handle(key).map(|handle| Arc::clone(&handle.gate));
    former.inspect(|gate| gate.adjust(limits)).unwrap_or_else(|| Arc::new(Gate::new(limits)))
}

/// Name of the Secret with the portal's credentials.
pub fn credentials_name(spec: &IssuerSpec) -> Option<String> {
    let auth = &spec.thinkwise.as_ref()?.auth;
    let basic = auth.basic.as_ref().map(|basic| basic.secret_ref.name.clone());
    basic.or_else(|| auth.oauth2_client_credentials.as_ref().map(|oauth| oauth.secret_ref.name.clone()))
}

async fn credentials(ctx: &Context, namespace: &str, spec: &IssuerSpec) -> Result<Credentials, NotReady> {
    let name = credentials_name(spec).unwrap_or_default();
    let secrets: Api<Secret> = Api::namespaced(ctx.client.clone(), namespace);
    let found = call("read the issuer's Secret", secrets.get_opt(&name)).await.map_err(unasked)?;
    let data = found.ok_or_else(|| {
        (
            Reason::CredentialsMissing,
            format!("the Secret {namespace}/{name} with the portal's credentials does not exist: create it"),
        )
    })?;
    let data = data.data.unwrap_or_default();
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
        let password = SecretString::from(value(&basic.secret_ref.password_key)?);
        return Ok(Credentials::Basic { username: value(&basic.secret_ref.username_key)?, password });
    }
    let keys = auth.and_then(|auth| auth.oauth2_client_credentials.as_ref()).map(|oauth| &oauth.secret_ref);
    let keys = keys.ok_or_else(|| (Reason::CredentialsMissing, "spec.thinkwise.auth names no Secret".to_owned()))?;
    let client_secret = SecretString::from(value(&keys.client_secret_key)?);
    Ok(Credentials::ClientCredentials { client_id: value(&keys.client_id_key)?, client_secret })
}

async fn trust(ctx: &Context, namespace: &str, spec: &IssuerSpec) -> Result<Option<String>, NotReady> {
    let Some(tls) = spec.thinkwise.as_ref().and_then(|thinkwise| thinkwise.tls.clone()) else { return Ok(None) };
    let Some(reference) = tls.ca_config_map_ref else { return Ok(tls.ca_bundle) };
    let maps: Api<ConfigMap> = Api::namespaced(ctx.client.clone(), namespace);
    let found = call("read the issuer's ConfigMap", maps.get_opt(&reference.name)).await.map_err(unasked)?;
    let text = found.and_then(|map| map.data).and_then(|mut data| data.remove(&reference.key));
    text.map(Some).ok_or_else(|| {
        let (name, key) = (reference.name, reference.key);
        (Reason::TrustMissing, format!("the ConfigMap {namespace}/{name} with the key {key:?} does not exist: create it with the CA's certificates"))
    })
}

#[allow(clippy::needless_pass_by_value, reason = "the shape that map_err takes")]
fn unasked(error: ClusterError) -> NotReady {
    (Reason::ClusterUnavailable, error.to_string())
}

/// Why an attempt may not go on.
pub enum Withdrawn {
    /// The issuer is another than the one that the attempt was begun with.
    Changed,
    /// With the fact to show.
    Because(Fault),
}

/// Reads the issuer past every cache: still there, not going, still serving this namespace, and
/// held by our finalizer, so that it outlives the token.
pub async fn check_usable(ctx: &Context, key: &IssuerKey, namespace: &str, handle: &Handle) -> Result<(), Withdrawn> {
    let read = match key.kind {
        IssuerKind::ClusterTokenIssuer => {
            let issuers: Api<ClusterTokenIssuer> = Api::all(ctx.client.clone());
            call("read the issuer", issuers.get_opt(&key.name)).await.map(|found| found.map(boxed))
        }
        IssuerKind::TokenIssuer => {
            let issuers: Api<TokenIssuer> = Api::namespaced(ctx.client.clone(), &key.namespace);
            call("read the issuer", issuers.get_opt(&key.name)).await.map(|found| found.map(boxed))
        }
    };
    let because = |reason, message: &str| Err(Withdrawn::Because(waiting(reason, message.to_owned())));
    let object = match read {
        Ok(Some(object)) => object,
        Ok(None) => return because(Reason::IssuerNotFound, "the issuer does not exist any more: create it again"),
        Err(error) => return because(Reason::ClusterUnavailable, &error.to_string()),
    };
    if object.deleting() {
        return because(Reason::IssuerDeleting, "the issuer is being deleted: create it again, or delete this object");
    }
    if !object.finalizers().iter().any(|finalizer| finalizer == FINALIZER) {
        let _ = ctx.wake_issuer.send(key.clone());
        return because(Reason::IssuerNotReady, "the issuer is being prepared for its first token");
    }
    if object.uid() != handle.uid || object.generation() != handle.generation {
        return Err(Withdrawn::Changed);
    }
    allowed(ctx, object.allowed_namespaces(), namespace).await
}

fn boxed<I: IssuerObject + 'static>(object: I) -> Box<dyn IssuerObject> {
    Box::new(object)
}

async fn allowed(ctx: &Context, rule: Option<&AllowedNamespaces>, namespace: &str) -> Result<(), Withdrawn> {
    let Some(rule) = rule.filter(|rule| rule.from == NamespacesFrom::Selector) else { return Ok(()) };
    let namespaces: Api<Namespace> = Api::all(ctx.client.clone());
    let found = call("read the namespace", namespaces.get(namespace)).await;
    let labels: BTreeMap<String, String> = match found {
        Ok(found) => found.labels().clone(),
        Err(error) => return Err(Withdrawn::Because(waiting(Reason::ClusterUnavailable, error.to_string()))),
    };
    let selector = rule.selector.clone().unwrap_or_default();
    match kube::core::Selector::try_from(selector) {
        Ok(selector) if selector.matches(&labels) => Ok(()),
        _ => Err(Withdrawn::Because(waiting(
            Reason::NamespaceNotAllowed,
            format!(
                "the issuer does not serve the namespace {namespace}: label the namespace as the issuer's allowedNamespaces.selector asks, or use another issuer"
            ),
        ))),
    }
}
