//! Watches the Secrets with issuers' credentials, so that a removed finalizer is restored within a second.
//!
//! There are two watches, whatever the number of issuers: of the opted-in Secrets in all namespaces, and of the
//! operator's own namespace, which contains the Secrets of cluster issuers. A watch per Secret would use up the streams
//! that an API server allows per connection, and block the whole operator.

use super::restore_finalizers::restore_on_credentials;
use crate::controller::context::SharedContext;
use crate::controller::decode::{Decoded, metadata};
use crate::controller::watch::Watch;
use crate::health::watch_health::WatchHealth;
use crate::kube_client::objects::{all_namespaces, in_namespace};
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
    // Without a namespace, cluster issuers cannot have credentials.
    let own = in_namespace::<Secret>(&ctx.namespace).ok().filter(|_| !ctx.namespace.is_empty());
    let opted_in = secret_watch(ctx, all_namespaces::<Secret>(), Some(CREDENTIALS_SELECTOR)).events();
    let own = stream::iter(own.map(|request| secret_watch(ctx, request, None).events())).flatten();
    let mut events = std::pin::pin!(stream::select(opted_in, own));
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

fn secret_watch(ctx: &SharedContext, request: Request, label: Option<&'static str>) -> Watch<ObjectMeta> {
    let decode: fn(&[u8]) -> Decoded<ObjectMeta> = metadata::<Secret>;
    let health = Arc::new(WatchHealth::new("Secret with credentials", WatchMetrics::not_served(Kind::Secret)));
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
