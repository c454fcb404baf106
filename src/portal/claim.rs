//! The claim to be the only active instance. It is checked before anything is changed at a portal.

use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::Instant;

/// Whether this process may change anything at a portal. Clones share the claim.
#[derive(Clone, Debug)]
pub struct Claim(Arc<Mutex<Validity>>);

#[derive(Clone, Copy, Debug)]
enum Validity {
    Always,
    Until(Instant),
    Ended,
}

impl Claim {
    /// A claim that always holds, for a process without leader election.
    #[must_use]
    pub fn always() -> Self {
        Self(Arc::new(Mutex::new(Validity::Always)))
    }

    /// The claim of a standby, which does not hold until leader election extends it.
    #[must_use]
    pub fn of_standby() -> Self {
        Self(Arc::new(Mutex::new(Validity::Ended)))
    }

    /// Whether the claim holds now. It ends by itself, so a process that was frozen notices it without any request.
    #[must_use]
    pub fn is_held(&self) -> bool {
        match *self.validity() {
            Validity::Always => true,
            Validity::Until(end) => Instant::now() < end,
            Validity::Ended => false,
        }
    }

    /// The claim holds until then. Returns whether it has held without a gap, in which work may have been skipped.
    #[must_use]
    pub fn hold_until(&self, end: Instant) -> bool {
        let mut validity = self.validity();
        let without_gap = matches!(*validity, Validity::Until(former) if Instant::now() < former);
        *validity = Validity::Until(end);
        without_gap
    }

    /// The claim does not hold any more.
    pub fn end(&self) {
        *self.validity() = Validity::Ended;
    }

    /// Completes when the claim has ended by itself; never if it was ended, or always holds.
    pub async fn expired(&self) {
        loop {
            let validity = *self.validity();
            match validity {
                Validity::Until(end) if end <= Instant::now() => return,
                Validity::Until(end) => tokio::time::sleep_until(end).await,
                Validity::Always | Validity::Ended => return std::future::pending().await,
            }
        }
    }

    fn validity(&self) -> std::sync::MutexGuard<'_, Validity> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn it_ends_by_itself() {
        let claim = Claim::of_standby();
        assert!(!claim.is_held() && Claim::always().is_held());
        assert!(!claim.hold_until(Instant::now() + Duration::from_secs(9)));
        assert!(claim.hold_until(Instant::now() + Duration::from_secs(10)), "it held all the time");
        let shared = claim.clone();
        assert!(shared.is_held());
        tokio::time::advance(Duration::from_millis(9_999)).await;
        assert!(shared.is_held() && shared.expired().now_or_never().is_none());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(!shared.is_held() && shared.expired().now_or_never().is_some());
        assert!(!claim.hold_until(Instant::now() + Duration::from_secs(10)), "there was a gap");
        claim.end();
        assert!(!shared.is_held());
    }
}
