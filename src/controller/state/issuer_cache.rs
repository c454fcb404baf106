//! The issuers that this process knows.

use crate::api::{Limits, NamespacesFrom};
use crate::controller::api_call::ApiError;
use crate::controller::issuer_object::{AnyIssuer, IssuerKey};
use crate::controller::state::shared_read::SharedRead;
use crate::domain::audit::FailedRevocations;
use crate::domain::audit::login_audit::AuditEvidence;
use crate::domain::audit::missing_tokens::MissingTokens;
use crate::domain::model::issuer::{IssuerInfo, IssuerState};
use crate::domain::model::problem::Problem;
use crate::portal::rate_limit::{Limiter, Priority};
use crate::portal::{EgressPolicy, LimitedPortal, PortalInterface};
use jiff::Timestamp;
use kube::core::Selector;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

/// A registry where a token's login is verified.
pub struct RegistryEndpoint {
    /// `host[:port][/path]`.
    pub host: String,
    /// CA certificates; `None` for the system's roots.
    pub ca_pem: Option<String>,
    /// The addresses that may be connected to.
    pub egress: EgressPolicy,
}

/// The namespaces that a cluster issuer serves, if not all.
pub struct NamespaceRule {
    /// `None` if it is not valid: then nobody is served, and nothing is revoked.
    pub selector: Option<Selector>,
    /// How long a namespace that is not selected any more keeps its tokens.
    pub grace_period: Duration,
}

impl NamespaceRule {
    pub fn of(object: &dyn AnyIssuer) -> Option<Self> {
        let allowed = object.allowed_namespaces().filter(|allowed| allowed.from == NamespacesFrom::Selector)?;
        let selector = Selector::try_from(allowed.selector.clone().unwrap_or_default()).ok();
        Some(Self { selector, grace_period: allowed.grace_period.0 })
    }
}

/// What a live read of an issuer returns.
pub type ReadIssuer = Result<Option<Arc<dyn AnyIssuer>>, ApiError>;

/// The live reads of an issuer's object. A first token during a wave of rotations does not wait for their reads.
pub struct IssuerReads {
    /// For token requests that pods wait for. They come in bursts, with many slots to prepare them.
    urgent: SharedRead<ReadIssuer>,
    /// For all others. They have few slots, so that a pause would leave the portal idle.
    other: SharedRead<ReadIssuer>,
}

impl IssuerReads {
    /// No reads yet.
    pub fn new() -> Self {
        Self { urgent: SharedRead::paced(), other: SharedRead::without_pause() }
    }

    /// The reads for token requests of this priority.
    pub fn for_priority(&self, priority: Priority) -> &SharedRead<ReadIssuer> {
        if priority == Priority::High { &self.urgent } else { &self.other }
    }
}

/// An issuer whose portal responds.
pub struct ConnectedIssuer {
    pub uid: String,
    /// The generation from which this was built.
    pub generation: i64,
    /// The information that decisions use.
    pub info: IssuerInfo,
    /// The keys of its registries in pull secrets.
    pub hosts: Vec<String>,
    /// Its registries, with CA certificates.
    pub registries: Vec<RegistryEndpoint>,
    /// The limits of requests to the portal, within the operator's ceiling.
    pub limits: Limits,
    /// What the portal supports.
    pub resolved: PortalInterface,
    /// Name of the Secret with its credentials.
    pub credentials_secret: Option<String>,
    /// The Secret is being deleted, and its finalizer keeps it as long as the issuer needs it.
    pub credentials_deleting: bool,
    pub portal: Arc<LimitedPortal>,
    /// The live reads of its object before token requests.
    pub reads: IssuerReads,
    /// `None` if it serves all namespaces that may name it.
    pub namespace_rule: Option<NamespaceRule>,
}

/// The state of one issuer.
#[derive(Clone)]
pub enum IssuerEntry {
    Ready(Arc<ConnectedIssuer>),
    NotReady(Problem),
    /// It does not exist.
    Missing,
}

/// The result of the last audit of an issuer's portal.
pub struct AuditResult {
    /// The source of the result.
    pub evidence: AuditEvidence,
    /// How many tokens are missing that the list must contain, and whether that is plausible.
    pub missing_tokens: MissingTokens,
    /// Orphaned tokens that could not be revoked.
    pub failed_revocations: Option<FailedRevocations>,
    /// The first audit of this process, which does not change the token count in status: a restart is not a change.
    pub is_first: bool,
}

impl AuditResult {
    /// Whether the audit used the source that an audit would use now: the list may have become visible or hidden since.
    #[must_use]
    pub const fn same_source(&self, info: &IssuerInfo) -> bool {
        self.evidence.is_inventory() == info.list_visible
    }
}

/// Requested and completed audits of an issuer.
#[derive(Default)]
struct AuditState {
    last: Option<Arc<AuditResult>>,
    requested: Option<Timestamp>,
    unused_since: Option<Timestamp>,
}

/// What is kept when the spec or the credentials change, and while the issuer is not ready.
struct Retained {
    limiter: Arc<Limiter>,
    /// The portal's client, and the hash of its configuration.
    client: Option<([u8; 32], Arc<LimitedPortal>)>,
}

/// What is known of one issuer.
#[derive(Default)]
struct KnownIssuer {
    /// `None` before its first reconcile.
    entry: Option<IssuerEntry>,
    audits: AuditState,
    retained: Option<Retained>,
}

