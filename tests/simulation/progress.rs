//! Progress of a long run.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Time between two lines.
const INTERVAL: Duration = Duration::from_secs(10);

/// Does the work and prints a line of progress every ten seconds.
pub fn with_progress<T>(describe: impl Fn(Duration) -> String + Send, work: impl FnOnce() -> T) -> T {
    let (running, stopped) = channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let started = Instant::now();
            while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                println!("{}", describe(started.elapsed()));
            }
        });
        let result = work();
        drop(running);
        result
    })
}

/// A line with the number done, the total, the rate per second, and the time that the rest takes at that rate.
pub fn line(what: &str, done: u64, all: Option<u64>, elapsed: Duration) -> String {
    let rate = done / elapsed.as_secs().max(1);
    let rest = all.map_or_else(String::new, |all| {
        let left = all.saturating_sub(done);
        format!(" of {all}, {left} to go in about {} s", left / rate.max(1))
    });
    format!("{what}: {done}{rest}, {rate}/s, after {} s", elapsed.as_secs())
}

/// How many states of each level a breadth-first search has visited. Approximate: its threads may be on different
/// levels.
#[derive(Clone, Debug, Default)]
pub struct Levels(Arc<Mutex<Vec<u64>>>);

impl Levels {
    /// Counts one more state of this level.
    pub fn count(&self, level: usize) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() <= level {
            counts.resize(level + 1, 0);
        }
        counts[level] += 1;
    }

    /// The deepest level, the number of visited states, and an estimate of the total up to the level `last`. The
    /// estimate assumes that levels grow as the last two completed ones did.
    pub fn progress(&self, last: usize) -> (usize, u64, Option<u64>) {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (deepest, done) = (counts.len().saturating_sub(1), counts.iter().sum());
        let [done_with @ .., _, _] = &counts[..] else { return (deepest, done, None) };
        let [.., before, latest] = done_with else { return (deepest, done, None) };
        let (mut all, mut level) = (done_with.iter().sum::<u64>(), *latest);
        for index in done_with.len()..=last {
            level = level.saturating_mul(*latest) / (*before).max(1);
            all += level.max(counts.get(index).copied().unwrap_or_default());
        }
        (deepest, done, Some(all))
    }
}

/// The number of events since the initial state. Not part of the state's identity.
#[derive(Clone, Copy)]
pub struct Depth(pub usize);

impl PartialEq for Depth {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl std::fmt::Debug for Depth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("_")
    }
}
