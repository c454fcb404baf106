//! Watches the Secrets with issuers' credentials, so that a removed finalizer is restored within a second.
//!
//! There are two watches, whatever the number of issuers: of the opted-in Secrets in all namespaces, and of the
//! operator's own namespace, which contains the Secrets of cluster issuers. If only some namespaces are watched, there is
//! one in each of them. A watch per Secret would need a connection for each of them.

use super::restore_finalizers::restore_on_credentials;
use crate::api::NamespaceName;
use crate::controller::context::SharedContext;
use crate::controller::decode::{Decoded, metadata};
use crate::controller::watch::Watch;
use crate::health::invalid_objects::InvalidObjects;
use crate::health::watch_health::WatchHealth;
use crate::kube_client::objects::in_namespace;
use crate::kube_client::scope::request_for;
use crate::metrics::{Kind, WatchMetrics};
use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::Request;
use kube::runtime::watcher::Event;
use std::sync::Arc;

/// Secrets that a `TokenIssuer` may use: the label [`crate::api::CREDENTIALS_LABEL`] with the value `true`.
const CREDENTIALS_SELECTOR: &str = "registry-token.dev/credentials=true";

/// Watches until the operator stops.
pub async fn run(ctx: &SharedContext) {
    let opted_in = ctx.scope.parts().into_iter().map(|namespace| {
        let request = request_for::<Secret>(namespace.as_ref());
        secret_watch(ctx, request, namespace.as_ref(), Some(CREDENTIALS_SELECTOR)).events().boxed()
    });
    // Without a namespace, cluster issuers cannot have credentials.
    let own = in_namespace::<Secret>(&ctx.namespace).ok();
    let own = own.filter(|_| !ctx.namespace.is_empty() && ctx.scope.is_cluster_wide());
    let own = own.map(|request| secret_watch(ctx, request, None, None).events().boxed());
    let mut events = stream::select_all(opted_in.chain(own));
    loop {
        let event = tokio::select! {
            event = events.next() => event,
            () = ctx.stop.cancelled() => return,
        };
        match event {
            Some(Event::Apply(Ok(secret)) | Event::InitApply(Ok(secret))) => restore_on_credentials(ctx, &secret),
            Some(_) => {}
            None => return,
        }
    }
}

fn secret_watch(
    ctx: &SharedContext,
    request: Request,
    namespace: Option<&NamespaceName>,
    label: Option<&'static str>,
) -> Watch<ObjectMeta> {
    let decode: fn(&[u8]) -> Decoded<ObjectMeta> = metadata::<Secret>;
    let metrics = WatchMetrics::not_served(Kind::Secret);
    let invalid = Arc::new(InvalidObjects::new(metrics.clone()));
    let namespace = namespace.map(ToString::to_string);
    let health = Arc::new(WatchHealth::in_namespace("Secret with credentials", metrics, namespace, invalid));
    Watch { client: ctx.client.clone(), request, label, metadata_only: true, decode, health }
}

#[cfg(test)]
mod tests {
    use super::CREDENTIALS_SELECTOR;
    use crate::api::CREDENTIALS_LABEL;

    #[test]
    fn the_selector_matches_the_opt_in_label() {
        assert_eq!(CREDENTIALS_SELECTOR, format!("{CREDENTIALS_LABEL}=true"));
    }
}