/// All known issuers. Locked for a moment only.
#[derive(Default)]
pub struct IssuerCache(RwLock<HashMap<IssuerKey, KnownIssuer>>);

impl IssuerCache {
    fn read(&self) -> RwLockReadGuard<'_, HashMap<IssuerKey, KnownIssuer>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<IssuerKey, KnownIssuer>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The limiter of an issuer. It is kept across changes of the issuer, because requests in flight still count.
    pub fn limiter(&self, key: &IssuerKey, limits: &Limits) -> Arc<Limiter> {
        let mut all = self.write();
        let retained = &mut all.entry(key.clone()).or_default().retained;
        let retained =
            retained.get_or_insert_with(|| Retained { limiter: Arc::new(Limiter::new(limits)), client: None });
        retained.limiter.set_limits(limits);
        Arc::clone(&retained.limiter)
    }

    /// The portal client with this configuration, even if its last call failed: it keeps its connections, its access
    /// token and what it found in `$metadata`.
    pub fn client(&self, key: &IssuerKey, config_hash: &[u8; 32]) -> Option<Arc<LimitedPortal>> {
        let all = self.read();
        let (made_of, client) = all.get(key)?.retained.as_ref()?.client.as_ref()?;
        (made_of == config_hash).then(|| Arc::clone(client))
    }

    /// Stores a client next to the limiter, in place of the previous one.
    pub fn retain_client(&self, key: &IssuerKey, config_hash: [u8; 32], client: &Arc<LimitedPortal>) {
        if let Some(retained) = self.write().get_mut(key).and_then(|known| known.retained.as_mut()) {
            retained.client = Some((config_hash, Arc::clone(client)));
        }
    }

    /// Forgets everything about a deleted issuer.
    pub fn forget(&self, key: &IssuerKey) {
        let forgotten = self.write().remove(key);
        // Not while the lock is held: this may drop the portal's client.
        drop(forgotten);
    }

    /// The last audit.
    pub fn audit_result(&self, key: &IssuerKey) -> Option<Arc<AuditResult>> {
        self.read().get(key)?.audits.last.clone()
    }

    /// Stores the result of an audit. Requests for an audit are done if the audit started late enough to see their
    /// cause.
    pub fn set_audit_result(&self, key: &IssuerKey, result: AuditResult, lag: Duration) {
        let mut all = self.write();
        let audits = &mut all.entry(key.clone()).or_default().audits;
        let started_at = result.evidence.started_at();
        let observed = |wanted: &Timestamp| {
            result.evidence.is_inventory() && wanted.checked_add(lag).is_ok_and(|due| due <= started_at)
        };
        audits.requested = audits.requested.filter(|wanted| !observed(wanted));
        audits.last = Some(Arc::new(result));
    }

    /// Requests an audit: a token request that was sent before this time may have created a token.
    pub fn request_audit(&self, key: &IssuerKey, now: Timestamp) {
        let mut all = self.write();
        let audits = &mut all.entry(key.clone()).or_default().audits;
        audits.requested = audits.requested.max(Some(now));
    }

    /// Since when an audit is requested. A time in the future, from before the clock was corrected, counts as now.
    pub fn audit_requested_at(&self, key: &IssuerKey, now: Timestamp) -> Option<Timestamp> {
        let mut all = self.write();
        let audits = &mut all.get_mut(key)?.audits;
        audits.requested = audits.requested.map(|wanted| wanted.min(now));
        audits.requested
    }

    /// Since when this issuer, which is being deleted, is unused.
    pub fn unused_since(&self, key: &IssuerKey, now: Timestamp) -> Timestamp {
        *self.write().entry(key.clone()).or_default().audits.unused_since.get_or_insert(now)
    }

    /// Forgets the audits of an issuer that is deleted or in use again.
    pub fn forget_audits(&self, key: &IssuerKey) {
        if let Some(known) = self.write().get_mut(key) {
            known.audits = AuditState::default();
        }
    }

    pub fn set(&self, key: IssuerKey, entry: IssuerEntry) {
        self.write().entry(key).or_default().entry = Some(entry);
    }

    /// The state; `None` before the issuer's first reconcile.
    #[must_use]
    pub fn get(&self, key: &IssuerKey) -> Option<IssuerEntry> {
        self.read().get(key)?.entry.clone()
    }

    /// The issuer, if it is ready.
    #[must_use]
    pub fn connected(&self, key: &IssuerKey) -> Option<Arc<ConnectedIssuer>> {
        match self.get(key) {
            Some(IssuerEntry::Ready(issuer)) => Some(issuer),
            _ => None,
        }
    }

    /// The ready issuers that do not serve all namespaces.
    pub fn restricted(&self) -> Vec<IssuerKey> {
        let is_restricted = |known: &KnownIssuer| matches!(&known.entry, Some(IssuerEntry::Ready(issuer)) if issuer.namespace_rule.is_some());
        self.read().iter().filter(|(_, known)| is_restricted(known)).map(|(key, _)| key.clone()).collect()
    }

    /// The state for decisions.
    #[must_use]
    pub fn state(&self, key: &IssuerKey) -> IssuerState {
        match self.get(key) {
            None => IssuerState::Unknown,
            Some(IssuerEntry::Missing) => IssuerState::Missing,
            Some(IssuerEntry::NotReady(problem)) => IssuerState::NotReady(problem),
            Some(IssuerEntry::Ready(issuer)) => IssuerState::Ready(issuer.info.clone()),
        }
    }
}
