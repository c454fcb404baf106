//! A common memory limit for all bodies that are read at the same time, regardless of the number of servers.
//!
//! A small body needs no permit: their number is limited by the calls in flight. A larger body acquires a share of a
//! pool before it grows, and releases it when it is dropped. The two pools are acquired in a fixed order, and each in
//! one step, so that readers never deadlock. A slow server keeps its share for a limited time.

use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

/// Bodies up to this size need no share.
const SMALL: usize = 32 << 10;
/// Bodies up to this size need one share of the first pool; larger ones also need a part of the second pool.
const MEDIUM: usize = 1 << 20;
/// The unit of the second pool, in bytes.
const UNIT: usize = 1 << 20;

/// 32 MiB in bodies of at most 1 MiB.
static MEDIUM_BODIES: Semaphore = Semaphore::const_new(32);
/// 48 MiB: three bodies of the maximum size, or more smaller ones.
const LARGE_UNITS: usize = 48;
static LARGE_BODIES: Semaphore = Semaphore::const_new(LARGE_UNITS);

/// A body that has a share must be complete within this time.
const MAX_HOLD: Duration = Duration::from_secs(30);

/// The share of the common memory that a body has.
#[derive(Debug, Default)]
pub(crate) struct MemoryPermit {
    medium: Option<SemaphorePermit<'static>>,
    large: Option<SemaphorePermit<'static>>,
    until: Option<Instant>,
}

impl MemoryPermit {
    /// Waits until the body may have this many bytes, of at most `limit`. Returns `false` on timeout.
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

    /// The time at which the body must be complete.
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
        let mut permits = vec![];
        for _ in 0..3 {
            let mut permit = MemoryPermit::default();
            assert!(permit.grow_to(MEDIUM + 1, LIMIT, soon()).await);
            permits.push(permit);
        }
        let mut fourth = MemoryPermit::default();
        assert!(!fourth.grow_to(MEDIUM + 1, LIMIT, soon()).await, "the pool is exhausted");
        assert!(fourth.large.is_none());
        let mut others = vec![];
        for size in [SMALL, MEDIUM] {
            let mut permit = MemoryPermit::default();
            assert!(permit.grow_to(size, LIMIT, soon()).await, "{size} bytes do not wait for large bodies");
            others.push(permit);
        }
        let waiting = tokio::spawn(async move { fourth.grow_to(MEDIUM + 1, LIMIT, soon()).await });
        permits.pop();
        assert!(waiting.await.expect("no panic"), "a dropped share is released");
        let mut slow = MemoryPermit::default();
        assert!(slow.grow_to(SMALL + 1, LIMIT, soon()).await);
        let late = Instant::now() + Duration::from_mins(10);
        assert!(slow.deadline(late) <= Instant::now() + MAX_HOLD, "no body keeps its share for long");
        assert_eq!(MemoryPermit::default().deadline(late), late);
    }
}
