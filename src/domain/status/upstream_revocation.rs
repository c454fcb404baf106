//! Which token a revocation in the portal concerns. Status stores times in seconds, and a revocation and two requests can
//! fall into one second.

use crate::api::{RecordedToken, RegistryTokenStatus, UpstreamRevocation};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// Records that another user revoked the current token. A revocation in the second of the token's request is dated one
/// second later, so that it applies to that token.
pub(super) fn record(status: &mut RegistryTokenStatus, now: Timestamp, again: bool) {
    let requested = status.token.as_ref().map(|token| token.request_time.0).filter(|requested| *requested <= now);
    let next_second = requested.and_then(|requested| requested.checked_add(SignedDuration::from_secs(1)).ok());
    let time = next_second.map_or(now, |next_second| next_second.max(now));
    status.upstream_revocation = Some(UpstreamRevocation { time: Time(time), again });
}

/// Records that the operator revoked the current token of a deleted object, unless a revocation is recorded already.
/// Otherwise another process could not tell a rejected second revocation from a token that is still valid.
pub(super) fn record_once(status: &mut RegistryTokenStatus, now: Timestamp) {
    let recorded = status.token.as_ref().zip(status.upstream_revocation.as_ref());
    if !recorded.is_some_and(|(token, revocation)| revocation.applies_to(&token.request_time)) {
        record(status, now, false);
    }
}

/// A new token becomes the current one: what was recorded before concerns its predecessor, whatever the clock says.
pub(super) fn leave_to_previous(status: &mut RegistryTokenStatus, new: &RecordedToken) {
    if let Some(revocation) = status.upstream_revocation.as_mut().filter(|one| one.applies_to(&new.request_time)) {
        revocation.time = new.request_time.clone();
    }
}

/// Clears the revocation of the current token. A token that was considered revoked is inspected again only if the
/// portal lists it again or a registry accepts its login: it was not revoked. The previous revocation, because of which
/// this token was requested, was real and still counts for 24 hours.
pub(super) fn clear(status: &mut RegistryTokenStatus) {
    let Some(since) = status.token.as_ref().map(|token| token.request_time.clone()) else { return };
    if status.upstream_revocation.take_if(|one| one.applies_to(&since)).is_some_and(|wrong| wrong.again) {
        status.upstream_revocation = Some(UpstreamRevocation { time: since, again: false });
    }
}
