//! What this process knows of the issuers.

use crate::api::{IssuerKind, IssuerRef, Limits, Reason};
use crate::domain::audit::FailedRevocations;
use crate::domain::audit::login_audit::AuditEvidence;
use crate::domain::decide::absence::MissingTokens;
use crate::domain::observed::{IssuerInfo, IssuerState};
use crate::portal::rate_limit::{Limiter, Permit, Priority};
use crate::portal::{EgressPolicy, Portal, PortalCapabilities};
use jiff::Timestamp;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use tokio_util::sync::CancellationToken;

/// Which issuer is meant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IssuerKey {
    /// Cluster-scoped or namespaced.
    pub kind: IssuerKind,
    /// Its namespace; empty for a cluster issuer.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl IssuerKey {
    /// The issuer that an object in this namespace refers to.
    #[must_use]
    pub fn of(reference: &IssuerRef, namespace: &str) -> Self {
        let namespace = match reference.kind {
            IssuerKind::ClusterTokenIssuer => String::new(),
            IssuerKind::TokenIssuer => namespace.to_owned(),
        };
        Self { kind: reference.kind, namespace, name: reference.name.clone() }
    }
}

/// A registry that a token is tried at.
pub struct RegistryEndpoint {
    /// `host[:port][/path]`.
    pub host: String,
    /// The certificates to trust there; the system's roots unless given.
    pub ca_pem: Option<String>,
    /// Which addresses may be connected to for it.
    pub egress: EgressPolicy,
}

/// An issuer that can be worked with.
pub struct ConnectedIssuer {
    /// UID of the issuer.
    pub uid: String,
    /// The generation that this was made from.
    pub generation: i64,
    /// What it asks of its objects.
    pub info: IssuerInfo,
    /// Its registries.
    pub hosts: Vec<String>,
    /// The same, with whom to trust there.
    pub registries: Vec<RegistryEndpoint>,
    /// How hard the portal may be worked, within the operator's own bounds.
    pub limits: Limits,
    /// What the portal is like.
    pub resolved: PortalCapabilities,
    /// Name of the Secret with its credentials.
    pub credentials_secret: Option<String>,
    /// That Secret is being deleted, and stays as long as the issuer needs it.
    pub credentials_deleting: bool,
    /// Its portal.
    pub portal: Arc<dyn Portal>,
    /// Its limiter.
    pub limiter: Arc<Limiter>,
}

impl ConnectedIssuer {
    /// Waits for leave to call the portal; none when the operator is to end before it comes.
    pub async fn acquire(&self, stop: &CancellationToken, priority: Priority, namespace: &str) -> Option<Permit> {
        tokio::select! {
            permit = self.limiter.acquire(priority, namespace) => Some(permit),
            () = stop.cancelled() => None,
        }
    }
}

/// What is known of one issuer.
#[derive(Clone)]
pub enum IssuerEntry {
    /// It can be worked with.
    Ready(Arc<ConnectedIssuer>),
    /// It cannot.
    NotReady(Reason, String),
    /// It does not exist.
    Missing,
}

/// The last audit of an issuer's portal.
pub struct AuditResult {
    /// What it goes by.
    pub evidence: AuditEvidence,
    /// How many tokens are gone that it had to list, and whether that is believed.
    pub missing_tokens: MissingTokens,
    /// Tokens that it was to revoke, and could not.
    pub failed_revocations: Option<FailedRevocations>,
    /// It was the first one of this process: a restart is no news.
    pub is_first: bool,
}

impl AuditResult {
    /// Whether it goes by what an audit goes by now: the list may be shown since, or hidden.
    #[must_use]
    pub const fn same_source(&self, facts: &IssuerInfo) -> bool {
        self.evidence.is_inventory() == facts.list_visible
    }
}

/// What is to be audited, and what was.
#[derive(Default)]
struct AuditState {
    last: Option<Arc<AuditResult>>,
    requested: Option<Timestamp>,
    unused_since: Option<Timestamp>,
}

/// What outlives a change of the spec or the credentials, and a time in which the issuer is not ready.
struct Retained {
    limiter: Arc<Limiter>,
    /// The portal's client, and a hash of what it was made of.
    client: Option<([u8; 32], Arc<dyn Portal>)>,
}

/// All of them.
#[derive(Default)]
pub struct IssuerCache {
    entries: RwLock<HashMap<IssuerKey, IssuerEntry>>,
    audits: Mutex<HashMap<IssuerKey, AuditState>>,
    retained: Mutex<HashMap<IssuerKey, Retained>>,
}

