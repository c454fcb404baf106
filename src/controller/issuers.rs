//! What this process knows of the issuers.

use crate::api::{IssuerKind, IssuerRef, Reason};
use crate::domain::marker::IssuerTag;
use crate::domain::observed::{IssuerFacts, IssuerView};
use crate::portal::Portal;
use crate::portal::limits::Gate;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

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
    /// Its part of every marker.
    pub tag: IssuerTag,
    /// What it asks of its objects.
    pub facts: IssuerFacts,
    /// Its registries.
    pub hosts: Vec<String>,
    /// Name of the Secret with its credentials.
    pub credentials: Option<String>,
    /// Our finalizer is on it: it outlives the tokens that it is asked for.
    pub held: bool,
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

/// All of them.
#[derive(Default)]
pub struct Issuers(RwLock<HashMap<IssuerKey, Entry>>);

impl Issuers {
    /// Notes what is known now.
    pub fn set(&self, key: IssuerKey, entry: Entry) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(key, entry);
    }

    /// What is known; nothing before the issuer was looked at for the first time.
    #[must_use]
    pub fn get(&self, key: &IssuerKey) -> Option<Entry> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
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
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
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
