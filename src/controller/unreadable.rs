//! Objects that this version cannot read, such as one stored under an older CRD: told of and passed
//! over, so that all others are served.

use super::issuers::{Entry, IssuerKey};
use super::world::Shared;
use crate::api::{IssuerKind, Reason};
use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::core::DeserializeGuard;
use kube::core::error_boundary::InvalidObject;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher::{self, Event};
use kube::{Resource, ResourceExt};
use std::future::ready;
use std::sync::Arc;

/// The events of objects that can be read; `passed_over` hears of each that cannot. What is cached of
/// one that could be read once stays until it is deleted: its tokens are still known by it, and whatever
/// is done about it reads it anew first.
pub fn readable<K>(
    events: impl Stream<Item = watcher::Result<Event<DeserializeGuard<K>>>>,
    cached: Store<K>,
    passed_over: impl Fn(&ObjectReference, &str, Seen),
) -> impl Stream<Item = watcher::Result<Event<K>>>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    let read = move |guard: DeserializeGuard<K>, seen: Seen| {
        let (reference, key) = (guard.object_ref(&()), (guard.name_any(), guard.namespace()));
        match guard.0 {
            Ok(object) => Some(object),
            Err(InvalidObject { error, .. }) => {
                passed_over(&reference, &error, seen);
                let (name, namespace) = key;
                let key = ObjectRef::new(&name);
                let key = namespace.map_or_else(|| key.clone(), |namespace| key.clone().within(&namespace));
                let former = || cached.get(&key).map(|object| (*object).clone());
                if seen == Seen::Gone { former() } else { None }
            }
        }
    };
    events.filter_map(move |event| {
        ready(match event {
            Err(error) => Some(Err(error)),
            Ok(Event::Init) => Some(Ok(Event::Init)),
            Ok(Event::InitDone) => Some(Ok(Event::InitDone)),
            Ok(Event::InitApply(guard)) => read(guard, Seen::There).map(|object| Ok(Event::InitApply(object))),
            Ok(Event::Apply(guard)) => read(guard, Seen::There).map(|object| Ok(Event::Apply(object))),
            Ok(Event::Delete(guard)) => read(guard, Seen::Gone).map(|object| Ok(Event::Delete(object))),
        })
    })
}

/// What became of an object that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It is there.
    There,
    /// It was deleted.
    Gone,
}

/// Tells of an object that cannot be read.
pub fn token(ctx: &Shared, about: &ObjectReference, why: &str, seen: Seen) {
    if seen == Seen::There {
        tell(ctx, about, format!("this RegistryToken {}", mend(why)));
    }
}

/// The same of an issuer; its objects wait for it and say so.
pub fn issuer(ctx: &Shared, about: &ObjectReference, why: &str, seen: Seen) {
    let cluster = about.kind.as_deref() == Some("ClusterTokenIssuer");
    let key = IssuerKey {
        kind: if cluster { IssuerKind::ClusterTokenIssuer } else { IssuerKind::TokenIssuer },
        namespace: about.namespace.clone().unwrap_or_default(),
        name: about.name.clone().unwrap_or_default(),
    };
    if seen == Seen::Gone {
        super::missing(ctx, &key);
        return;
    }
    let message = format!("the issuer {}", mend(why));
    super::set(ctx, &key, Entry::NotReady(Reason::Unreadable, message.clone()));
    tell(ctx, about, message);
}

fn mend(why: &str) -> String {
    format!(
        "was stored under another CRD, and this version cannot read it: {why}. Nothing is done for it, and its tokens stay. Write that field as the CRD asks: `kubectl explain` describes it"
    )
}

fn tell(ctx: &Shared, about: &ObjectReference, message: String) {
    let (ctx, about) = (Arc::clone(ctx), about.clone());
    let [kind, namespace, name] = [&about.kind, &about.namespace, &about.name].map(Option::as_deref);
    tracing::warn!(kind, namespace, name, detail = message, "cannot be read");
    // Not awaited: the watch goes on.
    tokio::spawn(async move { ctx.events.tell(&about, false, &Reason::Unreadable.to_string(), &message).await });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::RegistryToken;
    use futures::stream;
    use kube::runtime::{WatchStreamExt, reflector};
    use serde_json::json;
    use std::sync::Mutex;

    fn object(name: &str, interval: &str) -> DeserializeGuard<RegistryToken> {
        serde_json::from_value(json!({
            "apiVersion": "registry-token.dev/v1alpha1", "kind": "RegistryToken",
            "metadata": {"name": name, "namespace": "team", "uid": name},
            "spec": {"description": name, "rotation": {"interval": interval}},
        }))
        .expect("its metadata can be read")
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_told_and_passed_over_and_still_goes_when_it_is_deleted() {
        let (store, writer) = reflector::store();
        let events = [
            Event::Init,
            Event::InitApply(object("good", "2h30m")),
            Event::InitApply(object("bad", "30m2h")),
            Event::InitDone,
            // One that could be read once, and cannot any more.
            Event::Apply(object("good", "30m2h")),
            Event::Delete(object("good", "30m2h")),
            Event::Delete(object("bad", "30m2h")),
        ];
        let told = Mutex::new(vec![]);
        let note = |about: &ObjectReference, why: &str, seen| {
            assert!(why.contains("30m2h"), "{why}");
            told.lock().expect("held").push((about.name.clone().unwrap_or_default(), seen));
        };
        let read = readable(stream::iter(events.map(Ok)), store.clone(), note).reflect(writer);
        let (mut seen, mut read) = (vec![], Box::pin(read));
        while let Some(event) = read.next().await {
            seen.push(match event.expect("no error") {
                Event::Init => "init".to_owned(),
                Event::InitDone => format!("done {}", store.len()),
                Event::InitApply(one) | Event::Apply(one) => format!("there {}", one.name_any()),
                Event::Delete(one) => format!("gone {}, {}", one.name_any(), store.len()),
            });
        }
        assert_eq!(seen, ["init", "there good", "done 1", "gone good, 0"]);
        let told = told.lock().expect("held");
        let names: Vec<(&str, Seen)> = told.iter().map(|(name, seen)| (name.as_str(), *seen)).collect();
        assert_eq!(names, [("bad", Seen::There), ("good", Seen::There), ("good", Seen::Gone), ("bad", Seen::Gone)]);
    }
}
