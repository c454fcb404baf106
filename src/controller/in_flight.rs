//! Counts the passes in flight: on shutdown the process exits when there are none, whatever else is waiting.

use tokio::sync::watch::Sender;
use tokio_util::sync::CancellationToken;

#[derive(Debug)]
pub struct InFlight {
    running: Sender<usize>,
    stop: CancellationToken,
}

/// A pass in flight, until it is dropped.
#[derive(Debug)]
pub struct InFlightGuard<'a>(&'a Sender<usize>);

impl InFlight {
    /// No pass starts after `stop` is cancelled.
    pub fn new(stop: CancellationToken) -> Self {
        Self { running: Sender::new(0), stop }
    }

    /// Starts a pass; `None` on shutdown.
    pub fn begin(&self) -> Option<InFlightGuard<'_>> {
        // Counted before the check: if `drained` sees zero after the stop, no pass starts any more.
        self.running.send_modify(|running| *running += 1);
        let running = InFlightGuard(&self.running);
        (!self.stop.is_cancelled()).then_some(running)
    }

    /// Completes on shutdown, when no pass is in flight.
    pub async fn drained(&self) {
        self.stop.cancelled().await;
        // It only fails if the sender is dropped, which `self` owns.
        let _ = self.running.subscribe().wait_for(|running| *running == 0).await;
    }
}

impl Drop for InFlightGuard<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|running| *running -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[tokio::test]
    async fn it_drains_when_the_last_pass_ends_and_no_pass_starts_after_the_stop() {
        let stop = CancellationToken::new();
        let passes = InFlight::new(stop.clone());
        let first = passes.begin().expect("begins");
        assert!(passes.drained().now_or_never().is_none());
        stop.cancel();
        assert!(passes.begin().is_none());
        assert!(passes.drained().now_or_never().is_none(), "one is under way");
        drop(first);
        assert!(passes.drained().now_or_never().is_some());
    }
}
