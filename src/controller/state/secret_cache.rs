//! The cache of pull secrets: their metadata, packed.

use super::lookup::impl_lookup;
use super::packed::Packed;
use super::token_cache::{CachedToken, TokenCache, TokenKey, names_argocd_secret};
use crate::api::{GROUP, ORPHANED_ANNOTATION, OWNER_LABEL, ROLE_LABEL, ROTATED_AT_ANNOTATION, RegistryToken};
use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::reflector::store::Writer;
use kube::runtime::watcher::{self, Event};
use std::sync::Arc;

/// Longest metadata that are cached, in bytes. Those that the operator writes have a tenth of that; longer ones are
/// read live by each pass.
const MAX_META_BYTES: usize = 16 * 1024;

/// A pull secret in the cache, without its data.
#[derive(Clone, Debug)]
pub struct CachedSecret {
    namespace: Box<str>,
    name: Box<str>,
    meta: Packed,
}

impl CachedSecret {
    /// Keeps only what decisions read.
    fn from_meta(mut meta: ObjectMeta) -> Self {
        meta.managed_fields = None;
        // An audit needs the age of markers that were left to a user.
        if !meta.annotations.as_ref().is_some_and(|annotations| annotations.contains_key(ORPHANED_ANNOTATION)) {
            meta.creation_timestamp = None;
        }
        if let Some(annotations) = meta.annotations.as_mut() {
            annotations.retain(|key, _| key.starts_with(GROUP) && key != ROTATED_AT_ANNOTATION);
        }
        if let Some(labels) = meta.labels.as_mut() {
            labels.retain(|key, _| key == OWNER_LABEL || key == ROLE_LABEL);
        }
        let [namespace, name] =
            [meta.namespace.take(), meta.name.take()].map(|text| text.unwrap_or_default().into_boxed_str());
        Self { namespace, name, meta: Packed::of(&meta, MAX_META_BYTES).unwrap_or_default() }
    }

    /// The metadata; `None` if they were too long to cache, and have to be read live.
    pub fn meta(&self) -> Option<ObjectMeta> {
        let meta: ObjectMeta = self.meta.unpack()?;
        Some(ObjectMeta { name: Some(self.name.to_string()), namespace: Some(self.namespace.to_string()), ..meta })
    }
}

impl_lookup!(CachedSecret, Secret, |this| Some(&*this.namespace));

/// Caches the watched Secrets, and yields the objects whose Secret changed.
pub fn reflect_secrets(
    events: impl Stream<Item = watcher::Result<Event<PartialObjectMeta<Secret>>>> + Send + 'static,
    mut writer: Writer<CachedSecret>,
    tokens: TokenCache,
) -> impl Stream<Item = TokenKey> + Send + 'static {
    let owners = events.filter_map(move |event| {
        let owners_of_event = event.ok().map(|event| {
            let owners = match &event {
                Event::Apply(secret) | Event::Delete(secret) | Event::InitApply(secret) => {
                    tokens_owning(secret, &tokens)
                }
                Event::Init | Event::InitDone => vec![],
            };
            writer.apply_watcher_event(&to_cached(event));
            futures::stream::iter(owners)
        });
        std::future::ready(owners_of_event)
    });
    owners.flatten()
}

fn to_cached(event: Event<PartialObjectMeta<Secret>>) -> Event<CachedSecret> {
    match event {
        Event::Apply(secret) => Event::Apply(CachedSecret::from_meta(secret.metadata)),
        Event::Delete(secret) => Event::Delete(CachedSecret::from_meta(secret.metadata)),
        Event::Init => Event::Init,
        Event::InitApply(secret) => Event::InitApply(CachedSecret::from_meta(secret.metadata)),
        Event::InitDone => Event::InitDone,
    }
}

/// The objects to which a Secret belongs: by its controller reference, or by its name if the reference was removed. A second
/// Secret also concerns other objects that want one of this name.
fn tokens_owning(secret: &PartialObjectMeta<Secret>, tokens: &TokenCache) -> Vec<TokenKey> {
    let namespace = secret.metadata.namespace.clone().unwrap_or_default();
    if secret.labels().contains_key(ROLE_LABEL) {
        return tokens_wanting(secret, &namespace, tokens);
    }
    let owner =
        secret.owner_references().iter().find(|owner| owner.controller == Some(true) && owner.kind == "RegistryToken");
    if let Some(owner) = owner {
        return vec![ObjectRef::new(&owner.name).within(&namespace)];
    }
    let name = secret.name_any();
    let here = tokens.filter(|token| token.is_in(&namespace));
    let wants = |token: &RegistryToken| token.secret_name() == name || names_argocd_secret(token, &name);
    let named = |token: &&Arc<CachedToken>| token.unpack().is_some_and(|token| wants(&token));
    here.iter().filter(named).map(|token| token.reference()).collect()
}

/// The controller of a second Secret, and the objects that name it in spec or status.
fn tokens_wanting(secret: &PartialObjectMeta<Secret>, namespace: &str, tokens: &TokenCache) -> Vec<TokenKey> {
    let owners = secret.owner_references().iter();
    let owner = owners.filter(|owner| owner.controller == Some(true) && owner.kind == "RegistryToken");
    let mut concerned: Vec<TokenKey> = owner.map(|owner| ObjectRef::new(&owner.name).within(namespace)).collect();
    let name = secret.name_any();
    for token in tokens.filter(|token| token.is_in(namespace) && token.names_argocd_secret()) {
        let key = token.reference();
        if !concerned.contains(&key) && token.unpack().is_some_and(|token| names_argocd_secret(&token, &name)) {
            concerned.push(key);
        }
    }
    concerned
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::runtime::reflector::Lookup as _;
    use serde_json::json;

    #[test]
    fn only_metadata_that_decisions_read_is_cached() {
        let meta: ObjectMeta = serde_json::from_value(json!({
            "name": "pull", "namespace": "team", "uid": "u", "resourceVersion": "7",
            "labels": {(OWNER_LABEL): "o", "app": "web"},
            "annotations": {"registry-token.dev/token-id": "17", "note": "long"},
            "ownerReferences": [{"apiVersion": "v1", "kind": "RegistryToken", "name": "pull", "uid": "o", "controller": true}],
            "managedFields": [{"manager": "kubectl"}],
        }))
        .expect("metadata");
        let mut large = meta.clone();
        large
            .annotations
            .get_or_insert_default()
            .insert("registry-token.dev/note".to_owned(), "x".repeat(MAX_META_BYTES));
        let unknown = CachedSecret::from_meta(large);
        assert!(unknown.meta().is_none(), "longer metadata are not cached");
        let kept = CachedSecret::from_meta(meta);
        let reference = kept.to_object_ref(());
        assert_eq!((reference.name.as_str(), reference.namespace.as_deref()), ("pull", Some("team")));
        let back = serde_json::to_value(kept.meta().expect("kept")).expect("JSON");
        assert_eq!(
            back,
            json!({
                "name": "pull", "namespace": "team", "uid": "u", "resourceVersion": "7",
                "labels": {(OWNER_LABEL): "o"}, "annotations": {"registry-token.dev/token-id": "17"},
                "ownerReferences": [
                    {"apiVersion": "v1", "kind": "RegistryToken", "name": "pull", "uid": "o", "controller": true},
                ],
            })
        );
    }
}
