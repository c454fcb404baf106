//! Objects that this version cannot read, such as one stored under an older CRD: told of and passed
//! over, so that all others are served.

use super::decode::{Decoded, InvalidObject};
use super::issuer::cache::{IssuerEntry, IssuerKey};
use super::token::snapshot::SharedContext;
use crate::api::{IssuerKind, Reason};
use crate::health::watch_health::WatchHealth;
use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::reflector::{Lookup, ObjectRef, Store};
use kube::runtime::watcher::{self, Event};
use std::future::ready;
use std::sync::Arc;

/// An object that cannot be read.
pub struct SkippedObject<'a> {
    /// Which one.
    pub object: &'a ObjectReference,
    /// What is wrong with it.
    pub error: &'a str,
    /// What became of it.
    pub presence: Presence,
    /// It has not been reported lately.
    pub report: bool,
    /// Its status alone cannot be read, and it is served without.
    pub partially_read: bool,
}

/// The events of objects that can be read, their status apart; `passed_over` hears of each that cannot. What `former` has of
/// one that could be read once stays until it is deleted: its tokens are still known by it, and whatever
/// is done about it reads it anew first.
pub fn skip_invalid<K: Lookup<DynamicType = ()>>(
    events: impl Stream<Item = Event<Decoded<K>>>,
    last_known: impl Fn(&ObjectReference, Presence) -> Option<K>,
    health: Arc<WatchHealth>,
    on_invalid: impl Fn(&SkippedObject<'_>),
) -> impl Stream<Item = watcher::Result<Event<K>>> {
    let read = move |decoded: Decoded<K>, presence: Presence| match decoded {
        Ok(object) => {
            health.mark_valid(&object.namespace().unwrap_or_default(), &object.name().unwrap_or_default());
            Some(object)
        }
        Err(invalid) => {
            let InvalidObject { reference: about, error: why, partial } = *invalid;
            let [namespace, name] = [&about.namespace, &about.name].map(|part| part.as_deref().unwrap_or_default());
            let report = presence == Presence::Present && health.mark_invalid(namespace, name);
            if presence == Presence::Deleted {
                health.mark_valid(namespace, name);
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
            // What a list does not name leaves the cache.
            Event::InitApply(one) => read(one, Presence::Present).map(|object| Ok(Event::InitApply(object))),
            Event::Apply(one) => read(one, Presence::Present).map(|object| Ok(Event::Apply(object))),
            Event::Delete(one) => read(one, Presence::Deleted).map(|object| Ok(Event::Delete(object))),
        })
    })
}

/// What the cache has of an object.
pub fn from_store<K>(store: Store<K>) -> impl Fn(&ObjectReference, Presence) -> Option<K>
where
    K: Lookup<DynamicType = ()> + Clone + 'static,
{
    move |about, _| {
        let key = ObjectRef::new(about.name.as_deref().unwrap_or_default());
        let key = match &about.namespace {
            Some(namespace) => key.within(namespace),
            None => key,
        };
        store.get(&key).map(|object| (*object).clone())
    }
}

/// What became of an object that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It is there.
    Present,
    /// It was deleted.
    Deleted,
}

/// Tells of a RegistryToken that cannot be read.
pub fn report_token(ctx: &SharedContext, skipped: &SkippedObject<'_>) {
    if skipped.report {
        emit_invalid(ctx, skipped.object, format!("this RegistryToken {}", remedy(skipped)));
    }
}

/// The same of an issuer; its objects wait for it and say so.
pub fn report_issuer(ctx: &SharedContext, skipped: &SkippedObject<'_>) {
    let about = skipped.object;
    let cluster = about.kind.as_deref() == Some("ClusterTokenIssuer");
    let key = IssuerKey {
        kind: if cluster { IssuerKind::ClusterTokenIssuer } else { IssuerKind::TokenIssuer },
        namespace: about.namespace.clone().unwrap_or_default(),
        name: about.name.clone().unwrap_or_default(),
    };
    if skipped.presence == Presence::Deleted {
        super::issuer_missing(ctx, &key);
        return;
    }
    let message = format!("the issuer {}", remedy(skipped));
    if !skipped.partially_read {
        super::set_issuer(ctx, &key, IssuerEntry::NotReady(Reason::InvalidObject, message.clone()));
    }
    if skipped.report {
        emit_invalid(ctx, about, message);
    }
}

