//! The limiter in virtual time.

use super::Priority::{Later, Soon, Urgent};
use super::*;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// How long a request takes.
const REQUEST: Duration = Duration::from_secs(1);
/// Long enough for a few timers.
const MOMENT: Duration = Duration::from_millis(10);
const UNHURRIED: i32 = 10_000;

fn gate(concurrency: i32, requests_per_second: i32) -> Arc<Gate> {
    Arc::new(Gate::new(&limits(concurrency, requests_per_second)))
}

fn limits(concurrency: i32, requests_per_second: i32) -> Limits {
    Limits { requests_per_second, concurrency, ..Limits::default() }
}

/// What went, in order, and when.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(&'static str, Instant)>>>);

impl Log {
    fn note(&self, name: &'static str) {
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
async fn request(gate: Arc<Gate>, priority: Priority, namespace: &'static str, log: Log) {
    let room = gate.prepare(priority, namespace).await;
    call(Arc::clone(&gate), priority, namespace, log).await;
    drop(room);
}

async fn call(gate: Arc<Gate>, priority: Priority, namespace: &'static str, log: Log) {
    let _permit = gate.call(priority, namespace).await;
    log.note(namespace);
    sleep(REQUEST).await;
}

/// So many calls, which wait when this returns.
async fn wave(gate: &Arc<Gate>, count: usize, priority: Priority, namespace: &'static str, log: &Log) {
    for _ in 0..count {
        tokio::spawn(request(Arc::clone(gate), priority, namespace, log.clone()));
    }
    sleep(MOMENT).await;
}

#[tokio::test(start_paused = true)]
async fn no_more_calls_at_a_time_than_allowed() {
    let gate = gate(2, UNHURRIED);
    let held = (gate.call(Urgent, "a").await, gate.call(Later, "b").await);
    for priority in [Urgent, Soon, Later] {
        let third = timeout(Duration::from_mins(1), gate.call(priority, "c")).await;
        assert!(third.is_err(), "a third at a time");
    }
    drop(held);
    gate.call(Later, "c").await;
}

#[tokio::test(start_paused = true)]
async fn no_more_calls_a_second_than_allowed() {
    let (gate, log) = (gate(100, 10), Log::default());
    wave(&gate, 50, Urgent, "a", &log).await;
    sleep(Duration::from_mins(1)).await;
    let times = log.times();
    let apart: Vec<_> = times.windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).collect();
    assert!(apart.len() == 49 && apart.iter().all(|apart| (95..=102).contains(apart)), "{apart:?}");
}

#[tokio::test(start_paused = true)]
async fn a_rate_is_reached_whose_distance_is_shorter_than_a_timers_tick() {
    let (gate, log) = (gate(1000, 10_000), Log::default());
    wave(&gate, 501, Urgent, "a", &log).await;
    sleep(REQUEST).await;
    let times = log.times();
    let all = times[500] - times[0];
    assert!((49..=52).contains(&all.as_millis()), "500 at 10,000 a second take 50 ms, not {all:?}");
}

#[tokio::test(start_paused = true)]
async fn time_in_which_nobody_called_is_not_made_up_for() {
    let (gate, log) = (gate(100, 10), Log::default());
    sleep(Duration::from_hours(1)).await;
    wave(&gate, 3, Urgent, "a", &log).await;
    sleep(REQUEST).await;
    let times = log.times();
    assert!(times[2] - times[0] >= Duration::from_millis(199), "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn what_pods_wait_for_goes_first_whoever_came_first() {
    let (gate, log) = (gate(1, UNHURRIED), Log::default());
    let held = gate.call(Later, "").await;
    for (priority, name) in [(Later, "later"), (Soon, "soon"), (Urgent, "urgent")] {
        tokio::spawn(call(Arc::clone(&gate), priority, name, log.clone()));
        sleep(REQUEST).await;
    }
    drop(held);
    sleep(REQUEST * 4).await;
    assert_eq!(log.names(), ["urgent", "soon", "later"]);
}

#[tokio::test(start_paused = true)]
async fn a_namespace_with_a_thousand_calls_delays_anothers_by_one_request() {
    for priority in [Urgent, Soon, Later] {
        for concurrency in [1, 4] {
            let (gate, log) = (gate(concurrency, UNHURRIED), Log::default());
            for _ in 0..1000 {
                tokio::spawn(call(Arc::clone(&gate), priority, "many", log.clone()));
            }
            sleep(REQUEST * 10 + REQUEST / 3).await;
            let came = Instant::now();
            let permit = timeout(REQUEST, gate.call(priority, "few")).await;
            assert!(permit.is_ok(), "{priority:?} waits longer than a request takes");
            assert!(!came.elapsed().is_zero(), "all places were taken");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn namespaces_take_turns() {
    let (gate, log) = (gate(1, UNHURRIED), Log::default());
    for (namespace, count) in [("a", 100), ("b", 50), ("c", 25)] {
        wave(&gate, count, Urgent, namespace, &log).await;
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
    for (concurrency, rate) in [(1, UNHURRIED), (4, UNHURRIED), (4, 5)] {
        let (gate, log) = (gate(concurrency, rate), Log::default());
        wave(&gate, 1000, Soon, "rotating", &log).await;
        for _ in 0..1000 {
            tokio::spawn(call(Arc::clone(&gate), Later, "rotating", log.clone()));
        }
        for offset in 1..40 {
            sleep(REQUEST.mul_f64(1.0 + 0.1 * f64::from(offset))).await;
            let came = Instant::now();
            // Of the same namespace: it is no less urgent for that.
            request(Arc::clone(&gate), Urgent, "rotating", log.clone()).await;
            let pace = Duration::from_secs(1) / rate.unsigned_abs();
            let took = came.elapsed();
            assert!(took <= REQUEST + REQUEST + pace, "{took:?} with {concurrency} at a time");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_nobody_waits_for_still_comes_to_an_end() {
    let (gate, log) = (gate(1, UNHURRIED), Log::default());
    for priority in [Urgent, Soon] {
        for _ in 0..1000 {
            tokio::spawn(call(Arc::clone(&gate), priority, "busy", log.clone()));
        }
    }
    sleep(REQUEST).await;
    // Seventeen requests a turn, and its namespace's is the second.
    let turn = REQUEST * 17;
    for _ in 0..3 {
        timeout(turn * 2, gate.call(Soon, "other")).await.expect("now and then one of these");
        timeout(turn * 17 * 2, gate.call(Later, "other")).await.expect("now and then one of those");
    }
}

#[tokio::test(start_paused = true)]
async fn one_who_stops_waiting_loses_no_place_for_others() {
    for impatience in [0, 1, 500, 999, 1000, 1001] {
        let gate = gate(1, UNHURRIED);
        let held = gate.call(Urgent, "a").await;
        let waiting: Vec<JoinHandle<()>> = (0..8)
            .map(|index| {
                let gate = Arc::clone(&gate);
                let namespace = ["a", "b"][index % 2];
                tokio::spawn(async move {
                    drop(timeout(Duration::from_millis(impatience), gate.call(Soon, namespace)).await);
                })
            })
            .collect();
        let other = tokio::spawn(call(Arc::clone(&gate), Later, "c", Log::default()));
        sleep(REQUEST).await;
        drop(held);
        timeout(REQUEST * 2, other).await.expect("the place came back").expect("no panic");
        for task in waiting {
            task.await.expect("no panic");
        }
        timeout(Duration::from_millis(10), gate.call(Later, "d")).await.expect("the place came back");
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_dropped_after_being_woken_wakes_the_next() {
    let gate = gate(1, UNHURRIED);
    let held = gate.call(Urgent, "a").await;
    let mut woken = Box::pin(gate.call(Urgent, "a"));
    assert!(futures::poll!(woken.as_mut()).is_pending());
    let mut next = Box::pin(gate.call(Later, "b"));
    assert!(futures::poll!(next.as_mut()).is_pending());
    drop(held);
    drop(woken);
    timeout(REQUEST, next).await.expect("it is its turn");
}

#[tokio::test(start_paused = true)]
async fn the_portals_wish_to_wait_is_kept_by_those_who_wait_already() {
    let (gate, log) = (gate(4, 10), Log::default());
    let begun = Instant::now();
    wave(&gate, 3, Urgent, "a", &log).await;
    gate.hold_off(Duration::from_secs(7));
    gate.hold_off(Duration::from_secs(2));
    sleep(Duration::from_secs(10)).await;
    let times = log.times();
    assert!(times[0] - begun < Duration::from_millis(10), "it had begun");
    assert!(times[1] - begun >= Duration::from_secs(7), "{times:?}");
    assert!(times[2] - times[1] >= Duration::from_millis(95), "not all at once then");
}

#[tokio::test(start_paused = true)]
async fn changed_limits_count_what_is_under_way() {
    let (gate, log) = (gate(4, UNHURRIED), Log::default());
    wave(&gate, 8, Urgent, "a", &log).await;
    assert_eq!(log.names().len(), 4);
    gate.adjust(&limits(1, UNHURRIED));
    sleep(REQUEST).await;
    assert_eq!(log.names().len(), 5, "three places are given up");
    gate.adjust(&limits(3, UNHURRIED));
    sleep(MOMENT).await;
    assert_eq!(log.names().len(), 7, "two new ones are taken at once");
}

#[tokio::test(start_paused = true)]
async fn only_so_many_prepare_at_a_time() {
    let gate = gate(2, UNHURRIED);
    for (priority, room) in [(Urgent, 9), (Soon, 3)] {
        let mut held = vec![];
        while let Ok(permit) = timeout(REQUEST, gate.prepare(priority, "a")).await {
            held.push(permit);
        }
        assert_eq!(held.len(), room, "{priority:?}");
    }
}

/// On real threads: a wake that gets lost would leave somebody waiting for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_is_forgotten() {
    let gate = gate(3, 1_000_000);
    let callers = (0..64_u32).map(|caller| {
        let gate = Arc::clone(&gate);
        tokio::spawn(async move {
            let priority = [Urgent, Soon, Later][caller as usize % 3];
            for round in 0..50_u32 {
                let call = gate.call(priority, ["a", "b", "c", "d", "e"][caller as usize % 5]);
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
