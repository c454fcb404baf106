//! The times of leader election.

use std::time::Duration;

/// A standby reads the Lease more often than the leader renews it, so that it notices soon that the Lease is released.
const READS_PER_RETRY_PERIOD: u32 = 2;
/// A request may take this part of the renew deadline, so that a lost response leaves time for a second one.
const REQUESTS_PER_DEADLINE: u32 = 2;

/// How long a Lease lasts, and how often it is renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    lease_duration: Duration,
    renew_deadline: Duration,
    retry_period: Duration,
}

/// The times do not fit together.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimingError {
    /// The Lease records whole seconds.
    #[error("--leader-election-lease-duration is {0:?}: use whole seconds, from 1s to 1h")]
    LeaseDuration(Duration),
    /// Another instance would take over while this one still leads.
    #[error(
        "--leader-election-renew-deadline is {renew_deadline:?}: it must be less than --leader-election-lease-duration, which is {lease_duration:?}"
    )]
    RenewDeadline {
        /// The duration of the Lease.
        lease_duration: Duration,
        /// The deadline.
        renew_deadline: Duration,
    },
    /// One renewal that fails would end the leadership.
    #[error(
        "--leader-election-retry-period is {retry_period:?}: it must be at least 100ms, and 1.2 times its value must be less than --leader-election-renew-deadline, which is {renew_deadline:?}"
    )]
    RetryPeriod {
        /// The deadline.
        renew_deadline: Duration,
        /// The period.
        retry_period: Duration,
    },
}

impl Timing {
    /// Checks that these times fit together.
    ///
    /// # Errors
    /// Names the flag to change.
    pub fn new(
        lease_duration: Duration,
        renew_deadline: Duration,
        retry_period: Duration,
    ) -> Result<Self, TimingError> {
        let whole = lease_duration.subsec_nanos() == 0;
        if !whole || !(1..=3600).contains(&lease_duration.as_secs()) {
            return Err(TimingError::LeaseDuration(lease_duration));
        }
        if renew_deadline >= lease_duration {
            return Err(TimingError::RenewDeadline { lease_duration, renew_deadline });
        }
        if retry_period < Duration::from_millis(100) || retry_period * 6 / 5 >= renew_deadline {
            return Err(TimingError::RetryPeriod { renew_deadline, retry_period });
        }
        Ok(Self { lease_duration, renew_deadline, retry_period })
    }

    /// How long others wait for a renewal before they take over.
    #[must_use]
    pub const fn lease_duration(&self) -> Duration {
        self.lease_duration
    }

    /// How long the leader leads after its last renewal.
    #[must_use]
    pub const fn renew_deadline(&self) -> Duration {
        self.renew_deadline
    }

    /// How often the leader renews the Lease.
    #[must_use]
    pub const fn retry_period(&self) -> Duration {
        self.retry_period
    }

    /// How often a standby reads the Lease, and how soon a failed request is repeated.
    #[must_use]
    pub fn read_interval(&self) -> Duration {
        self.retry_period / READS_PER_RETRY_PERIOD
    }

    /// How long a request to the API server may take.
    #[must_use]
    pub fn request_timeout(&self) -> Duration {
        self.renew_deadline / REQUESTS_PER_DEADLINE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timing(lease: u64, renew: u64, retry: u64) -> Result<Timing, TimingError> {
        let [lease, renew, retry] = [lease, renew, retry].map(Duration::from_millis);
        Timing::new(lease, renew, retry)
    }

    #[test]
    fn times_that_do_not_fit_together_are_rejected_with_the_flag_to_change() {
        assert!(timing(15_000, 10_000, 2_000).is_ok(), "the defaults");
        let flag = |result: Result<Timing, TimingError>| {
            let text = result.expect_err("rejected").to_string();
            text.split(' ').next().unwrap_or_default().to_owned()
        };
        assert_eq!(flag(timing(500, 400, 100)), "--leader-election-lease-duration");
        assert_eq!(flag(timing(1_500, 400, 100)), "--leader-election-lease-duration");
        assert_eq!(flag(timing(7_200_000, 400, 100)), "--leader-election-lease-duration");
        assert_eq!(flag(timing(15_000, 15_000, 2_000)), "--leader-election-renew-deadline");
        assert_eq!(flag(timing(15_000, 2_400, 2_000)), "--leader-election-retry-period");
        assert_eq!(flag(timing(15_000, 10_000, 99)), "--leader-election-retry-period");
        assert_eq!(flag(timing(15_000, 0, 0)), "--leader-election-retry-period");
        assert!(timing(15_000, 2_401, 2_000).is_ok());
    }
}
