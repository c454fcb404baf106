//! Times in a status that are later than it is now: the clock that they were taken from ran ahead. They
//! count as now, and are written so: else nothing that waits for them would come for as long as the
//! clock had jumped.

use super::model::object::Object;
use crate::api::RegistryTokenStatus;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// So far two operators' clocks may lie apart.
const MAX_SKEW: SignedDuration = SignedDuration::from_mins(1);
/// So much later is what was later.
const MIN_GAP: SignedDuration = SignedDuration::from_secs(1);

fn skew_ahead(time: Timestamp, now: Timestamp) -> Option<SignedDuration> {
    let by = time.duration_since(now);
    (by > MAX_SKEW).then_some(by)
}

/// Whether the object's own status speaks of the future.
#[must_use]
pub fn has_future_timestamps(object: &Object, now: Timestamp) -> bool {
    let Some(status) = object.own_status() else { return false };
    let requested = status.token.as_ref().map(|token| token.request_time.0);
    let revoked = status.upstream_revocation.as_ref().map(|revocation| revocation.time.0);
    requested.into_iter().chain(revoked).any(|time| skew_ahead(time, now).is_some())
}

/// Sets such times to now. The end of an overlap, which lies in the future by right, moves with the
/// request that began it.
pub fn clamp_timestamps(status: &mut RegistryTokenStatus, now: Timestamp) {
    let requested = status.token.as_ref().map(|token| token.request_time.0);
    let later =
        status.upstream_revocation.as_ref().is_some_and(|one| requested.is_some_and(|asked| one.time.0 > asked));
    let by = requested.and_then(|asked| skew_ahead(asked, now));
    if let (Some(token), Some(by)) = (&mut status.token, by) {
        token.request_time = Time(now);
        for retiring in &mut status.retiring {
            let due = retiring.revocation_time.0;
            if due > now {
                retiring.revocation_time = Time(due.checked_sub(by).unwrap_or(now).max(now));
            }
        }
    }
    let requested = status.token.as_ref().map(|token| token.request_time.0);
    if let Some(revocation) = status.upstream_revocation.as_mut().filter(|one| skew_ahead(one.time.0, now).is_some()) {
        let after = requested.filter(|_| later).and_then(|asked| asked.checked_add(MIN_GAP).ok());
        revocation.time = Time(after.map_or(now, |after| after.max(now)));
    }
}

#[cfg(test)]
#[path = "clock_skew_tests.rs"]
mod tests;
