//! A read that concurrent callers share.

use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Reads one value for many callers. Each caller gets a value whose read began after its call, so that it sees whatever had
/// happened before. Callers that arrive while a read is in progress share the next one: however many there are, no more than
/// two reads delay a caller.
pub struct SharedRead<T> {
    /// How many reads have begun.
    begun: AtomicU64,
    /// Held during a read.
    last: Mutex<Option<LastRead<T>>>,
}

struct LastRead<T> {
    number: u64,
    started: Instant,
    value: T,
}

impl<T> Default for SharedRead<T> {
    fn default() -> Self {
        Self { begun: AtomicU64::new(0), last: Mutex::const_new(None) }
    }
}

impl<T: Clone> SharedRead<T> {
    /// Returns a value whose read began after this call, and when it began. A caller that is dropped during its read lets
    /// the next one read.
    pub async fn read<F: Future<Output = T>>(&self, read: impl FnOnce() -> F) -> (Instant, T) {
        // Only a later one will do.
        let seen = self.begun.load(Ordering::SeqCst);
        let mut last = self.last.lock().await;
        if let Some(shared) = last.as_ref().filter(|last| last.number > seen) {
            return (shared.started, shared.value.clone());
        }
        let (number, started) = (self.begun.fetch_add(1, Ordering::SeqCst) + 1, Instant::now());
        let value = read().await;
        *last = Some(LastRead { number, started, value: value.clone() });
        (started, value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::time::Duration;

    /// Reads in a second the value that there was when the read began.
    #[derive(Default)]
    struct Source {
        shared: SharedRead<u64>,
        value: AtomicU64,
        reads: AtomicU64,
    }

    impl Source {
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
        let source = Arc::new(Source::default());
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
        let source = Arc::new(Source::default());
        let dropped = tokio::time::timeout(Duration::from_millis(100), source.read());
        let waiting = Arc::clone(&source);
        let waiting = tokio::spawn(async move { waiting.read().await.1 });
        dropped.await.expect_err("it takes a second");
        assert_eq!(waiting.await.expect("read"), 0);
        assert_eq!(source.reads.load(Ordering::SeqCst), 2);
    }
}
