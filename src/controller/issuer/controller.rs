//! The controller of a kind of issuer: its watch, its cache, and which event starts which reconcile.

use super::measure::{controller_metrics, to_reference};
use super::reconcile::reconcile;
use super::restore_finalizers;
use crate::api::IssuerKind;
use crate::controller::context::SharedContext;
use crate::controller::invalid_objects::skip_invalid;
use crate::controller::issuer_object::{AnyIssuer, IssuerKey};
use crate::controller::state::object_cache::ObjectCache;
use crate::controller::watch::namespaces::KindWatches;
use crate::controller::{decode, invalid_objects, receiver_stream, watch_objects};
use crate::kube_client::objects::ObjectClient;
use futures::{Stream, StreamExt};
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::{Controller, WatchStreamExt};
use kube::{Client, Resource};
use std::fmt::Debug;
use std::sync::Arc;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_util::sync::CancellationToken;

/// A kind of issuer with its store and the writer of its watch.
pub struct WatchedKind<I: Resource<DynamicType = ()> + Clone + 'static> {
    store: Store<I>,
    writer: reflector::store::Writer<I>,
    watches: KindWatches,
}

impl<I: Resource<DynamicType = ()> + Clone + 'static> WatchedKind<I> {
    pub fn new(watches: KindWatches) -> Self {
        let (store, writer) = reflector::store();
        Self { store, writer, watches }
    }

    pub fn cache(&self) -> ObjectCache<I> {
        ObjectCache::new(self.store.clone(), &self.watches)
    }
}

/// Runs the controller of one kind of issuer until `stop` is cancelled.
pub async fn run<I>(
    watched: WatchedKind<I>,
    api: fn(Client, &str) -> ObjectClient<I>,
    requeues: impl Stream<Item = IssuerKey> + Send + 'static,
    ctx: &SharedContext,
    stop: &CancellationToken,
) where
    I: decode::prune::IssuerResource + Clone + Debug + Send + Sync + 'static,
{
    let api = move |client: Client, namespace: &str| api(client, namespace).with_parser(decode::prune::live_issuer);
    let WatchedKind { store, writer, watches } = watched;
    let events = watches.events::<I, _, _>(&store, watch_objects(&ctx.client, decode::prune::decode_issuer));
    let report_ctx = Arc::clone(ctx);
    let known = invalid_objects::from_store(store.clone());
    let events = skip_invalid(events, known, watches.invalid_objects(), move |skipped| {
        invalid_objects::report_issuer(&report_ctx, skipped);
    });
    let events =
        events.modify(|issuer| decode::prune::prune_metadata(issuer.meta_mut())).reflect(writer).touched_objects();
    let issuer_store = store.clone();
    let context = Arc::clone(ctx);
    // An issuer that was deleted without our finalizer is only noticed by its deletion event.
    let events = events.inspect(move |event| {
        if let Ok(issuer) = event
            && issuer_store.get(&ObjectRef::from_obj(issuer)).is_none()
        {
            context.issuer_missing(&issuer.key());
            context.process_state.forget(&AnyIssuer::uid(issuer));
        }
    });
    let context = Arc::clone(ctx);
    let events = events.inspect(move |event| {
        if let Ok(issuer) = event {
            controller_metrics::<I>(&context).queue.add(&ObjectRef::from_obj(issuer));
            restore_finalizers::restore_on_issuer(
                &context,
                issuer,
                api(context.client.clone(), &issuer.key().namespace),
            );
        }
    });
    let (requeue_context, end_context) = (Arc::clone(ctx), Arc::clone(ctx));
    Controller::for_stream(events, store)
        .reconcile_on(requeues.map(move |key| {
            let reference = to_reference::<I>(&key.name, &key.namespace);
            controller_metrics::<I>(&requeue_context).queue.add(&reference);
            reference
        }))
        .graceful_shutdown_on(stop.clone().cancelled_owned())
        .run(
            move |object: Arc<I>, ctx: SharedContext| {
                controller_metrics::<I>(&ctx).queue.start(&ObjectRef::from_obj(&*object));
                let api = api(ctx.client.clone(), &object.key().namespace);
                reconcile(object, ctx, api)
            },
            |_, never, _| match *never {},
            Arc::clone(ctx),
        )
        .for_each(move |ended| {
            if let Err(kube::runtime::controller::Error::ObjectNotFound(gone)) = ended {
                let reference = to_reference::<I>(&gone.name, gone.namespace.as_deref().unwrap_or_default());
                controller_metrics::<I>(&end_context).queue.remove(&reference);
            }
            std::future::ready(())
        })
        .await;
}

/// Splits one channel for both kinds of issuer into two streams.
pub fn split_by_kind(
    mut requeues: UnboundedReceiver<IssuerKey>,
) -> (impl Stream<Item = IssuerKey> + Send + 'static, impl Stream<Item = IssuerKey> + Send + 'static) {
    let (cluster, cluster_requeues) = unbounded_channel();
    let (namespaced, namespaced_requeues) = unbounded_channel();
    tokio::spawn(async move {
        while let Some(key) = requeues.recv().await {
            let channel = if key.kind == IssuerKind::ClusterTokenIssuer { &cluster } else { &namespaced };
            let _ = channel.send(key);
        }
    });
    (receiver_stream(cluster_requeues), receiver_stream(namespaced_requeues))
}
