//! Parses objects and Secrets for an audit.

use super::{AuditedSecret, AuditedToken};
use crate::api::{
    ORPHANED_ANNOTATION, OWNER_LABEL, RESERVATION_ANNOTATION, RegistryTokenStatus, STORED_ANNOTATION,
    TOKEN_ID_ANNOTATION,
};
use crate::domain::model::marker::{AttemptId, Nonce};
use crate::domain::model::pull_secret::RawMeta;
use crate::domain::model::token::TokenRef;
use crate::domain::model::token_mac::{MacKeys, MacSubject, TokenRole};
use jiff::Timestamp;

impl AuditedSecret {
    /// Parses a Secret's metadata. Every owner counts, whether or not it is the controller.
    ///
    /// Markers that were released to a user count only if the operator signed them: otherwise anyone who learned the
    /// marker of another token could keep that leaked token from being revoked. In a Secret older than the keys every
    /// marker counts, since the key that signed it may be lost.
    #[must_use]
    pub fn parse<'a>(
        (namespace, name): (&str, &str),
        owners: impl Iterator<Item = &'a str>,
        raw: RawMeta<'_>,
        (keys, created): (&MacKeys, Timestamp),
    ) -> Self {
        let annotation = |key: &str| raw.annotations.get(key).map(String::as_str);
        let reserved = annotation(RESERVATION_ANNOTATION).and_then(|text| AttemptId::parse(text.split('.').next()?));
        let stored = annotation(STORED_ANNOTATION).and_then(AttemptId::parse);
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            owner_uids: owners.map(str::to_owned).chain(raw.labels.get(OWNER_LABEL).cloned()).collect(),
            reserved,
            stored: stored.zip(annotation(TOKEN_ID_ANNOTATION).map(str::to_owned)),
            orphaned_markers: annotation(ORPHANED_ANNOTATION)
                .into_iter()
                .flat_map(|text| text.split(','))
                .filter_map(|entry| {
                    let (marker, mac) = entry.split_once(':').unwrap_or((entry, ""));
                    let counts = created <= keys.created() || keys.verify_marker(namespace, marker, mac);
                    Nonce::parse(marker).filter(|_| counts)
                })
                .collect(),
        }
    }
}

impl AuditedToken {
    /// Parses an object's status. The status of another object and unproved tokens are ignored: otherwise a user who
    /// can write statuses could keep orphaned tokens from being revoked.
    #[must_use]
    pub fn parse(
        (namespace, secret): (&str, &str),
        uid: &str,
        status: Option<&RegistryTokenStatus>,
        keys: &MacKeys,
    ) -> Self {
        let own = status.filter(|status| status.uid.as_deref() == Some(uid));
        let portal = own.and_then(|status| status.portal.as_ref());
        let valid = |token: &TokenRef, role, mac: Option<&String>| {
            let subject = portal.map(|portal| MacSubject::of(uid, portal, token));
            subject.zip(mac).is_some_and(|(subject, mac)| keys.verify(subject, role, mac))
        };
        let current = own.and_then(|status| status.token.as_ref());
        let current = current.filter(|token| valid(&TokenRef::from(*token), TokenRole::Current, token.mac.as_ref()));
        let former = own.map(|status| status.retiring.as_slice()).unwrap_or_default().iter();
        let former = former.filter(|token| valid(&TokenRef::from(*token), TokenRole::Retiring, token.mac.as_ref()));
        Self {
            uid: uid.to_owned(),
            namespace: namespace.to_owned(),
            secret: secret.to_owned(),
            tokens: current.map(TokenRef::from).into_iter().chain(former.map(TokenRef::from)).collect(),
            requested_at: current.map(|token| token.request_time.0),
            portal_user: portal.filter(|_| current.is_some()).map(|portal| portal.user.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::test_support::{at, keys};
    use std::collections::BTreeMap;

    fn orphaned_markers(text: &str, created: i64) -> Vec<String> {
        let annotations = BTreeMap::from([(ORPHANED_ANNOTATION.to_owned(), text.to_owned())]);
        let labels = BTreeMap::new();
        let raw = RawMeta {
            uid: "s",
            resource_version: "1",
            controller_uid: None,
            labels: &labels,
            annotations: &annotations,
        };
        let secret = AuditedSecret::parse(("team-a", "pull"), std::iter::empty(), raw, (&keys(), at(created)));
        secret.orphaned_markers.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_orphaned_marker_counts_if_the_operator_signed_it_or_the_secret_is_older_than_the_keys() {
        let marker = "wj2y6wvo3i3u";
        let signed = |namespace| format!("{marker}:{}", keys().sign_marker(namespace, marker));
        assert_eq!(orphaned_markers(&signed("team-a"), 0), [marker]);
        assert_eq!(orphaned_markers(&signed("team-b"), 0), Vec::<String>::new(), "copied from another namespace");
        assert_eq!(orphaned_markers(marker, 0), Vec::<String>::new());
        assert_eq!(orphaned_markers(&format!("{marker}:v1.x.y"), 0), Vec::<String>::new());
        assert_eq!(orphaned_markers(marker, -20_000), [marker], "the key that signed it may be lost");
        assert_eq!(orphaned_markers(&format!("{},aaaaaaaaaaaa", signed("team-a")), 0), [marker]);
    }
}
