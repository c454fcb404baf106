//! Watches `ServiceAccount`s, as metadata only and with nothing cached, once an object names one. An event starts a pass
//! of each object that names the account, unless its status has the version of the event.

use super::context::SharedContext;
use super::decode::{Decoded, metadata};
use super::watch::Watch;
use crate::api::NamespaceName;
use crate::health::invalid_objects::InvalidObjects;
use crate::health::watch_health::WatchHealth;
use crate::kube_client::scope::request_for;
use crate::metrics::{Kind, WatchMetrics};
use futures::StreamExt;
use futures::future::join_all;
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::runtime::watcher::Event;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Events that are compared with the cached objects at once: a list has one for each account of the cluster.
const MAX_BATCH: usize = 64;

/// Namespace and name of an account.
type AccountKey = (String, String);

/// Watches until the operator stops.
pub async fn run(ctx: &SharedContext) {
    let watched = async {
        // Before, events would be compared with an incomplete cache.
        ctx.wait_for_caches().await;
        ctx.account_changes.wait_until_wanted().await;
        tracing::info!("an object names ServiceAccounts: they are watched from now on");
        let parts = ctx.scope.parts();
        join_all(parts.iter().map(|namespace| watch_part(ctx, namespace.as_ref()))).await;
    };
    tokio::select! {
        () = watched => {}
        () = ctx.stop.cancelled() => {}
    }
}

/// Watches the accounts of a namespace, or of all.
async fn watch_part(ctx: &SharedContext, namespace: Option<&NamespaceName>) {
    let mut events = account_watch(ctx, namespace).events().ready_chunks(MAX_BATCH).boxed();
    let mut list = None;
    while let Some(events) = events.next().await {
        let mut batch = Batch::default();
        for event in events {
            match event {
                Event::Init => {
                    batch.compare(ctx, list.as_mut());
                    list = Some(HashSet::new());
                }
                Event::InitApply(account) | Event::Apply(account) => batch.insert(account, true),
                Event::Delete(account) => batch.insert(account, false),
                Event::InitDone => {
                    batch.compare(ctx, list.as_mut());
                    if let Some(listed) = list.take() {
                        record_missing(ctx, namespace, &listed);
                    }
                }
            }
        }
        batch.compare(ctx, list.as_mut());
    }
}

fn account_watch(ctx: &SharedContext, namespace: Option<&NamespaceName>) -> Watch<ObjectMeta> {
    let decode: fn(&[u8]) -> Decoded<ObjectMeta> = metadata::<ServiceAccount>;
    let metrics = WatchMetrics::not_served(Kind::Secret);
    let invalid = Arc::new(InvalidObjects::new(metrics.clone()));
    let request = request_for::<ServiceAccount>(namespace);
    let namespace = namespace.map(ToString::to_string);
    let health = Arc::new(WatchHealth::in_namespace("ServiceAccount", metrics, namespace, invalid));
    Watch { client: ctx.client.clone(), request, label: None, metadata_only: true, decode, health }
}

/// The last version of each account in some events, by namespace and name; `None` if it was deleted or cannot be parsed.
#[derive(Default)]
struct Batch(HashMap<String, HashMap<String, Option<String>>>);

impl Batch {
    fn insert(&mut self, account: Decoded<ObjectMeta>, exists: bool) {
        let (namespace, name, version) = match account {
            Ok(meta) => (meta.namespace, meta.name, meta.resource_version.filter(|_| exists)),
            Err(invalid) => (invalid.reference.namespace, invalid.reference.name, None),
        };
        self.0.entry(namespace.unwrap_or_default()).or_default().insert(name.unwrap_or_default(), version);
    }

    /// Starts a pass of each object that names one of these accounts at another version. `listed` gets the accounts that
    /// any object names.
    fn compare(&mut self, ctx: &SharedContext, mut listed: Option<&mut HashSet<AccountKey>>) {
        let batch = std::mem::take(&mut self.0);
        if batch.is_empty() {
            return;
        }
        let concerned = ctx.tokens.filter(|token| {
            token.names_accounts()
                && batch
                    .get(token.namespace())
                    .is_some_and(|accounts| token.service_accounts().any(|(account, _)| accounts.contains_key(account)))
        });
        for token in concerned {
            let Some(accounts) = batch.get(token.namespace()) else { continue };
            for (account, recorded) in token.service_accounts() {
                let Some(version) = accounts.get(account) else { continue };
                if let Some(listed) = listed.as_deref_mut() {
                    listed.insert((token.namespace().to_owned(), account.to_owned()));
                }
                if version.is_none() || version.as_deref() != recorded {
                    ctx.account_changes.record(token.reference(), account, version.clone());
                    let _ = ctx.requeue_token.send(token.reference());
                }
            }
        }
    }
}

/// Starts a pass of each object that has recorded an account which a complete list does not contain.
fn record_missing(ctx: &SharedContext, namespace: Option<&NamespaceName>, listed: &HashSet<AccountKey>) {
    let here = |token: &str| namespace.is_none_or(|namespace| namespace.as_str() == token);
    for token in ctx.tokens.filter(|token| token.names_accounts() && here(token.namespace())) {
        for (account, _) in token.service_accounts().filter(|(_, recorded)| recorded.is_some()) {
            if !listed.contains(&(token.namespace().to_owned(), account.to_owned())) {
                ctx.account_changes.record(token.reference(), account, None);
                let _ = ctx.requeue_token.send(token.reference());
            }
        }
    }
}
