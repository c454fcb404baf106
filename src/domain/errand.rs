//! What is asked for by annotation or by the clock.

use super::cause::{Cause, Errand};
use super::object::Object;
use super::observed::{IssuerFacts, Observed};
use super::recorded::{Recorded, recorded};
use crate::api::{REPLACE_ANNOTATION, ROTATE_ANNOTATION};
use std::collections::BTreeMap;

/// Keys of `status.handledAnnotations`: of the object's own annotations, and of its issuer's.
pub const KEYS: [(&str, Cause); 4] = [
    ("replace", Cause::Replace),
    ("issuerReplace", Cause::Replace),
    ("rotate", Cause::Rotate),
    ("issuerRotate", Cause::Rotate),
];

fn all(object: &Object, facts: &IssuerFacts) -> BTreeMap<String, String> {
    object.asked.iter().chain(&facts.asked).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// What is asked for and not yet done.
fn open(seen: &Observed, facts: &IssuerFacts, known: &Recorded) -> BTreeMap<String, String> {
    let mut open = all(&seen.object, facts);
    open.retain(|key, value| known.handled.get(key) != Some(value));
    open
}

/// A new token in place of one that works: for a new value of an annotation, or because its time
/// has come. During an overlap only a compromised token is replaced: never more than two live at rest.
#[must_use]
pub fn asked(seen: &Observed, facts: &IssuerFacts, known: &Recorded) -> Option<Errand> {
    let handles = open(seen, facts, known);
    let by_annotation = KEYS.into_iter().find(|(key, _)| handles.contains_key(*key)).map(|(_, cause)| cause);
    let due = known.next_rotation.is_some_and(|due| due <= seen.now);
    let cause = by_annotation.or_else(|| due.then_some(Cause::Rotation))?;
    let waits = cause.overlaps() && !known.retiring.is_empty();
    (!waits).then_some(Errand { cause, handles })
}

/// A token for this cause. It answers whatever is asked for by annotation too; of a first one, a
/// value that was there from the beginning counts as done.
#[must_use]
pub fn of(seen: &Observed, facts: &IssuerFacts, cause: Cause) -> Errand {
    Errand { cause, handles: open(seen, facts, &recorded(&seen.object)) }
}

/// The annotation by which somebody asked for another token, and which has not been acted on.
#[must_use]
pub fn pending(seen: &Observed, known: &Recorded) -> Option<&'static str> {
    let open = |key: &str| seen.object.asked.get(key).is_some_and(|value| known.handled.get(key) != Some(value));
    let asked = [("replace", REPLACE_ANNOTATION), ("rotate", ROTATE_ANNOTATION)];
    asked.into_iter().find(|(key, _)| known.current_id().is_some() && open(key)).map(|(_, annotation)| annotation)
}

#[cfg(test)]
#[path = "errand_tests.rs"]
mod tests;
