//! Only fields that are read are cached, and the cached part of each object has a size limit: users may write 256 KiB
//! of annotations into each.

use super::{Decoded, InvalidObject, invalid_object};
use super::{json, partial_status};
use crate::api::{
    CONFIRMED_REVOKED_ANNOTATION, IMPORT_ANNOTATION, IssuerStatus, RECONCILE_ANNOTATION, REPLACE_ANNOTATION,
    ROTATE_ANNOTATION, RegistryToken,
};
use crate::controller::annotations::{imported_id, requested, resync_annotation};
use crate::controller::decode;
use crate::controller::issuer_object::AnyIssuer;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::core::object::HasStatus;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// Longest spec and finalizers of a `RegistryToken`, in bytes: twice what the CRD accepts.
pub const MAX_TOKEN_BYTES: usize = 48 * 1024;
/// Longest spec and finalizers of an issuer, in bytes: twice the CA bundles that the CRD accepts.
const MAX_ISSUER_BYTES: usize = 256 * 1024;
/// Longest status of a `RegistryToken`, in bytes: more than 128 recorded `ServiceAccount`s and every condition take.
const MAX_TOKEN_STATUS_BYTES: usize = 96 * 1024;
/// Longest status of an issuer, in bytes.
const MAX_ISSUER_STATUS_BYTES: usize = 32 * 1024;
/// Longest list of confirmed revocations that is cached, in bytes.
const MAX_LIST_BYTES: usize = 4096;

/// A `RegistryToken`, unless it is larger than any that the CRD accepts.
pub fn decode_token(object: &[u8]) -> Decoded<RegistryToken> {
    check_size(object, MAX_TOKEN_BYTES)?;
    parse_token(object)
}

/// An issuer, unless it is larger than any that the CRD accepts.
pub fn decode_issuer<I: IssuerResource>(object: &[u8]) -> Decoded<I> {
    check_size(object, MAX_ISSUER_BYTES)?;
    parse_issuer(object)
}

/// Either kind of issuer, with what is needed to parse it.
pub trait IssuerResource:
    AnyIssuer + Resource<DynamicType = ()> + HasStatus<Status = IssuerStatus> + DeserializeOwned
{
}

impl<I> IssuerResource for I where
    I: AnyIssuer + Resource<DynamicType = ()> + HasStatus<Status = IssuerStatus> + DeserializeOwned
{
}

/// Decodes a `RegistryToken` from a live read, whatever its size.
pub fn live_token(object: &[u8]) -> Option<RegistryToken> {
    partial_status::ok_or_partial(parse_token(object))
}

/// Decodes an issuer from a live read, whatever its size.
pub fn live_issuer<I: IssuerResource>(object: &[u8]) -> Option<I> {
    partial_status::ok_or_partial(parse_issuer(object))
}

fn parse_token(object: &[u8]) -> Decoded<RegistryToken> {
    decode::object_with_status(object, MAX_TOKEN_STATUS_BYTES, partial_status::token_status)
}

fn parse_issuer<I: IssuerResource>(object: &[u8]) -> Decoded<I> {
    decode::object_with_status(object, MAX_ISSUER_STATUS_BYTES, partial_status::issuer_status)
}

/// Rejects objects that would take more space in the cache than this.
pub fn check_size<K: Resource<DynamicType = ()>>(object: &[u8], max: usize) -> Result<(), Box<InvalidObject<K>>> {
    let finalizers = json::field(object, "metadata").and_then(|meta| json::field(meta, "finalizers"));
    let size: usize = json::field(object, "spec").into_iter().chain(finalizers).map(<[u8]>::len).sum();
    if size <= max {
        return Ok(());
    }
    let why = format!("spec and finalizers have {size} bytes, more than {max}: make them shorter");
    Err(invalid_object(object, why))
}

/// Keeps only the metadata that decisions read.
pub fn prune_metadata(meta: &mut ObjectMeta) {
    meta.labels = None;
    // Owner references matter only on Secrets.
    meta.owner_references = None;
    meta.annotations = meta.annotations.take().map(|all| prune_annotations(&all)).filter(|kept| !kept.is_empty());
}

pub fn prune_annotations(all: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    // In the form in which they are compared.
    let mut kept = requested(all, [ROTATE_ANNOTATION, REPLACE_ANNOTATION]);
    kept.extend(resync_annotation(all).map(|value| (RECONCILE_ANNOTATION.to_owned(), value)));
    kept.extend(
        all.get(CONFIRMED_REVOKED_ANNOTATION)
            .map(|names| (CONFIRMED_REVOKED_ANNOTATION.to_owned(), truncate_list(names).to_owned())),
    );
    kept.extend(imported_id(all).map(|id| (IMPORT_ANNOTATION.to_owned(), id)));
    kept
}

