//! The watches of a kind as one stream: one watch of all namespaces, or one per namespace. Each namespace's watch has
//! its own health, its own fallback and its own restarts.

use super::Watch;
use crate::api::NamespaceName;
use crate::controller::decode::{Decoded, InvalidObject, key_of};
use crate::health::invalid_objects::InvalidObjects;
use crate::health::readiness::Readiness;
use crate::health::watch_health::WatchHealth;
use crate::kube_client::objects::Request;
use crate::kube_client::scope::{WatchScope, request_for};
use crate::metrics::{Kind, Metrics};
use futures::stream::select_all;
use futures::{Stream, StreamExt, stream};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Resource;
use kube::runtime::reflector::{Lookup, ObjectRef, Store};
use kube::runtime::watcher::Event;
use std::collections::HashSet;
use std::mem::take;
use std::sync::Arc;
use tokio::sync::watch;

/// The watches of a kind.
pub struct KindWatches {
    invalid: Arc<InvalidObjects>,
    parts: Vec<WatchPart>,
}

/// A watch of a namespace, or of all.
pub struct WatchPart {
    pub namespace: Option<NamespaceName>,
    pub health: Arc<WatchHealth>,
    /// Whether every object of the first list has been passed on.
    pub listed: watch::Sender<bool>,
}

impl KindWatches {
    /// The watches of a kind in this scope, whose health is part of the operator's readiness.
    pub fn register(readiness: &Readiness, kind: Kind, scope: &WatchScope, metrics: &Metrics) -> Self {
        let invalid = Arc::new(InvalidObjects::new(metrics.watch(kind)));
        let part = |namespace: Option<NamespaceName>| {
            let name = namespace.as_ref().map(ToString::to_string);
            let health = readiness.register_namespace_watch(kind, name, Arc::clone(&invalid), metrics);
            WatchPart { namespace, health, listed: watch::Sender::new(false) }
        };
        Self { parts: scope.parts().into_iter().map(part).collect(), invalid }
    }

    /// The objects of this kind that cannot be parsed.
    pub fn invalid_objects(&self) -> Arc<InvalidObjects> {
        Arc::clone(&self.invalid)
    }

    /// One watch of all namespaces, or one per namespace.
    pub fn parts(&self) -> &[WatchPart] {
        &self.parts
    }

    /// The events of all watches, for the writer of this store. A repeated list becomes changes and deletions, see
    /// [`RepeatedLists`].
    ///
    /// The events of single namespaces begin with an empty list, so that the store accepts events of each namespace at
    /// once, whatever another one waits for; `listed` says what is complete.
    pub fn events<K, T, C>(
        &self,
        store: &Store<C>,
        watch: impl Fn(Request, Arc<WatchHealth>) -> Watch<T>,
    ) -> impl Stream<Item = Event<Decoded<T>>> + Send + 'static
    where
        K: Resource<DynamicType = ()>,
        T: Resource<DynamicType = ()> + Send + 'static,
        C: Lookup<DynamicType = ()> + Clone + Send + Sync + 'static,
    {
        let each = self.parts.iter().map(|part| {
            let events = watch(request_for::<K>(part.namespace.as_ref()), Arc::clone(&part.health)).events();
            let mut lists = RepeatedLists::of(part, store.clone());
            events.flat_map(move |event| stream::iter(lists.as_changes(event)))
        });
        let by_namespace = self.parts.iter().any(|part| part.namespace.is_some());
        let begin = if by_namespace { vec![Event::Init, Event::InitDone] } else { vec![] };
        stream::iter(begin).chain(select_all(each.map(StreamExt::boxed)))
    }
}

/// Turns a repeated list into changes of the objects that it contains and deletions of those that it does not contain.
///
/// A store replaces its content only at the end of a list. A pass that starts at an object of the list, before its end,
/// finds the previous version in the store. For an object that is gone, no pass starts.
struct RepeatedLists<C: Lookup<DynamicType = ()> + 'static> {
    kind: &'static str,
    /// `None`: all.
    namespace: Option<String>,
    store: Store<C>,
    listed: watch::Sender<bool>,
    /// The objects in the current list.
    listing: HashSet<ObjectRef<C>>,
}

