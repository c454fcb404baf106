//! The cache of `RegistryToken` objects.

use super::lookup::impl_lookup;
use super::packed::Packed;
use super::template_facts::TemplateFacts;
use super::token_facts::TokenFacts;
use crate::api::{IssuerKind, RegistryToken, RegistryTokenSpec, RegistryTokenStatus};
use crate::controller::decode::prune::prune_metadata;
use crate::controller::finalizer::has_finalizer;
use crate::controller::issuer_object::IssuerKey;
use crate::domain::model::token::same_id;
use crate::domain::model::token_expiry::rotation_age;
use crate::metrics::{ReadyStatus, ShownObject};
use futures::{FutureExt, Stream, StreamExt};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher::{self, Event};
use std::sync::Arc;
use std::time::Duration;

/// Identifies a cached object.
pub type TokenKey = ObjectRef<CachedToken>;

/// The key of an object.
pub fn key_of(token: &RegistryToken) -> TokenKey {
    ObjectRef::new(&token.name_any()).within(token.metadata.namespace.as_deref().unwrap_or_default())
}

/// A `RegistryToken` in the cache: what is looked up among all objects, and the packed rest.
#[derive(Clone, Debug)]
pub struct CachedToken {
    namespace: Box<str>,
    name: Box<str>,
    issuer_kind: IssuerKind,
    issuer_name: Box<str>,
    /// The ids of the tokens in status, each in a line.
    ids: Box<str>,
    /// The names of its `ServiceAccount`s, each in a line, with a space and the recorded version if there is one.
    accounts: Box<str>,
    /// How often its token is rotated, in seconds; 0 without rotation.
    rotation_seconds: u64,
    protected: bool,
    deleting: bool,
    /// Its spec or its status names a second Secret, for Argo CD.
    argocd: bool,
    facts: TokenFacts,
    template: Option<Box<TemplateFacts>>,
    packed: Packed,
}

impl CachedToken {
    /// Keeps only what decisions read.
    pub fn new(token: &RegistryToken) -> Self {
        let mut metadata = token.metadata.clone();
        prune_metadata(&mut metadata);
        let [namespace, name] =
            [metadata.namespace.take(), metadata.name.take()].map(|text| text.unwrap_or_default().into_boxed_str());
        let status = token.status.as_ref();
        let current = status.and_then(|status| status.token.as_ref()).map(|token| token.id.as_str());
        let retiring = status.into_iter().flat_map(|status| &status.retiring).map(|token| token.id.as_str());
        let ids: Vec<&str> = current.into_iter().chain(retiring).collect();
        Self {
            issuer_kind: token.spec.issuer_ref.kind,
            issuer_name: token.spec.issuer_ref.name.as_str().into(),
            ids: ids.join("\n").into_boxed_str(),
            accounts: account_lines(token),
            rotation_seconds: rotation_interval(token).map_or(0, |interval| interval.as_secs()),
            protected: has_finalizer(token.finalizers()),
            deleting: token.metadata.deletion_timestamp.is_some(),
            argocd: token.argocd_repository().is_some() || recorded_argocd_secret(token).is_some(),
            facts: TokenFacts::of(token),
            template: TemplateFacts::of(token),
            packed: Packed::of(&(&metadata, &token.spec, &token.status), usize::MAX).unwrap_or_default(),
            namespace,
            name,
        }
    }

    /// The object.
    pub fn unpack(&self) -> Option<RegistryToken> {
        let (metadata, spec, status) =
            self.packed.unpack::<(ObjectMeta, RegistryTokenSpec, Option<RegistryTokenStatus>)>()?;
        let [name, namespace] = [&self.name, &self.namespace].map(|text| Some(text.to_string()));
        let metadata = ObjectMeta { name, namespace, ..metadata };
        Some(RegistryToken { metadata, spec, status })
    }

    /// Its name and namespace.
    pub fn reference(&self) -> TokenKey {
        ObjectRef::new(&self.name).within(&self.namespace)
    }

    /// Whether it refers to this issuer.
    pub fn names_issuer(&self, key: &IssuerKey) -> bool {
        let here = match key.kind {
            IssuerKind::ClusterTokenIssuer => true,
            IssuerKind::TokenIssuer => *self.namespace == *key.namespace,
        };
        here && self.issuer_kind == key.kind && *self.issuer_name == *key.name
    }

    /// Its namespace.
    pub const fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Whether it is in this namespace.
    pub fn is_in(&self, namespace: &str) -> bool {
        *self.namespace == *namespace
    }

    /// Whether its status names a token with this id, proved or not.
    pub fn may_have_token(&self, id: &str) -> bool {
        self.ids.lines().any(|known| same_id(known, id))
    }

    /// Whether its spec or its status names a `ServiceAccount`.
    pub const fn names_accounts(&self) -> bool {
        !self.accounts.is_empty()
    }

    /// The `ServiceAccount`s that its spec or its status names, with the recorded version.
    pub fn service_accounts(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let parts = |line| str::split_once(line, ' ').map_or((line, None), |(name, version)| (name, Some(version)));
        self.accounts.lines().map(parts)
    }

    /// Whether its spec or its status names a second Secret, for Argo CD.
    pub const fn names_argocd_secret(&self) -> bool {
        self.argocd
    }

    /// Whether it has the operator's finalizer.
    pub const fn is_protected(&self) -> bool {
        self.protected
    }

    /// Whether it is being deleted.
    pub const fn is_deleting(&self) -> bool {
        self.deleting
    }

