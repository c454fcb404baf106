//! What is not read is not cached, and what is cached of one object has a bound: users may write 256 KiB of
//! annotations into each.

use super::decode::{self, Decoded, InvalidObject, invalid};
use super::issuer_kind::IssuerObject;
use super::world::asked;
use super::{json, partial};
use crate::api::{
    GONE_ANNOTATION, IssuerStatus, RECONCILE_ANNOTATION, REPLACE_ANNOTATION, ROTATE_ANNOTATION, RegistryToken,
};
use crate::domain::marker::hash;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::core::object::HasStatus;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// Longest spec of a `RegistryToken` with its finalizers, in bytes. What the CRD accepts is a fifth of that.
const LONGEST_TOKEN: usize = 32 * 1024;
/// The same of an issuer. Of its CA bundles the CRD accepts half of that.
const LONGEST_ISSUER: usize = 256 * 1024;
/// Longest status, in bytes.
const LONGEST_STATUS: usize = 32 * 1024;
/// Longest value that is compared as it is, in bytes; a longer one counts as its hash.
const LONGEST_VALUE: usize = 256;
/// Longest list of revoked tokens that is cached, in bytes.
const LONGEST_LIST: usize = 4096;

/// A `RegistryToken`, unless it is larger than any that the CRD accepts.
pub fn decode_token(object: &[u8]) -> Decoded<RegistryToken> {
    bounded(object, LONGEST_TOKEN)?;
    token(object)
}

/// An issuer, unless it is larger than any that the CRD accepts.
pub fn decode_issuer<I: Issuer>(object: &[u8]) -> Decoded<I> {
    bounded(object, LONGEST_ISSUER)?;
    issuer(object)
}

/// Either kind of issuer, as it is parsed.
pub trait Issuer:
    IssuerObject + Resource<DynamicType = ()> + HasStatus<Status = IssuerStatus> + DeserializeOwned
{
}

impl<I> Issuer for I where
    I: IssuerObject + Resource<DynamicType = ()> + HasStatus<Status = IssuerStatus> + DeserializeOwned
{
}

/// A `RegistryToken` as it is read past every cache: its size does not matter.
pub fn live_token(object: &[u8]) -> Option<RegistryToken> {
    partial::live(token(object))
}

/// The same of an issuer.
pub fn live_issuer<I: Issuer>(object: &[u8]) -> Option<I> {
    partial::live(issuer(object))
}

fn token(object: &[u8]) -> Decoded<RegistryToken> {
    decode::object_with_status(object, LONGEST_STATUS, partial::token_status)
}

fn issuer<I: Issuer>(object: &[u8]) -> Decoded<I> {
    decode::object_with_status(object, LONGEST_STATUS, partial::issuer_status)
}

/// Refuses what would take more room in the cache than this.
fn bounded<K: Resource<DynamicType = ()>>(object: &[u8], longest: usize) -> Result<(), Box<InvalidObject<K>>> {
    let finalizers = json::field(object, "metadata").and_then(|meta| json::field(meta, "finalizers"));
    let size: usize = json::field(object, "spec").into_iter().chain(finalizers).map(<[u8]>::len).sum();
    if size <= longest {
        return Ok(());
    }
    let why = format!("spec and finalizers have {size} bytes, more than {longest}: make them shorter");
    Err(invalid(object, why))
}

/// Leaves of the metadata what decisions read.
pub fn metadata(meta: &mut ObjectMeta) {
    meta.labels = None;
    // Those of Secrets count, and not those of our own kinds.
    meta.owner_references = None;
    meta.annotations = meta.annotations.take().map(|all| annotations(&all)).filter(|kept| !kept.is_empty());
}

fn annotations(all: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    // In the form in which they are compared.
    let mut kept = asked(all, [ROTATE_ANNOTATION, REPLACE_ANNOTATION]);
    kept.extend(reconcile(all).map(|value| (RECONCILE_ANNOTATION.to_owned(), value)));
    kept.extend(all.get(GONE_ANNOTATION).map(|names| (GONE_ANNOTATION.to_owned(), whole_names(names).to_owned())));
    kept
}

