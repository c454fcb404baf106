//! The world's things as the core sees them.

use super::mutant::Mutant;
use super::setting::Setting;
use super::world::{Obj, Sec, at};
use registry_token_operator::api::{
    ADOPT_ANNOTATION, ATTEMPT_ANNOTATION, CLOSED_ANNOTATION, HANDLES_ANNOTATION, MAC_ANNOTATION, ORIGIN_ANNOTATION,
    ORPHANED_ANNOTATION, OWNER_LABEL, REGISTRIES_ANNOTATION, STORED_ANNOTATION, TOKEN_ID_ANNOTATION,
    USERNAME_ANNOTATION,
};
use registry_token_operator::domain::audit::{Holder, Owner};
use registry_token_operator::domain::object::Object;
use registry_token_operator::domain::pull_secret::{Claimant, RawMeta, SecretMeta};
use registry_token_operator::domain::token_mac::MacKeys;
use std::collections::BTreeMap;
use std::time::Duration;

/// The object as the core sees it.
pub fn see(object: &Obj, setting: &Setting) -> Object {
    Object {
        uid: object.uid.clone(),
        version: object.version.to_string(),
        created: at(object.created),
        generation: object.generation,
        deleting: object.deleting,
        finalizer: object.finalizer,
        description: object.description.clone(),
        secret_name: "pull".to_owned(),
        issuer: "ClusterTokenIssuer default".to_owned(),
        rotation: setting.rotation(),
        suspended: object.suspended,
        reissue: object.reissue,
        revoke: object.revoke,
        asked: object.asked.clone(),
        gone: object.gone.clone(),
        status: object.status.clone(),
        keys: setting.keys.mac_keys(),
    }
}

/// The same, for operators that are broken on purpose.
pub fn see_as(object: &Obj, setting: &Setting, mutant: Option<Mutant>) -> Object {
    let mut seen = see(object, setting);
    if let Some(mutant) = mutant {
        mutant.believe(&mut seen);
    }
    if mutant == Some(Mutant::AsksForATokenOnEveryEdit) {
        seen.asked.insert("rotate".to_owned(), format!("generation {}", object.generation));
    }
    if mutant == Some(Mutant::LeavesTheFinalizerOff) {
        seen.finalizer |= seen.status.is_some();
    }
    seen
}

/// Labels and annotations, as the API server holds them.
fn maps(secret: &Sec) -> [BTreeMap<String, String>; 2] {
    let labels = secret.label.iter().map(|uid| (OWNER_LABEL.to_owned(), uid.clone())).collect();
    let stored = secret.stored.as_ref();
    let orphaned: Vec<String> = secret.orphaned.iter().map(ToString::to_string).collect();
    let errand = stored.map(|stored| serde_json::to_string(&stored.errand).expect("JSON"));
    let annotations = [
        (ATTEMPT_ANNOTATION, secret.reservation.as_ref().map(ToString::to_string)),
        (STORED_ANNOTATION, stored.map(|stored| stored.attempt.to_string())),
        (TOKEN_ID_ANNOTATION, stored.map(|stored| stored.id.clone())),
        (HANDLES_ANNOTATION, errand),
        (ORIGIN_ANNOTATION, stored.map(|stored| stored.origin.to_string())),
        (USERNAME_ANNOTATION, stored.map(|stored| stored.seal.username.clone())),
        (MAC_ANNOTATION, stored.map(|stored| stored.seal.mac.clone())),
        (CLOSED_ANNOTATION, secret.closed.clone()),
        (REGISTRIES_ANNOTATION, Some("registries".to_owned())),
        (ADOPT_ANNOTATION, secret.handed.then(|| "true".to_owned())),
        (ORPHANED_ANNOTATION, (!secret.orphaned.is_empty()).then(|| orphaned.join(","))),
    ];
    let annotations = annotations.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect();
    [labels, annotations]
}

/// A Secret as the core sees it, asked by this object: read by the shipped reader.
pub fn see_secret(secret: &Sec, uid: &str, recorded_uid: Option<&str>, seen_for: Duration) -> SecretMeta {
    let [labels, annotations] = maps(secret);
    let raw = RawMeta {
        uid: &secret.uid,
        resource_version: &secret.version.to_string(),
        controller_uid: secret.controller.as_deref(),
        labels: &labels,
        annotations: &annotations,
    };
    SecretMeta::parse(
        raw,
        Claimant { uid, recorded_secret_uid: recorded_uid, reservation_seen: seen_for, label_of_another: false },
    )
}

/// An object as an audit sees it.
pub fn owner(slot: usize, object: &Obj, setting: &Setting) -> Owner {
    let keys = setting.keys.mac_keys();
    Owner::parse((&format!("slot{slot}"), "pull"), &object.uid, object.status.as_ref(), &keys)
}

/// A Secret as an audit sees it.
pub fn holder(slot: usize, secret: &Sec) -> Holder {
    let [labels, annotations] = maps(secret);
    let raw = RawMeta {
        uid: &secret.uid,
        resource_version: "",
        controller_uid: secret.controller.as_deref(),
        labels: &labels,
        annotations: &annotations,
    };
    let owners = secret.controller.as_deref().into_iter();
    // Marks are not signed here: they count as those of a Secret that is older than the keys.
    Holder::parse((&format!("slot{slot}"), "pull"), owners, raw, (&MacKeys::default(), jiff::Timestamp::MIN))
}
