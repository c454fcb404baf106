//! What every pass needs.

use super::Settings;
use super::caches::Cache;
use super::clock::Clock;
use super::events::Events;
use super::issuer_kind::IssuerObject;
use super::issuer_policy::IssuerPolicy;
use super::issuers::{Handle, IssuerKey, Issuers};
use super::kept::KeptSecret;
use super::mac_key::Keyring;
use super::memory::Memory;
use super::passes::Passes;
use crate::api::{ClusterTokenIssuer, IssuerKind, RegistryToken, TokenIssuer};
use crate::domain::observed::IssuerView;
use crate::registry::{LoginCheck, Registries};
use futures::FutureExt;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Client, ResourceExt};
use ring::rand::{SecureRandom, SystemRandom};
use std::collections::HashSet;
use std::sync::{Arc, OnceLock};
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

/// Who we are to the API server and in events.
pub const OPERATOR: &str = "registry-token-operator";

/// The parts that all passes share.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// Where the cluster issuers' Secrets lie.
    pub namespace: String,
    /// This process, in reservations.
    pub holder: String,
    /// What time it is.
    pub clock: Arc<Clock>,
    /// What the operator's admin allows issuers.
    pub policy: IssuerPolicy,
    /// What is known of the issuers.
    pub issuers: Issuers,
    /// The objects.
    pub tokens: Store<RegistryToken>,
    /// The metadata of Secrets with our label.
    pub secrets: Store<KeptSecret>,
    /// Tries logins at registries.
    pub registry: Box<dyn LoginCheck>,
    /// What is remembered between passes.
    pub memory: Memory,
    /// Starts a pass of an object.
    pub wake_token: UnboundedSender<ObjectRef<RegistryToken>>,
    /// UIDs of the issuers that this process has released, as long as a cache may still show them.
    pub released: tokio::sync::Mutex<HashSet<String>>,
    /// Starts a pass of an issuer.
    pub wake_issuer: UnboundedSender<IssuerKey>,
    /// Cancelled when the operator is to end.
    pub stop: CancellationToken,
    /// The passes that are under way.
    pub passes: Passes,
    /// Where facts are told.
    pub events: Events,
    /// The keys that prove what is noted of tokens.
    pub keyring: Keyring,
    caches: OnceLock<IssuerCaches>,
    random: SystemRandom,
}

/// The caches of both kinds of issuer.
pub struct IssuerCaches {
    /// `ClusterTokenIssuer`s.
    pub cluster: Cache<ClusterTokenIssuer>,
    /// `TokenIssuer`s.
    pub namespaced: Cache<TokenIssuer>,
}

