//! What every pass needs.

use super::OperatorConfig;
use super::cache_sync::ObjectCache;
use super::clock::Clock;
use super::events::EventRecorder;
use super::in_flight::InFlight;
use super::issuer::cache::{ConnectedIssuer, IssuerCache, IssuerKey};
use super::issuer::object::AnyIssuer;
use super::issuer::policy::IssuerPolicy;
use super::mac_key::Keyring;
use super::secret_cache::CachedSecret;
use super::token::process_state::ProcessState;
use crate::api::{ClusterTokenIssuer, IssuerKind, RegistryToken, TokenIssuer};
use crate::domain::observed::IssuerState;
use crate::registry::{LoginChecker, RegistryLoginChecker};
use futures::FutureExt;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Client, ResourceExt};
use ring::rand::{SecureRandom, SystemRandom};
use std::collections::HashSet;
use std::sync::{Arc, OnceLock};
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

/// Who we are to the API server and in events.
pub const CONTROLLER_NAME: &str = "registry-token-operator";

/// The parts that all passes share.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// Where the cluster issuers' Secrets lie.
    pub namespace: String,
    /// This process, in reservations.
    pub identity: String,
    /// What time it is.
    pub clock: Arc<Clock>,
    /// What the operator's admin allows issuers.
    pub policy: IssuerPolicy,
    /// What is known of the issuers.
    pub issuers: IssuerCache,
    /// The objects.
    pub tokens: Store<RegistryToken>,
    /// The metadata of Secrets with our label.
    pub secrets: Store<CachedSecret>,
    /// Tries logins at registries.
    pub registry: Box<dyn LoginChecker>,
    /// What is remembered between passes.
    pub process_state: ProcessState,
    /// Starts a pass of an object.
    pub requeue_token: UnboundedSender<ObjectRef<RegistryToken>>,
    /// UIDs of the issuers that this process has released, as long as a cache may still show them.
    pub finalized_issuers: tokio::sync::Mutex<HashSet<String>>,
    /// Starts a pass of an issuer.
    pub requeue_issuer: UnboundedSender<IssuerKey>,
    /// Cancelled when the operator is to end.
    pub stop: CancellationToken,
    /// The passes that are under way.
    pub in_flight: InFlight,
    /// Where facts are told.
    pub events: EventRecorder,
    /// The keys that prove what is noted of tokens.
    pub keyring: Keyring,
    issuer_caches: OnceLock<IssuerObjectCaches>,
    random: SystemRandom,
}

/// The caches of both kinds of issuer.
pub struct IssuerObjectCaches {
    /// `ClusterTokenIssuer`s.
    pub cluster: ObjectCache<ClusterTokenIssuer>,
    /// `TokenIssuer`s.
    pub namespaced: ObjectCache<TokenIssuer>,
}

/// The channels that start passes.
pub struct RequeueChannels {
    /// Of an object.
    pub token: UnboundedSender<ObjectRef<RegistryToken>>,
    /// Of an issuer.
    pub issuer: UnboundedSender<IssuerKey>,
}

impl Context {
    /// Puts the parts together.
    #[must_use]
    #[allow(clippy::too_many_arguments, reason = "each is a part of its own")]
    pub fn new(
        client: Client,
        settings: OperatorConfig,
        tokens: Store<RegistryToken>,
        secrets: Store<CachedSecret>,
        requeue: RequeueChannels,
        keyring: Keyring,
        stop: CancellationToken,
    ) -> Self {
        let OperatorConfig { namespace, identity: holder, clock, policy, .. } = settings;
        Self {
            events: EventRecorder::new(client.clone(), holder.clone()),
            client,
            namespace,
            identity: holder,
            clock,
            policy,
            issuers: IssuerCache::default(),
            tokens,
            secrets,
            registry: Box::<RegistryLoginChecker>::default(),
            process_state: ProcessState::default(),
            requeue_token: requeue.token,
            finalized_issuers: tokio::sync::Mutex::default(),
            requeue_issuer: requeue.issuer,
            keyring,
            random: SystemRandom::new(),
            issuer_caches: OnceLock::new(),
            in_flight: InFlight::new(stop.clone()),
            stop,
        }
    }

    /// Every cache is filled, or cannot be for now: decisions may begin.
    pub fn set_issuer_caches(&self, caches: IssuerObjectCaches) {
        let _ = self.issuer_caches.set(caches);
    }

    /// Whether decisions may begin.
    pub fn caches_synced(&self) -> bool {
        self.issuer_caches.get().is_some()
    }

    /// Whether an issuer may exist, as far as the caches know.
    pub fn issuer_may_exist(&self, key: &IssuerKey) -> bool {
        self.issuer_caches.get().is_none_or(|caches| caches.contains(key) != Some(false))
    }