/// The names at the start of a list that fit into [`MAX_LIST_BYTES`].
fn truncate_list(names: &str) -> &str {
    if names.len() <= MAX_LIST_BYTES {
        return names;
    }
    let cut = names.get(..names.floor_char_boundary(MAX_LIST_BYTES)).unwrap_or_default();
    cut.rsplit_once(',').map_or("", |(whole, _)| whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::TokenIssuer;
    use serde_json::json;

    #[test]
    fn cached_annotations_are_bounded_and_trigger_the_same_actions() {
        let long = "x".repeat(100_000);
        let names = "tw-17,".repeat(10_000);
        let all = BTreeMap::from([
            ("registry-token.dev/whatever".to_owned(), long.clone()),
            ("note".to_owned(), long.clone()),
            (RECONCILE_ANNOTATION.to_owned(), long.clone()),
            (ROTATE_ANNOTATION.to_owned(), "1".to_owned()),
            (CONFIRMED_REVOKED_ANNOTATION.to_owned(), names),
            (IMPORT_ANNOTATION.to_owned(), long.clone()),
        ]);
        let kept = prune_annotations(&all);
        let keys: Vec<&str> = kept.keys().map(String::as_str).collect();
        assert_eq!(keys, [CONFIRMED_REVOKED_ANNOTATION, IMPORT_ANNOTATION, RECONCILE_ANNOTATION, ROTATE_ANNOTATION]);
        assert!(kept.values().map(String::len).sum::<usize>() < 5_000);
        assert!(kept[CONFIRMED_REVOKED_ANNOTATION].split(',').all(|name| name == "tw-17"), "no name is cut");
        assert_eq!(imported_id(&kept), imported_id(&all));
        let empty = BTreeMap::from([(IMPORT_ANNOTATION.to_owned(), " ".to_owned())]);
        assert_eq!(imported_id(&prune_annotations(&empty)).as_deref(), Some(""), "empty, but not absent");
        // The cached and the live value are equal, and another value differs.
        assert_eq!(resync_annotation(&kept), resync_annotation(&all));
        let other = BTreeMap::from([(RECONCILE_ANNOTATION.to_owned(), long + "y")]);
        assert_ne!(resync_annotation(&other), resync_annotation(&all));
        assert_eq!(requested(&kept, ["rotate", "replace"]), requested(&all, ["rotate", "replace"]));
    }

    #[test]
    fn an_object_larger_than_the_crd_accepts_is_skipped_and_named() {
        let object = |size: usize| {
            json!({
                "metadata": {"name": "pull", "namespace": "team", "annotations": {"note": "x".repeat(200_000)}},
                "spec": {"description": "d", "secret": {"annotations": {"a": "x".repeat(size)}}},
            })
            .to_string()
        };
        assert!(decode_token(object(4096).as_bytes()).is_ok(), "what is not cached does not count");
        let large = object(MAX_TOKEN_BYTES);
        let invalid = decode_token(large.as_bytes()).expect_err("too large");
        assert!(invalid.error.contains("more than 49152") && invalid.reference.name.as_deref() == Some("pull"));
        assert!(invalid.partial.is_none() && live_token(large.as_bytes()).is_some(), "only the cache has a bound");
    }

    #[test]
    fn cached_finalizers_and_owners_are_bounded() {
        let object = |count: usize| {
            let finalizers: Vec<String> = (0..count).map(|number| format!("example.com/{number}")).collect();
            let meta = json!({"name": "pull", "namespace": "team", "finalizers": finalizers, "ownerReferences": [
                {"apiVersion": "v1", "kind": "ConfigMap", "name": "x".repeat(200), "uid": "u"},
            ]});
            json!({"metadata": meta, "spec": {"description": "d"}}).to_string()
        };
        let mut few = decode_token(object(100).as_bytes()).expect("parsed").metadata;
        prune_metadata(&mut few);
        assert_eq!((few.finalizers.map(|all| all.len()), few.owner_references), (Some(100), None));
        let many = decode_token(object(10_000).as_bytes()).expect_err("too many");
        assert!(many.error.starts_with("spec and finalizers have"), "{}", many.error);
    }

    #[test]
    fn an_issuer_larger_than_the_crd_accepts_is_skipped_and_one_that_it_accepts_is_not() {
        let object = |portal: usize, registries: usize| {
            let pem = |size: usize| json!({"caBundle": "x".repeat(size)});
            let registry = |number: usize| json!({"host": format!("r{number}.example.com"), "tls": pem(registries)});
            let auth = json!({"type": "Basic", "basic": {"secretRef": {"name": "portal"}}});
            json!({
                "metadata": {"name": "portal", "namespace": "team"},
                "spec": {
                    "type": "Thinkwise",
                    "thinkwise": {"url": "https://p", "auth": auth, "tls": pem(portal)},
                    "registries": (0..16).map(registry).collect::<Vec<_>>(),
                },
            })
            .to_string()
        };
        assert!(decode_issuer::<TokenIssuer>(object(65_536, 4096).as_bytes()).is_ok());
        let invalid = decode_issuer::<TokenIssuer>(object(131_072, 131_072).as_bytes()).expect_err("too large");
        assert!(invalid.error.contains("more than 262144: make them shorter"), "{}", invalid.error);
        assert_eq!(invalid.reference.kind.as_deref(), Some("TokenIssuer"));
    }
}
