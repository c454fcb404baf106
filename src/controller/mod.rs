//! The wiring: what is watched, what is cached of it, and which event starts which pass.

mod audit;
mod clock;
mod cluster;
mod context;
mod events;
mod hands;
mod issuer;
mod issuer_credentials;
mod issuer_hold;
mod issuer_kind;
mod issuer_pass;
mod issuer_policy;
mod issuer_status;
mod issuers;
mod kept;
mod listed;
mod mac_key;
mod memory;
mod reconcile;
mod release;
mod roll_call;
mod unreadable;
mod usable;
mod world;

use crate::api::{ClusterTokenIssuer, GROUP, IssuerKind, OWNER_LABEL, RegistryToken, TokenIssuer};
use crate::kube_api::Objects;
use crate::readiness::Readiness;
use context::{Context, Wakers};
use futures::{Stream, StreamExt, stream};
use issuer_kind::IssuerObject;
use issuers::{Entry, IssuerKey};
use k8s_openapi::api::core::v1::Secret;
use kept::KeptSecret;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::{Controller, WatchStreamExt, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_util::sync::CancellationToken;
use world::Shared;

pub use clock::Clock;
pub use context::OPERATOR;
pub use issuer_policy::IssuerPolicy;

/// How many passes are started at once when the caches are filled.
const AT_ONCE: usize = 200;
/// Between two such starts: 10,000 objects take a second.
const BETWEEN: Duration = Duration::from_millis(20);

/// What the operator is told from outside.
#[derive(Clone)]
pub struct Settings {
    /// Where the cluster issuers' Secrets lie.
    pub namespace: String,
    /// This process, in reservations.
    pub holder: String,
    /// The API server's time, fed by the client's answers.
    pub clock: Arc<Clock>,
    /// What the operator's admin allows issuers.
    pub policy: IssuerPolicy,
    /// Name of the Secret with the keys that prove what is noted of tokens.
    pub mac_key_secret: String,
}

/// Runs until `stop` is cancelled, and then until the passes that are under way have ended.
pub async fn run(client: Client, settings: Settings, readiness: Arc<Readiness>, stop: CancellationToken) {
    let (tokens, token_writer) = reflector::store();
    let (secrets, secret_writer) = reflector::store();
    let (cluster_issuers, cluster_writer) = reflector::store();
    let (issuers, issuer_writer) = reflector::store();
    let (wake_token, token_wakes) = unbounded_channel();
    let (wake_issuer, issuer_wakes) = unbounded_channel();
    let keyring = mac_key::Keyring::new(settings.mac_key_secret.clone());
    let ctx = Arc::new(Context::new(
        client.clone(),
        settings,
        tokens.clone(),
        secrets.clone(),
        Wakers { token: wake_token, issuer: wake_issuer },
        keyring,
        stop.clone(),
    ));

    let guarded = watcher(Api::all(client.clone()), streaming()).default_backoff();
    let told = Arc::clone(&ctx);
    let token_events = unreadable::readable(guarded, tokens.clone(), move |about, why, seen| {
        unreadable::token(&told, about, why, seen);
    });
    let token_events = token_events.modify(prune_token).reflect(token_writer).touched_objects();
    // One that never had our finalizer is noticed by its deletion event alone.
    let (gone, context) = (tokens.clone(), Arc::clone(&ctx));
    let token_events = token_events.inspect(move |event| {
        if let Ok(token) = event
            && gone.get(&ObjectRef::from_obj(token)).is_none()
            && let Some(uid) = token.uid()
        {
            context.memory.forget(&uid);
        }
    });
    let secret_events = watcher(Api::<PartialObjectMeta<Secret>>::all(client.clone()), streaming().labels(OWNER_LABEL))
        .default_backoff();
    let (cluster_wakes, namespaced_wakes) = split(issuer_wakes);
    let cluster_wakes = stream::select(cluster_wakes, Arc::clone(&readiness).heartbeat("cluster issuers"));
    let namespaced_wakes = stream::select(namespaced_wakes, Arc::clone(&readiness).heartbeat("issuers"));
    let token_controller = Controller::for_stream(token_events, tokens.clone())
        .reconcile_on(kept::keep(secret_events, secret_writer, tokens.clone()))
        .reconcile_on(receive(token_wakes))
        .reconcile_on(Arc::clone(&readiness).heartbeat("objects"))
        .graceful_shutdown_on(stop.clone().cancelled_owned())
        .run(reconcile::reconcile, |_, never, _| match *never {}, Arc::clone(&ctx))
        .for_each(|_| std::future::ready(()));

    let cluster = Watched { store: cluster_issuers.clone(), writer: cluster_writer };
    let namespaced = Watched { store: issuers.clone(), writer: issuer_writer };
    tokio::join!(
        token_controller,
        run_issuers(cluster, |client, _| Objects::<ClusterTokenIssuer>::all(client), cluster_wakes, &ctx, &stop),
        run_issuers(namespaced, Objects::<TokenIssuer>::namespaced, namespaced_wakes, &ctx, &stop),
        mac_key::keep(&ctx, &tokens, &stop),
        ready_when_cached(&ctx, (&tokens, &secrets), (&cluster_issuers, &issuers), &readiness, &stop),
    );
}

/// A kind of issuer, and where what is watched of it goes.
struct Watched<I: Resource<DynamicType = ()> + Clone + 'static> {
    store: Store<I>,
    writer: reflector::store::Writer<I>,
}

