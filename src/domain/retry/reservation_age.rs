//! How long reservations have been observed. An instance clears a reservation of another one once no response to its
//! request can arrive any more.

use std::collections::HashMap;
use std::time::Duration;

/// The last observed reservation of each object, and when it was first observed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReservationAges(HashMap<String, (String, Duration)>);

impl ReservationAges {
    /// Records the reservation in an object's Secret, by a monotonic clock, and returns how long it has been observed.
    /// A missing reservation proves nothing, since a Secret that lost its label is not in the cache. Reservations are
    /// unique, so an entry is never mistaken for another.
    pub fn age(&mut self, uid: &str, reservation: Option<&str>, now: Duration) -> Duration {
        let Some(reservation) = reservation else { return Duration::ZERO };
        match self.0.get(uid) {
            Some((last, since)) if last == reservation => now.saturating_sub(*since),
            _ => {
                self.0.insert(uid.to_owned(), (reservation.to_owned(), now));
                Duration::ZERO
            }
        }
    }

    /// Forgets a deleted object.
    pub fn forget(&mut self, uid: &str) {
        self.0.remove(uid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_missing_from_the_cache_does_not_reset_the_age() {
        let (mut ages, second) = (ReservationAges::default(), Duration::from_secs(1));
        assert_eq!(ages.age("o", Some("a"), second), Duration::ZERO);
        assert_eq!(ages.age("o", None, second * 2), Duration::ZERO);
        assert_eq!(ages.age("o", Some("a"), second * 5), second * 4);
        assert_eq!(ages.age("o", Some("b"), second * 6), Duration::ZERO);
    }
}
