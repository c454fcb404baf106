//! What is asked for by annotation or by the clock.

use crate::api::{REPLACE_ANNOTATION, ROTATE_ANNOTATION};
use crate::domain::model::object::Object;
use crate::domain::model::request_cause::{Cause, RequestCause};
use crate::domain::model::status_view::{StatusView, status_view};
use crate::domain::observed::{IssuerInfo, Observed};
use std::collections::BTreeMap;

/// Keys of `status.handledAnnotations`: of the object's own annotations, and of its issuer's.
pub const ANNOTATION_KEYS: [(&str, Cause); 4] = [
    ("replace", Cause::Replace),
    ("issuerReplace", Cause::Replace),
    ("rotate", Cause::Rotate),
    ("issuerRotate", Cause::Rotate),
];

fn requested_annotations(object: &Object, facts: &IssuerInfo) -> BTreeMap<String, String> {
    object
        .requested_annotations
        .iter()
        .chain(&facts.requested_annotations)
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// What is asked for and not yet done.
fn unhandled(observed: &Observed, facts: &IssuerInfo, status: &StatusView) -> BTreeMap<String, String> {
    let mut open = requested_annotations(&observed.object, facts);
    open.retain(|key, value| status.handled_annotations.get(key) != Some(value));
    open
}

/// A new token in place of one that works: for a new value of an annotation, or because its time
/// has come. During an overlap only a compromised token is replaced: never more than two live at rest.
#[must_use]
pub fn pending(observed: &Observed, facts: &IssuerInfo, status: &StatusView) -> Option<RequestCause> {
    let handles = unhandled(observed, facts, status);
    let by_annotation = ANNOTATION_KEYS.into_iter().find(|(key, _)| handles.contains_key(*key)).map(|(_, cause)| cause);
    let due = status.next_rotation.is_some_and(|due| due <= observed.now);
    let cause = by_annotation.or_else(|| due.then_some(Cause::Rotation))?;
    let waits = cause.overlaps() && !status.retiring.is_empty();
    (!waits).then_some(RequestCause { cause, handles })
}

/// A token for this cause. It answers whatever is asked for by annotation too; of a first one, a
/// value that was there from the beginning counts as done.
#[must_use]
pub fn for_cause(observed: &Observed, facts: &IssuerInfo, cause: Cause) -> RequestCause {
    RequestCause { cause, handles: unhandled(observed, facts, &status_view(&observed.object)) }
}

/// The annotation by which somebody asked for another token, and which has not been acted on.
#[must_use]
pub fn pending_annotation(observed: &Observed, status: &StatusView) -> Option<&'static str> {
    let open = |key: &str| {
        observed
            .object
            .requested_annotations
            .get(key)
            .is_some_and(|value| status.handled_annotations.get(key) != Some(value))
    };
    let asked = [("replace", REPLACE_ANNOTATION), ("rotate", ROTATE_ANNOTATION)];
    asked
        .into_iter()
        .find(|(key, _)| status.current_token_id().is_some() && open(key))
        .map(|(_, annotation)| annotation)
}

#[cfg(test)]
#[path = "rotation_tests.rs"]
mod tests;
