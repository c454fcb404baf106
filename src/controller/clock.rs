//! The time by which decisions are made: the API server's, carried on by a clock that only runs
//! forward. A node whose own clock is wrong revokes nothing early.

use jiff::fmt::rfc2822::DateTimeParser;
use jiff::{SignedDuration, Timestamp};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// A `Date` header counts whole seconds, and an answer takes its time: less than this is no news.
const CLOSE: SignedDuration = SignedDuration::from_millis(2500);

/// The API server's time.
pub struct Clock(Mutex<Reading>);

struct Reading {
    server: Timestamp,
    at: Instant,
}

impl Default for Clock {
    /// The node's own time, until the API server has answered once.
    fn default() -> Self {
        Self(Mutex::new(Reading { server: Timestamp::now(), at: Instant::now() }))
    }
}

impl Clock {
    /// What time it is.
    pub fn now(&self) -> Timestamp {
        let reading = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reading.now()
    }

    /// Takes in the `Date` of an answer.
    pub fn heard(&self, date: &str) {
        let Ok(server) = DateTimeParser::new().relaxed_weekday(true).parse_timestamp(date) else { return };
        let mut reading = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if server.duration_since(reading.now()).abs() > CLOSE {
            *reading = Reading { server, at: Instant::now() };
        }
    }
}

impl Reading {
    fn now(&self) -> Timestamp {
        let since: Duration = self.at.elapsed();
        self.server.checked_add(since).unwrap_or(self.server)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_api_servers_time_counts_however_wrong_the_nodes_is() {
        let clock = Clock::default();
        clock.heard("Fri, 01 Jan 2100 00:00:00 GMT");
        let then: Timestamp = "2100-01-01T00:00:00Z".parse().expect("a time");
        assert_eq!(clock.now(), then);
        tokio::time::advance(Duration::from_mins(1)).await;
        assert_eq!(clock.now(), then + Duration::from_mins(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_more_or_less_moves_nothing_and_nonsense_neither() {
        let clock = Clock::default();
        clock.heard("Fri, 01 Jan 2100 00:00:00 GMT");
        let before = clock.now();
        for date in ["Fri, 01 Jan 2100 00:00:01 GMT", "Thu, 31 Dec 2099 23:59:58 GMT", "soon", ""] {
            clock.heard(date);
        }
        assert_eq!(clock.now(), before);
    }
}
