//! One bound for all bodies that are read at a time, however many servers there are.
//!
//! A small body takes no share: how many there are is bounded by the calls that are under way. A larger one takes a
//! share of a pool before it grows, and gives it back when it is dropped. The two pools are taken in one order, and
//! each in one step, so that readers never wait for each other in a circle. A server that sends slowly keeps its share
//! for a bounded time.

use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

/// Bodies up to this size take no share.
const SMALL: usize = 32 << 10;
/// Bodies up to this size take one share of the first pool; larger ones a part of the second one besides.
const MEDIUM: usize = 1 << 20;
/// The unit of the second pool, in bytes.
const UNIT: usize = 1 << 20;

/// 32 MiB in bodies of at most 1 MiB.
static MEDIUM_BODIES: Semaphore = Semaphore::const_new(32);
/// 48 MiB: three bodies of the largest size that is read, or more smaller ones.
const LARGE_UNITS: usize = 48;
static LARGE_BODIES: Semaphore = Semaphore::const_new(LARGE_UNITS);

/// A body that holds a share must end within this time.
const MAX_HOLD: Duration = Duration::from_secs(30);

/// What a body holds of the common memory.
#[derive(Debug, Default)]
pub(crate) struct MemoryPermit {
    medium: Option<SemaphorePermit<'static>>,
    large: Option<SemaphorePermit<'static>>,
    until: Option<Instant>,
}

impl MemoryPermit {
    /// Waits until the body may have so many bytes, of at most `limit`. False if that is not so in time.
    pub(super) async fn grow_to(&mut self, bytes: usize, limit: usize, deadline: Instant) -> bool {
        if bytes > SMALL && self.medium.is_none() {
            self.medium = acquire(&MEDIUM_BODIES, 1, deadline).await;
            self.until = Some(Instant::now() + MAX_HOLD);
            if self.medium.is_none() {
                return false;
            }
        }
        if bytes > MEDIUM && self.large.is_none() {
            self.large = acquire(&LARGE_BODIES, limit.div_ceil(UNIT).min(LARGE_UNITS), self.deadline(deadline)).await;
            self.until = Some(Instant::now() + MAX_HOLD);
            return self.large.is_some();
        }
        true
    }

    /// When the body must have ended.
    pub(super) fn deadline(&self, deadline: Instant) -> Instant {
        self.until.map_or(deadline, |until| until.min(deadline))
    }
}

async fn acquire(pool: &'static Semaphore, count: usize, deadline: Instant) -> Option<SemaphorePermit<'static>> {
    let count = u32::try_from(count).ok()?;
    timeout_at(deadline, pool.acquire_many(count)).await.ok()?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 16 << 20;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(1)
    }

    #[tokio::test(start_paused = true)]
    async fn large_bodies_wait_for_each_other_and_small_ones_do_not_wait() {
        let mut held = vec![];
        for _ in 0..3 {
            let mut share = MemoryPermit::default();
            assert!(share.grow_to(MEDIUM + 1, LIMIT, soon()).await);
            held.push(share);
        }
        let mut fourth = MemoryPermit::default();
        assert!(!fourth.grow_to(MEDIUM + 1, LIMIT, soon()).await, "the pool is used up");
        assert!(fourth.large.is_none());
        let mut others = vec![];
        for size in [SMALL, MEDIUM] {
            let mut share = MemoryPermit::default();
            assert!(share.grow_to(size, LIMIT, soon()).await, "{size} bytes are not held up by large bodies");
            others.push(share);
        }
        let waits = tokio::spawn(async move { fourth.grow_to(MEDIUM + 1, LIMIT, soon()).await });
        held.pop();
        assert!(waits.await.expect("no panic"), "what is dropped is given back");
        let mut slow = MemoryPermit::default();
        assert!(slow.grow_to(SMALL + 1, LIMIT, soon()).await);
        let late = Instant::now() + Duration::from_mins(10);
        assert!(slow.deadline(late) <= Instant::now() + MAX_HOLD, "nobody keeps its share for long");
        assert_eq!(MemoryPermit::default().deadline(late), late);
    }
}
