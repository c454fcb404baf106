//! Converts the simulated objects and Secrets to the types of the core.

use super::config::SimulationConfig;
use super::fakes::{FakeObject, FakeSecret};
use super::mutant::Mutant;
use super::world::at;
use registry_token_operator::api::{
    ADOPT_ANNOTATION, CAUSE_ANNOTATION, CLOSED_ANNOTATION, MAC_ANNOTATION, ORPHANED_ANNOTATION, OWNER_LABEL,
    PROVENANCE_ANNOTATION, REGISTRIES_ANNOTATION, RESERVATION_ANNOTATION, RegistryTokenStatus, STORED_ANNOTATION,
    TOKEN_ID_ANNOTATION, USERNAME_ANNOTATION,
};
use registry_token_operator::domain::audit::{AuditedSecret, AuditedToken};
use registry_token_operator::domain::model::object::Object;
use registry_token_operator::domain::model::pull_secret::{Owner, RawMeta, SecretMeta};
use registry_token_operator::domain::model::rotation_windows::RotationWindows;
use registry_token_operator::domain::model::token_mac::MacKeys;
use std::collections::BTreeMap;
use std::time::Duration;

/// The ids of all tokens in a status, proved or not, the current one first.
pub fn named_ids(status: &RegistryTokenStatus) -> impl Iterator<Item = &String> {
    status.token.iter().map(|token| &token.id).chain(status.retiring.iter().map(|token| &token.id))
}

/// The object as the core observes it.
pub fn project_object(object: &FakeObject, config: &SimulationConfig) -> Object {
    Object {
        uid: object.uid.clone(),
        resource_version: object.version.to_string(),
        created: at(object.created),
        generation: object.generation,
        deleting: object.deleting,
        has_finalizer: object.finalizer,
        description: object.description.clone(),
        projects: vec![],
        secret_name: "pull".to_owned(),
        issuer: "ClusterTokenIssuer default".to_owned(),
        rotation: config.rotation(),
        rotation_windows: RotationWindows::default(),
        suspended: object.suspended,
        reissue_revoked: object.reissue,
        revoke_on_deletion: object.revoke,
        requested_annotations: object.requested.clone(),
        import: None,
        confirmed_revoked: object.confirmed_revoked.clone(),
        status: object.status.clone(),
        keys: config.keys.mac_keys(),
    }
}

/// The same, for a mutant.
pub fn project_object_as(object: &FakeObject, config: &SimulationConfig, mutant: Option<Mutant>) -> Object {
    let mut observed = project_object(object, config);
    if let Some(mutant) = mutant {
        mutant.forge_proof(&mut observed);
    }
    if mutant == Some(Mutant::RequestsTokenOnEveryEdit) {
        observed.requested_annotations.insert("rotate".to_owned(), format!("generation {}", object.generation));
    }
    if mutant == Some(Mutant::OmitsFinalizer) {
        observed.has_finalizer |= observed.status.is_some();
    }
    observed
}

/// Labels and annotations, as the API server stores them.
fn labels_and_annotations(secret: &FakeSecret) -> [BTreeMap<String, String>; 2] {
    let labels = secret.label.iter().map(|uid| (OWNER_LABEL.to_owned(), uid.clone())).collect();
    let stored = secret.stored.as_ref();
    let orphaned: Vec<String> = secret.orphaned.iter().map(ToString::to_string).collect();
    let request_cause = stored.map(|stored| serde_json::to_string(&stored.request_cause).expect("JSON"));
    let annotations = [
        (RESERVATION_ANNOTATION, secret.reservation.as_ref().map(ToString::to_string)),
        (STORED_ANNOTATION, stored.map(|stored| stored.attempt_id.to_string())),
        (TOKEN_ID_ANNOTATION, stored.map(|stored| stored.id.clone())),
        (CAUSE_ANNOTATION, request_cause),
        (PROVENANCE_ANNOTATION, stored.map(|stored| stored.provenance.to_string())),
        (USERNAME_ANNOTATION, stored.map(|stored| stored.signature.username.clone())),
        (MAC_ANNOTATION, stored.map(|stored| stored.signature.mac.clone())),
        (CLOSED_ANNOTATION, secret.closed.clone()),
        (REGISTRIES_ANNOTATION, Some("registries".to_owned())),
        (ADOPT_ANNOTATION, secret.adoptable.then(|| "true".to_owned())),
        (ORPHANED_ANNOTATION, (!secret.orphaned.is_empty()).then(|| orphaned.join(","))),
    ];
    let annotations = annotations.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect();
    [labels, annotations]
}

/// A Secret as the core observes it for this object, parsed by the shipped parser.
pub fn project_secret(
    secret: &FakeSecret,
    uid: &str,
    recorded_uid: Option<&str>,
    reservation_age: Duration,
) -> SecretMeta {
    let [labels, annotations] = labels_and_annotations(secret);
    let raw = RawMeta {
        uid: &secret.uid,
        resource_version: &secret.version.to_string(),
        controller_uid: secret.controller.as_deref(),
        labels: &labels,
        annotations: &annotations,
    };
    SecretMeta::parse(
        raw,
        Owner { uid, recorded_secret_uid: recorded_uid, reservation_age, label_names_other_object: false },
    )
}

/// An object as an audit reads it.
pub fn audited_token(slot: usize, object: &FakeObject, config: &SimulationConfig) -> AuditedToken {
    let keys = config.keys.mac_keys();
    AuditedToken::parse((&format!("slot{slot}"), "pull"), &object.uid, object.status.as_ref(), &keys)
}

/// A Secret as an audit reads it.
pub fn audited_secret(slot: usize, secret: &FakeSecret) -> AuditedSecret {
    let [labels, annotations] = labels_and_annotations(secret);
    let raw = RawMeta {
        uid: &secret.uid,
        resource_version: "",
        controller_uid: secret.controller.as_deref(),
        labels: &labels,
        annotations: &annotations,
    };
    let owners = secret.controller.as_deref().into_iter();
    // Orphaned markers are not signed here: they count as those of a Secret that is older than the keys.
    AuditedSecret::parse((&format!("slot{slot}"), "pull"), owners, raw, (&MacKeys::default(), jiff::Timestamp::MIN))
}
