//! The context of all passes.

use super::OperatorConfig;
use super::clock::Clock;
use super::events::EventRecorder;
use super::in_flight::InFlight;
use super::issuer_object::{AnyIssuer, IssuerKey};
use super::issuer_policy::{IssuerPolicy, require_watched_kind};
use super::state::account_changes::AccountChanges;
use super::state::cluster_tokens::ClusterTokens;
use super::state::import_claims::ImportClaims;
use super::state::issuer_cache::{ConnectedIssuer, IssuerCache, IssuerEntry};
use super::state::keyring::Keyring;
use super::state::object_cache::{IssuerObjectCaches, ObjectCaches};
use super::state::process_state::ProcessState;
use super::state::secret_cache::CachedSecret;
use super::state::token_cache::{CachedToken, TokenCache, TokenKey};
use crate::domain::model::issuer::IssuerState;
use crate::kube_client::scope::WatchScope;
use crate::metrics::{Metrics, ShownObject};
use crate::portal::Claim;
use crate::registry::{LoginChecker, RegistryLoginChecker};
use kube::Client;
use kube::runtime::reflector::Store;
use ring::rand::{SecureRandom, SystemRandom};
use std::collections::HashSet;
use std::sync::Arc;
use tokio::sync::SetOnce;
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

/// The shared context of passes.
pub type SharedContext = Arc<Context>;

/// The parts that all passes share.
pub struct Context {
    pub client: Client,
    /// The operator's namespace, which contains the Secrets of cluster issuers.
    pub namespace: String,
    /// The identity of this instance, recorded in reservations.
    pub identity: String,
    pub clock: Arc<Clock>,
    /// Which namespaces are watched.
    pub scope: WatchScope,
    /// What the operator's admin allows issuers to do.
    pub policy: IssuerPolicy,
    pub metrics: Arc<Metrics>,
    pub issuers: IssuerCache,
    pub tokens: TokenCache,
    /// `ClusterRegistryToken`s and namespaces.
    pub cluster_tokens: ClusterTokens,
    /// The metadata of Secrets with the owner label.
    pub secrets: Store<CachedSecret>,
    /// Verifies logins at registries.
    pub registry: Box<dyn LoginChecker>,
    pub process_state: ProcessState,
    pub import_claims: ImportClaims,
    /// The `ServiceAccount`s that have to be read.
    pub account_changes: AccountChanges,
    /// Starts a pass of an object.
    pub requeue_token: UnboundedSender<TokenKey>,
    /// UIDs of the issuers that this process has finalized, as long as a cache may still contain them.
    pub finalized_issuers: tokio::sync::Mutex<HashSet<String>>,
    /// Starts a pass of an issuer.
    pub requeue_issuer: UnboundedSender<IssuerKey>,
    /// Cancelled on shutdown.
    pub stop: CancellationToken,
    pub in_flight: InFlight,
    /// Whether this instance is the leader. It is checked before a pass, and before anything is changed at a portal.
    pub claim: Claim,
    pub events: EventRecorder,
    /// The keys that prove which tokens the operator recorded.
    pub keyring: Keyring,
    caches: SetOnce<ObjectCaches>,
    random: SystemRandom,
}

pub struct RequeueChannels {
    pub token: UnboundedSender<TokenKey>,
    pub issuer: UnboundedSender<IssuerKey>,
}

impl Context {
    #[must_use]
    #[allow(clippy::too_many_arguments, reason = "each is a part of its own")]
    pub fn new(
        client: Client,
        settings: OperatorConfig,
        tokens: TokenCache,
        secrets: Store<CachedSecret>,
        cluster_tokens: ClusterTokens,
        requeue: RequeueChannels,
        keyring: Keyring,
        stop: CancellationToken,
    ) -> Self {
        let OperatorConfig { namespace, identity, clock, scope, policy, metrics, election, .. } = settings;
        Self {
            events: EventRecorder::new(client.clone(), identity.clone(), Arc::clone(&metrics)),
            claim: if election.is_some() { Claim::of_standby() } else { Claim::always() },
            client,
            namespace,
            identity,
            clock,
            scope,
            policy,
            metrics,
            issuers: IssuerCache::default(),
            tokens,
            cluster_tokens,
            secrets,
            registry: Box::<RegistryLoginChecker>::default(),
            process_state: ProcessState::default(),
            import_claims: ImportClaims::default(),
            account_changes: AccountChanges::default(),
            requeue_token: requeue.token,
            finalized_issuers: tokio::sync::Mutex::default(),
            requeue_issuer: requeue.issuer,
            keyring,
            random: SystemRandom::new(),
            caches: SetOnce::new(),
            in_flight: InFlight::new(stop.clone()),
            stop,
        }
    }

    /// Called when every cache is synced, or cannot be for now: decisions may start.
    pub fn set_caches(&self, caches: ObjectCaches) {
        let _ = self.caches.set(caches);
    }

    /// Whether decisions may start.
    pub fn caches_synced(&self) -> bool {
        self.caches.get().is_some()
    }

    /// Completes when decisions may start.
    pub async fn wait_for_caches(&self) {
        self.caches.wait().await;
    }

    /// The caches, once decisions may start.
    pub fn caches(&self) -> Option<&ObjectCaches> {
        self.caches.get()
    }

    /// Whether a pass may start: the caches are synced, and this instance is the leader.
    pub fn may_start_pass(&self) -> bool {
        self.caches_synced() && self.claim.is_held()
    }

    /// Whether an issuer may exist, according to the caches.
    pub fn issuer_may_exist(&self, key: &IssuerKey) -> bool {
        self.issuer_caches().is_none_or(|caches| caches.contains(key) != Some(false))
    }

