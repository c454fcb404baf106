//! For how long reservations have been seen: by whoever did not make them, a reservation is taken
//! out once no answer to its request can come any more.

use std::collections::HashMap;
use std::time::Duration;

/// The reservation last seen of each object, and when that was for the first time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReservationAges(HashMap<String, (String, Duration)>);

impl ReservationAges {
    /// Notes what an object's Secret holds now, by a clock that only runs forward, and says for how
    /// long that has been seen. Nothing seen proves nothing: a cache does not show a Secret that
    /// lost its label. No two reservations are alike, so what is kept is never taken for another.
    pub fn age(&mut self, uid: &str, reservation: Option<&str>, now: Duration) -> Duration {
        let Some(reservation) = reservation else { return Duration::ZERO };
        match self.0.get(uid) {
            Some((known, since)) if known == reservation => now.saturating_sub(*since),
            _ => {
                self.0.insert(uid.to_owned(), (reservation.to_owned(), now));
                Duration::ZERO
            }
        }
    }

    /// The object is gone.
    pub fn forget(&mut self, uid: &str) {
        self.0.remove(uid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_missing_from_the_cache_does_not_reset_the_age() {
        let (mut sightings, second) = (ReservationAges::default(), Duration::from_secs(1));
        assert_eq!(sightings.age("o", Some("a"), second), Duration::ZERO);
        assert_eq!(sightings.age("o", None, second * 2), Duration::ZERO);
        assert_eq!(sightings.age("o", Some("a"), second * 5), second * 4);
        assert_eq!(sightings.age("o", Some("b"), second * 6), Duration::ZERO);
    }
}
