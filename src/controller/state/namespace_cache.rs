//! The cache of namespaces: their names and labels.

use super::lookup::impl_lookup;
use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::{PartialObjectMeta, Selector, SelectorExt};
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher::{self, Event};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Each namespace has this label with its name, which is not stored again.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";
/// Between the labels of a namespace, and between key and value; no label contains them.
const SEPARATOR: char = '\n';

/// A namespace in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachedNamespace {
    name: Box<str>,
    /// `key=value` in each line.
    labels: Box<str>,
    pub is_terminating: bool,
}

impl CachedNamespace {
    /// Keeps only what decisions read.
    fn from_meta(meta: &ObjectMeta) -> Self {
        let name = meta.name.as_deref().unwrap_or_default();
        let labels = meta.labels.iter().flatten().filter(|(key, value)| *key != NAME_LABEL || *value != name);
        let lines: Vec<String> = labels.map(|(key, value)| format!("{key}={value}")).collect();
        Self {
            name: name.into(),
            labels: lines.join(&SEPARATOR.to_string()).into_boxed_str(),
            is_terminating: meta.deletion_timestamp.is_some(),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn labels(&self) -> BTreeMap<String, String> {
        let own = self.labels.split(SEPARATOR).filter_map(|line| line.split_once('='));
        let mut labels = BTreeMap::from([(NAME_LABEL.to_owned(), self.name.to_string())]);
        labels.extend(own.map(|(key, value)| (key.to_owned(), value.to_owned())));
        labels
    }

    /// Whether the selector matches its labels.
    pub fn matches(&self, selector: &Selector) -> bool {
        selector.matches(&self.labels())
    }
}

impl_lookup!(CachedNamespace, Namespace, |_this| None::<&str>);

/// A change of the cache.
pub enum NamespaceChange {
    /// Of this namespace.
    One(String),
    /// All were listed again.
    All,
}

/// Caches the watched namespaces, and yields each change that matters.
pub fn reflect_namespaces(
    events: impl Stream<Item = watcher::Result<Event<PartialObjectMeta<Namespace>>>> + Send + 'static,
    store: Store<CachedNamespace>,
    mut writer: Writer<CachedNamespace>,
) -> impl Stream<Item = NamespaceChange> + Send + 'static {
    events.filter_map(move |event| {
        let changed = event.ok().and_then(|event| {
            let (cached, changed) = to_cached(event, &store);
            writer.apply_watcher_event(&cached);
            changed
        });
        std::future::ready(changed)
    })
}

fn to_cached(
    event: Event<PartialObjectMeta<Namespace>>,
    store: &Store<CachedNamespace>,
) -> (Event<CachedNamespace>, Option<NamespaceChange>) {
    let known = |one: &CachedNamespace| -> Option<Arc<CachedNamespace>> { store.get(&ObjectRef::from_obj(one)) };
    let cached = |one: PartialObjectMeta<Namespace>| CachedNamespace::from_meta(&one.metadata);
    match event {
        Event::Init => (Event::Init, None),
        Event::InitDone => (Event::InitDone, Some(NamespaceChange::All)),
        Event::InitApply(one) => (Event::InitApply(cached(one)), None),
        Event::Apply(one) => {
            let one = cached(one);
            let changed = known(&one).is_none_or(|known| *known != one);
            let changed = changed.then(|| NamespaceChange::One(one.name.to_string()));
            (Event::Apply(one), changed)
        }
        Event::Delete(one) => {
            let one = cached(one);
            let name = one.name.to_string();
            (Event::Delete(one), Some(NamespaceChange::One(name)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::decode::metadata_only;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
    use serde_json::{Value, json};

    fn namespace(metadata: &Value) -> CachedNamespace {
        let object = json!({"metadata": metadata}).to_string();
        CachedNamespace::from_meta(&metadata_only::<Namespace>(object.as_bytes()).expect("parsed").metadata)
    }

    fn selector(selector: Value) -> Selector {
        serde_json::from_value::<LabelSelector>(selector).expect("a selector").try_into().expect("valid")
    }

    #[test]
    fn a_selector_sees_every_label_and_the_name() {
        let team =
            namespace(&json!({"name": "team", "labels": {"kubernetes.io/metadata.name": "team", "a": "b", "c": ""}}));
        assert!(!team.labels.contains("metadata.name"), "the name is stored once");
        for (labels, wanted) in [
            (json!({}), true),
            (json!({"matchLabels": {"a": "b"}}), true),
            (json!({"matchLabels": {"c": ""}}), true),
            (json!({"matchLabels": {"a": "c"}}), false),
            (json!({"matchExpressions": [{"key": "c", "operator": "Exists"}]}), true),
            (json!({"matchExpressions": [{"key": "d", "operator": "DoesNotExist"}]}), true),
            (json!({"matchExpressions": [{"key": NAME_LABEL, "operator": "NotIn", "values": ["team"]}]}), false),
            (json!({"matchExpressions": [{"key": NAME_LABEL, "operator": "NotIn", "values": ["other"]}]}), true),
        ] {
            assert_eq!(team.matches(&selector(labels.clone())), wanted, "{labels}");
        }
        assert!(!team.is_terminating);
        assert!(namespace(&json!({"name": "x", "deletionTimestamp": "2030-01-01T00:00:00Z"})).is_terminating);
    }

    #[test]
    fn a_namespace_takes_little_memory() {
        let labels: BTreeMap<String, String> =
            (0..8).map(|number| (format!("example.com/some-label-{number}"), "some-value".to_owned())).collect();
        let annotations = json!({"note": "x".repeat(100_000)});
        let cached = namespace(&json!({"name": "team-a", "labels": labels, "annotations": annotations}));
        let size = size_of::<CachedNamespace>() + cached.name.len() + cached.labels.len();
        // The cache adds its own key, which has the name again.
        assert!(size + size_of::<ObjectRef<CachedNamespace>>() + cached.name.len() < 700, "{size}");
    }
}