/// The value of the annotation that asks for a look, as it is compared.
pub fn reconcile(annotations: &BTreeMap<String, String>) -> Option<String> {
    let value = annotations.get(RECONCILE_ANNOTATION)?;
    let long = value.len() > LONGEST_VALUE;
    Some(if long { format!("hash:{}", hash(&[value], 52)) } else { value.clone() })
}

/// As many names of a list as are cached.
fn whole_names(names: &str) -> &str {
    if names.len() <= LONGEST_LIST {
        return names;
    }
    let cut = names.get(..names.floor_char_boundary(LONGEST_LIST)).unwrap_or_default();
    cut.rsplit_once(',').map_or("", |(whole, _)| whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::TokenIssuer;
    use serde_json::json;

    #[test]
    fn what_is_cached_of_the_annotations_has_a_bound_and_asks_for_the_same() {
        let long = "x".repeat(100_000);
        let names = "tw-17,".repeat(10_000);
        let all = BTreeMap::from([
            ("registry-token.dev/whatever".to_owned(), long.clone()),
            ("note".to_owned(), long.clone()),
            (RECONCILE_ANNOTATION.to_owned(), long.clone()),
            (ROTATE_ANNOTATION.to_owned(), "1".to_owned()),
            (GONE_ANNOTATION.to_owned(), names),
        ]);
        let kept = annotations(&all);
        let keys: Vec<&str> = kept.keys().map(String::as_str).collect();
        assert_eq!(keys, [GONE_ANNOTATION, RECONCILE_ANNOTATION, ROTATE_ANNOTATION]);
        assert!(kept.values().map(String::len).sum::<usize>() < 5_000);
        assert!(kept[GONE_ANNOTATION].split(',').all(|name| name == "tw-17"), "no name is cut");
        // The cache and a live read compare as the same, and another value does not.
        assert_eq!(reconcile(&kept), reconcile(&all));
        let other = BTreeMap::from([(RECONCILE_ANNOTATION.to_owned(), long + "y")]);
        assert_ne!(reconcile(&other), reconcile(&all));
        assert_eq!(asked(&kept, ["rotate", "replace"]), asked(&all, ["rotate", "replace"]));
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
        let large = object(LONGEST_TOKEN);
        let invalid = decode_token(large.as_bytes()).expect_err("too large");
        assert!(invalid.why.contains("more than 32768") && invalid.about.name.as_deref() == Some("pull"));
        assert!(invalid.partial.is_none() && live_token(large.as_bytes()).is_some(), "only the cache has a bound");
    }

    #[test]
    fn what_is_cached_of_finalizers_and_owners_has_a_bound() {
        let object = |count: usize| {
            let finalizers: Vec<String> = (0..count).map(|number| format!("example.com/{number}")).collect();
            let meta = json!({"name": "pull", "namespace": "team", "finalizers": finalizers, "ownerReferences": [
                {"apiVersion": "v1", "kind": "ConfigMap", "name": "x".repeat(200), "uid": "u"},
            ]});
            json!({"metadata": meta, "spec": {"description": "d"}}).to_string()
        };
        let mut few = decode_token(object(100).as_bytes()).expect("parsed").metadata;
        metadata(&mut few);
        assert_eq!((few.finalizers.map(|all| all.len()), few.owner_references), (Some(100), None));
        let many = decode_token(object(10_000).as_bytes()).expect_err("too many");
        assert!(many.why.starts_with("spec and finalizers have"), "{}", many.why);
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
        assert!(invalid.why.contains("more than 262144: make them shorter"), "{}", invalid.why);
        assert_eq!(invalid.about.kind.as_deref(), Some("TokenIssuer"));
    }
}
