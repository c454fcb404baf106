//! What this process knows of the issuers.

use crate::api::{IssuerKind, IssuerRef, Limits, Reason};
use crate::domain::audit::Left;
use crate::domain::observed::{IssuerFacts, IssuerView};
use crate::domain::roll_call::Evidence;
use crate::domain::vanished::Vanished;
use crate::portal::limits::{Gate, Permit, Priority};
use crate::portal::{EgressPolicy, Portal, Resolved};
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
pub struct RegistryLogin {
    /// `host[:port][/path]`.
    pub host: String,
    /// The certificates to trust there; the system's roots unless given.
    pub ca_pem: Option<String>,
    /// Which addresses may be connected to for it.
    pub egress: EgressPolicy,
}

/// An issuer that can be worked with.
pub struct Handle {
    /// UID of the issuer.
    pub uid: String,
    /// The generation that this was made from.
    pub generation: i64,
    /// What it asks of its objects.
    pub facts: IssuerFacts,
    /// Its registries.
    pub hosts: Vec<String>,
    /// The same, with whom to trust there.
    pub registries: Vec<RegistryLogin>,
    /// How hard the portal may be worked, within the operator's own bounds.
    pub limits: Limits,
    /// What the portal is like.
    pub resolved: Resolved,
    /// Name of the Secret with its credentials.
    pub credentials: Option<String>,
    /// That Secret is being deleted, and stays as long as the issuer needs it.
    pub credentials_go: bool,
    /// Its portal.
    pub portal: Arc<dyn Portal>,
    /// Its limiter.
    pub gate: Arc<Gate>,
}

impl Handle {
    /// Waits for leave to call the portal; none when the operator is to end before it comes.
    pub async fn place(&self, stop: &CancellationToken, priority: Priority, namespace: &str) -> Option<Permit> {
        tokio::select! {
            permit = self.gate.call(priority, namespace) => Some(permit),
            () = stop.cancelled() => None,
        }
    }
}

/// What is known of one issuer.
#[derive(Clone)]
pub enum Entry {
    /// It can be worked with.
    Ready(Arc<Handle>),
    /// It cannot.
    NotReady(Reason, String),
    /// It does not exist.
    Missing,
}

/// The last audit of an issuer's portal.
pub struct Audited {
    /// What it goes by.
    pub evidence: Evidence,
    /// How many tokens are gone that it had to list, and whether that is believed.
    pub vanished: Vanished,
    /// Tokens that it was to revoke, and could not.
    pub left: Option<Left>,
    /// It was the first one of this process: a restart is no news.
    pub first: bool,
}

impl Audited {
    /// Whether it goes by what an audit goes by now: the list may be shown since, or hidden.
    #[must_use]
    pub const fn fits(&self, facts: &IssuerFacts) -> bool {
        self.evidence.is_list() == facts.list_visible
    }
}

/// What is to be audited, and what was.
#[derive(Default)]
struct Audits {
    last: Option<Arc<Audited>>,
    wanted: Option<Timestamp>,
    free_since: Option<Timestamp>,
}

/// What outlives a change of the spec or the credentials, and a time in which the issuer is not ready.
struct Lasting {
    gate: Arc<Gate>,
    /// The portal's client, and a hash of what it was made of.
    client: Option<([u8; 32], Arc<dyn Portal>)>,
}

/// All of them.
#[derive(Default)]
pub struct Issuers {
    known: RwLock<HashMap<IssuerKey, Entry>>,
    audits: Mutex<HashMap<IssuerKey, Audits>>,
    lasting: Mutex<HashMap<IssuerKey, Lasting>>,
}

impl Issuers {
    fn audits(&self) -> MutexGuard<'_, HashMap<IssuerKey, Audits>> {
        self.audits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lasting(&self) -> MutexGuard<'_, HashMap<IssuerKey, Lasting>> {
        self.lasting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The limiter of an issuer: what is under way still counts, whatever the issuer has become since.
    pub fn gate(&self, key: &IssuerKey, limits: &Limits) -> Arc<Gate> {
        let mut all = self.lasting();
        let lasting =
            all.entry(key.clone()).or_insert_with(|| Lasting { gate: Arc::new(Gate::new(limits)), client: None });
        lasting.gate.adjust(limits);
        Arc::clone(&lasting.gate)
    }

