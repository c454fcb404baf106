//! The checksum of a pull secret, which shows whether content and annotations are what the operator wrote.

use crate::api::{CHECKSUM_ANNOTATION, PROVENANCE_ANNOTATION, STORED_ANNOTATION, TOKEN_ID_ANNOTATION};
use base64::{Engine, engine::general_purpose::STANDARD};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use ring::digest::{Context, SHA256};

/// The covered annotations: attempt id, token id and provenance.
pub const COVERED_ANNOTATIONS: [&str; 3] = [STORED_ANNOTATION, TOKEN_ID_ANNOTATION, PROVENANCE_ANNOTATION];

/// The values of these annotations in a Secret.
pub type CoveredValues<'a> = [Option<&'a str>; 3];

/// Hashes the content and the covered annotations, salted with the object's UID. The hash shows that one of them was
/// changed, and reveals nothing about the content. The token id is covered because it is what a token is revoked by if
/// the portal does not list tokens.
pub fn checksum(uid: &str, covered: CoveredValues<'_>, content: &[u8]) -> String {
    let mut digest = Context::new(&SHA256);
    for text in [Some(uid)].into_iter().chain(covered) {
        digest.update(text.unwrap_or_default().as_bytes());
        digest.update(&[0]);
    }
    digest.update(content);
    STANDARD.encode(&digest.finish().as_ref()[..12])
}

/// Reads the covered annotations.
pub fn covered(meta: &ObjectMeta) -> CoveredValues<'_> {
    let text = |key| meta.annotations.as_ref().and_then(|annotations| annotations.get(key)).map(String::as_str);
    COVERED_ANNOTATIONS.map(text)
}

/// Whether content and annotations are what the operator wrote for this object, according to the checksum.
pub fn verify(uid: &str, meta: &ObjectMeta, content: &[u8]) -> bool {
    let written = meta.annotations.as_ref().and_then(|annotations| annotations.get(CHECKSUM_ANNOTATION));
    written == Some(&checksum(uid, covered(meta), content))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(annotations: [(&str, &str); 3], content: &[u8]) -> ObjectMeta {
        let meta = ObjectMeta {
            annotations: Some(annotations.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
            ..ObjectMeta::default()
        };
        let sum = checksum("uid", covered(&meta), content);
        let annotations = meta.annotations.into_iter().flatten().chain([(CHECKSUM_ANNOTATION.to_owned(), sum)]);
        ObjectMeta { annotations: Some(annotations.collect()), ..ObjectMeta::default() }
    }

    #[test]
    fn a_checksum_covers_content_annotations_and_owner() {
        let meta = written(
            [(STORED_ANNOTATION, "attempt"), (TOKEN_ID_ANNOTATION, "17"), (PROVENANCE_ANNOTATION, "portal.16")],
            b"login",
        );
        assert!(verify("uid", &meta, b"login"));
        assert!(!verify("uid", &meta, b"another login") && !verify("another uid", &meta, b"login"));
        for key in [STORED_ANNOTATION, TOKEN_ID_ANNOTATION, PROVENANCE_ANNOTATION, CHECKSUM_ANNOTATION] {
            let mut forged = meta.clone();
            forged
                .annotations
                .as_mut()
                .and_then(|all| all.insert(key.to_owned(), "18".to_owned()))
                .expect("it is there");
            assert!(!verify("uid", &forged, b"login"), "{key} was changed");
            forged.annotations.as_mut().and_then(|all| all.remove(key)).expect("it is there");
            assert!(!verify("uid", &forged, b"login"), "{key} was removed");
        }
        let shifted = written(
            [(STORED_ANNOTATION, "attempt1"), (TOKEN_ID_ANNOTATION, "7"), (PROVENANCE_ANNOTATION, "portal.16")],
            b"login",
        );
        assert_ne!(
            meta.annotations.expect("some")[CHECKSUM_ANNOTATION],
            shifted.annotations.expect("some")[CHECKSUM_ANNOTATION]
        );
    }
}
