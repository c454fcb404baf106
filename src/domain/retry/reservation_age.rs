//! How long a reservation has been observed. An instance clears a reservation of another one once no response to its
//! request can arrive any more.

use std::time::Duration;

/// The last observed reservation of an object, and when it was first observed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReservationAge(Option<(String, Duration)>);

impl ReservationAge {
    /// Records the reservation that the object's Secret shows, by a monotonic clock, and returns how long it has been
    /// observed. A Secret without a reservation ends the age: one that was cleared and is shown again is a new one.
    /// Not called if there is no Secret, which shows nothing. Reservations are unique, so one is never mistaken for
    /// another.
    pub fn observe(&mut self, reservation: Option<&str>, now: Duration) -> Duration {
        let Some(reservation) = reservation else {
            self.0 = None;
            return Duration::ZERO;
        };
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

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_age_of_a_reservation_runs_from_its_first_observation() {
        let mut age = ReservationAge::default();
        assert_eq!(age.observe(Some("a"), SECOND), Duration::ZERO);
        assert_eq!(age.observe(Some("a"), SECOND * 5), SECOND * 4);
        assert_eq!(age.observe(Some("b"), SECOND * 6), Duration::ZERO);
    }

    #[test]
    fn a_reservation_that_was_cleared_and_is_shown_again_is_a_new_one() {
        let mut age = ReservationAge::default();
        age.observe(Some("a"), SECOND);
        assert_eq!(age.observe(None, SECOND * 2), Duration::ZERO);
        assert_eq!(age, ReservationAge::default(), "nothing is remembered of it");
        assert_eq!(age.observe(Some("a"), SECOND * 3), Duration::ZERO);
    }
}