    /// The client of an issuer's portal that was made of these inputs, however its last call ended: its
    /// connections, its bearer and what it found in `$metadata` stay.
    pub fn client(&self, key: &IssuerKey, inputs: &[u8; 32]) -> Option<Arc<dyn Portal>> {
        let all = self.lasting();
        let (made_of, client) = all.get(key)?.client.as_ref()?;
        (made_of == inputs).then(|| Arc::clone(client))
    }

    /// Keeps a client beside the limiter, in the place of the former one.
    pub fn keep_client(&self, key: &IssuerKey, inputs: [u8; 32], client: &Arc<dyn Portal>) {
        if let Some(lasting) = self.lasting().get_mut(key) {
            lasting.client = Some((inputs, Arc::clone(client)));
        }
    }

    /// The issuer is gone: of what is known of it nothing is kept.
    pub fn forget(&self, key: &IssuerKey) {
        self.known.write().unwrap_or_else(PoisonError::into_inner).remove(key);
        self.lasting().remove(key);
        self.forget_audits(key);
    }

    /// The last audit.
    pub fn audited(&self, key: &IssuerKey) -> Option<Arc<Audited>> {
        self.audits().get(key)?.last.clone()
    }

    /// Notes an audit. What was wanted before it was begun, and could be seen by it, is done.
    pub fn set_audited(&self, key: &IssuerKey, audited: Audited, lag: std::time::Duration) {
        let mut all = self.audits();
        let audits = all.entry(key.clone()).or_default();
        let begun = audited.evidence.begun();
        let seen =
            |wanted: &Timestamp| audited.evidence.is_list() && wanted.checked_add(lag).is_ok_and(|due| due <= begun);
        audits.wanted = audits.wanted.filter(|wanted| !seen(wanted));
        audits.last = Some(Arc::new(audited));
    }

    /// Something may come of a request that was sent before this time.
    pub fn want_audit(&self, key: &IssuerKey, now: Timestamp) {
        let mut all = self.audits();
        let audits = all.entry(key.clone()).or_default();
        audits.wanted = audits.wanted.max(Some(now));
    }

    /// Since when an audit is wanted. What was noted while the clock ran ahead counts as now.
    pub fn audit_wanted(&self, key: &IssuerKey, now: Timestamp) -> Option<Timestamp> {
        let mut all = self.audits();
        let audits = all.get_mut(key)?;
        audits.wanted = audits.wanted.map(|wanted| wanted.min(now));
        audits.wanted
    }

    /// Since when nobody has used this issuer, which is being deleted.
    pub fn free_since(&self, key: &IssuerKey, now: Timestamp) -> Timestamp {
        *self.audits().entry(key.clone()).or_default().free_since.get_or_insert(now)
    }

    /// The issuer is gone, or in use again.
    pub fn forget_audits(&self, key: &IssuerKey) {
        self.audits().remove(key);
    }

    /// Notes what is known now.
    pub fn set(&self, key: IssuerKey, entry: Entry) {
        self.known.write().unwrap_or_else(PoisonError::into_inner).insert(key, entry);
    }

    /// What is known; nothing before the issuer was looked at for the first time.
    #[must_use]
    pub fn get(&self, key: &IssuerKey) -> Option<Entry> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// The issuer, if it can be worked with.
    #[must_use]
    pub fn handle(&self, key: &IssuerKey) -> Option<Arc<Handle>> {
        match self.get(key) {
            Some(Entry::Ready(handle)) => Some(handle),
            _ => None,
        }
    }

    /// As decisions see it.
    #[must_use]
    pub fn view(&self, key: &IssuerKey) -> IssuerView {
        match self.get(key) {
            None => IssuerView::Unknown,
            Some(Entry::Missing) => IssuerView::Missing,
            Some(Entry::NotReady(reason, message)) => IssuerView::NotReady { reason, message },
            Some(Entry::Ready(handle)) => IssuerView::Ready(handle.facts.clone()),
        }
    }
}
