//! What metrics show of a cached object, which needs no unpacking.

use crate::api::{ConditionType, RegistryToken};
use crate::domain::model::conditions::{find, is_true};
use crate::metrics::ReadyStatus;

/// What metrics show of an object. It is not proved that the operator wrote it.
#[derive(Clone, Copy, Debug)]
pub struct TokenFacts {
    /// When the current token was requested, in seconds since 1970.
    pub requested_at: Option<i64>,
    /// When it is rotated, in seconds since 1970; never while it is suspended.
    pub next_rotation: Option<i64>,
    /// The number of previous tokens that are not revoked yet.
    pub retiring: u16,
    pub ready: ReadyStatus,
    pub is_stalled: bool,
}

impl TokenFacts {
    pub(super) fn of(token: &RegistryToken) -> Self {
        let status = token.status.as_ref();
        let is = |kind| status.is_some_and(|status| is_true(&status.conditions, kind));
        let next = status.and_then(|status| status.next_rotation_time.as_ref()).filter(|_| !token.spec.suspend);
        Self {
            requested_at: status.and_then(|status| status.token.as_ref()).map(|token| token.request_time.0.as_second()),
            next_rotation: next.map(|time| time.0.as_second()),
            retiring: status.map_or(0, |status| u16::try_from(status.retiring.len()).unwrap_or(u16::MAX)),
            ready: ready_status(token),
            is_stalled: is(ConditionType::Stalled),
        }
    }
}

fn ready_status(token: &RegistryToken) -> ReadyStatus {
    let condition = token.status.as_ref().and_then(|status| find(&status.conditions, ConditionType::Ready));
    match condition.map(|condition| condition.status.as_str()) {
        Some("True") => ReadyStatus::True,
        Some("False") => ReadyStatus::False,
        _ => ReadyStatus::Unknown,
    }
}