/// The channels that start passes.
pub struct Wakers {
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
        settings: Settings,
        tokens: Store<RegistryToken>,
        secrets: Store<KeptSecret>,
        wakers: Wakers,
        keyring: Keyring,
        stop: CancellationToken,
    ) -> Self {
        let Settings { namespace, holder, clock, policy, .. } = settings;
        Self {
            events: Events::new(client.clone(), holder.clone()),
            client,
            namespace,
            holder,
            clock,
            policy,
            issuers: Issuers::default(),
            tokens,
            secrets,
            registry: Box::<Registries>::default(),
            memory: Memory::default(),
            wake_token: wakers.token,
            released: tokio::sync::Mutex::default(),
            wake_issuer: wakers.issuer,
            keyring,
            random: SystemRandom::new(),
            caches: OnceLock::new(),
            passes: Passes::new(stop.clone()),
            stop,
        }
    }

    /// Every cache is filled, or cannot be for now: decisions may begin.
    pub fn open(&self, caches: IssuerCaches) {
        let _ = self.caches.set(caches);
    }

    /// Whether decisions may begin.
    pub fn is_open(&self) -> bool {
        self.caches.get().is_some()
    }

    /// Whether an issuer may exist, as far as the caches know.
    pub fn may_exist(&self, key: &IssuerKey) -> bool {
        self.caches.get().is_none_or(|caches| caches.hold(key) != Some(false))
    }

    /// The issuer as decisions see it, where it can be worked with as this handle. What no filled
    /// cache holds does not exist.
    pub fn issuer(&self, key: &IssuerKey, handle: Option<&Arc<Handle>>) -> IssuerView {
        if let Some(handle) = handle {
            return IssuerView::Ready(handle.facts.clone());
        }
        match (self.issuers.view(key), self.caches.get()) {
            (IssuerView::Unknown, Some(caches)) if caches.hold(key) == Some(false) => IssuerView::Missing,
            (view, _) => view,
        }
    }

    /// Whether the objects have been listed since this process began.
    pub fn tokens_listed(&self) -> bool {
        self.tokens.wait_until_ready().now_or_never().is_some_and(|ready| ready.is_ok())
    }

    /// The objects that name this issuer, as the cache has them.
    pub fn naming(&self, key: &IssuerKey) -> Vec<Arc<RegistryToken>> {
        let names = |token: &RegistryToken| {
            IssuerKey::of(&token.spec.issuer_ref, &token.namespace().unwrap_or_default()) == *key
        };
        self.tokens.state_filter(names)
    }

    /// The caches of issuers, once they hold all that there are.
    pub fn known_issuers(&self) -> Option<&IssuerCaches> {
        self.caches.get().filter(|caches| caches.cluster.is_known() && caches.namespaced.is_known())
    }

    /// The kinds of which it is not known which objects there are.
    pub fn unknown_issuers(&self) -> Vec<&'static str> {
        let Some(caches) = self.caches.get() else { return vec!["kinds that it watches"] };
        let known =
            [(caches.cluster.is_known(), "ClusterTokenIssuers"), (caches.namespaced.is_known(), "TokenIssuers")];
        known.into_iter().filter(|(known, _)| !known).map(|(_, kind)| kind).collect()
    }

    /// The other issuers that have what they need in the same namespace. None where it is not known which there are.
    pub fn neighbors(&self, key: &IssuerKey) -> Option<Vec<Arc<dyn IssuerObject>>> {
        let caches = self.known_issuers()?;
        let namespace = |own: &str| if own.is_empty() { self.namespace.clone() } else { own.to_owned() };
        let cluster = caches.cluster.state().into_iter().map(|issuer| issuer as Arc<dyn IssuerObject>);
        let namespaced = caches.namespaced.state().into_iter().map(|issuer| issuer as Arc<dyn IssuerObject>);
        let here = |other: &IssuerKey| other != key && namespace(&other.namespace) == namespace(&key.namespace);
        Some(cluster.chain(namespaced).filter(|other| here(&other.key())).collect())
    }

    /// The kind of an issuer that needs the Secret of this name in this namespace for its tokens; none where there is none,
    /// or the caches are not filled.
    pub fn user_of_credentials(&self, namespace: &str, name: &str) -> Option<IssuerKind> {
        let caches = self.caches.get()?;
        let uses = |issuer: &dyn IssuerObject| {
            let own = issuer.key().namespace;
            let its = if own.is_empty() { &self.namespace } else { &own };
            its == namespace && super::protect::needs_secret(issuer, name)
        };
        if caches.cluster.state().iter().any(|issuer| uses(&**issuer)) {
            return Some(IssuerKind::ClusterTokenIssuer);
        }
        caches.namespaced.state().iter().any(|issuer| uses(&**issuer)).then_some(IssuerKind::TokenIssuer)
    }

    /// Whether the caches show an issuer of this UID.
    pub fn shows_issuer(&self, uid: &str) -> bool {
        self.caches.get().is_some_and(|caches| {
            caches.cluster.state().iter().any(|issuer| IssuerObject::uid(&**issuer) == uid)
                || caches.namespaced.state().iter().any(|issuer| IssuerObject::uid(&**issuer) == uid)
        })
    }

    /// Has an issuer's portal audited when no late answer can come any more.
    pub fn want_audit(&self, key: &IssuerKey) {
        self.issuers.want_audit(key, self.clock.now());
        let _ = self.wake_issuer.send(key.clone());
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

impl IssuerCaches {
    /// None where it is not known.
    fn hold(&self, key: &IssuerKey) -> Option<bool> {
        match key.kind {
            IssuerKind::ClusterTokenIssuer => self.cluster.holds(&ObjectRef::new(&key.name)),
            IssuerKind::TokenIssuer => self.namespaced.holds(&ObjectRef::new(&key.name).within(&key.namespace)),
        }
    }
}
