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

/// What went, in order, and when.
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

/// One request, from its preparation to its answer.
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

/// So many calls, which wait when this returns.
async fn spawn_requests(limiter: &Arc<Limiter>, count: usize, priority: Priority, namespace: &'static str, log: &Log) {
    for _ in 0..count {
        tokio::spawn(request(Arc::clone(limiter), priority, namespace, log.clone()));
    }
    sleep(TIMER_SLACK).await;
}

#[tokio::test(start_paused = true)]
async fn no_more_calls_at_a_time_than_allowed() {
    let gate = limiter(2, UNLIMITED_RATE);
    let held = (gate.acquire(High, "a").await, gate.acquire(Low, "b").await);
    for priority in [High, Normal, Low] {
        let third = timeout(Duration::from_mins(1), gate.acquire(priority, "c")).await;
        assert!(third.is_err(), "a third at a time");
    }
    drop(held);
    gate.acquire(Low, "c").await;
}

#[tokio::test(start_paused = true)]
async fn no_more_calls_a_second_than_allowed() {
    let (gate, log) = (limiter(100, 10), Log::default());
    spawn_requests(&gate, 50, High, "a", &log).await;
    sleep(Duration::from_mins(1)).await;
    let times = log.times();
    let apart: Vec<_> = times.windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).collect();
    assert!(apart.len() == 49 && apart.iter().all(|apart| (95..=102).contains(apart)), "{apart:?}");
}

#[tokio::test(start_paused = true)]
async fn a_rate_is_reached_whose_distance_is_shorter_than_a_timers_tick() {
    let (gate, log) = (limiter(1000, 10_000), Log::default());
    spawn_requests(&gate, 501, High, "a", &log).await;
    sleep(REQUEST).await;
    let times = log.times();
    let all = times[500] - times[0];
    assert!((49..=52).contains(&all.as_millis()), "500 at 10,000 a second take 50 ms, not {all:?}");
}

