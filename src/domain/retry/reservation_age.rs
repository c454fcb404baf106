//! How long a reservation has been observed. An instance clears a reservation of another one once no response to its
//! request can arrive any more.

use std::time::Duration;

/// The last observed reservation of an object, and when it was first observed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReservationAge(Option<(String, Duration)>);

impl ReservationAge {
    /// Records the reservation in the object's Secret, by a monotonic clock, and returns how long it has been observed.
    /// A missing reservation proves nothing, since a Secret that lost its label is not in the cache. Reservations are
    /// unique, so one is never mistaken for another.
    pub fn observe(&mut self, reservation: Option<&str>, now: Duration) -> Duration {
        let Some(reservation) = reservation else { return Duration::ZERO };
        match &self.0 {
            Some((last, since)) if last == reservation => now.saturating_sub(*since),
            _ => {
                self.0 = Some((reservation.to_owned(), now));
                Duration::ZERO
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_missing_from_the_cache_does_not_reset_the_age() {
        let (mut age, second) = (ReservationAge::default(), Duration::from_secs(1));
        assert_eq!(age.observe(Some("a"), second), Duration::ZERO);
        assert_eq!(age.observe(None, second * 2), Duration::ZERO);
        assert_eq!(age.observe(Some("a"), second * 5), second * 4);
        assert_eq!(age.observe(Some("b"), second * 6), Duration::ZERO);
    }
}