impl IssuerCache {
    fn audits(&self) -> MutexGuard<'_, HashMap<IssuerKey, AuditState>> {
        self.audits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn retained(&self) -> MutexGuard<'_, HashMap<IssuerKey, Retained>> {
        self.retained.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The limiter of an issuer: what is under way still counts, whatever the issuer has become since.
    pub fn limiter(&self, key: &IssuerKey, limits: &Limits) -> Arc<Limiter> {
        let mut all = self.retained();
        let retained = all
            .entry(key.clone())
            .or_insert_with(|| Retained { limiter: Arc::new(Limiter::new(limits)), client: None });
        retained.limiter.set_limits(limits);
        Arc::clone(&retained.limiter)
    }

    /// The client of an issuer's portal that was made of these inputs, however its last call ended: its
    /// connections, its bearer and what it found in `$metadata` stay.
    pub fn client(&self, key: &IssuerKey, config_hash: &[u8; 32]) -> Option<Arc<dyn Portal>> {
        let all = self.retained();
        let (made_of, client) = all.get(key)?.client.as_ref()?;
        (made_of == config_hash).then(|| Arc::clone(client))
    }

    /// Keeps a client beside the limiter, in the place of the former one.
    pub fn retain_client(&self, key: &IssuerKey, config_hash: [u8; 32], client: &Arc<dyn Portal>) {
        if let Some(lasting) = self.retained().get_mut(key) {
            lasting.client = Some((config_hash, Arc::clone(client)));
        }
    }

    /// The issuer is gone: of what is known of it nothing is kept.
    pub fn forget(&self, key: &IssuerKey) {
        self.entries.write().unwrap_or_else(PoisonError::into_inner).remove(key);
        self.retained().remove(key);
        self.forget_audits(key);
    }

    /// The last audit.
    pub fn audit_result(&self, key: &IssuerKey) -> Option<Arc<AuditResult>> {
        self.audits().get(key)?.last.clone()
    }

    /// Notes an audit. What was wanted before it was begun, and could be seen by it, is done.
    pub fn set_audit_result(&self, key: &IssuerKey, result: AuditResult, lag: std::time::Duration) {
        let mut all = self.audits();
        let audits = all.entry(key.clone()).or_default();
        let begun = result.evidence.started_at();
        let observed = |wanted: &Timestamp| {
            result.evidence.is_inventory() && wanted.checked_add(lag).is_ok_and(|due| due <= begun)
        };
        audits.requested = audits.requested.filter(|wanted| !observed(wanted));
        audits.last = Some(Arc::new(result));
    }

    /// Something may come of a request that was sent before this time.
    pub fn request_audit(&self, key: &IssuerKey, now: Timestamp) {
        let mut all = self.audits();
        let audits = all.entry(key.clone()).or_default();
        audits.requested = audits.requested.max(Some(now));
    }

    /// Since when an audit is wanted. What was noted while the clock ran ahead counts as now.
    pub fn audit_requested_at(&self, key: &IssuerKey, now: Timestamp) -> Option<Timestamp> {
        let mut all = self.audits();
        let audits = all.get_mut(key)?;
        audits.requested = audits.requested.map(|wanted| wanted.min(now));
        audits.requested
    }

    /// Since when nobody has used this issuer, which is being deleted.
    pub fn unused_since(&self, key: &IssuerKey, now: Timestamp) -> Timestamp {
        *self.audits().entry(key.clone()).or_default().unused_since.get_or_insert(now)
    }

    /// The issuer is gone, or in use again.
    pub fn forget_audits(&self, key: &IssuerKey) {
        self.audits().remove(key);
    }

    /// Notes what is known now.
    pub fn set(&self, key: IssuerKey, entry: IssuerEntry) {
        self.entries.write().unwrap_or_else(PoisonError::into_inner).insert(key, entry);
    }

    /// What is known; nothing before the issuer was looked at for the first time.
    #[must_use]
    pub fn get(&self, key: &IssuerKey) -> Option<IssuerEntry> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// The issuer, if it can be worked with.
    #[must_use]
    pub fn connected(&self, key: &IssuerKey) -> Option<Arc<ConnectedIssuer>> {
        match self.get(key) {
            Some(IssuerEntry::Ready(handle)) => Some(handle),
            _ => None,
        }
    }

    /// As decisions see it.
    #[must_use]
    pub fn state(&self, key: &IssuerKey) -> IssuerState {
        match self.get(key) {
            None => IssuerState::Unknown,
            Some(IssuerEntry::Missing) => IssuerState::Missing,
            Some(IssuerEntry::NotReady(reason, message)) => IssuerState::NotReady { reason, message },
            Some(IssuerEntry::Ready(handle)) => IssuerState::Ready(handle.info.clone()),
        }
    }
}
