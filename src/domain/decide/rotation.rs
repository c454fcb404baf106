//! Token requests that are due to an annotation or to the rotation interval.

use crate::api::{REPLACE_ANNOTATION, ROTATE_ANNOTATION};
use crate::domain::model::issuer::IssuerInfo;
use crate::domain::model::object::Object;
use crate::domain::model::request_cause::{ANNOTATION_KEYS, Cause, RequestCause};
use crate::domain::model::rotation_windows::RotationStart;
use crate::domain::model::status_view::StatusView;
use crate::domain::model::token_expiry::urgent_at;
use crate::domain::observed::Observed;
use jiff::Timestamp;
use std::collections::BTreeMap;

fn requested_annotations(object: &Object, issuer: &IssuerInfo) -> BTreeMap<String, String> {
    object
        .requested_annotations
        .iter()
        .chain(&issuer.requested_annotations)
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// Annotations that have not been handled.
fn unhandled(observed: &Observed, issuer: &IssuerInfo, status: &StatusView) -> BTreeMap<String, String> {
    let mut open = requested_annotations(&observed.object, issuer);
    open.retain(|key, value| status.handled_annotations.get(key) != Some(value));
    open
}

/// Returns when the token is rotated: as recorded, or in a later window if that one is over.
#[must_use]
pub fn rotation_start(observed: &Observed, status: &StatusView) -> Option<Timestamp> {
    let recorded = status.next_rotation?;
    let windows = &observed.object.rotation_windows;
    if windows.is_empty() || recorded > observed.now {
        return Some(recorded);
    }
    let interval = observed.object.rotation.map(|rotation| rotation.interval);
    let start = status.token.as_ref().and_then(|token| RotationStart::of(token, interval, &observed.object.uid));
    Some(start.map_or(recorded, |start| windows.start(start, observed.now)))
}

/// Returns the cause to replace a working token: a new value of an annotation, or an elapsed interval. During an
/// overlap only a compromised token is replaced, so that at rest no more than two are valid; but a token that is about to
/// expire is replaced even if its predecessor could not be revoked.
#[must_use]
pub fn pending(observed: &Observed, issuer: &IssuerInfo, status: &StatusView) -> Option<RequestCause> {
    let handles = unhandled(observed, issuer, status);
    let by_annotation = ANNOTATION_KEYS.into_iter().find(|(key, _)| handles.contains_key(*key)).map(|(_, cause)| cause);
    let due = rotation_start(observed, status).is_some_and(|due| due <= observed.now);
    let cause = by_annotation.or_else(|| due.then_some(Cause::Rotation))?;
    let is_urgent = status.token.as_ref().and_then(urgent_at).is_some_and(|time| time <= observed.now);
    let waits = cause.overlaps() && !status.retiring.is_empty() && !is_urgent;
    (!waits).then_some(RequestCause { cause, handles })
}

/// Returns a request for this cause. The token also handles all pending annotations; for a first token, values that
/// were present at creation count as handled.
#[must_use]
pub fn for_cause(observed: &Observed, issuer: &IssuerInfo, cause: Cause) -> RequestCause {
    RequestCause { cause, handles: unhandled(observed, issuer, &StatusView::of(&observed.object)) }
}

/// Returns the annotation that requests another token and has not been handled.
#[must_use]
pub fn pending_annotation(observed: &Observed, status: &StatusView) -> Option<&'static str> {
    let open = |key: &str| {
        observed
            .object
            .requested_annotations
            .get(key)
            .is_some_and(|value| status.handled_annotations.get(key) != Some(value))
    };
    let annotations = [("replace", REPLACE_ANNOTATION), ("rotate", ROTATE_ANNOTATION)];
    annotations
        .into_iter()
        .find(|(key, _)| status.current_token_id().is_some() && open(key))
        .map(|(_, annotation)| annotation)
}

#[cfg(test)]
#[path = "rotation_tests.rs"]
mod tests;
