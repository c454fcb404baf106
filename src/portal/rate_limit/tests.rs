//! The limiter in virtual time.

use super::Priority::{High, Low, Normal};
use super::*;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// How long a request takes.
const REQUEST: Duration = Duration::from_secs(1);
/// Long enough for a few timers.
const TIMER_SLACK: Duration = Duration::from_millis(10);
const UNLIMITED_RATE: i32 = 10_000;

fn limiter(concurrency: i32, requests_per_second: i32) -> Arc<Limiter> {
    Arc::new(Limiter::new(&limits(concurrency, requests_per_second)))
}

fn limits(concurrency: i32, requests_per_second: i32) -> Limits {
    Limits { requests_per_second, concurrency, ..Limits::default() }
}

/// The calls in order, with their start times.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(&'static str, Instant)>>>);

impl Log {
    fn record(&self, name: &'static str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((name, Instant::now()));
    }

    fn names(&self) -> Vec<&'static str> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|(name, _)| *name).collect()
    }

    fn times(&self) -> Vec<Instant> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|(_, at)| *at).collect()
    }
}

/// One request, from its preparation to its response.
async fn request(limiter: Arc<Limiter>, priority: Priority, namespace: &'static str, log: Log) {
    let preparation = limiter.acquire_preparation(priority, namespace).await;
    call(Arc::clone(&limiter), priority, namespace, log).await;
    drop(preparation);
}

async fn call(limiter: Arc<Limiter>, priority: Priority, namespace: &'static str, log: Log) {
    let _permit = limiter.acquire(priority, namespace).await;
    log.record(namespace);
    sleep(REQUEST).await;
}

/// Spawns this many requests, which are waiting when this returns.
async fn spawn_requests(limiter: &Arc<Limiter>, count: usize, priority: Priority, namespace: &'static str, log: &Log) {
    for _ in 0..count {
        tokio::spawn(request(Arc::clone(limiter), priority, namespace, log.clone()));
    }
    sleep(TIMER_SLACK).await;
}

#[tokio::test(start_paused = true)]
async fn no_more_calls_at_a_time_than_allowed() {
    let limiter = limiter(2, UNLIMITED_RATE);
    let permits = (limiter.acquire(High, "a").await, limiter.acquire(Low, "b").await);
    for priority in [High, Normal, Low] {
        let third = timeout(Duration::from_mins(1), limiter.acquire(priority, "c")).await;
        assert!(third.is_err(), "a third at a time");
    }
    drop(permits);
    limiter.acquire(Low, "c").await;
}

#[tokio::test(start_paused = true)]
async fn no_more_calls_a_second_than_allowed() {
    let (limiter, log) = (limiter(100, 10), Log::default());
    spawn_requests(&limiter, 50, High, "a", &log).await;
    sleep(Duration::from_mins(1)).await;
    let times = log.times();
    let apart: Vec<_> = times.windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).collect();
    assert!(apart.len() == 49 && apart.iter().all(|apart| (95..=102).contains(apart)), "{apart:?}");
}

#[tokio::test(start_paused = true)]
async fn a_rate_with_an_interval_below_the_timer_resolution_is_reached() {
    let (limiter, log) = (limiter(1000, 10_000), Log::default());
    spawn_requests(&limiter, 501, High, "a", &log).await;
    sleep(REQUEST).await;
    let times = log.times();
    let all = times[500] - times[0];
    assert!((49..=52).contains(&all.as_millis()), "500 at 10,000 a second take 50 ms, not {all:?}");
}

