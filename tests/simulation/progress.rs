//! What a long run tells while it lasts.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two lines.
const INTERVAL: Duration = Duration::from_secs(10);
/// Does something, and prints a line of it every ten seconds meanwhile.
pub fn telling<T>(look: impl Fn(Duration) -> String + Send, work: impl FnOnce() -> T) -> T {
    let (over, goes_on) = channel::<()>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let begun = Instant::now();
            while goes_on.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                println!("{}", look(begun.elapsed()));
            }
        });
        let done = work();
        drop(over);
        done
    })
}

/// So many of so many, how many a second, and how long the rest takes at that rate.
pub fn line(what: &str, done: u64, all: Option<u64>, elapsed: Duration) -> String {
    let rate = done / elapsed.as_secs().max(1);
    let rest = all.map_or_else(String::new, |all| {
        let left = all.saturating_sub(done);
        format!(" of {all}, {left} to go in about {} s", left / rate.max(1))
    });
    format!("{what}: {done}{rest}, {rate}/s, after {} s", elapsed.as_secs())
}

/// How many states of each level a search has been through that goes one level after the other, roughly:
/// each of its threads goes ahead a little.
#[derive(Clone, Debug, Default)]
pub struct Levels(Arc<Mutex<Vec<u64>>>);

impl Levels {
    /// One more of this level.
    pub fn count(&self, level: usize) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() <= level {
            counts.resize(level + 1, 0);
        }
        counts[level] += 1;
    }

    /// The deepest level, how many states it has been through, and how many it will be up to this level,
    /// if they go on to grow as they did where no thread is any more.
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

/// How many events a state is away from its beginning: no part of what it is.
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
