//! The controllers: what is watched and cached, and which event starts which pass.

mod allowance;
mod annotations;
mod api_call;
mod cache_sync;
mod clock;
mod cluster_token;
mod context;
mod decode;
mod event_limit;
mod events;
mod executor;
mod field_manager;
mod finalizer;
mod in_flight;
mod invalid_objects;
mod issuer;
mod issuer_object;
mod issuer_policy;
mod leader_election;
mod live_list;
pub(crate) mod live_secret;
mod mac_key;
mod namespaces;
mod requeue;
mod service_accounts;
mod snapshot;
mod span;
mod state;
mod token;
mod watch;
mod work_queue;

use self::context::{Context, RequeueChannels};
use self::invalid_objects::skip_invalid;
use self::issuer::controller::WatchedKind;
use self::state::cluster_tokens::ClusterTokens;
use self::state::keyring::Keyring;
use self::state::object_cache::{IssuerObjectCaches, ObjectCache, ObjectCaches};
use self::state::token_cache::{TokenCache, TokenKey, key_of, reflect_tokens};
use crate::api::{ClusterTokenIssuer, OWNER_LABEL, RegistryToken, TokenIssuer};
use crate::health::readiness::Readiness;
use crate::health::watch_health::WatchHealth;
use crate::kube_client::objects::{ObjectClient, Request};
use crate::kube_client::scope::WatchScope;
use crate::metrics::{Kind, Metrics};
use decode::Decoded;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, stream};
use k8s_openapi::api::core::v1::{ObjectReference, Secret};
use kube::runtime::reflector;
use kube::{Client, ResourceExt};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_util::sync::CancellationToken;
use watch::Watch;
use watch::namespaces::KindWatches;

pub(crate) use self::api_call::safe_error_message;
pub use self::issuer_policy::IssuerPolicy;
pub use self::leader_election::ElectionSettings;
pub use crate::kube_client::response_filter::filter_response;
pub use clock::Clock;

/// The name of the controller for the API server and in events.
pub const CONTROLLER_NAME: &str = "registry-token-operator";

/// A pod has two minutes to stop (`terminationGracePeriodSeconds`); a request to the portal may take 90 s.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(105);

/// Configuration of the operator.
#[derive(Clone)]
pub struct OperatorConfig {
    /// The operator's namespace, which contains the Secrets of cluster issuers.
    pub namespace: String,
    /// The identity of this instance, recorded in reservations.
    pub identity: String,
    /// The API server's time, taken from its responses.
    pub clock: Arc<Clock>,
    /// Which namespaces are watched.
    pub scope: WatchScope,
    /// What the operator's admin allows issuers to do.
    pub policy: IssuerPolicy,
    /// Name of the Secret with the MAC keys.
    pub mac_key_secret: String,
    /// The metrics of the process.
    pub metrics: Arc<Metrics>,
    /// Leader election; `None` if this instance is active whatever others do.
    pub election: Option<ElectionSettings>,
}