#[tokio::test(start_paused = true)]
async fn idle_time_is_not_made_up_for() {
    let (limiter, log) = (limiter(100, 10), Log::default());
    sleep(Duration::from_hours(1)).await;
    spawn_requests(&limiter, 3, High, "a", &log).await;
    sleep(REQUEST).await;
    let times = log.times();
    assert!(times[2] - times[0] >= Duration::from_millis(199), "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn higher_priority_goes_first_regardless_of_arrival() {
    let (limiter, log) = (limiter(1, UNLIMITED_RATE), Log::default());
    let permit = limiter.acquire(Low, "").await;
    for (priority, name) in [(Low, "low"), (Normal, "normal"), (High, "high")] {
        tokio::spawn(call(Arc::clone(&limiter), priority, name, log.clone()));
        sleep(REQUEST).await;
    }
    drop(permit);
    sleep(REQUEST * 4).await;
    assert_eq!(log.names(), ["high", "normal", "low"]);
}

#[tokio::test(start_paused = true)]
async fn a_namespace_with_a_thousand_calls_delays_another_by_one_request() {
    for priority in [High, Normal, Low] {
        for concurrency in [1, 4] {
            let (limiter, log) = (limiter(concurrency, UNLIMITED_RATE), Log::default());
            for _ in 0..1000 {
                tokio::spawn(call(Arc::clone(&limiter), priority, "many", log.clone()));
            }
            sleep(REQUEST * 10 + REQUEST / 3).await;
            let arrived = Instant::now();
            let permit = timeout(REQUEST, limiter.acquire(priority, "few")).await;
            assert!(permit.is_ok(), "{priority:?} waits longer than one request takes");
            assert!(!arrived.elapsed().is_zero(), "no permit was free");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn namespaces_take_turns() {
    let (limiter, log) = (limiter(1, UNLIMITED_RATE), Log::default());
    for (namespace, count) in [("a", 100), ("b", 50), ("c", 25)] {
        spawn_requests(&limiter, count, High, namespace, &log).await;
    }
    sleep(REQUEST * 76).await;
    let served = log.names()[..75].iter().fold(BTreeMap::<_, u32>::new(), |mut served, name| {
        *served.entry(*name).or_default() += 1;
        served
    });
    assert!(served.values().all(|count| (24..=27).contains(count)), "{served:?}");
}

/// Requirement: a wave of rotations delays a new object's first token by at most the time of one request plus its
/// own.
#[tokio::test(start_paused = true)]
async fn a_wave_of_rotations_delays_a_new_objects_token_by_one_request() {
    for (concurrency, rate) in [(1, UNLIMITED_RATE), (4, UNLIMITED_RATE), (4, 5)] {
        let (limiter, log) = (limiter(concurrency, rate), Log::default());
        spawn_requests(&limiter, 1000, Normal, "rotating", &log).await;
        for _ in 0..1000 {
            tokio::spawn(call(Arc::clone(&limiter), Low, "rotating", log.clone()));
        }
        for offset in 1..40 {
            sleep(REQUEST.mul_f64(1.0 + 0.1 * f64::from(offset))).await;
            let arrived = Instant::now();
            // In the same namespace: its priority is still higher.
            request(Arc::clone(&limiter), High, "rotating", log.clone()).await;
            let interval = Duration::from_secs(1) / rate.unsigned_abs();
            let took = arrived.elapsed();
            assert!(took <= REQUEST + REQUEST + interval, "{took:?} with {concurrency} at a time");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn low_priority_is_not_starved() {
    let (limiter, log) = (limiter(1, UNLIMITED_RATE), Log::default());
    for priority in [High, Normal] {
        for _ in 0..1000 {
            tokio::spawn(call(Arc::clone(&limiter), priority, "busy", log.clone()));
        }
    }
    sleep(REQUEST).await;
    // One cycle is seventeen requests, and the other namespace is served in the second.
    let cycle = REQUEST * 17;
    for _ in 0..3 {
        timeout(cycle * 2, limiter.acquire(Normal, "other")).await.expect("one Normal call per cycle");
        timeout(cycle * 17 * 2, limiter.acquire(Low, "other")).await.expect("one Low call per 17 cycles");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_waiter_loses_no_slot() {
    for wait_ms in [0, 1, 500, 999, 1000, 1001] {
        let limiter = limiter(1, UNLIMITED_RATE);
        let permit = limiter.acquire(High, "a").await;
        let waiting: Vec<JoinHandle<()>> = (0..8)
            .map(|index| {
                let limiter = Arc::clone(&limiter);
                let namespace = ["a", "b"][index % 2];
                tokio::spawn(async move {
                    drop(timeout(Duration::from_millis(wait_ms), limiter.acquire(Normal, namespace)).await);
                })
            })
            .collect();
        let other = tokio::spawn(call(Arc::clone(&limiter), Low, "c", Log::default()));
        sleep(REQUEST).await;
        drop(permit);
        timeout(REQUEST * 2, other).await.expect("the permit is free again").expect("no panic");
        for task in waiting {
            task.await.expect("no panic");
        }
        timeout(Duration::from_millis(10), limiter.acquire(Low, "d")).await.expect("the permit is free again");
    }
}

#[tokio::test(start_paused = true)]
async fn a_waiter_dropped_after_its_notification_notifies_the_next() {
    let limiter = limiter(1, UNLIMITED_RATE);
    let permit = limiter.acquire(High, "a").await;
    let mut notified = Box::pin(limiter.acquire(High, "a"));
    assert!(futures::poll!(notified.as_mut()).is_pending());
    let mut next = Box::pin(limiter.acquire(Low, "b"));
    assert!(futures::poll!(next.as_mut()).is_pending());
    drop(permit);
    drop(notified);
    timeout(REQUEST, next).await.expect("the next waiter was notified");
}

#[tokio::test(start_paused = true)]
async fn a_pause_applies_to_waiters_too() {
    let (limiter, log) = (limiter(4, 10), Log::default());
    let started = Instant::now();
    spawn_requests(&limiter, 3, High, "a", &log).await;
    limiter.pause_for(Duration::from_secs(7));
    limiter.pause_for(Duration::from_secs(2));
    sleep(Duration::from_secs(10)).await;
    let times = log.times();
    assert!(times[0] - started < Duration::from_millis(10), "it had started before");
    assert!(times[1] - started >= Duration::from_secs(7), "{times:?}");
    assert!(times[2] - times[1] >= Duration::from_millis(95), "evenly spaced afterwards");
}

#[tokio::test(start_paused = true)]
async fn changed_limits_count_calls_in_flight() {
    let (limiter, log) = (limiter(4, UNLIMITED_RATE), Log::default());
    spawn_requests(&limiter, 8, High, "a", &log).await;
    assert_eq!(log.names().len(), 4);
    limiter.set_limits(&limits(1, UNLIMITED_RATE));
    sleep(REQUEST).await;
    assert_eq!(log.names().len(), 5, "three permits are withdrawn");
    limiter.set_limits(&limits(3, UNLIMITED_RATE));
    sleep(TIMER_SLACK).await;
    assert_eq!(log.names().len(), 7, "two new permits are used at once");
}

#[tokio::test(start_paused = true)]
async fn preparation_slots_are_limited() {
    let limiter = limiter(2, UNLIMITED_RATE);
    for (priority, capacity) in [(High, 12), (Normal, 3)] {
        let mut permits = vec![];
        while let Ok(permit) = timeout(REQUEST, limiter.acquire_preparation(priority, "a")).await {
            permits.push(permit);
        }
        assert_eq!(permits.len(), capacity, "{priority:?}");
    }
}

/// On real threads: a lost notification would leave a waiter blocked forever.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_waiter_is_forgotten() {
    let limiter = limiter(3, 1_000_000);
    let callers = (0..64_u32).map(|caller| {
        let limiter = Arc::clone(&limiter);
        tokio::spawn(async move {
            let priority = [High, Normal, Low][caller as usize % 3];
            for round in 0..50_u32 {
                let call = limiter.acquire(priority, ["a", "b", "c", "d", "e"][caller as usize % 5]);
                if (caller + round) % 4 == 0 {
                    // Times out, often at the very moment when it is served.
                    drop(timeout(Duration::from_micros(u64::from(round * 40)), call).await);
                } else {
                    let _permit = call.await;
                    tokio::task::yield_now().await;
                }
            }
        })
    });
    let all = futures::future::join_all(callers);
    let results = timeout(Duration::from_secs(30), all).await.expect("every caller finishes");
    assert!(results.iter().all(Result::is_ok));
}
