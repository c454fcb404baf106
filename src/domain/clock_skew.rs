//! Timestamps in a status that lie in the future: they were taken from a clock that was ahead. They are set to the
//! current time; otherwise everything that waits for them would be delayed by as much as the clock was ahead.

use super::model::object::Object;
use crate::api::RegistryTokenStatus;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// Maximum difference between the clocks of two operators.
const MAX_SKEW: SignedDuration = SignedDuration::from_mins(1);
/// Minimum gap that is kept between two timestamps whose order matters.
const MIN_GAP: SignedDuration = SignedDuration::from_secs(1);

fn skew_ahead(time: Timestamp, now: Timestamp) -> Option<SignedDuration> {
    let by = time.duration_since(now);
    (by > MAX_SKEW).then_some(by)
}

/// Whether the object's own status contains timestamps in the future.
#[must_use]
pub fn has_future_timestamps(object: &Object, now: Timestamp) -> bool {
    let Some(status) = object.own_status() else { return false };
    let requested = status.token.as_ref().map(|token| token.request_time.0);
    let revoked = status.upstream_revocation.as_ref().map(|revocation| revocation.time.0);
    requested.into_iter().chain(revoked).any(|time| skew_ahead(time, now).is_some())
}

/// Sets future timestamps to the current time. The end of an overlap, which is legitimately in the future, moves by the
/// same amount as the request that started it.
pub fn clamp_timestamps(status: &mut RegistryTokenStatus, now: Timestamp) {
    let requested = status.token.as_ref().map(|token| token.request_time.0);
    let revoked_after_request = status
        .upstream_revocation
        .as_ref()
        .is_some_and(|one| requested.is_some_and(|request_time| one.time.0 > request_time));
    let by = requested.and_then(|request_time| skew_ahead(request_time, now));
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
        let after =
            requested.filter(|_| revoked_after_request).and_then(|request_time| request_time.checked_add(MIN_GAP).ok());
        revocation.time = Time(after.map_or(now, |after| after.max(now)));
    }
}

#[cfg(test)]
#[path = "clock_skew_tests.rs"]
mod tests;