/// Runs until `stop` is cancelled and the passes in flight have ended.
#[allow(clippy::too_many_lines, reason = "it wires every stream to its controller")]
pub async fn run(client: Client, settings: OperatorConfig, readiness: Arc<Readiness>, stop: CancellationToken) {
    let (token_store, token_writer) = reflector::store();
    let tokens = TokenCache::new(token_store.clone());
    let (secrets, secret_writer) = reflector::store();
    let (requeue_token, token_requeues) = unbounded_channel();
    let (requeue_issuer, issuer_requeues) = unbounded_channel();
    let (requeue_cluster_token, cluster_token_requeues) = unbounded_channel();
    let (cluster_token_store, object_writer) = reflector::store();
    let (namespace_store, namespace_writer) = reflector::store();
    let keyring = Keyring::new(settings.mac_key_secret.clone());
    let election = settings.election.clone();
    self::api_call::set_shutdown_token(&stop);
    let ctx = Arc::new(Context::new(
        client.clone(),
        settings,
        tokens.clone(),
        secrets.clone(),
        ClusterTokens::new(cluster_token_store, namespace_store, requeue_cluster_token),
        RequeueChannels { token: requeue_token, issuer: requeue_issuer },
        keyring,
        stop.clone(),
    ));
    self::context::show_objects(&ctx);
    let register = |kind| KindWatches::register(&readiness, kind, &ctx.scope, &ctx.metrics);
    let (token_watches, secret_watches) = (register(Kind::RegistryToken), register(Kind::Secret));
    let cluster = ctx.scope.is_cluster_wide().then(|| WatchedKind::new(register(Kind::ClusterTokenIssuer)));
    let namespaced = WatchedKind::new(register(Kind::TokenIssuer));
    let cluster_tokens = ctx.scope.is_cluster_wide().then(|| cluster_token::controller::Watched {
        objects: register(Kind::ClusterRegistryToken),
        namespaces: register(Kind::Namespace),
        object_writer,
        namespace_writer,
    });
    if cluster_tokens.is_none() {
        tracing::info!("single namespaces are watched: ClusterRegistryTokens and ClusterTokenIssuers are not served");
    }
    let caches = ObjectCaches {
        tokens: ObjectCache::new(token_store.clone(), &token_watches),
        secrets: ObjectCache::new(secrets.clone(), &secret_watches),
        issuers: IssuerObjectCaches {
            cluster: cluster.as_ref().map_or_else(ObjectCache::not_watched, WatchedKind::cache),
            namespaced: namespaced.cache(),
        },
    };

    let report_ctx = Arc::clone(&ctx);
    let token_events = token_watches
        .events::<RegistryToken, _, _>(&token_store, watch_objects(&client, self::decode::prune::decode_token));
    let known = tokens.clone();
    let last_known = move |about: &ObjectReference, _| known.get(&self::decode::key_of(about));
    let token_events = skip_invalid(token_events, last_known, token_watches.invalid_objects(), move |skipped| {
        self::invalid_objects::report_token(&report_ctx, skipped);
    });
    let (known, context) = (tokens.clone(), Arc::clone(&ctx));
    let token_events = reflect_tokens(token_events, token_writer).map(move |token| {
        let (key, uid) = (key_of(&token), token.uid().unwrap_or_default());
        if !context.caches_synced_for(token.namespace().as_deref().unwrap_or_default()) {
            // A resync that was requested before this process started is not handled again.
            context.process_state.resync_requested(&uid, token.annotations(), true);
        } else if !known.contains(&key) {
            // An object that never had our finalizer is only noticed by its deletion event.
            context.process_state.forget(&uid);
            context.account_changes.forget(&key);
        }
        if self::state::token_cache::names_accounts(&token) {
            context.account_changes.want();
        }
        self::issuer::restore_finalizers::restore_on_token(&context, &token);
        context.cluster_tokens.token_changed(&key.name);
        key
    });
    let watch = watch_objects(&client, self::decode::metadata_only);
    let secret_events = secret_watches.events::<Secret, _, _>(&secrets, |request, health| Watch {
        label: Some(OWNER_LABEL),
        metadata_only: true,
        ..watch(request, health)
    });
    let report_ctx = Arc::clone(&ctx);
    let secret_events =
        skip_invalid(secret_events, self::decode::deleted_by_name, secret_watches.invalid_objects(), move |skipped| {
            self::invalid_objects::report_secret(&report_ctx, skipped);
        });
    let (cluster_requeues, namespaced_requeues) = issuer::controller::split_by_kind(issuer_requeues);
    // If only some namespaces are watched, nothing of the cluster is.
    let cluster = cluster.map(|watched| {
        (watched, stream::select(cluster_requeues, Arc::clone(&readiness).heartbeat("cluster issuers")))
    });
    let namespaced_requeues = stream::select(namespaced_requeues, Arc::clone(&readiness).heartbeat("issuers"));
    let triggers: [BoxStream<'static, TokenKey>; 4] = [
        token_events.boxed(),
        self::state::secret_cache::reflect_secrets(secret_events, secret_writer, tokens.clone()).boxed(),
        receiver_stream(token_requeues).boxed(),
        Arc::clone(&readiness).heartbeat("objects").boxed(),
    ];
    let token_controller = self::token::run(stream::select_all(triggers), &ctx);

    let all = async {
        tokio::join!(
            token_controller,
            async {
                let Some((cluster, requeues)) = cluster else { return };
                let api = |client, _: &str| ObjectClient::<ClusterTokenIssuer>::all(client);
                issuer::controller::run(cluster, api, requeues, &ctx, &stop).await;
            },
            issuer::controller::run(
                namespaced,
                ObjectClient::<TokenIssuer>::namespaced,
                namespaced_requeues,
                &ctx,
                &stop
            ),
            async {
                let Some(watched) = cluster_tokens else { return };
                let heartbeat = Arc::clone(&readiness).heartbeat("cluster tokens");
                cluster_token::controller::run(watched, cluster_token_requeues, heartbeat, &ctx).await;
            },
            mac_key::maintain(&ctx, &stop),
            self::issuer::credentials_watch::run(&ctx),
            self::service_accounts::run(&ctx),
            self::cache_sync::start_when_synced(&ctx, caches, &readiness, &stop),
        );
    };
    // A task of its own, so that no pass delays a renewal.
    let election =
        election.map(|settings| tokio::spawn(leader_election::run(Arc::clone(&ctx), settings, Arc::clone(&readiness))));
    tokio::select! {
        () = all => {}
        // A controller whose cache is not synced waits for it and ignores the stop.
        () = ctx.in_flight.drained() => {}
        () = shutdown_timeout(&stop) => tracing::warn!("shutdown timeout: passes in flight are cancelled, and a restart continues their work"),
    }
    // The Lease is released while passes end, and within a few seconds.
    if let Some(election) = election
        && election.await.is_err()
    {
        tracing::error!("leader election ended unexpectedly");
    }
}

/// Completes when the process has to exit.
async fn shutdown_timeout(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(SHUTDOWN_TIMEOUT).await;
}

/// Watches of all objects of a kind that these requests cover.
fn watch_objects<T>(
    client: &Client,
    decode: fn(&[u8]) -> Decoded<T>,
) -> impl Fn(Request, Arc<WatchHealth>) -> Watch<T> + use<T> {
    let client = client.clone();
    move |request, health| Watch { client: client.clone(), request, label: None, metadata_only: false, decode, health }
}

fn receiver_stream<T: Send + 'static>(receiver: UnboundedReceiver<T>) -> impl Stream<Item = T> + Send + 'static {
    stream::unfold(receiver, |mut receiver| async { receiver.recv().await.map(|item| (item, receiver)) })
}