    /// The issuer as decisions see it, where it can be worked with as this handle. What no filled
    /// cache holds does not exist.
    pub fn issuer_state(&self, key: &IssuerKey, connected: Option<&Arc<ConnectedIssuer>>) -> IssuerState {
        if let Some(handle) = connected {
            return IssuerState::Ready(handle.info.clone());
        }
        match (self.issuers.state(key), self.issuer_caches.get()) {
            (IssuerState::Unknown, Some(caches)) if caches.contains(key) == Some(false) => IssuerState::Missing,
            (view, _) => view,
        }
    }

    /// Whether the objects have been listed since this process began.
    pub fn tokens_listed(&self) -> bool {
        self.tokens.wait_until_ready().now_or_never().is_some_and(|ready| ready.is_ok())
    }

    /// The objects that name this issuer, as the cache has them.
    pub fn tokens_of(&self, key: &IssuerKey) -> Vec<Arc<RegistryToken>> {
        let names = |token: &RegistryToken| {
            IssuerKey::of(&token.spec.issuer_ref, &token.namespace().unwrap_or_default()) == *key
        };
        self.tokens.state_filter(names)
    }

    /// The caches of issuers, once they hold all that there are.
    pub fn synced_issuer_caches(&self) -> Option<&IssuerObjectCaches> {
        self.issuer_caches.get().filter(|caches| caches.cluster.has_synced() && caches.namespaced.has_synced())
    }

    /// The kinds of which it is not known which objects there are.
    pub fn unsynced_kinds(&self) -> Vec<&'static str> {
        let Some(caches) = self.issuer_caches.get() else { return vec!["kinds that it watches"] };
        let known =
            [(caches.cluster.has_synced(), "ClusterTokenIssuers"), (caches.namespaced.has_synced(), "TokenIssuers")];
        known.into_iter().filter(|(known, _)| !known).map(|(_, kind)| kind).collect()
    }

    /// The other issuers that have what they need in the same namespace. None where it is not known which there are.
    pub fn issuers_sharing_namespace(&self, key: &IssuerKey) -> Option<Vec<Arc<dyn AnyIssuer>>> {
        let caches = self.synced_issuer_caches()?;
        let namespace = |own: &str| if own.is_empty() { self.namespace.clone() } else { own.to_owned() };
        let cluster = caches.cluster.state().into_iter().map(|issuer| issuer as Arc<dyn AnyIssuer>);
        let namespaced = caches.namespaced.state().into_iter().map(|issuer| issuer as Arc<dyn AnyIssuer>);
        let here = |other: &IssuerKey| other != key && namespace(&other.namespace) == namespace(&key.namespace);
        Some(cluster.chain(namespaced).filter(|other| here(&other.key())).collect())
    }

    /// The kind of an issuer that needs the Secret of this name in this namespace for its tokens; none where there is none,
    /// or the caches are not filled.
    pub fn issuer_kind_using_secret(&self, namespace: &str, name: &str) -> Option<IssuerKind> {
        let caches = self.issuer_caches.get()?;
        let uses = |issuer: &dyn AnyIssuer| {
            let own = issuer.key().namespace;
            let its = if own.is_empty() { &self.namespace } else { &own };
            its == namespace && super::restore_finalizers::needs_secret(issuer, name)
        };
        if caches.cluster.state().iter().any(|issuer| uses(&**issuer)) {
            return Some(IssuerKind::ClusterTokenIssuer);
        }
        caches.namespaced.state().iter().any(|issuer| uses(&**issuer)).then_some(IssuerKind::TokenIssuer)
    }

    /// Whether the caches show an issuer of this UID.
    pub fn cache_has_issuer(&self, uid: &str) -> bool {
        self.issuer_caches.get().is_some_and(|caches| {
            caches.cluster.state().iter().any(|issuer| AnyIssuer::uid(&**issuer) == uid)
                || caches.namespaced.state().iter().any(|issuer| AnyIssuer::uid(&**issuer) == uid)
        })
    }

    /// Has an issuer's portal audited when no late answer can come any more.
    pub fn request_audit(&self, key: &IssuerKey) {
        self.issuers.request_audit(key, self.clock.now());
        let _ = self.requeue_issuer.send(key.clone());
    }

    /// Randomness for an attempt; none where the system has none, and then nothing is begun.
    #[must_use]
    pub fn random(&self) -> Option<[u8; 16]> {
        let mut bytes = [0; 16];
        self.random.fill(&mut bytes).ok().map(|()| bytes)
    }

    /// A number from 0 to 1, to spread waits.
    #[must_use]
    pub fn jitter(&self) -> f64 {
        self.random().map_or(0.5, |bytes| f64::from(bytes[0]) / 255.0)
    }
}

impl IssuerObjectCaches {
    /// None where it is not known.
    fn contains(&self, key: &IssuerKey) -> Option<bool> {
        match key.kind {
            IssuerKind::ClusterTokenIssuer => self.cluster.contains(&ObjectRef::new(&key.name)),
            IssuerKind::TokenIssuer => self.namespaced.contains(&ObjectRef::new(&key.name).within(&key.namespace)),
        }
    }
}
