//! How long a reservation has been observed. An instance clears a reservation of another one once no response to its
//! request can arrive any more.

use std::time::Duration;

/// The last observed reservation of an object, and when it was first observed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReservationAge(Option<(String, Duration)>);

impl ReservationAge {
    /// Records the reservation in the object's Secret, by a monotonic clock, and returns how long it has been observed.
    /// Reservations are unique, so one is never mistaken for another.
    pub fn observe(&mut self, reservation: &str, now: Duration) -> Duration {
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
    fn the_age_of_a_reservation_runs_from_its_first_observation() {
        let (mut age, second) = (ReservationAge::default(), Duration::from_secs(1));
        assert_eq!(age.observe("a", second), Duration::ZERO);
        assert_eq!(age.observe("a", second * 5), second * 4);
        assert_eq!(age.observe("b", second * 6), Duration::ZERO);
    }
}
