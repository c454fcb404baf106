//! Authorizes an object to use its issuer, with a live read between the reservation and the request.

use crate::api::{AllowedNamespaces, ClusterTokenIssuer, IssuerKind, NamespacesFrom, Reason, TokenIssuer};
use crate::controller::api_call::call;
use crate::controller::context::Context;
use crate::controller::decode::prune::live_issuer;
use crate::controller::finalizer::has_finalizer;
use crate::controller::issuer_object::{AnyIssuer, IssuerKey};
use crate::controller::state::issuer_cache::{ConnectedIssuer, ReadIssuer};
use crate::domain::model::problem::messages::{issuer_not_found, terminal, transient};
use crate::domain::protocol::Response;
use crate::kube_client::objects::ObjectClient;
use crate::portal::rate_limit::Priority;
use k8s_openapi::api::core::v1::Namespace;
use kube::ResourceExt;
use kube::core::SelectorExt;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::time::Instant;

/// Reads the issuer live and checks that it exists, is not being deleted, serves this namespace, and has our finalizer,
/// so that it outlives the token. Returns when the read began, which may be that of other objects too: it began after the
/// reservation of each.
///
/// # Errors
/// The response for the core if the attempt may not continue.
pub async fn authorize_issuer(
    ctx: &Context,
    key: &IssuerKey,
    (namespace, priority): (&str, Priority),
    connected: &ConnectedIssuer,
) -> Result<Instant, Response> {
    let (started, read) = connected.reads.for_priority(priority).read(|| read_issuer(ctx, key)).await;
    check_issuer(ctx, key, namespace, (connected, read)).await.map(|()| started)
}

async fn read_issuer(ctx: &Context, key: &IssuerKey) -> ReadIssuer {
    match key.kind {
        IssuerKind::ClusterTokenIssuer => {
            let issuers: ObjectClient<ClusterTokenIssuer> =
                ObjectClient::all(ctx.client.clone()).with_parser(live_issuer);
            call("read the issuer", issuers.get_opt(&key.name)).await.map(|found| found.map(shared))
        }
        IssuerKind::TokenIssuer => {
            let issuers = ObjectClient::<TokenIssuer>::namespaced(ctx.client.clone(), &key.namespace);
            let issuers = issuers.with_parser(live_issuer);
            call("read the issuer", issuers.get_opt(&key.name)).await.map(|found| found.map(shared))
        }
    }
}

async fn check_issuer(
    ctx: &Context,
    key: &IssuerKey,
    namespace: &str,
    (connected, read): (&ConnectedIssuer, ReadIssuer),
) -> Result<(), Response> {
    let denied = |reason, message: &str| Err(Response::IssuerDenied(transient(reason, message.to_owned())));
    let object = match read {
        Ok(Some(object)) => object,
        Ok(None) => {
            let issuer = format!("{} {}", key.kind, key.name);
            return Err(Response::IssuerDenied(issuer_not_found(&issuer)));
        }
        Err(error) => return Err(Response::IssuerDenied(error.into())),
    };
    if object.deleting() {
        return denied(Reason::IssuerDeleting, "the issuer is being deleted: create it again, or delete this object");
    }
    if !has_finalizer(object.finalizers()) {
        let _ = ctx.requeue_issuer.send(key.clone());
        return denied(Reason::IssuerNotReady, "the issuer does not have its finalizer yet");
    }
    if object.uid() != connected.uid || object.generation() != connected.generation {
        return Err(Response::IssuerChanged);
    }
    require_allowed_namespace(ctx, object.allowed_namespaces(), namespace).await
}

fn shared<I: AnyIssuer + 'static>(object: I) -> Arc<dyn AnyIssuer> {
    Arc::new(object)
}

async fn require_allowed_namespace(
    ctx: &Context,
    rule: Option<&AllowedNamespaces>,
    namespace: &str,
) -> Result<(), Response> {
    let Some(rule) = rule.filter(|rule| rule.from == NamespacesFrom::Selector) else { return Ok(()) };
    let namespaces: ObjectClient<Namespace> = ObjectClient::all(ctx.client.clone());
    let found = call("read the namespace", namespaces.get(namespace)).await;
    let labels: BTreeMap<String, String> = match found {
        Ok(found) => found.labels().clone(),
        Err(error) => return Err(Response::IssuerDenied(error.into())),
    };
    let denied = |reason, message: &str| Err(Response::IssuerDenied(terminal(reason, message)));
    match kube::core::Selector::try_from(rule.selector.clone().unwrap_or_default()) {
        Ok(selector) if selector.matches(&labels) => Ok(()),
        Ok(_) => denied(
            Reason::NamespaceNotAllowed,
            "the issuer does not serve this namespace: label the namespace to match the issuer's allowedNamespaces.selector, or use another issuer",
        ),
        // It selects nothing, and it denies nothing either: no token is revoked because of it.
        Err(error) => denied(
            Reason::IssuerNotReady,
            &format!("the issuer's allowedNamespaces.selector is not valid: {error}. Correct it"),
        ),
    }
}
