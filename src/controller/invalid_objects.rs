//! Handles objects that this version cannot parse, for example because they were stored under an older CRD: they are
//! reported and skipped, so that all others are served.

use super::context::SharedContext;
use super::decode::{Decoded, InvalidObject, Presence, key_of};
use super::issuer_object::IssuerKey;
use super::state::issuer_cache::IssuerEntry;
use crate::api::{IssuerKind, Reason};
use crate::domain::model::problem::messages::issuer_problem;
use crate::health::invalid_objects::InvalidObjects;
use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::reflector::{Lookup, Store};
use kube::runtime::watcher::{self, Event};
use std::future::ready;
use std::sync::Arc;

/// An object that cannot be parsed.
pub struct SkippedObject<'a> {
    pub object: &'a ObjectReference,
    /// The parse error.
    pub error: &'a str,
    pub presence: Presence,
    /// Whether it should be reported: it has not been reported recently.
    pub report: bool,
    /// Only its status cannot be parsed, and the rest is served.
    pub partially_read: bool,
}

/// Yields the events of objects that can be parsed, possibly with a partial status, and calls `on_invalid` for every
/// other one. If an object could be parsed before, `last_known` keeps it in the cache until it is deleted: its tokens
/// remain known, and every action on it starts with a live read.
pub fn skip_invalid<K: Lookup<DynamicType = ()>>(
    events: impl Stream<Item = Event<Decoded<K>>>,
    last_known: impl Fn(&ObjectReference, Presence) -> Option<K>,
    objects: Arc<InvalidObjects>,
    on_invalid: impl Fn(&SkippedObject<'_>),
) -> impl Stream<Item = watcher::Result<Event<K>>> {
    let read = move |decoded: Decoded<K>, presence: Presence| match decoded {
        Ok(object) => {
            objects.mark_valid(&object.namespace().unwrap_or_default(), &object.name().unwrap_or_default());
            Some(object)
        }
        Err(invalid) => {
            let InvalidObject { reference: about, error: why, partial } = *invalid;
            let [namespace, name] = [&about.namespace, &about.name].map(|part| part.as_deref().unwrap_or_default());
            let report = presence == Presence::Present && objects.mark_invalid(namespace, name);
            if presence == Presence::Deleted {
                objects.mark_valid(namespace, name);
            }
            on_invalid(&SkippedObject {
                object: &about,
                error: &why,
                presence,
                report,
                partially_read: partial.is_some(),
            });
            partial.or_else(|| last_known(&about, presence))
        }
    };
    events.filter_map(move |event| {
        ready(match event {
            Event::Init => Some(Ok(Event::Init)),
            Event::InitDone => Some(Ok(Event::InitDone)),
            // Objects that a list does not contain are removed from the cache.
            Event::InitApply(one) => read(one, Presence::Present).map(|object| Ok(Event::InitApply(object))),
            Event::Apply(one) => read(one, Presence::Present).map(|object| Ok(Event::Apply(object))),
            Event::Delete(one) => read(one, Presence::Deleted).map(|object| Ok(Event::Delete(object))),
        })
    })
}

/// Returns the cached version of an object.
pub fn from_store<K>(store: Store<K>) -> impl Fn(&ObjectReference, Presence) -> Option<K>
where
    K: Lookup<DynamicType = ()> + Clone + 'static,
{
    move |about, _| store.get(&key_of(about)).map(|object| (*object).clone())
}

/// Reports a RegistryToken that cannot be parsed.
pub fn report_token(ctx: &SharedContext, skipped: &SkippedObject<'_>) {
    if skipped.report {
        emit_invalid(ctx, skipped.object, format!("this RegistryToken {}", remedy(skipped)));
    }
}

/// Reports an issuer that cannot be parsed; the condition of its objects names the reason.
pub fn report_issuer(ctx: &SharedContext, skipped: &SkippedObject<'_>) {
    let about = skipped.object;
    let cluster = about.kind.as_deref() == Some("ClusterTokenIssuer");
    let key = IssuerKey {
        kind: if cluster { IssuerKind::ClusterTokenIssuer } else { IssuerKind::TokenIssuer },
        namespace: about.namespace.clone().unwrap_or_default(),
        name: about.name.clone().unwrap_or_default(),
    };
    if skipped.presence == Presence::Deleted {
        ctx.issuer_missing(&key);
        return;
    }
    let message = format!("the issuer {}", remedy(skipped));
    if !skipped.partially_read {
        ctx.set_issuer(&key, IssuerEntry::NotReady(issuer_problem(Reason::InvalidObject, message.clone())));
    }
    if skipped.report {
        emit_invalid(ctx, about, message);
    }
}

/// Reports a `ClusterRegistryToken` that cannot be parsed.
pub fn report_cluster_token(ctx: &SharedContext, skipped: &SkippedObject<'_>) {
    if skipped.report {
        emit_invalid(ctx, skipped.object, format!("this ClusterRegistryToken {}", remedy(skipped)));
    }
}

/// Reports a Secret whose metadata cannot be parsed.
pub fn report_secret(ctx: &SharedContext, skipped: &SkippedObject<'_>) {
    if skipped.report {
        let why = skipped.error;
        let message = format!("the metadata of this Secret is invalid: {why}. Changes to it are noticed with a delay");
        emit_invalid(ctx, skipped.object, message);
    }
}

fn remedy(skipped: &SkippedObject<'_>) -> String {
    let why = skipped.error;
    if skipped.partially_read {
        return format!(
            "has an invalid status: {why}. The operator uses the valid part and writes the status again. Only the operator may write it: check who else has the permission"
        );
    }
    format!(
        "was stored under another CRD, and this version cannot parse it: {why}. It is not reconciled, and its tokens stay. Set the field to a value that the CRD accepts; see `kubectl explain`"
    )
}

fn emit_invalid(ctx: &SharedContext, about: &ObjectReference, message: String) {
    let (ctx, about) = (Arc::clone(ctx), about.clone());
    let [kind, namespace, name] = [&about.kind, &about.namespace, &about.name].map(Option::as_deref);
    tracing::warn!(kind, namespace, name, detail = message, "invalid object");
    // Not awaited, so that the watch continues.
    tokio::spawn(async move { ctx.events.emit(&about, false, &Reason::InvalidObject.to_string(), &message).await });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::RegistryToken;
    use crate::controller::decode;
    use crate::controller::decode::prune;
    use crate::metrics::{Kind, Metrics};
    use futures::stream;
    use kube::ResourceExt;
    use kube::runtime::{WatchStreamExt, reflector};
    use serde_json::json;
    use std::sync::Mutex;

    fn object(name: &str, interval: &str) -> Decoded<RegistryToken> {
        let object = json!({
            "apiVersion": "registry-token.dev/v1alpha1", "kind": "RegistryToken",
            "metadata": {"name": name, "namespace": "team", "uid": name},
            "spec": {"description": name, "rotation": {"interval": interval}},
        });
        decode::object(object.to_string().as_bytes())
    }

    #[tokio::test]
    async fn invalid_objects_are_reported_and_skipped_and_still_removed_on_deletion() {
        let (store, writer) = reflector::store();
        let events = [
            Event::Init,
            Event::InitApply(object("good", "2h30m")),
            Event::InitApply(object("bad", "30m2h")),
            Event::InitDone,
            // It could be parsed before.
            Event::Apply(object("good", "30m2h")),
            Event::Apply(object("good", "30m2h")),
            // A list still contains it.
            Event::Init,
            Event::InitApply(object("good", "30m2h")),
            Event::InitDone,
            Event::Delete(object("good", "30m2h")),
            Event::Delete(object("bad", "30m2h")),
        ];
        let reported = Mutex::new(vec![]);
        let note = |skipped: &SkippedObject<'_>| {
            assert!(skipped.error.contains("30m2h"), "{}", skipped.error);
            let name = skipped.object.name.clone().unwrap_or_default();
            reported.lock().expect("lock").push((name, skipped.presence, skipped.report));
        };
        let metrics = Metrics::default();
        let objects = Arc::new(InvalidObjects::new(metrics.watch(Kind::RegistryToken)));
        let read = skip_invalid(stream::iter(events), from_store(store.clone()), objects, note).reflect(writer);
        let (mut observed, mut read) = (vec![], Box::pin(read));
        while let Some(event) = read.next().await {
            observed.push(match event.expect("no error") {
                Event::Init => "init".to_owned(),
                Event::InitDone => format!("done {}", store.len()),
                Event::InitApply(one) | Event::Apply(one) => format!("there {}", one.name_any()),
                Event::Delete(one) => format!("deleted {}, {}", one.name_any(), store.len()),
            });
        }
        let again = ["there good", "there good", "init", "there good", "done 1"];
        assert_eq!(observed, [&["init", "there good", "done 1"], &again[..], &["deleted good, 0"]].concat());
        let reported = reported.lock().expect("lock");
        let reported: Vec<(&str, Presence, bool)> =
            reported.iter().map(|(name, observed, new)| (name.as_str(), *observed, *new)).collect();
        let good = |report| ("good", Presence::Present, report);
        let deleted = |name| (name, Presence::Deleted, false);
        assert_eq!(
            reported,
            [("bad", Presence::Present, true), good(true), good(false), good(false), deleted("good"), deleted("bad")],
            "reported once, and not again for each event"
        );
        assert!(metrics.text().contains("invalid_objects{kind=\"RegistryToken\"} 0"));
    }

    #[tokio::test]
    async fn an_object_with_only_an_invalid_status_is_reported_and_served() {
        let spoilt = json!({
            "metadata": {"name": "pull", "namespace": "team", "uid": "u"}, "spec": {"description": "new"},
            "status": {"uid": "u", "nextRotationTime": "9999-12-31T23:59:59Z"},
        });
        let decoded = || prune::decode_token(spoilt.to_string().as_bytes());
        let (store, writer) = reflector::store();
        let events = [Event::Init, Event::InitApply(decoded()), Event::InitDone, Event::Apply(decoded())];
        let reported = Mutex::new(vec![]);
        let note = |skipped: &SkippedObject<'_>| {
            assert!(
                remedy(skipped).contains("status.nextRotationTime")
                    && remedy(skipped).contains("writes the status again")
            );
            reported.lock().expect("lock").push((skipped.partially_read, skipped.report));
        };
        let metrics = Metrics::default();
        let objects = Arc::new(InvalidObjects::new(metrics.watch(Kind::RegistryToken)));
        let read = skip_invalid(stream::iter(events), from_store(store.clone()), objects, note).reflect(writer);
        assert_eq!(read.count().await, 4);
        let found = store.state().first().map(|object| (object.spec.description.clone(), object.status.is_some()));
        assert_eq!(found, Some(("new".to_owned(), true)));
        assert_eq!(*reported.lock().expect("lock"), [(true, true), (true, false)], "reported once");
    }
}