#[tokio::test(start_paused = true)]
async fn idle_time_is_not_made_up_for() {
    let (gate, log) = (limiter(100, 10), Log::default());
    sleep(Duration::from_hours(1)).await;
    spawn_requests(&gate, 3, High, "a", &log).await;
    sleep(REQUEST).await;
    let times = log.times();
    assert!(times[2] - times[0] >= Duration::from_millis(199), "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn higher_priority_goes_first_whatever_came_first() {
    let (gate, log) = (limiter(1, UNLIMITED_RATE), Log::default());
    let held = gate.acquire(Low, "").await;
    for (priority, name) in [(Low, "later"), (Normal, "soon"), (High, "urgent")] {
        tokio::spawn(call(Arc::clone(&gate), priority, name, log.clone()));
        sleep(REQUEST).await;
    }
    drop(held);
    sleep(REQUEST * 4).await;
    assert_eq!(log.names(), ["urgent", "soon", "later"]);
}

#[tokio::test(start_paused = true)]
async fn a_namespace_with_a_thousand_calls_delays_anothers_by_one_request() {
    for priority in [High, Normal, Low] {
        for concurrency in [1, 4] {
            let (gate, log) = (limiter(concurrency, UNLIMITED_RATE), Log::default());
            for _ in 0..1000 {
                tokio::spawn(call(Arc::clone(&gate), priority, "many", log.clone()));
            }
            sleep(REQUEST * 10 + REQUEST / 3).await;
            let came = Instant::now();
            let permit = timeout(REQUEST, gate.acquire(priority, "few")).await;
            assert!(permit.is_ok(), "{priority:?} waits longer than a request takes");
            assert!(!came.elapsed().is_zero(), "all places were taken");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn namespaces_take_turns() {
    let (gate, log) = (limiter(1, UNLIMITED_RATE), Log::default());
    for (namespace, count) in [("a", 100), ("b", 50), ("c", 25)] {
        spawn_requests(&gate, count, High, namespace, &log).await;
    }
    sleep(REQUEST * 76).await;
    let went = log.names()[..75].iter().fold(BTreeMap::<_, u32>::new(), |mut went, name| {
        *went.entry(*name).or_default() += 1;
        went
    });
    assert!(went.values().all(|count| (24..=27).contains(count)), "{went:?}");
}

/// Issue: a wave of rotations delays a new object's first token by no more than one request's time
/// plus its own.
#[tokio::test(start_paused = true)]
async fn a_wave_of_rotations_delays_a_new_objects_token_by_one_request() {
    for (concurrency, rate) in [(1, UNLIMITED_RATE), (4, UNLIMITED_RATE), (4, 5)] {
        let (gate, log) = (limiter(concurrency, rate), Log::default());
        spawn_requests(&gate, 1000, Normal, "rotating", &log).await;
        for _ in 0..1000 {
            tokio::spawn(call(Arc::clone(&gate), Low, "rotating", log.clone()));
        }
        for offset in 1..40 {
            sleep(REQUEST.mul_f64(1.0 + 0.1 * f64::from(offset))).await;
            let came = Instant::now();
            // Of the same namespace: it is no less urgent for that.
            request(Arc::clone(&gate), High, "rotating", log.clone()).await;
            let pace = Duration::from_secs(1) / rate.unsigned_abs();
            let took = came.elapsed();
            assert!(took <= REQUEST + REQUEST + pace, "{took:?} with {concurrency} at a time");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn low_priority_is_not_starved() {
    let (gate, log) = (limiter(1, UNLIMITED_RATE), Log::default());
    for priority in [High, Normal] {
        for _ in 0..1000 {
            tokio::spawn(call(Arc::clone(&gate), priority, "busy", log.clone()));
        }
    }
    sleep(REQUEST).await;
    // Seventeen requests a turn, and its namespace's is the second.
    let turn = REQUEST * 17;
    for _ in 0..3 {
        timeout(turn * 2, gate.acquire(Normal, "other")).await.expect("now and then one of these");
        timeout(turn * 17 * 2, gate.acquire(Low, "other")).await.expect("now and then one of those");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_waiter_loses_no_slot() {
    for impatience in [0, 1, 500, 999, 1000, 1001] {
        let gate = limiter(1, UNLIMITED_RATE);
        let held = gate.acquire(High, "a").await;
        let waiting: Vec<JoinHandle<()>> = (0..8)
            .map(|index| {
                let gate = Arc::clone(&gate);
                let namespace = ["a", "b"][index % 2];
                tokio::spawn(async move {
                    drop(timeout(Duration::from_millis(impatience), gate.acquire(Normal, namespace)).await);
                })
            })
            .collect();
        let other = tokio::spawn(call(Arc::clone(&gate), Low, "c", Log::default()));
        sleep(REQUEST).await;
        drop(held);
        timeout(REQUEST * 2, other).await.expect("the place came back").expect("no panic");
        for task in waiting {
            task.await.expect("no panic");
        }
        timeout(Duration::from_millis(10), gate.acquire(Low, "d")).await.expect("the place came back");
    }
}

#[tokio::test(start_paused = true)]
async fn a_waiter_dropped_after_its_notification_notifies_the_next() {
    let gate = limiter(1, UNLIMITED_RATE);
    let held = gate.acquire(High, "a").await;
    let mut woken = Box::pin(gate.acquire(High, "a"));
    assert!(futures::poll!(woken.as_mut()).is_pending());
    let mut next = Box::pin(gate.acquire(Low, "b"));
    assert!(futures::poll!(next.as_mut()).is_pending());
    drop(held);
    drop(woken);
    timeout(REQUEST, next).await.expect("it is its turn");
}

#[tokio::test(start_paused = true)]
async fn a_pause_applies_to_waiters_too() {
    let (gate, log) = (limiter(4, 10), Log::default());
    let begun = Instant::now();
    spawn_requests(&gate, 3, High, "a", &log).await;
    gate.pause_for(Duration::from_secs(7));
    gate.pause_for(Duration::from_secs(2));
    sleep(Duration::from_secs(10)).await;
    let times = log.times();
    assert!(times[0] - begun < Duration::from_millis(10), "it had begun");
    assert!(times[1] - begun >= Duration::from_secs(7), "{times:?}");
    assert!(times[2] - times[1] >= Duration::from_millis(95), "not all at once then");
}

#[tokio::test(start_paused = true)]
async fn changed_limits_count_what_is_under_way() {
    let (gate, log) = (limiter(4, UNLIMITED_RATE), Log::default());
    spawn_requests(&gate, 8, High, "a", &log).await;
    assert_eq!(log.names().len(), 4);
    gate.set_limits(&limits(1, UNLIMITED_RATE));
    sleep(REQUEST).await;
    assert_eq!(log.names().len(), 5, "three places are given up");
    gate.set_limits(&limits(3, UNLIMITED_RATE));
    sleep(TIMER_SLACK).await;
    assert_eq!(log.names().len(), 7, "two new ones are taken at once");
}

#[tokio::test(start_paused = true)]
async fn only_so_many_prepare_at_a_time() {
    let gate = limiter(2, UNLIMITED_RATE);
    for (priority, room) in [(High, 9), (Normal, 3)] {
        let mut held = vec![];
        while let Ok(permit) = timeout(REQUEST, gate.acquire_preparation(priority, "a")).await {
            held.push(permit);
        }
        assert_eq!(held.len(), room, "{priority:?}");
    }
}

/// On real threads: a wake that gets lost would leave somebody waiting for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_waiter_is_forgotten() {
    let gate = limiter(3, 1_000_000);
    let callers = (0..64_u32).map(|caller| {
        let gate = Arc::clone(&gate);
        tokio::spawn(async move {
            let priority = [High, Normal, Low][caller as usize % 3];
            for round in 0..50_u32 {
                let call = gate.acquire(priority, ["a", "b", "c", "d", "e"][caller as usize % 5]);
                if (caller + round) % 4 == 0 {
                    // Gives up, often at the very moment in which it is its turn.
                    drop(timeout(Duration::from_micros(u64::from(round * 40)), call).await);
                } else {
                    let _permit = call.await;
                    tokio::task::yield_now().await;
                }
            }
        })
    });
    let all = futures::future::join_all(callers);
    let ended = timeout(Duration::from_secs(30), all).await.expect("nobody waits for ever");
    assert!(ended.iter().all(Result::is_ok));
}
