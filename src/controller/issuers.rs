//! What this process knows of the issuers.

use crate::api::{IssuerKind, IssuerRef, Reason};
use crate::domain::inventory::Inventory;
use crate::domain::observed::{IssuerFacts, IssuerView};
use crate::portal::Portal;
use crate::portal::limits::Gate;
use jiff::Timestamp;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

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
    /// Name of the Secret with its credentials.
    pub credentials: Option<String>,
    /// Its portal.
    pub portal: Arc<dyn Portal>,
    /// Its limiter.
    pub gate: Arc<Gate>,
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
    /// What it lists.
    pub inventory: Inventory,
    /// So few tokens are gone that it is believed.
    pub believed: bool,
}

/// What is to be audited, and what was.
#[derive(Default)]
struct Audits {
    last: Option<Arc<Audited>>,
    wanted: Option<Timestamp>,
    free_since: Option<Timestamp>,
}

/// All of them.
#[derive(Default)]
pub struct Issuers {
    known: RwLock<HashMap<IssuerKey, Entry>>,
    audits: Mutex<HashMap<IssuerKey, Audits>>,
}

impl Issuers {
    fn audits(&self) -> MutexGuard<'_, HashMap<IssuerKey, Audits>> {
        self.audits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last audit.
    pub fn audited(&self, key: &IssuerKey) -> Option<Arc<Audited>> {
        self.audits().get(key)?.last.clone()
    }

    /// Notes an audit. What was wanted before it was begun, and could be seen by it, is done.
    pub fn set_audited(&self, key: &IssuerKey, audited: Audited, lag: std::time::Duration) {
        let mut all = self.audits();
        let audits = all.entry(key.clone()).or_default();
        let begun = audited.inventory.begun;
        audits.wanted = audits.wanted.filter(|wanted| wanted.checked_add(lag).is_ok_and(|due| due > begun));
        audits.last = Some(Arc::new(audited));
    }

    /// Something may come of a request that was sent before this time.
    pub fn want_audit(&self, key: &IssuerKey, now: Timestamp) {
        let mut all = self.audits();
        let audits = all.entry(key.clone()).or_default();
        audits.wanted = audits.wanted.max(Some(now));
    }

    /// Since when an audit is wanted.
    pub fn audit_wanted(&self, key: &IssuerKey) -> Option<Timestamp> {
        self.audits().get(key)?.wanted
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

    /// Whether another issuer beside this one logs in with the Secret of this name.
    #[must_use]
    pub fn others_use_secret(&self, key: &IssuerKey, name: &str) -> bool {
        let all = self.known.read().unwrap_or_else(PoisonError::into_inner);
        all.iter().any(|(other, entry)| {
            let uses = matches!(entry, Entry::Ready(handle) if handle.credentials.as_deref() == Some(name));
            uses && other != key && other.namespace == key.namespace
        })
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