    /// What metrics show of it.
    pub const fn facts(&self) -> TokenFacts {
        self.facts
    }

    /// What a `ClusterRegistryToken` compares, if it names one.
    pub fn template_facts(&self) -> Option<&TemplateFacts> {
        self.template.as_deref()
    }

    /// Whether it has this name.
    pub fn is_named(&self, name: &str) -> bool {
        *self.name == *name
    }

    /// Interval of its rotation, if it is rotated.
    pub fn rotation_interval(&self) -> Option<Duration> {
        (self.rotation_seconds > 0).then(|| Duration::from_secs(self.rotation_seconds))
    }
}

/// How often the token of an object is rotated: as the spec says, or more often because it expires.
fn rotation_interval(token: &RegistryToken) -> Option<Duration> {
    let interval = token.spec.rotation.as_ref().map(|rotation| rotation.interval.0);
    let current = token.status.as_ref().and_then(|status| status.token.as_ref());
    interval.into_iter().chain(current.and_then(rotation_age)).min()
}

/// Whether the spec or the status of an object names a `ServiceAccount`.
pub fn names_accounts(token: &RegistryToken) -> bool {
    let recorded = token.status.as_ref().is_some_and(|status| !status.service_accounts.is_empty());
    recorded || !token.spec.service_accounts.is_empty()
}

/// Whether the spec or the status of an object names this second Secret.
pub fn names_argocd_secret(token: &RegistryToken, name: &str) -> bool {
    let wanted = token.argocd_repository().map(|spec| spec.secret_name(&token.secret_name()));
    wanted.is_some_and(|wanted| wanted == name) || recorded_argocd_secret(token) == Some(name)
}

fn recorded_argocd_secret(token: &RegistryToken) -> Option<&str> {
    token.status.as_ref()?.argocd_repository.as_ref().map(|record| record.name.as_str())
}

fn account_lines(token: &RegistryToken) -> Box<str> {
    let recorded = token.status.as_ref().map(|status| status.service_accounts.as_slice()).unwrap_or_default();
    let mut lines: Vec<String> = recorded
        .iter()
        .map(|record| match &record.resource_version {
            Some(version) => format!("{} {version}", record.name),
            None => record.name.to_string(),
        })
        .collect();
    let named = token.spec.service_accounts.iter();
    let new = named.filter(|account| recorded.iter().all(|record| record.name != account.name));
    lines.extend(new.map(|account| account.name.to_string()));
    lines.join("\n").into_boxed_str()
}

impl ShownObject for CachedToken {
    fn namespace(&self) -> &str {
        &self.namespace
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn ready(&self) -> ReadyStatus {
        self.facts.ready
    }

    fn next_rotation(&self) -> Option<i64> {
        self.facts.next_rotation.filter(|_| !self.deleting)
    }
}

impl_lookup!(CachedToken, RegistryToken, |this| Some(&*this.namespace));

/// The cached `RegistryToken` objects.
#[derive(Clone)]
pub struct TokenCache(Store<CachedToken>);

impl TokenCache {
    /// The cache that is filled through this store's writer.
    pub const fn new(store: Store<CachedToken>) -> Self {
        Self(store)
    }

    /// Whether the objects have been listed since this process started. It always holds if namespaces are watched one by
    /// one, each of which is listed on its own.
    pub fn is_listed(&self) -> bool {
        self.0.wait_until_ready().now_or_never().is_some_and(|ready| ready.is_ok())
    }

    /// One object.
    pub fn get(&self, key: &TokenKey) -> Option<RegistryToken> {
        self.0.get(key)?.unpack()
    }

    /// One object, packed.
    pub fn cached(&self, key: &TokenKey) -> Option<Arc<CachedToken>> {
        self.0.get(key)
    }

    /// Whether an object is in the cache.
    pub fn contains(&self, key: &TokenKey) -> bool {
        self.0.get(key).is_some()
    }

    /// All objects.
    pub fn all(&self) -> Vec<Arc<CachedToken>> {
        self.0.state()
    }

    /// The number of objects.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The objects for which this holds. It must be cheap: it is called with the cache locked.
    pub fn filter(&self, wanted: impl Fn(&CachedToken) -> bool) -> Vec<Arc<CachedToken>> {
        self.0.state_filter(wanted)
    }
}

/// Caches the watched objects, and yields each that was added, changed or deleted.
pub fn reflect_tokens(
    events: impl Stream<Item = watcher::Result<Event<RegistryToken>>> + Send + 'static,
    mut writer: Writer<CachedToken>,
) -> impl Stream<Item = RegistryToken> + Send + 'static {
    events.filter_map(move |event| {
        let touched = event.ok().and_then(|event| {
            let (cached, touched) = to_cached(event);
            writer.apply_watcher_event(&cached);
            touched
        });
        std::future::ready(touched)
    })
}

fn to_cached(event: Event<RegistryToken>) -> (Event<CachedToken>, Option<RegistryToken>) {
    match event {
        Event::Init => (Event::Init, None),
        Event::InitDone => (Event::InitDone, None),
        Event::InitApply(token) => (Event::InitApply(CachedToken::new(&token)), Some(token)),
        Event::Apply(token) => (Event::Apply(CachedToken::new(&token)), Some(token)),
        Event::Delete(token) => (Event::Delete(CachedToken::new(&token)), Some(token)),
    }
}

#[cfg(test)]
#[path = "token_cache_tests.rs"]
mod tests;
