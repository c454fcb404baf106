//! What is not read is not cached, and what is cached of one object has a bound: users may write 256 KiB of
//! annotations into each.

use super::decode::{self, Decoded, InvalidObject};
use super::json;
use super::world::asked;
use crate::api::{GONE_ANNOTATION, RECONCILE_ANNOTATION, REPLACE_ANNOTATION, ROTATE_ANNOTATION, RegistryToken};
use crate::domain::marker::hash;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use std::collections::BTreeMap;

/// Longest spec and status together of a `RegistryToken`, in bytes. What the CRD accepts is a tenth of that.
const LONGEST_OBJECT: usize = 64 * 1024;
/// Longest value that is compared as it is, in bytes; a longer one counts as its hash.
const LONGEST_VALUE: usize = 256;
/// Longest list of revoked tokens that is cached, in bytes.
const LONGEST_LIST: usize = 4096;

/// A `RegistryToken`, unless it is larger than any that the CRD accepts.
pub fn decode_token(object: &[u8]) -> Decoded<RegistryToken> {
    let token: RegistryToken = decode::object(object)?;
    let size: usize = ["spec", "status"].iter().filter_map(|name| json::field(object, name)).map(<[u8]>::len).sum();
    if size <= LONGEST_OBJECT {
        return Ok(token);
    }
    let why = format!("spec and status have {size} bytes, more than {LONGEST_OBJECT}");
    Err(Box::new(InvalidObject { about: token.object_ref(&()), why }))
}

/// Leaves of the metadata what decisions read.
pub fn metadata(meta: &mut ObjectMeta) {
    meta.labels = None;
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
        let invalid = decode_token(object(LONGEST_OBJECT).as_bytes()).expect_err("too large");
        assert!(invalid.why.contains("more than 65536") && invalid.about.name.as_deref() == Some("pull"));
    }
}
