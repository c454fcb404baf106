//! May an object use this issuer, now? Read past every cache, between the reservation and the request.

use super::cluster::{ClusterError, call};
use super::context::Context;
use super::finalizers::is_held;
use super::issuer_kind::IssuerObject;
use super::issuers::{Handle, IssuerKey};
use super::prune::live_issuer;
use crate::api::{AllowedNamespaces, ClusterTokenIssuer, IssuerKind, NamespacesFrom, Reason, TokenIssuer};
use crate::domain::fault::Fault;
use crate::domain::faults::{issuer_not_found, waiting};
use crate::kube_api::Objects;
use k8s_openapi::api::core::v1::Namespace;
use kube::ResourceExt;
use kube::core::SelectorExt;
use std::collections::BTreeMap;

/// Why an attempt may not go on.
pub enum Withdrawn {
    /// The issuer is another than the one that the attempt was begun with.
    Changed,
    /// With the fact to show.
    Because(Fault),
    /// It could not be read.
    Unread(ClusterError),
}

/// Reads the issuer past every cache: still there, not going, still serving this namespace, and
/// held by our finalizer, so that it outlives the token.
pub async fn check_usable(ctx: &Context, key: &IssuerKey, namespace: &str, handle: &Handle) -> Result<(), Withdrawn> {
    let read = match key.kind {
        IssuerKind::ClusterTokenIssuer => {
            let issuers: Objects<ClusterTokenIssuer> = Objects::all(ctx.client.clone()).parsed_by(live_issuer);
            call("read the issuer", issuers.get_opt(&key.name)).await.map(|found| found.map(boxed))
        }
        IssuerKind::TokenIssuer => {
            let issuers = Objects::<TokenIssuer>::namespaced(ctx.client.clone(), &key.namespace);
            let issuers = issuers.parsed_by(live_issuer);
            call("read the issuer", issuers.get_opt(&key.name)).await.map(|found| found.map(boxed))
        }
    };
    let because = |reason, message: &str| Err(Withdrawn::Because(waiting(reason, message.to_owned())));
    let object = match read {
        Ok(Some(object)) => object,
        Ok(None) => {
            let issuer = format!("{} {}", key.kind, key.name);
            return Err(Withdrawn::Because(issuer_not_found(&issuer)));
        }
        Err(error) => return Err(Withdrawn::Unread(error)),
    };
    if object.deleting() {
        return because(Reason::IssuerDeleting, "the issuer is being deleted: create it again, or delete this object");
    }
    if !is_held(object.finalizers()) {
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
    let namespaces: Objects<Namespace> = Objects::all(ctx.client.clone());
    let found = call("read the namespace", namespaces.get(namespace)).await;
    let labels: BTreeMap<String, String> = match found {
        Ok(found) => found.labels().clone(),
        Err(error) => return Err(Withdrawn::Unread(error)),
    };
    let selector = rule.selector.clone().unwrap_or_default();
    match kube::core::Selector::try_from(selector) {
        Ok(selector) if selector.matches(&labels) => Ok(()),
        _ => Err(Withdrawn::Because(Fault {
            reason: Reason::NamespaceNotAllowed,
            stalled: true,
            message: format!(
                "the issuer does not serve the namespace {namespace}: label the namespace as the issuer's allowedNamespaces.selector asks, or use another issuer"
            ),
        })),
    }
}