impl<C: Lookup<DynamicType = ()> + Clone + 'static> RepeatedLists<C> {
    fn of(part: &WatchPart, store: Store<C>) -> Self {
        let namespace = part.namespace.as_ref().map(ToString::to_string);
        Self { kind: part.health.kind(), namespace, store, listed: part.listed.clone(), listing: HashSet::new() }
    }

    /// The same event, without lists. The first list of all namespaces is passed on as it is: the store is not ready
    /// before, and nothing reads it.
    fn as_changes<T: Resource<DynamicType = ()>>(&mut self, event: Event<Decoded<T>>) -> Vec<Event<Decoded<T>>> {
        if self.namespace.is_none() && !*self.listed.borrow() {
            if matches!(event, Event::InitDone) {
                self.listed.send_replace(true);
            }
            return vec![event];
        }
        match event {
            Event::Init => {
                self.listing.clear();
                vec![]
            }
            Event::InitApply(one) => {
                let key = match &one {
                    Ok(object) => key_of(&object.object_ref(&())),
                    Err(invalid) => key_of(&invalid.reference),
                };
                self.listing.insert(key);
                vec![Event::Apply(one)]
            }
            Event::InitDone => {
                let listing = take(&mut self.listing);
                let here =
                    |one: &C| self.namespace.is_none() || one.namespace().as_deref() == self.namespace.as_deref();
                let known = self.store.state_filter(here);
                let known = known.iter().map(|one| ObjectRef::from_obj(&**one));
                let gone =
                    known.filter(|one| !listing.contains(one)).map(|one| Event::Delete(self.deleted(one))).collect();
                self.listed.send_replace(true);
                gone
            }
            Event::Apply(_) | Event::Delete(_) => vec![event],
        }
    }

    /// An object that was deleted while nothing was watched: only its name is known.
    fn deleted<T>(&self, object: ObjectRef<C>) -> Decoded<T> {
        let reference = ObjectReference {
            kind: Some(self.kind.to_owned()),
            namespace: object.namespace,
            name: Some(object.name),
            ..ObjectReference::default()
        };
        Err(Box::new(InvalidObject { reference, error: "deleted".to_owned(), partial: None }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::Secret;
    use kube::ResourceExt;
    use kube::api::ObjectMeta;
    use kube::runtime::reflector::{self, store::Writer};

    #[allow(clippy::unnecessary_wraps, reason = "an event contains what could be decoded")]
    fn secret(namespace: &str, name: &str) -> Decoded<Secret> {
        let [name, namespace] = [name, namespace].map(|text| Some(text.to_owned()));
        Ok(Secret { metadata: ObjectMeta { name, namespace, ..ObjectMeta::default() }, ..Secret::default() })
    }

    /// A store and what fills it, as the controllers do.
    struct Filled {
        lists: RepeatedLists<Secret>,
        writer: Writer<Secret>,
    }

    impl Filled {
        fn of(namespace: Option<&str>) -> Self {
            let scope = namespace.map_or(WatchScope::Cluster, |namespace| {
                WatchScope::of([namespace.parse().expect("a namespace")]).expect("a scope")
            });
            let watches = KindWatches::register(&Readiness::default(), Kind::Secret, &scope, &Metrics::default());
            let (store, mut writer) = reflector::store();
            if namespace.is_some() {
                writer.apply_watcher_event(&Event::Init);
                writer.apply_watcher_event(&Event::InitDone);
            }
            Self { lists: RepeatedLists::of(&watches.parts()[0], store), writer }
        }

        /// What is passed on, each with the names in the store at that moment.
        fn feed(&mut self, events: Vec<Event<Decoded<Secret>>>) -> Vec<String> {
            let mut shown = vec![];
            for event in events {
                for passed in self.lists.as_changes(event) {
                    let (text, applied) = show(passed);
                    self.writer.apply_watcher_event(&applied);
                    let mut names: Vec<String> = self.lists.store.state().iter().map(|one| one.name_any()).collect();
                    names.sort();
                    shown.push(format!("{text}: {}", names.join(" ")));
                }
            }
            shown
        }
    }

    /// The event in words, and as the store applies it.
    fn show(event: Event<Decoded<Secret>>) -> (String, Event<Secret>) {
        let valid = |one: Decoded<Secret>| {
            one.unwrap_or_else(|one| {
                let ObjectReference { name, namespace, .. } = one.reference;
                Secret { metadata: ObjectMeta { name, namespace, ..ObjectMeta::default() }, ..Secret::default() }
            })
        };
        let event = match event {
            Event::Init => Event::Init,
            Event::InitApply(one) => Event::InitApply(valid(one)),
            Event::InitDone => Event::InitDone,
            Event::Apply(one) => Event::Apply(valid(one)),
            Event::Delete(one) => Event::Delete(valid(one)),
        };
        let name =
            |one: &Secret| format!("{}/{}", one.metadata.namespace.as_deref().unwrap_or_default(), one.name_any());
        let text = match &event {
            Event::Init => "list".to_owned(),
            Event::InitApply(one) => format!("contains {}", name(one)),
            Event::InitDone => "listed".to_owned(),
            Event::Apply(one) => format!("changed {}", name(one)),
            Event::Delete(one) => format!("deleted {}", name(one)),
        };
        (text, event)
    }

    #[test]
    fn a_repeated_list_of_all_namespaces_tells_what_changed_and_what_is_gone_when_the_store_has_it() {
        let mut all = Filled::of(None);
        let first = vec![Event::Init, Event::InitApply(secret("x", "a")), Event::InitApply(secret("y", "b"))];
        assert_eq!(all.feed(first), ["list: ", "contains x/a: ", "contains y/b: "]);
        assert_eq!(all.feed(vec![Event::InitDone]), ["listed: a b"]);
        let again = vec![Event::Init, Event::InitApply(secret("y", "b")), Event::InitApply(secret("y", "c"))];
        assert_eq!(all.feed(again), ["changed y/b: a b", "changed y/c: a b c"]);
        assert_eq!(all.feed(vec![Event::InitDone]), ["deleted x/a: b c"]);
    }

    #[test]
    fn a_first_list_that_breaks_off_is_passed_on_again() {
        let mut all = Filled::of(None);
        assert_eq!(all.feed(vec![Event::Init, Event::InitApply(secret("x", "a"))]), ["list: ", "contains x/a: "]);
        let whole = vec![Event::Init, Event::InitApply(secret("x", "b")), Event::InitDone];
        assert_eq!(all.feed(whole), ["list: ", "contains x/b: ", "listed: b"]);
    }

    #[test]
    fn a_list_of_one_namespace_deletes_what_it_does_not_contain_and_nothing_else() {
        let mut team = Filled::of(Some("team"));
        team.writer.apply_watcher_event(&Event::Apply(secret("other", "z").expect("valid")));
        let list = |names: &[&str]| -> Vec<_> {
            [Event::Init].into_iter().chain(names.iter().map(|name| Event::InitApply(secret("team", name)))).collect()
        };
        assert_eq!(
            team.feed(list(&["a", "b"])),
            ["changed team/a: a z", "changed team/b: a b z"],
            "events pass before the list is complete"
        );
        assert!(!*team.lists.listed.borrow());
        assert!(team.feed(vec![Event::InitDone]).is_empty());
        assert!(*team.lists.listed.borrow());
        let changes = vec![Event::Apply(secret("team", "c")), Event::Delete(secret("team", "b"))];
        assert_eq!(team.feed(changes), ["changed team/c: a b c z", "deleted team/b: a c z"]);
        // A list that breaks off deletes nothing.
        assert_eq!(team.feed(list(&["a"])), ["changed team/a: a c z"]);
        assert_eq!(team.feed(list(&["a"])), ["changed team/a: a c z"]);
        assert_eq!(team.feed(vec![Event::InitDone]), ["deleted team/c: a z"]);
        assert_eq!(team.feed(vec![Event::Init, Event::InitDone]), ["deleted team/a: z"]);
    }

    #[test]
    fn an_object_that_cannot_be_parsed_is_not_taken_for_deleted() {
        for namespace in [None, Some("team")] {
            let mut one = Filled::of(namespace);
            one.feed(vec![Event::Init, Event::InitApply(secret("team", "bad")), Event::InitDone, Event::Init]);
            let invalid = one.lists.deleted(ObjectRef::new("bad").within("team"));
            assert_eq!(one.feed(vec![Event::InitApply(invalid)]), ["changed team/bad: bad"]);
            assert!(one.feed(vec![Event::InitDone]).is_empty());
        }
    }
}
