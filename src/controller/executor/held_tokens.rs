//! Which tokens other objects have, according to the caches: in their status, or in a Secret that stores a token which its
//! object has not recorded yet. A token counts with a valid MAC only: a forged entry must not keep others from their tokens.

use crate::api::{
    MAC_ANNOTATION, OWNER_LABEL, RecordedPortal, RegistryToken, TOKEN_ID_ANNOTATION, USERNAME_ANNOTATION,
};
use crate::domain::model::token::{TokenRef, same_id, username_key};
use crate::domain::model::token_mac::{MacKeys, MacSubject, TokenRole};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt as _;

/// A token in an object's status.
pub struct HeldToken {
    pub token: TokenRef,
    /// It is not known to be revoked. The portal may reuse the id of a deleted token.
    pub is_live: bool,
}

/// Whether the tokens of an object are at this portal. The portal users may differ.
pub fn is_at_portal(object: &RegistryToken, portal: &RecordedPortal) -> bool {
    let home = object.status.as_ref().and_then(|status| status.portal.as_ref());
    home.is_some_and(|home| home.is_same_location(portal))
}

/// The tokens in the object's own status that are proved.
pub fn proved_tokens(object: &RegistryToken, keys: &MacKeys) -> Vec<HeldToken> {
    let Some(status) = object.status.as_ref().filter(|status| status.uid == object.uid()) else { return vec![] };
    let (Some(portal), Some(uid)) = (&status.portal, &status.uid) else { return vec![] };
    let proved = |token: &TokenRef, role, mac: Option<&String>| {
        mac.is_some_and(|mac| keys.verify(MacSubject::of(uid, portal, token), role, mac))
    };
    let is_revoked = |time| status.upstream_revocation.as_ref().is_some_and(|found| found.applies_to(time));
    let current = status
        .token
        .as_ref()
        .map(|token| (TokenRef::from(token), TokenRole::Current, token.mac.as_ref(), !is_revoked(&token.request_time)));
    let retiring = status
        .retiring
        .iter()
        .map(|token| (TokenRef::from(token), TokenRole::Retiring, token.mac.as_ref(), !token.revoked_upstream));
    let named = current.into_iter().chain(retiring).filter(|(token, role, mac, _)| proved(token, *role, *mac));
    named.map(|(token, _, _, is_live)| HeldToken { token, is_live }).collect()
}

/// Whether an object at the token's portal has the token: by its username, which two tokens never share, or by its id.
pub fn holds(object: &RegistryToken, token: &TokenRef, portal: &RecordedPortal, keys: &MacKeys) -> bool {
    let is_it = |held: &HeldToken| {
        username_key(&held.token.username) == username_key(&token.username)
            || (held.is_live && same_id(&held.token.id, &token.id))
    };
    is_at_portal(object, portal) && proved_tokens(object, keys).iter().any(is_it)
}

/// The UID of the object for which a Secret stores the token, as far as its annotations say.
pub fn names_token<'a>(secret: &'a ObjectMeta, token: &TokenRef) -> Option<&'a str> {
    let text = |key| secret.annotations.as_ref().and_then(|all| all.get(key)).map(String::as_str);
    let (id, username) = (text(TOKEN_ID_ANNOTATION)?, text(USERNAME_ANNOTATION)?);
    let is_it = same_id(id, &token.id) || username_key(username) == username_key(&token.username);
    let owner = secret.labels.as_ref().and_then(|labels| labels.get(OWNER_LABEL));
    owner.filter(|_| is_it).map(String::as_str)
}

