//! Backoff after consecutive failures.

use std::time::Duration;

/// Delay after the first failure.
const INITIAL_DELAY: Duration = Duration::from_secs(1);
/// Maximum delay before jitter: what a user fixes takes effect within half a minute.
const MAX_DELAY: Duration = Duration::from_secs(24);

/// Delay after this many consecutive failures (1 for the first). `jitter`, a number from 0 to 1 passed in by the
/// caller, scales the doubled delay to between three and five quarters.
#[must_use]
pub fn delay(failures: u32, jitter: f64) -> Duration {
    let doubled =
        INITIAL_DELAY.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1).min(10)).unwrap_or(u32::MAX));
    doubled.min(MAX_DELAY).mul_f64(0.75 + 0.5 * jitter.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_and_never_overflow() {
        assert_eq!(delay(1, 0.5), INITIAL_DELAY);
        assert_eq!(delay(3, 0.5), INITIAL_DELAY * 4);
        assert_eq!(delay(u32::MAX, 0.5), MAX_DELAY);
        assert!(delay(9, 1.0) <= Duration::from_secs(30));
    }
}
