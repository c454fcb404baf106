//! The watches of a kind as one stream: one watch of all namespaces, or one per namespace. Each namespace's watch has
//! its own health, its own fallback and its own restarts.

use super::Watch;
use crate::api::NamespaceName;
use crate::controller::decode::{Decoded, InvalidObject};
use crate::health::invalid_objects::InvalidObjects;
use crate::health::readiness::Readiness;
use crate::health::watch_health::WatchHealth;
use crate::kube_client::objects::Request;
use crate::kube_client::scope::{WatchScope, request_for};
use crate::metrics::{Kind, Metrics};
use futures::future::Either;
use futures::stream::select_all;
use futures::{Stream, StreamExt, stream};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Resource;
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
    /// Whether every object of the first list has been passed on. Only used for a namespace.
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

    /// The events of all watches. Those of single namespaces begin with an empty list, so that the store accepts events
    /// of each namespace at once, whatever another one waits for; `listed` says what is complete.
    pub fn events<K, T>(
        &self,
        watch: impl Fn(Request, Arc<WatchHealth>) -> Watch<T>,
    ) -> impl Stream<Item = Event<Decoded<T>>> + Send + 'static
    where
        K: Resource<DynamicType = ()>,
        T: Resource<DynamicType = ()> + Send + 'static,
    {
        let start = |part: &WatchPart| {
            watch(request_for::<K>(part.namespace.as_ref()), Arc::clone(&part.health)).events().boxed()
        };
        if let [WatchPart { namespace: None, health, .. }] = &self.parts[..] {
            return Either::Left(watch(request_for::<K>(None), Arc::clone(health)).events());
        }
        let each = self.parts.iter().map(|part| {
            let namespace = part.namespace.as_ref().map(ToString::to_string).unwrap_or_default();
            let mut known = KnownNames::of(part.health.kind(), namespace, part.listed.clone());
            start(part).flat_map(move |event| stream::iter(known.without_lists(event)))
        });
        Either::Right(stream::iter([Event::Init, Event::InitDone]).chain(select_all(each)))
    }
}

/// The names of a namespace's objects, from which follows what a repeated list no longer contains.
struct KnownNames {
    kind: &'static str,
    namespace: String,
    known: HashSet<String>,
    /// The names in the current list.
    listing: HashSet<String>,
    listed: watch::Sender<bool>,
}

impl KnownNames {
    fn of(kind: &'static str, namespace: String, listed: watch::Sender<bool>) -> Self {
        Self { kind, namespace, known: HashSet::new(), listing: HashSet::new(), listed }
    }

    /// The same event for a store that also has the objects of other namespaces: what a list contains is applied, and
    /// what it does not contain any more is deleted.
    fn without_lists<T: Resource>(&mut self, event: Event<Decoded<T>>) -> Vec<Event<Decoded<T>>> {
        match event {
            Event::Init => {
                self.listing.clear();
                vec![]
            }
            Event::InitApply(one) => {
                self.listing.insert(name_of(&one));
                self.known.insert(name_of(&one));
                vec![Event::Apply(one)]
            }
            Event::Apply(one) => {
                self.known.insert(name_of(&one));
                vec![Event::Apply(one)]
            }
            Event::Delete(one) => {
                self.listing.remove(&name_of(&one));
                self.known.remove(&name_of(&one));
                vec![Event::Delete(one)]
            }
            Event::InitDone => {
                let listing = take(&mut self.listing);
                let gone = self.known.difference(&listing).map(|name| Event::Delete(self.deleted(name))).collect();
                self.known = listing;
                // At the first list, nothing is gone: everything has been passed on.
                self.listed.send_replace(true);
                gone
            }
        }
    }

    /// An object that was deleted while nothing was watched: only its name is known.
    fn deleted<T>(&self, name: &str) -> Decoded<T> {
        let reference = ObjectReference {
            kind: Some(self.kind.to_owned()),
            namespace: Some(self.namespace.clone()),
            name: Some(name.to_owned()),
            ..ObjectReference::default()
        };
        Err(Box::new(InvalidObject { reference, error: "deleted".to_owned(), partial: None }))
    }
}

fn name_of<T: Resource>(one: &Decoded<T>) -> String {
    let name = match one {
        Ok(object) => object.meta().name.as_ref(),
        Err(invalid) => invalid.reference.name.as_ref(),
    };
    name.cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::Secret;
    use kube::ResourceExt;
    use kube::api::ObjectMeta;

    #[allow(clippy::unnecessary_wraps, reason = "an event contains what could be decoded")]
    fn secret(name: &str) -> Decoded<Secret> {
        let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
        Ok(Secret { metadata, ..Secret::default() })
    }

    fn shown(events: Vec<Event<Decoded<Secret>>>) -> Vec<String> {
        let show = |event: Event<Decoded<Secret>>| match event {
            Event::Apply(Ok(one)) => format!("+{}", one.name_any()),
            Event::Delete(Ok(one)) => format!("-{}", one.name_any()),
            Event::Delete(Err(one)) => {
                let about = one.reference;
                format!("-{}/{} by name", about.namespace.unwrap_or_default(), about.name.unwrap_or_default())
            }
            _ => "another event".to_owned(),
        };
        events.into_iter().map(show).collect()
    }

    #[test]
    fn a_list_of_one_namespace_deletes_what_it_does_not_contain_and_nothing_else() {
        let listed = watch::Sender::new(false);
        let mut names = KnownNames::of("Secret", "team".to_owned(), listed.clone());
        let mut feed = |events: Vec<Event<Decoded<Secret>>>| -> Vec<String> {
            events.into_iter().flat_map(|event| shown(names.without_lists(event))).collect()
        };
        assert_eq!(
            feed(vec![Event::Init, Event::InitApply(secret("a")), Event::InitApply(secret("b"))]),
            ["+a", "+b"],
            "events pass before the list is complete"
        );
        assert!(!*listed.borrow());
        assert!(feed(vec![Event::InitDone]).is_empty());
        assert!(*listed.borrow());
        assert_eq!(feed(vec![Event::Apply(secret("c")), Event::Delete(secret("b"))]), ["+c", "-b"]);
        // A list that breaks off deletes nothing.
        assert_eq!(feed(vec![Event::Init, Event::InitApply(secret("a"))]), ["+a"]);
        assert_eq!(feed(vec![Event::Init, Event::InitApply(secret("a"))]), ["+a"]);
        assert_eq!(feed(vec![Event::InitDone]), ["-team/c by name"]);
        assert_eq!(feed(vec![Event::Init, Event::InitDone]), ["-team/a by name"]);
    }

    #[test]
    fn an_object_that_cannot_be_parsed_is_not_taken_for_deleted() {
        let mut names = KnownNames::of("Secret", "team".to_owned(), watch::Sender::new(false));
        let invalid = || names_only("bad");
        let all = vec![Event::Init, Event::InitApply(secret("bad")), Event::InitDone, Event::Init];
        for event in all {
            names.without_lists(event);
        }
        names.without_lists(Event::InitApply(invalid()));
        assert!(shown(names.without_lists(Event::InitDone)).is_empty());
    }

    fn names_only(name: &str) -> Decoded<Secret> {
        KnownNames::of("Secret", "team".to_owned(), watch::Sender::new(false)).deleted(name)
    }
}
