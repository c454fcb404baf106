//! When a token that expires is replaced.

use crate::api::RecordedToken;
use jiff::Timestamp;
use std::time::Duration;

/// A token is not replaced earlier because it expires. So a portal whose tokens expire at once, or whose clock is wrong,
/// causes no endless requests.
const MIN_AGE: Duration = Duration::from_mins(10);

/// How long the token is valid, if it expires.
fn lifetime(token: &RecordedToken) -> Option<Duration> {
    let expires = token.expiration_time.as_ref()?.0;
    Some(Duration::try_from(expires.duration_since(token.request_time.0)).unwrap_or_default())
}

/// The age at which the token is rotated because it expires: a third of its lifetime is left to get its successor.
#[must_use]
pub fn rotation_age(token: &RecordedToken) -> Option<Duration> {
    lifetime(token).map(|lifetime| (lifetime * 2 / 3).max(MIN_AGE))
}

/// When a rotation does not wait any more for the revocation of the previous token: a sixth of the lifetime is left.
#[must_use]
pub fn urgent_at(token: &RecordedToken) -> Option<Timestamp> {
    let age = (lifetime(token)? * 5 / 6).max(MIN_AGE);
    Some(token.request_time.0.checked_add(age).unwrap_or(Timestamp::MAX))
}

/// When the token counts as expired: then no portal and no registry need to know it any more, and nobody revoked it.
#[must_use]
pub fn expired_at(token: &RecordedToken) -> Option<Timestamp> {
    let youngest = token.request_time.0.checked_add(MIN_AGE).unwrap_or(Timestamp::MAX);
    Some(token.expiration_time.as_ref()?.0.max(youngest))
}

/// Whether the token is expired at this time.
#[must_use]
pub fn is_expired(token: &RecordedToken, now: Timestamp) -> bool {
    expired_at(token).is_some_and(|time| time <= now)
}

/// The longest overlap of the previous token with this one. It ends before this token is rotated.
#[must_use]
pub fn longest_overlap(token: &RecordedToken) -> Option<Duration> {
    lifetime(token).map(|lifetime| lifetime / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::test_support::token;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    const DAY: i64 = 24 * 3600;

    /// A token that expires this many seconds after its request.
    fn expiring(seconds: i64) -> RecordedToken {
        let token = token("17");
        let expires = token.request_time.0.as_second() + seconds;
        RecordedToken { expiration_time: Some(Time(Timestamp::from_second(expires).expect("a time"))), ..token }
    }

    #[test]
    fn a_third_of_the_lifetime_is_left_for_the_successor() {
        let token = expiring(30 * DAY);
        assert_eq!(rotation_age(&token), Some(Duration::from_hours(20 * 24)));
        assert_eq!(urgent_at(&token), token.request_time.0.checked_add(Duration::from_hours(25 * 24)).ok());
        assert_eq!(longest_overlap(&token), Some(Duration::from_hours(15 * 24)));
        let expires = token.request_time.0.checked_add(Duration::from_hours(30 * 24)).expect("a time");
        assert_eq!(expired_at(&token), Some(expires));
        assert!(is_expired(&token, expires) && !is_expired(&token, expires - Duration::from_secs(1)));
    }

    #[test]
    fn a_token_that_expires_at_once_is_not_replaced_at_once() {
        for seconds in [0, 1, 60, -1, -DAY] {
            let token = expiring(seconds);
            assert_eq!(rotation_age(&token), Some(MIN_AGE), "{seconds}");
            assert_eq!(urgent_at(&token), token.request_time.0.checked_add(MIN_AGE).ok(), "{seconds}");
            assert_eq!(expired_at(&token), token.request_time.0.checked_add(MIN_AGE).ok(), "{seconds}");
        }
    }

    #[test]
    fn a_token_that_does_not_expire_has_no_such_times() {
        let token = token("17");
        assert_eq!((rotation_age(&token), urgent_at(&token), longest_overlap(&token)), (None, None, None));
        assert!(!is_expired(&token, Timestamp::MAX));
    }
}
