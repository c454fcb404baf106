//! The wiring: what is watched, what is cached of it, and which event starts which pass.

mod audit;
mod caches;
mod clock;
mod cluster;
mod context;
mod credentials_watch;
mod decode;
mod events;
mod finalizers;
mod hands;
mod issuer;
mod issuer_credentials;
mod issuer_hold;
mod issuer_kind;
mod issuer_pass;
mod issuer_policy;
mod issuer_share;
mod issuer_status;
mod issuers;
mod json;
mod kept;
mod listed;
mod mac_key;
mod memory;
mod partial;
mod passes;
mod protect;
mod prune;
mod reconcile;
mod release;
mod response_filter;
mod roll_call;
pub(crate) mod secrets;
mod unreadable;
mod usable;
mod watch;
mod watch_events;
mod watch_failure;
mod world;

use crate::api::{ClusterTokenIssuer, IssuerKind, OWNER_LABEL, RegistryToken, TokenIssuer};
use crate::kube_api::{Objects, everywhere};
use crate::readiness::Readiness;
use crate::watch_health::WatchHealth;
use caches::{Cache, Caches};
use context::{Context, IssuerCaches, Wakers};
use decode::Decoded;
use futures::{Stream, StreamExt, stream};
use issuer_kind::IssuerObject;
use issuers::{Entry, IssuerKey};
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::{Controller, WatchStreamExt};
use kube::{Client, Resource, ResourceExt};
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_util::sync::CancellationToken;
use unreadable::readable;
use watch::Watch;
use world::Shared;

pub use clock::Clock;
pub(crate) use cluster::explain;
pub use context::OPERATOR;
pub use issuer_policy::IssuerPolicy;
pub use response_filter::clean;

/// A pod is given two minutes to end (`terminationGracePeriodSeconds`); a request to the portal may take 90 s.
const END_WITHIN: Duration = Duration::from_secs(105);

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
    let (wake_token, token_wakes) = unbounded_channel();
    let (wake_issuer, issuer_wakes) = unbounded_channel();
    let keyring = mac_key::Keyring::new(settings.mac_key_secret.clone());
    cluster::heed(&stop);
    let ctx = Arc::new(Context::new(
        client.clone(),
        settings,
        tokens.clone(),
        secrets.clone(),
        Wakers { token: wake_token, issuer: wake_issuer },
        keyring,
        stop.clone(),
    ));
    let (token_health, secret_health) = (readiness.watch("RegistryToken"), readiness.watch("Secret"));
    let cluster = Watched::new(readiness.watch("ClusterTokenIssuer"));
    let namespaced = Watched::new(readiness.watch("TokenIssuer"));
    let caches = Caches {
        tokens: Cache::new(tokens.clone(), &token_health),
        secrets: secrets.clone(),
        issuers: IssuerCaches { cluster: cluster.cache(), namespaced: namespaced.cache() },
    };

    let told = Arc::clone(&ctx);
    let token_events = watch::<RegistryToken, _>(&client, Arc::clone(&token_health), prune::decode_token).events();
    let former = unreadable::cached(tokens.clone());
    let token_events = readable(token_events, former, token_health, move |skipped| unreadable::token(&told, skipped));
    let token_events =
        token_events.modify(|token| prune::metadata(&mut token.metadata)).reflect(token_writer).touched_objects();
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
    let context = Arc::clone(&ctx);
    let token_events = token_events.inspect(move |event| {
        if let Ok(token) = event {
            protect::token(&context, token);
        }
    });
    let secret_events = Watch {
        label: Some(OWNER_LABEL),
        metadata_only: true,
        ..watch::<Secret, _>(&client, Arc::clone(&secret_health), kept::decode)
    };
    let told = Arc::clone(&ctx);
    let secret_events = readable(secret_events.events(), kept::by_name, secret_health, move |skipped| {
        unreadable::secret(&told, skipped);
    });
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

    let all = async {
        tokio::join!(
            token_controller,
            run_issuers(cluster, |client, _| Objects::<ClusterTokenIssuer>::all(client), cluster_wakes, &ctx, &stop),
            run_issuers(namespaced, Objects::<TokenIssuer>::namespaced, namespaced_wakes, &ctx, &stop),
            mac_key::keep(&ctx, &tokens, &stop),
            credentials_watch::run(&ctx),
            caches::open(&ctx, caches, &readiness, &stop),
        );
    };
    tokio::select! {
        () = all => {}
        // A controller whose cache is not filled waits for that, and does not heed the stop.
        () = ctx.passes.drained() => {}
        () = overdue(&stop) => tracing::warn!("passes are still under way, and are given up: a restart takes up their work"),
    }
}

/// Ends when the process is to be gone.
async fn overdue(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(END_WITHIN).await;
}

/// A kind of issuer, and where what is watched of it goes.
struct Watched<I: Resource<DynamicType = ()> + Clone + 'static> {
    store: Store<I>,
    writer: reflector::store::Writer<I>,
    health: Arc<WatchHealth>,
}

impl<I: Resource<DynamicType = ()> + Clone + 'static> Watched<I> {
    fn new(health: Arc<WatchHealth>) -> Self {
        let (store, writer) = reflector::store();
        Self { store, writer, health }
    }

    fn cache(&self) -> Cache<I> {
        Cache::new(self.store.clone(), &self.health)
    }
}

/// A watch of all objects of a kind.
fn watch<K: Resource<DynamicType = ()>, T>(
    client: &Client,
    health: Arc<WatchHealth>,
    decode: fn(&[u8]) -> Decoded<T>,
) -> Watch<T> {
    Watch { client: client.clone(), request: everywhere::<K>(), label: None, metadata_only: false, decode, health }
}

async fn run_issuers<I>(
    watched: Watched<I>,
    api: fn(Client, &str) -> Objects<I>,
    wakes: impl Stream<Item = IssuerKey> + Send + 'static,
    ctx: &Shared,
    stop: &CancellationToken,
) where
    I: prune::Issuer + Clone + Debug + Send + Sync + 'static,
{
    let api = move |client: Client, namespace: &str| api(client, namespace).parsed_by(prune::live_issuer);
    let Watched { store, writer, health } = watched;
    let events = watch::<I, _>(&ctx.client, Arc::clone(&health), prune::decode_issuer).events();
    let told = Arc::clone(ctx);
    let events = readable(events, unreadable::cached(store.clone()), health, move |skipped| {
        unreadable::issuer(&told, skipped);
    });
    let events = events.modify(|issuer| prune::metadata(issuer.meta_mut())).reflect(writer).touched_objects();
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
    let context = Arc::clone(ctx);
    let events = events.inspect(move |event| {
        if let Ok(issuer) = event {
            protect::issuer(&context, issuer, api(context.client.clone(), &issuer.key().namespace));
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