/// The same of a Secret.
pub fn report_secret(ctx: &SharedContext, skipped: &SkippedObject<'_>) {
    if skipped.report {
        let why = skipped.error;
        let message =
            format!("the metadata of this Secret cannot be read: {why}. Changes of it are not noticed at once");
        emit_invalid(ctx, skipped.object, message);
    }
}

fn remedy(skipped: &SkippedObject<'_>) -> String {
    let why = skipped.error;
    if skipped.partially_read {
        return format!(
            "has a status that cannot be read: {why}. The operator uses what can be read of it, and writes it anew. Nobody else is to write a status: check who may"
        );
    }
    format!(
        "was stored under another CRD, and this version cannot read it: {why}. Nothing is done for it, and its tokens stay. Write that field as the CRD asks: `kubectl explain` describes it"
    )
}

fn emit_invalid(ctx: &SharedContext, about: &ObjectReference, message: String) {
    let (ctx, about) = (Arc::clone(ctx), about.clone());
    let [kind, namespace, name] = [&about.kind, &about.namespace, &about.name].map(Option::as_deref);
    tracing::warn!(kind, namespace, name, detail = message, "cannot be read");
    // Not awaited: the watch goes on.
    tokio::spawn(async move { ctx.events.emit(&about, false, &Reason::InvalidObject.to_string(), &message).await });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::RegistryToken;
    use crate::controller::decode;
    use crate::controller::decode::prune;
    use crate::health::watch_health::watch_metrics;
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
            // One that could be read once, and cannot any more.
            Event::Apply(object("good", "30m2h")),
            Event::Apply(object("good", "30m2h")),
            // A list names it still.
            Event::Init,
            Event::InitApply(object("good", "30m2h")),
            Event::InitDone,
            Event::Delete(object("good", "30m2h")),
            Event::Delete(object("bad", "30m2h")),
        ];
        let told = Mutex::new(vec![]);
        let note = |skipped: &SkippedObject<'_>| {
            assert!(skipped.error.contains("30m2h"), "{}", skipped.error);
            let name = skipped.object.name.clone().unwrap_or_default();
            told.lock().expect("held").push((name, skipped.presence, skipped.report));
        };
        let health = Arc::new(WatchHealth::new("RegistryToken"));
        let read =
            skip_invalid(stream::iter(events), from_store(store.clone()), Arc::clone(&health), note).reflect(writer);
        let (mut observed, mut read) = (vec![], Box::pin(read));
        while let Some(event) = read.next().await {
            observed.push(match event.expect("no error") {
                Event::Init => "init".to_owned(),
                Event::InitDone => format!("done {}", store.len()),
                Event::InitApply(one) | Event::Apply(one) => format!("there {}", one.name_any()),
                Event::Delete(one) => format!("gone {}, {}", one.name_any(), store.len()),
            });
        }
        let again = ["there good", "there good", "init", "there good", "done 1"];
        assert_eq!(observed, [&["init", "there good", "done 1"], &again[..], &["gone good, 0"]].concat());
        let told = told.lock().expect("held");
        let told: Vec<(&str, Presence, bool)> =
            told.iter().map(|(name, observed, new)| (name.as_str(), *observed, *new)).collect();
        let good = |report| ("good", Presence::Present, report);
        let gone = |name| (name, Presence::Deleted, false);
        assert_eq!(
            told,
            [("bad", Presence::Present, true), good(true), good(false), good(false), gone("good"), gone("bad")],
            "reported once, and not again for each event"
        );
        assert!(watch_metrics(std::iter::once(&*health)).contains("invalid_objects{kind=\"RegistryToken\"} 0"));
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
        let told = Mutex::new(vec![]);
        let note = |skipped: &SkippedObject<'_>| {
            assert!(remedy(skipped).contains("status.nextRotationTime") && remedy(skipped).contains("writes it anew"));
            told.lock().expect("held").push((skipped.partially_read, skipped.report));
        };
        let health = Arc::new(WatchHealth::new("RegistryToken"));
        let read = skip_invalid(stream::iter(events), from_store(store.clone()), health, note).reflect(writer);
        assert_eq!(read.count().await, 4);
        let found = store.state().first().map(|object| (object.spec.description.clone(), object.status.is_some()));
        assert_eq!(found, Some(("new".to_owned(), true)));
        assert_eq!(*told.lock().expect("held"), [(true, true), (true, false)], "reported once");
    }
}
