use super::*;
use crate::domain::model::request_cause::Cause;

fn meta(labels: &[(&str, &str)], annotations: &[(&str, &str)], controller: Option<&str>) -> SecretMeta {
    beside(labels, annotations, controller, false)
}

/// The same, if the label may name another existing object.
fn beside(
    labels: &[(&str, &str)],
    annotations: &[(&str, &str)],
    controller: Option<&str>,
    label_of_another: bool,
) -> SecretMeta {
    let map = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let (labels, annotations) = (map(labels), map(annotations));
    let raw = RawMeta {
        uid: "s",
        resource_version: "1",
        controller_uid: controller,
        labels: &labels,
        annotations: &annotations,
    };
    let reservation_seen = Duration::ZERO;
    SecretMeta::parse(
        raw,
        Owner {
            uid: "o",
            recorded_secret_uid: None,
            reservation_age: reservation_seen,
            label_names_other_object: label_of_another,
        },
    )
}

#[test]
fn a_label_of_another_existing_object_makes_a_secret_foreign() {
    let of = |labels: &[(&str, &str)], annotations: &[(&str, &str)], controller| {
        beside(labels, annotations, controller, true).ownership
    };
    assert_eq!(of(&[(OWNER_LABEL, "first")], &[], None), Ownership::Foreign);
    assert_eq!(of(&[(OWNER_LABEL, "first")], &[(ADOPT_ANNOTATION, "true")], None), Ownership::Ours, "handed over");
    assert_eq!(of(&[(OWNER_LABEL, "o")], &[], None), Ownership::Ours);
    assert_eq!(of(&[(OWNER_LABEL, "first")], &[], Some("o")), Ownership::Ours);
}

#[test]
fn the_second_secret_of_another_object_is_foreign() {
    let second = (ROLE_LABEL, "argocd-repository");
    assert_eq!(meta(&[(OWNER_LABEL, "gone"), second], &[], None).ownership, Ownership::Foreign);
    assert_eq!(meta(&[(OWNER_LABEL, "gone"), second], &[], Some("other")).ownership, Ownership::Foreign);
    // The label makes no pull secret foreign for its own object.
    assert_eq!(meta(&[(OWNER_LABEL, "o"), second], &[], None).ownership, Ownership::Ours);
    assert!(meta(&[(OWNER_LABEL, "o"), second], &[], Some("o")).is_own);
}

#[test]
fn a_secret_that_was_released_to_its_user_is_not_taken_back() {
    let orphaned = (ORPHANED_ANNOTATION, "aaaaaaaaaaaa");
    assert_eq!(meta(&[(OWNER_LABEL, "gone")], &[orphaned], None).ownership, Ownership::Foreign);
    let handed = [orphaned, (ADOPT_ANNOTATION, "true")];
    assert_eq!(meta(&[(OWNER_LABEL, "gone")], &handed, None).ownership, Ownership::Ours);
}

#[test]
fn a_secret_is_claimed_by_what_only_its_own_object_gives_it() {
    assert!(meta(&[], &[], Some("o")).is_own, "the label was stripped");
    assert!(meta(&[(OWNER_LABEL, "o")], &[], None).is_own, "the owner reference was stripped");
    assert!(!meta(&[(OWNER_LABEL, "restored-from")], &[], None).is_own);
    assert!(!meta(&[], &[(ADOPT_ANNOTATION, "true")], None).is_own, "handed over, and not adopted yet");
    assert!(!meta(&[(OWNER_LABEL, "o")], &[], Some("other")).is_own);
    assert!(!meta(&[(OWNER_LABEL, "o")], &[(ORPHANED_ANNOTATION, "aaaaaaaaaaaa")], None).is_own);
}

#[test]
fn only_a_secret_without_a_controller_is_handed_over() {
    let adopt = [(ADOPT_ANNOTATION, "true")];
    assert!(meta(&[], &adopt, None).handed_over);
    assert!(meta(&[(OWNER_LABEL, "restored-from")], &adopt, None).handed_over);
    assert!(!meta(&[], &adopt, Some("o")).handed_over && !meta(&[], &adopt, Some("other")).handed_over);
    assert!(!meta(&[(OWNER_LABEL, "restored-from")], &[], None).handed_over);
    assert!(!meta(&[], &[(ADOPT_ANNOTATION, "yes")], None).handed_over);
}

#[test]
fn a_secret_closed_by_a_previous_owner_is_not_closed_for_the_next_one() {
    assert!(meta(&[], &[(CLOSED_ANNOTATION, "o")], Some("o")).closed);
    assert!(!meta(&[(OWNER_LABEL, "former")], &[(CLOSED_ANNOTATION, "former")], None).closed);
}

#[test]
fn a_secret_is_ours_by_controller_or_without_one_by_label() {
    assert_eq!(meta(&[], &[], Some("o")).ownership, Ownership::Ours);
    assert_eq!(meta(&[(OWNER_LABEL, "restored-from")], &[], None).ownership, Ownership::Ours);
    assert_eq!(meta(&[(OWNER_LABEL, "o")], &[], Some("other")).ownership, Ownership::Foreign);
    assert_eq!(meta(&[], &[], None).ownership, Ownership::Foreign);
}

#[test]
fn forged_annotations_count_as_absent() {
    let read = meta(
        &[],
        &[(RESERVATION_ANNOTATION, "nonsense"), (STORED_ANNOTATION, "x"), (CAUSE_ANNOTATION, "{")],
        Some("o"),
    );
    assert_eq!((read.reservation, read.stored), (None, None));
}

#[test]
fn what_is_written_is_parsed_again() {
    let attempt = AttemptId::from_random(&[3; 16]);
    let reservation = Reservation { attempt_id: attempt.clone(), identity: "pod-0.with.dots".into() };
    let handles = BTreeMap::from([("rotate".to_owned(), "1".to_owned())]);
    let request_cause = RequestCause { cause: Cause::Rotate, handles };
    // An id may contain a dot.
    let origin = Provenance {
        portal: "portal".to_owned(),
        requested_at: 1_900_000_000,
        expires_at: Some(1_900_003_600),
        previous_id: Some("1.6".to_owned()),
    };
    let read = meta(
        &[],
        &[
            (RESERVATION_ANNOTATION, &reservation.to_string()),
            (CAUSE_ANNOTATION, &serde_json::to_string(&request_cause).expect("JSON")),
            (STORED_ANNOTATION, &attempt.to_string()),
            (TOKEN_ID_ANNOTATION, "17"),
            (PROVENANCE_ANNOTATION, &origin.to_string()),
            (USERNAME_ANNOTATION, "tw-17"),
            (MAC_ANNOTATION, "v1.key.tag"),
        ],
        Some("o"),
    );
    assert_eq!(read.reservation, Some(reservation));
    let signature = TokenSignature { username: "tw-17".into(), mac: "v1.key.tag".into() };
    assert_eq!(
        read.stored,
        Some(StoredToken { attempt_id: attempt, id: "17".into(), request_cause, provenance: origin, signature })
    );
}