/// Streaming lists need a tenth of the memory of paged ones, on servers that have them.
fn streaming() -> watcher::Config {
    watcher::Config::default().streaming_lists()
}

async fn run_issuers<I>(
    watched: Watched<I>,
    api: fn(Client, &str) -> Objects<I>,
    wakes: impl Stream<Item = IssuerKey> + Send + 'static,
    ctx: &Shared,
    stop: &CancellationToken,
) where
    I: IssuerObject + Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    let Watched { store, writer } = watched;
    let guarded = watcher(Api::all(ctx.client.clone()), streaming()).default_backoff();
    let told = Arc::clone(ctx);
    let events = unreadable::readable(guarded, store.clone(), move |about, why, seen| {
        unreadable::issuer(&told, about, why, seen);
    });
    let events = events.modify(|issuer| issuer.meta_mut().managed_fields = None).reflect(writer).touched_objects();
    let gone = store.clone();
    let context = Arc::clone(ctx);
    // An issuer that went without our finalizer is noticed by its deletion event alone.
    let events = events.inspect(move |event| {
        if let Ok(issuer) = event
            && gone.get(&ObjectRef::from_obj(issuer)).is_none()
        {
            missing(&context, &issuer.key());
            context.memory.forget(&IssuerObject::uid(issuer));
        }
    });
    Controller::for_stream(events, store)
        .reconcile_on(wakes.map(|key| {
            let reference = ObjectRef::new(&key.name);
            if key.namespace.is_empty() { reference } else { reference.within(&key.namespace) }
        }))
        .graceful_shutdown_on(stop.clone().cancelled_owned())
        .run(
            move |object: Arc<I>, ctx: Shared| {
                let api = api(ctx.client.clone(), &object.key().namespace);
                issuer_pass::reconcile(object, ctx, api)
            },
            |_, never, _| match *never {},
            Arc::clone(ctx),
        )
        .for_each(|_| std::future::ready(()))
        .await;
}

/// Forgets an issuer that is not there any more, and lets its objects say so: what no filled cache holds is
/// missing.
fn missing(ctx: &Context, key: &IssuerKey) {
    ctx.issuers.forget(key);
    wake_users(ctx, key);
}

fn set(ctx: &Context, key: &IssuerKey, entry: Entry) {
    ctx.issuers.set(key.clone(), entry);
    wake_users(ctx, key);
}

fn wake_users(ctx: &Context, key: &IssuerKey) {
    for token in ctx.naming(key) {
        let _ = ctx.wake_token.send(ObjectRef::from_obj(&*token));
    }
}

/// Decisions wait until every cache is filled; then what no cache holds is known to be missing.
async fn ready_when_cached(
    ctx: &Shared,
    (tokens, secrets): (&Store<RegistryToken>, &Store<KeptSecret>),
    (cluster, namespaced): (&Store<ClusterTokenIssuer>, &Store<TokenIssuer>),
    readiness: &Readiness,
    stop: &CancellationToken,
) {
    let filled = async {
        let waits = (tokens.wait_until_ready(), secrets.wait_until_ready());
        let issuers = (cluster.wait_until_ready(), namespaced.wait_until_ready());
        let keys = mac_key::until_loaded(ctx, readiness);
        let _ = tokio::join!(waits.0, waits.1, issuers.0, issuers.1, keys);
    };
    tokio::select! {
        () = filled => {}
        () = stop.cancelled() => return,
    }
    ctx.open(cluster.clone(), namespaced.clone());
    readiness.caches_filled();
    tracing::info!(tokens = tokens.len(), secrets = secrets.len(), "caches are filled");
    wake_all(ctx, tokens).await;
}

/// Starts a pass of every object, some at a time: a queue of all of them would keep its room for good.
async fn wake_all(ctx: &Shared, tokens: &Store<RegistryToken>) {
    for some in tokens.state().chunks(AT_ONCE) {
        for token in some {
            let _ = ctx.wake_token.send(ObjectRef::from_obj(&**token));
        }
        tokio::time::sleep(BETWEEN).await;
    }
}

/// What decisions never read is not kept.
fn prune_token(token: &mut RegistryToken) {
    token.metadata.managed_fields = None;
    token.metadata.labels = None;
    if let Some(annotations) = token.metadata.annotations.as_mut() {
        annotations.retain(|key, _| key.starts_with(GROUP));
    }
}

fn receive<T: Send + 'static>(receiver: UnboundedReceiver<T>) -> impl Stream<Item = T> + Send + 'static {
    stream::unfold(receiver, |mut receiver| async { receiver.recv().await.map(|item| (item, receiver)) })
}

/// One channel for both kinds of issuer, as two streams.
fn split(
    mut wakes: UnboundedReceiver<IssuerKey>,
) -> (impl Stream<Item = IssuerKey> + Send + 'static, impl Stream<Item = IssuerKey> + Send + 'static) {
    let (cluster, cluster_wakes) = unbounded_channel();
    let (namespaced, namespaced_wakes) = unbounded_channel();
    tokio::spawn(async move {
        while let Some(key) = wakes.recv().await {
            let channel = if key.kind == IssuerKind::ClusterTokenIssuer { &cluster } else { &namespaced };
            let _ = channel.send(key);
        }
    });
    (receive(cluster_wakes), receive(namespaced_wakes))
}
