//! The passes that are under way: the process ends when there are none, whatever else waits.

use tokio::sync::watch::Sender;
use tokio_util::sync::CancellationToken;

/// Counts them.
#[derive(Debug)]
pub struct InFlight {
    running: Sender<usize>,
    stop: CancellationToken,
}

/// A pass that is under way, until it is dropped.
#[derive(Debug)]
pub struct InFlightGuard<'a>(&'a Sender<usize>);

impl InFlight {
    /// None begins once `stop` is cancelled.
    pub fn new(stop: CancellationToken) -> Self {
        Self { running: Sender::new(0), stop }
    }

    /// Begins a pass; none where the process is to end.
    pub fn begin(&self) -> Option<InFlightGuard<'_>> {
        // Counted first: who sees none afterwards knows that none begins any more.
        self.running.send_modify(|running| *running += 1);
        let running = InFlightGuard(&self.running);
        (!self.stop.is_cancelled()).then_some(running)
    }

    /// Ends when the process is to end and no pass is under way.
    pub async fn drained(&self) {
        self.stop.cancelled().await;
        // It fails only where the sender is gone, which is here.
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
    async fn it_is_drained_when_the_last_pass_has_ended_and_none_begins_after_the_stop() {
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
