//! The controller of `ClusterRegistryToken`s: its watches and caches, and which event starts which pass.

use super::decode::decode_cluster_token;
use super::reconcile::reconcile;
use crate::api::ClusterRegistryToken;
use crate::controller::context::{Context, SharedContext};
use crate::controller::decode::prune::prune_metadata;
use crate::controller::decode::{deleted_by_name, metadata_only};
use crate::controller::invalid_objects::{from_store, report_cluster_token, skip_invalid};
use crate::controller::state::cluster_tokens::ClusterTokenKey;
use crate::controller::state::namespace_cache::{CachedNamespace, reflect_namespaces};
use crate::controller::watch::Watch;
use crate::controller::watch::namespaces::KindWatches;
use crate::controller::{receiver_stream, watch_objects};
use crate::metrics::{Controller, ControllerMetrics};
use futures::stream::{BoxStream, select_all};
use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::Namespace;
use kube::runtime::reflector::store::Writer;
use kube::runtime::{WatchStreamExt, applier, controller};
use kube::{Resource, ResourceExt};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinError;
use tokio_util::task::AbortOnDropHandle;

/// After a pass that was aborted.
const RETRY_INTERVAL: Duration = Duration::from_secs(6);

/// The watches of the kind and of namespaces, with the writers of their caches.
pub struct Watched {
    pub objects: KindWatches,
    pub namespaces: KindWatches,
    pub object_writer: Writer<ClusterRegistryToken>,
    pub namespace_writer: Writer<CachedNamespace>,
}

/// Runs the controller until the operator stops.
pub async fn run(
    watched: Watched,
    requeues: UnboundedReceiver<ClusterTokenKey>,
    heartbeat: impl Stream<Item = ClusterTokenKey> + Send + 'static,
    ctx: &SharedContext,
) {
    let Watched { objects, namespaces, object_writer, namespace_writer } = watched;
    let triggers: [BoxStream<'static, ClusterTokenKey>; 4] = [
        object_events(&objects, object_writer, ctx).boxed(),
        namespace_events(&namespaces, namespace_writer, ctx).boxed(),
        receiver_stream(requeues).boxed(),
        heartbeat.boxed(),
    ];
    let context = Arc::clone(ctx);
    let queue = select_all(triggers)
        .inspect(move |key| metrics(&context).queue.add(key))
        .map(Ok::<ClusterTokenKey, Infallible>)
        .take_until(ctx.stop.clone().cancelled_owned());
    let start = |object: Arc<ClusterRegistryToken>, ctx: SharedContext| {
        metrics(&ctx).queue.start(&ClusterTokenKey::from_obj(&*object));
        AbortOnDropHandle::new(tokio::spawn(reconcile(object, ctx)))
    };
    let retry = |object: Arc<ClusterRegistryToken>, error: &JoinError, _| {
        tracing::error!(object = %object.name_any(), %error, "the pass was aborted");
        controller::Action::requeue(RETRY_INTERVAL)
    };
    let store = ctx.cluster_tokens.objects.clone();
    applier(start, retry, Arc::clone(ctx), store, queue, controller::Config::default())
        .for_each(|ended| {
            if let Err(controller::Error::ObjectNotFound(gone)) = ended {
                metrics(ctx).queue.remove(&ClusterTokenKey::new(&gone.name));
                ctx.cluster_tokens.forget_deleted();
            }
            std::future::ready(())
        })
        .await;
}

fn metrics(ctx: &Context) -> &ControllerMetrics {
    ctx.metrics.controller(Controller::ClusterRegistryToken)
}

fn object_events(
    watches: &KindWatches,
    writer: Writer<ClusterRegistryToken>,
    ctx: &SharedContext,
) -> impl Stream<Item = ClusterTokenKey> + Send + 'static {
    let events = watches.events::<ClusterRegistryToken, _, _>(
        &ctx.cluster_tokens.objects,
        watch_objects(&ctx.client, decode_cluster_token),
    );
    let (report, known) = (Arc::clone(ctx), from_store(ctx.cluster_tokens.objects.clone()));
    skip_invalid(events, known, watches.invalid_objects(), move |skipped| report_cluster_token(&report, skipped))
        .modify(|object| prune_metadata(object.meta_mut()))
        .reflect(writer)
        .touched_objects()
        .filter_map(|event| std::future::ready(event.ok().map(|object| ClusterTokenKey::from_obj(&object))))
}

/// A change of a namespace starts a pass of each object, which writes only in that namespace, and of its `RegistryToken`s
/// whose issuer serves selected namespaces.
fn namespace_events(
    watches: &KindWatches,
    writer: Writer<CachedNamespace>,
    ctx: &SharedContext,
) -> impl Stream<Item = ClusterTokenKey> + Send + 'static {
    let watch = watch_objects(&ctx.client, metadata_only);
    let events = watches.events::<Namespace, _, _>(&ctx.cluster_tokens.namespaces, move |request, health| Watch {
        metadata_only: true,
        ..watch(request, health)
    });
    let events = skip_invalid(events, deleted_by_name, watches.invalid_objects(), |skipped| {
        if skipped.report {
            tracing::warn!(namespace = skipped.object.name, detail = skipped.error, "namespace skipped");
        }
    });
    let ctx = Arc::clone(ctx);
    reflect_namespaces(events, ctx.cluster_tokens.namespaces.clone(), writer).flat_map(move |change| {
        ctx.requeue_restricted(&change);
        let objects = ctx.cluster_tokens.objects.state();
        futures::stream::iter(objects.into_iter().map(|object| ClusterTokenKey::from_obj(&*object)))
    })
}
