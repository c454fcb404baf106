//! A read that concurrent callers share.

use crate::controller::allowance::Allowance;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How many reads of a paced [`SharedRead`] may begin without a pause.
const BURST: u32 = 10;
/// The time between the beginnings of paced reads after such a burst. A burst of new objects then shares reads, and each
/// object waits at most this long, which is no longer than it would wait for the portal or the API server anyway.
const INTERVAL: Duration = Duration::from_millis(170);

/// Reads one value for many callers. Each caller gets a value whose read began after its call, so that it sees whatever had
/// happened before. Callers that arrive while a read is in progress share the next one: however many there are, no more than
/// two reads, and the pause between them, delay a caller.
pub struct SharedRead<T> {
    /// How many reads have begun.
    begun: AtomicU64,
    /// Held during a pause and a read.
    state: Mutex<State<T>>,
}

struct State<T> {
    last: Option<LastRead<T>>,
    /// When reads may begin; `None` if at any time.
    allowance: Option<Allowance>,
}

struct LastRead<T> {
    number: u64,
    started: Instant,
    value: T,
}

impl<T: Clone> SharedRead<T> {
    /// Reads as soon as the one before has ended.
    pub fn without_pause() -> Self {
        Self::with_allowance(None)
    }

    /// Begins at most ten reads without a pause, and then one every 170 ms.
    pub fn paced() -> Self {
        Self::with_allowance(Some(Allowance::new(BURST, INTERVAL)))
    }

    fn with_allowance(allowance: Option<Allowance>) -> Self {
        Self { begun: AtomicU64::new(0), state: Mutex::const_new(State { last: None, allowance }) }
    }

    /// Returns a value whose read began after this call, and when it began. A caller that is dropped during its read lets
    /// the next one read.
    pub async fn read<F: Future<Output = T>>(&self, read: impl FnOnce() -> F) -> (Instant, T) {
        // Only a later one will do.
        let seen = self.begun.load(Ordering::SeqCst);
        let mut state = self.state.lock().await;
        if let Some(shared) = state.last.as_ref().filter(|last| last.number > seen) {
            return (shared.started, shared.value.clone());
        }
        if let Some(next) = state.allowance.as_ref().and_then(|allowance| allowance.wait_until(Instant::now())) {
            tokio::time::sleep_until(next).await;
        }
        let (number, started) = (self.begun.fetch_add(1, Ordering::SeqCst) + 1, Instant::now());
        if let Some(allowance) = &mut state.allowance {
            allowance.record_start(started);
        }
        let value = read().await;
        state.last = Some(LastRead { number, started, value: value.clone() });
        (started, value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    /// Reads in a second the value that there was when the read began.
    struct Source {
        shared: SharedRead<u64>,
        value: AtomicU64,
        reads: AtomicU64,
    }

    impl Source {
        fn new(shared: SharedRead<u64>) -> Arc<Self> {
            Arc::new(Self { shared, value: AtomicU64::new(0), reads: AtomicU64::new(0) })
        }

        async fn read(&self) -> (Instant, u64) {
            let read = || async {
                self.reads.fetch_add(1, Ordering::SeqCst);
                let value = self.value.load(Ordering::SeqCst);
                tokio::time::sleep(Duration::from_secs(1)).await;
                value
            };
            self.shared.read(read).await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn callers_during_a_read_share_the_next_one_which_sees_what_was_written_before_they_called() {
        let source = Source::new(SharedRead::without_pause());
        let call = || {
            let source = Arc::clone(&source);
            tokio::spawn(async move { source.read().await.1 })
        };
        let first = call();
        tokio::time::sleep(Duration::from_millis(500)).await;
        source.value.store(1, Ordering::SeqCst);
        let others: Vec<_> = (0..100).map(|_| call()).collect();
        let began = Instant::now();
        assert_eq!(first.await.expect("read"), 0);
        for other in others {
            assert_eq!(other.await.expect("read"), 1, "no read from before the call");
        }
        assert_eq!(began.elapsed(), Duration::from_millis(1500), "the rest of a read, and one more");
        assert_eq!(source.reads.load(Ordering::SeqCst), 2);
        let before = Instant::now();
        let (started, _) = source.read().await;
        assert_eq!((started, source.reads.load(Ordering::SeqCst)), (before, 3), "a former read is not used later");
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_is_dropped_during_its_read_lets_the_next_one_read() {
        let source = Source::new(SharedRead::without_pause());
        let dropped = tokio::time::timeout(Duration::from_millis(100), source.read());
        let waiting = Arc::clone(&source);
        let waiting = tokio::spawn(async move { waiting.read().await.1 });
        dropped.await.expect_err("it takes a second");
        assert_eq!(waiting.await.expect("read"), 0);
        assert_eq!(source.reads.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn paced_reads_are_shared_after_a_burst_and_a_caller_waits_no_longer_than_a_pause_and_a_read() {
        const READ: Duration = Duration::from_millis(5);
        let (shared, reads) = (SharedRead::paced(), AtomicU64::new(0));
        let read = async || {
            let begun = Instant::now();
            let read = || async {
                reads.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(READ).await;
            };
            let (started, ()) = shared.read(read).await;
            assert!(started >= begun, "no read from before the call");
            begun.elapsed()
        };
        // Now and then: nobody waits.
        for _ in 0..20 {
            assert_eq!(read().await, READ);
            tokio::time::sleep(INTERVAL).await;
        }
        tokio::time::sleep(INTERVAL * BURST).await;
        reads.store(0, Ordering::SeqCst);
        // 600 callers, one every 10 ms.
        let callers = (0..600_u32).map(|number| {
            let read = &read;
            async move {
                tokio::time::sleep(Duration::from_millis(10) * number).await;
                read().await
            }
        });
        let longest = futures::future::join_all(callers).await.into_iter().max().unwrap_or_default();
        assert!(longest <= INTERVAL + READ * 2, "{longest:?}");
        let reads = reads.load(Ordering::SeqCst);
        assert!((35..=55).contains(&reads), "{reads}: ten at once, and one every 170 ms of 6 s");
    }
}