/// Whether the operator stored a token in the Secret, for the object with this UID and one of these portals.
pub fn is_stored_for<'a>(
    secret: &ObjectMeta,
    uid: &str,
    portals: impl IntoIterator<Item = &'a RecordedPortal>,
    keys: &MacKeys,
) -> bool {
    let text = |key| secret.annotations.as_ref().and_then(|all| all.get(key)).map(String::as_str);
    let (Some(id), Some(username), Some(mac)) =
        (text(TOKEN_ID_ANNOTATION), text(USERNAME_ANNOTATION), text(MAC_ANNOTATION))
    else {
        return false;
    };
    portals.into_iter().any(|portal| keys.verify(MacSubject { uid, portal, id, username }, TokenRole::Stored, mac))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::test_support::{UID, at_rest, keys, mac, portal, token_ref};
    use serde_json::{Value, json};

    /// An object with the token 17.
    fn object(change: impl FnOnce(&mut RegistryToken)) -> RegistryToken {
        let mut object: RegistryToken = serde_json::from_value(json!({
            "apiVersion": "registry-token.dev/v1alpha1", "kind": "RegistryToken",
            "metadata": {"name": "pull", "namespace": "team-a", "uid": UID}, "spec": {"description": "prod"},
        }))
        .expect("an object");
        object.status = at_rest().object.status;
        change(&mut object);
        object
    }

    fn named(id: &str, username: &str) -> TokenRef {
        TokenRef { id: id.to_owned(), username: username.to_owned() }
    }

    #[test]
    fn an_object_holds_a_token_by_its_username_and_by_its_id() {
        let held = object(|_| {});
        let has = |token: &TokenRef| holds(&held, token, &portal(), &keys());
        assert!(has(&token_ref("17")));
        assert!(has(&named("tw-17", "tw-17")) && has(&named("tw-17", "tw-17 ")), "the username instead of the id");
        assert!(has(&named("17", "another")));
        assert!(!has(&token_ref("18")));

        let user = RecordedPortal { user: "another".to_owned(), ..portal() };
        assert!(holds(&held, &token_ref("17"), &user, &keys()), "another portal user sees the same token");
        let elsewhere = RecordedPortal { scope: "another".to_owned(), ..portal() };
        assert!(!holds(&held, &token_ref("17"), &elsewhere, &keys()));
    }

    #[test]
    fn a_revoked_token_holds_its_username_but_not_its_id() {
        let revoked = object(|object| {
            let status = object.status.as_mut().expect("a status");
            let token = status.token.take().expect("a token");
            let entry = json!({
                "id": token.id, "username": token.username, "revocationTime": token.request_time, "revokedUpstream": true,
                "mac": mac("17", TokenRole::Retiring),
            });
            status.retiring.push(serde_json::from_value(entry).expect("an entry"));
        });
        assert!(holds(&revoked, &token_ref("17"), &portal(), &keys()));
        assert!(!holds(&revoked, &named("17", "another"), &portal(), &keys()), "the portal reuses ids");
    }

    #[test]
    fn an_unproved_entry_holds_no_token() {
        let forged = object(|object| {
            let token = object.status.as_mut().and_then(|status| status.token.as_mut()).expect("a token");
            (token.id, token.username) = ("18".to_owned(), "tw-18".to_owned());
        });
        assert!(!holds(&forged, &token_ref("18"), &portal(), &keys()));
        let copied = object(|object| object.metadata.uid = Some("another".to_owned()));
        assert!(!holds(&copied, &token_ref("17"), &portal(), &keys()), "the status belongs to another object");
    }

    fn secret(annotations: &Value) -> ObjectMeta {
        serde_json::from_value(json!({"labels": {(OWNER_LABEL): UID}, "annotations": annotations})).expect("metadata")
    }

    #[test]
    fn a_secret_stores_a_token_for_its_owner_only_with_a_valid_mac() {
        let mac = mac("17", TokenRole::Stored);
        let stored = secret(&json!({
            (TOKEN_ID_ANNOTATION): "17", (USERNAME_ANNOTATION): "tw-17", (MAC_ANNOTATION): mac,
        }));
        for token in [token_ref("17"), named("tw-17", "tw-17"), named("17", "another")] {
            assert_eq!(names_token(&stored, &token), Some(UID));
        }
        assert_eq!(names_token(&stored, &token_ref("18")), None);
        let other = RecordedPortal { user: "another".to_owned(), ..portal() };
        assert!(is_stored_for(&stored, UID, [&other, &portal()], &keys()));
        assert!(!is_stored_for(&stored, UID, [&other], &keys()));
        assert!(!is_stored_for(&stored, "another", [&portal()], &keys()));

        let forged = secret(&json!({
            (TOKEN_ID_ANNOTATION): "18", (USERNAME_ANNOTATION): "tw-18", (MAC_ANNOTATION): mac,
        }));
        assert_eq!(names_token(&forged, &token_ref("18")), Some(UID));
        assert!(!is_stored_for(&forged, UID, [&portal()], &keys()));
        assert_eq!(names_token(&secret(&json!({})), &token_ref("17")), None);
    }
}
