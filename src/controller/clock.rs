//! The clock on which decisions are based: the API server's time, advanced by a monotonic clock. Neither a node with a
//! wrong clock nor a single response with a wrong date revokes a token early.

use jiff::{SignedDuration, Timestamp};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// A `Date` header has a resolution of one second, and a response takes time: smaller differences are ignored.
const TOLERANCE: SignedDuration = SignedDuration::from_millis(2500);
/// A different time is accepted when this many consecutive responses agree on it,
const MIN_SAMPLES: u32 = 3;
/// over this period: by then, other servers have contradicted a single wrong one.
const MIN_SPAN: Duration = Duration::from_secs(2);

/// The API server's time.
pub struct Clock(Mutex<ClockState>);

struct ClockState {
    accepted: Reading,
    /// Whether the API server has responded: before that, the node's own time is used.
    has_server_time: bool,
    /// A different time that responses report, with its first reading and their number.
    candidate: Option<(Reading, u32)>,
}

#[derive(Clone, Copy)]
struct Reading {
    server: Timestamp,
    at: Instant,
}

impl Default for Clock {
    /// Starts with the node's time, which is used until the API server responds.
    fn default() -> Self {
        let accepted = Reading::starting_now(Timestamp::now());
        Self(Mutex::new(ClockState { accepted, has_server_time: false, candidate: None }))
    }
}

impl Clock {
    /// The current time.
    pub fn now(&self) -> Timestamp {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).accepted.now()
    }

    /// Records the `Date` header of a response.
    pub fn observe_date(&self, date: &str) {
        let Ok(date) = httpdate::parse_http_date(date) else { return };
        let Ok(server) = Timestamp::try_from(date) else { return };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).observe(server);
    }
}

impl ClockState {
    fn observe(&mut self, server: Timestamp) {
        if self.accepted.agrees(server) {
            (self.has_server_time, self.candidate) = (true, None);
            return;
        }
        if !self.has_server_time {
            (self.has_server_time, self.accepted) = (true, Reading::starting_now(server));
            return;
        }
        match self.candidate.as_mut().filter(|(claim, _)| claim.agrees(server)) {
            Some((claim, answers)) => {
                *answers += 1;
                if *answers >= MIN_SAMPLES && claim.at.elapsed() >= MIN_SPAN {
                    (self.accepted, self.candidate) = (Reading::starting_now(server), None);
                }
            }
            None => self.candidate = Some((Reading::starting_now(server), 1)),
        }
    }
}

impl Reading {
    fn starting_now(server: Timestamp) -> Self {
        Self { server, at: Instant::now() }
    }

    fn now(&self) -> Timestamp {
        let since: Duration = self.at.elapsed();
        self.server.checked_add(since).unwrap_or(self.server)
    }

    fn agrees(&self, server: Timestamp) -> bool {
        server.duration_since(self.now()).abs() <= TOLERANCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "Fri, 01 Jan 2100 00:00:00 GMT";

    fn time(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn http_date(text: &str) -> String {
        httpdate::fmt_http_date(time(text).into())
    }

    #[tokio::test(start_paused = true)]
    async fn the_api_servers_time_replaces_a_wrong_node_time() {
        let clock = Clock::default();
        clock.observe_date(NOW);
        let then = time("2100-01-01T00:00:00Z");
        assert_eq!(clock.now(), then);
        tokio::time::advance(Duration::from_mins(1)).await;
        assert_eq!(clock.now(), then + Duration::from_mins(1));
    }

    #[tokio::test(start_paused = true)]
    async fn small_differences_and_invalid_dates_are_ignored() {
        let clock = Clock::default();
        clock.observe_date(NOW);
        let before = clock.now();
        for date in ["Fri, 01 Jan 2100 00:00:01 GMT", "Thu, 31 Dec 2099 23:59:58 GMT", "soon", ""] {
            clock.observe_date(date);
        }
        assert_eq!(clock.now(), before);
    }

    #[tokio::test(start_paused = true)]
    async fn one_wrong_date_is_not_accepted_nor_are_many_at_once() {
        let clock = Clock::default();
        clock.observe_date(NOW);
        for _ in 0..20 {
            clock.observe_date(&http_date("2110-01-01T00:00:00Z"));
        }
        assert_eq!(clock.now(), time("2100-01-01T00:00:00Z"));
        tokio::time::advance(Duration::from_mins(1)).await;
        clock.observe_date(&http_date("2110-01-01T00:00:00Z"));
        assert_eq!(clock.now(), time("2100-01-01T00:01:00Z"), "a date that does not advance is not a clock");
    }

    #[tokio::test(start_paused = true)]
    async fn one_wrong_server_of_several_is_not_accepted() {
        let clock = Clock::default();
        clock.observe_date(NOW);
        for minute in 1..50 {
            tokio::time::advance(Duration::from_mins(1)).await;
            clock.observe_date(&http_date(&format!("2110-01-01T00:{minute:02}:00Z")));
            clock.observe_date(&http_date(&format!("2100-01-01T00:{minute:02}:00Z")));
        }
        assert_eq!(clock.now(), time("2100-01-01T00:49:00Z"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_time_that_responses_agree_on_for_a_while_is_accepted_in_both_directions() {
        let clock = Clock::default();
        clock.observe_date(NOW);
        for (second, year, believed) in [
            (1, 2110, "2100-01-01T00:00:01Z"),
            (2, 2110, "2100-01-01T00:00:02Z"),
            (3, 2110, "2110-01-01T00:00:03Z"),
            (4, 2100, "2110-01-01T00:00:04Z"),
            (5, 2100, "2110-01-01T00:00:05Z"),
            (6, 2100, "2100-01-01T00:00:06Z"),
        ] {
            tokio::time::advance(Duration::from_secs(1)).await;
            clock.observe_date(&http_date(&format!("{year}-01-01T00:00:0{second}Z")));
            assert_eq!(clock.now(), time(believed));
        }
    }
}