    /// The state of the issuer for decisions; ready if a connected issuer is given. An issuer that is not in a synced
    /// cache does not exist.
    pub fn issuer_state(&self, key: &IssuerKey, connected: Option<&Arc<ConnectedIssuer>>) -> IssuerState {
        if let Some(issuer) = connected {
            return IssuerState::Ready(issuer.info.clone());
        }
        if let Err(problem) = require_watched_kind(&self.scope, key.kind) {
            return IssuerState::NotReady(problem);
        }
        match (self.issuers.state(key), self.issuer_caches()) {
            (IssuerState::Unknown, Some(caches)) if caches.contains(key) == Some(false) => IssuerState::Missing,
            (state, _) => state,
        }
    }

    /// The cached objects that name this issuer.
    pub fn tokens_of(&self, key: &IssuerKey) -> Vec<Arc<CachedToken>> {
        self.tokens.filter(|token| token.names_issuer(key))
    }

    /// The caches of issuers, once decisions may start; a kind may not be synced.
    pub fn issuer_caches(&self) -> Option<&IssuerObjectCaches> {
        self.caches.get().map(|caches| &caches.issuers)
    }

    /// The caches of issuers, once both are complete as far as issuers of this namespace share anything.
    pub fn synced_issuer_caches(&self, key: &IssuerKey) -> Option<&IssuerObjectCaches> {
        self.issuer_caches().filter(|caches| unsynced_kinds(caches, key).is_empty())
    }

    /// The kinds whose caches are not synced, as far as this issuer is concerned.
    pub fn unsynced_kinds(&self, key: &IssuerKey) -> Vec<&'static str> {
        self.issuer_caches().map_or_else(|| vec!["kinds that it watches"], |caches| unsynced_kinds(caches, key))
    }

    /// The other issuers with credentials in the same namespace. `None` if they are unknown.
    pub fn issuers_sharing_namespace(&self, key: &IssuerKey) -> Option<Vec<Arc<dyn AnyIssuer>>> {
        let caches = self.synced_issuer_caches(key)?;
        let namespace = |own: &str| if own.is_empty() { self.namespace.clone() } else { own.to_owned() };
        let cluster = caches.cluster.state().into_iter().map(|issuer| issuer as Arc<dyn AnyIssuer>);
        let namespaced = caches.namespaced.state().into_iter().map(|issuer| issuer as Arc<dyn AnyIssuer>);
        let here = |other: &IssuerKey| other != key && namespace(&other.namespace) == namespace(&key.namespace);
        Some(cluster.chain(namespaced).filter(|other| here(&other.key())).collect())
    }

    /// Whether the caches contain an issuer with this UID.
    pub fn cache_has_issuer(&self, uid: &str) -> bool {
        self.issuer_caches().is_some_and(|caches| {
            caches.cluster.state().iter().any(|issuer| AnyIssuer::uid(&**issuer) == uid)
                || caches.namespaced.state().iter().any(|issuer| AnyIssuer::uid(&**issuer) == uid)
        })
    }

    /// Forgets a deleted issuer and requeues its objects, which then report it: an issuer that is not in a synced cache
    /// does not exist.
    pub fn issuer_missing(&self, key: &IssuerKey) {
        self.issuers.forget(key);
        self.metrics.issuers.forget(&key.metrics_label(), key.kind.as_str(), &key.namespace, &key.name);
        self.requeue_dependents(key);
    }

    /// Sets the state of an issuer, and requeues its objects.
    pub fn set_issuer(&self, key: &IssuerKey, entry: IssuerEntry) {
        self.issuers.set(key.clone(), entry);
        self.requeue_dependents(key);
    }

    fn requeue_dependents(&self, key: &IssuerKey) {
        for token in self.tokens_of(key) {
            let _ = self.requeue_token.send(token.reference());
        }
    }

    /// Requests an audit of the issuer's portal, which starts when no late response can arrive any more.
    pub fn request_audit(&self, key: &IssuerKey) {
        self.issuers.request_audit(key, self.clock.now());
        let _ = self.requeue_issuer.send(key.clone());
    }

    /// Random bytes for an attempt; `None` if the system RNG is unavailable, in which case no attempt is started.
    #[must_use]
    pub fn random(&self) -> Option<[u8; 16]> {
        let mut bytes = [0; 16];
        self.random.fill(&mut bytes).ok().map(|()| bytes)
    }

    /// A random number from 0 to 1, for jitter.
    #[must_use]
    pub fn jitter(&self) -> f64 {
        self.random().map_or(0.5, |bytes| f64::from(bytes[0]) / 255.0)
    }
}

/// Shows the cached objects in the metrics of single objects, as long as this instance is the leader.
pub fn show_objects(ctx: &Context) {
    let (claim, tokens) = (ctx.claim.clone(), ctx.tokens.clone());
    ctx.metrics.show_objects(move || {
        let all = || tokens.all().into_iter().map(|token| token as Arc<dyn ShownObject>).collect();
        claim.is_held().then(all)
    });
}

/// The kinds of issuer whose caches are not synced, as far as this issuer is concerned.
fn unsynced_kinds(caches: &IssuerObjectCaches, key: &IssuerKey) -> Vec<&'static str> {
    let synced = [
        (caches.cluster.has_synced_in(""), "ClusterTokenIssuers"),
        (caches.namespaced.has_synced_in(&key.namespace), "TokenIssuers"),
    ];
    synced.into_iter().filter(|(synced, _)| !synced).map(|(_, kind)| kind).collect()
}
