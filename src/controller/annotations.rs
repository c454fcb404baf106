//! The annotations with which users request something, in the form in which they are compared.

use crate::api::{
    CONFIRMED_REVOKED_ANNOTATION, IMPORT_ANNOTATION, RECONCILE_ANNOTATION, REPLACE_ANNOTATION, ROTATE_ANNOTATION,
};
use crate::domain::model::hash::hash;
use std::collections::BTreeMap;

/// Longest annotation value that is stored and compared literally, in bytes.
const MAX_VALUE_BYTES: usize = 256;

/// The tokens that the user has confirmed as revoked.
pub fn confirmed_revoked(annotations: &BTreeMap<String, String>) -> Vec<String> {
    let named = annotations.get(CONFIRMED_REVOKED_ANNOTATION).into_iter().flat_map(|text| text.split(','));
    named.map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// The portal id of a token that the object takes over. Longer than any id, it is cut and names no token. An empty one names
/// none either, but is not absent: a new token would replace the content of the Secret.
pub fn imported_id(annotations: &BTreeMap<String, String>) -> Option<String> {
    annotations.get(IMPORT_ANNOTATION).map(|id| id.trim().chars().take(MAX_VALUE_BYTES + 1).collect())
}

/// The actions requested by annotation, under the keys of `status.handledAnnotations`.
pub fn requested(annotations: &BTreeMap<String, String>, [rotate, replace]: [&str; 2]) -> BTreeMap<String, String> {
    [(ROTATE_ANNOTATION, rotate), (REPLACE_ANNOTATION, replace)]
        .into_iter()
        .filter_map(|(annotation, key)| Some((key.to_owned(), bounded_value(annotations.get(annotation)?))))
        .collect()
}

/// The value of the annotation that requests a resync, in the form in which it is compared.
pub fn resync_annotation(annotations: &BTreeMap<String, String>) -> Option<String> {
    let value = annotations.get(RECONCILE_ANNOTATION)?;
    Some(bounded_value(value))
}

/// A longer value is represented by its hash, here and wherever it is written: it is only compared.
fn bounded_value(value: &str) -> String {
    if value.len() <= MAX_VALUE_BYTES { value.to_owned() } else { format!("hash:{}", hash(&[value], 52)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_annotation_value_is_compared_by_its_hash() {
        let of = |value: String| {
            let annotations = BTreeMap::from([(ROTATE_ANNOTATION.to_owned(), value)]);
            requested(&annotations, ["rotate", "replace"]).remove("rotate").expect("requested")
        };
        assert_eq!(of("x".repeat(MAX_VALUE_BYTES)), "x".repeat(MAX_VALUE_BYTES));
        let (long, longer) = (of("x".repeat(140_000)), of("x".repeat(140_001)));
        assert!(long.len() < 64 && long != longer, "{long}, {longer}");
        assert_eq!(long, of("x".repeat(140_000)), "the same value triggers once");
    }
}
