//! Reads and writes conditions.

use crate::api::{ConditionType, Reason};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// Maximum length of a message, in characters. A quoted text may be long, and the status must not become too large to
/// be written.
const MAX_MESSAGE_CHARS: usize = 2_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConditionStatus {
    True,
    False,
    Unknown,
}

impl ConditionStatus {
    /// The value as stored in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub struct ConditionUpdate<'a> {
    pub kind: ConditionType,
    pub value: ConditionStatus,
    pub reason: Reason,
    /// The human-readable message.
    pub message: &'a str,
}

/// Sets a condition. The transition time changes only if the status changes.
pub fn set(conditions: &mut Vec<Condition>, generation: i64, now: Timestamp, update: ConditionUpdate<'_>) {
    let (kind, value) = (update.kind.to_string(), update.value.as_str());
    let position = conditions.iter().position(|condition| condition.type_ == kind);
    let since = position
        .map(|index| &conditions[index])
        .filter(|former| former.status == value)
        .map_or_else(|| Time(now), |former| former.last_transition_time.clone());
    let condition = Condition {
        last_transition_time: since,
        message: truncate(update.message),
        observed_generation: Some(generation),
        reason: update.reason.to_string(),
        status: value.to_owned(),
        type_: kind,
    };
    match position {
        Some(index) => conditions[index] = condition,
        None => conditions.push(condition),
    }
}

/// Truncates a message that is too long.
fn truncate(message: &str) -> String {
    match message.char_indices().nth(MAX_MESSAGE_CHARS) {
        None => message.to_owned(),
        Some(_) => message.chars().take(MAX_MESSAGE_CHARS - 1).chain(['…']).collect(),
    }
}

pub fn clear(conditions: &mut Vec<Condition>, kind: ConditionType) {
    let kind = kind.to_string();
    conditions.retain(|condition| condition.type_ != kind);
}

#[must_use]
pub fn find(conditions: &[Condition], kind: ConditionType) -> Option<&Condition> {
    let kind = kind.to_string();
    conditions.iter().find(|condition| condition.type_ == kind)
}

/// Whether the condition is present and true.
#[must_use]
pub fn is_true(conditions: &[Condition], kind: ConditionType) -> bool {
    find(conditions, kind).is_some_and(|condition| condition.status == ConditionStatus::True.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_message_is_cut_between_two_characters() {
        let kept = |message: &str| {
            let update = ConditionUpdate {
                kind: ConditionType::Ready,
                value: ConditionStatus::False,
                reason: Reason::PortalError,
                message,
            };
            let mut conditions = vec![];
            set(&mut conditions, 1, Timestamp::UNIX_EPOCH, update);
            conditions.remove(0).message
        };
        let fits = "é".repeat(MAX_MESSAGE_CHARS);
        assert_eq!(kept(&fits), fits);
        let cut = kept(&"é".repeat(1 << 20));
        assert_eq!(cut.chars().count(), MAX_MESSAGE_CHARS);
        assert!(cut.ends_with("é…"));
    }
}
