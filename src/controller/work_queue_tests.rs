use super::*;
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::{advance, sleep};

/// What happened, with the seconds since the start.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn add(&self, since: Instant, what: &str) {
        self.0.lock().expect("lock").push(format!("{what} at {}", since.elapsed().as_secs()));
    }

    fn lines(&self) -> Vec<String> {
        self.0.lock().expect("lock").clone()
    }
}

/// A queue whose reconciles take two seconds. `after` says when an object is requeued.
fn start(after: fn(&str) -> RequeueAfter) -> (UnboundedSender<&'static str>, Log, JoinHandle<()>) {
    let (sender, receiver) = unbounded_channel();
    let keys = futures::stream::unfold(receiver, |mut receiver| async { Some((receiver.recv().await?, receiver)) });
    let (log, began) = (Log::default(), Instant::now());
    let own = log.clone();
    let reconcile = move |key: &&'static str| {
        let (key, log) = (*key, own.clone());
        (key != "deleted").then_some(async move {
            log.add(began, &format!("{key} starts"));
            sleep(Duration::from_secs(2)).await;
            assert_ne!(key, "panics");
            log.add(began, &format!("{key} ends"));
            after(key)
        })
    };
    let on_panic = |_: &&str, _| Some(Duration::from_secs(5));
    (sender, log, tokio::spawn(run(keys, reconcile, on_panic)))
}

async fn pass(seconds: u64) {
    for _ in 0..seconds {
        tokio::task::yield_now().await;
        advance(Duration::from_secs(1)).await;
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_object_is_reconciled_once_at_a_time_and_once_more_whatever_arrives_meanwhile() {
    let (keys, log, _queue) = start(|_| None);
    for key in ["a", "a", "a", "b", "deleted"] {
        keys.send(key).expect("runs");
    }
    pass(10).await;
    let expected = ["a starts at 0", "b starts at 0", "a ends at 2", "b ends at 2", "a starts at 2", "a ends at 4"];
    let (mut lines, mut wanted) = (log.lines(), expected.map(str::to_owned));
    lines.sort();
    wanted.sort();
    assert_eq!(lines, wanted);
}

#[tokio::test(start_paused = true)]
async fn an_object_is_requeued_after_its_delay_and_an_event_before_that_replaces_it() {
    let (keys, log, _queue) = start(|key| (key == "a").then_some(Duration::from_secs(10)));
    keys.send("a").expect("runs");
    pass(5).await;
    keys.send("a").expect("runs");
    pass(8).await;
    assert_eq!(log.lines(), ["a starts at 0", "a ends at 2", "a starts at 5", "a ends at 7"], "not at 12");
    pass(5).await;
    assert_eq!(log.lines().get(4).map(String::as_str), Some("a starts at 17"));
}

#[tokio::test(start_paused = true)]
async fn a_reconcile_that_panics_is_repeated_and_disturbs_no_other() {
    let (keys, log, _queue) = start(|_| None);
    keys.send("panics").expect("runs");
    keys.send("a").expect("runs");
    pass(8).await;
    let lines = log.lines();
    assert!(lines.contains(&"a ends at 2".to_owned()) && lines.contains(&"panics starts at 7".to_owned()), "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn at_the_end_the_reconciles_in_progress_are_awaited_and_nothing_is_started() {
    let (keys, log, queue) = start(|_| Some(Duration::from_secs(1)));
    keys.send("a").expect("runs");
    keys.send("a").expect("runs");
    pass(1).await;
    drop(keys);
    assert!(!queue.is_finished());
    pass(5).await;
    assert!(queue.is_finished());
    assert_eq!(log.lines(), ["a starts at 0", "a ends at 2"]);
}

#[tokio::test(start_paused = true)]
async fn a_burst_leaves_no_large_maps() {
    let mut queue = WorkQueue::new(|_: &u32| Some(std::future::ready(None)));
    for key in 0..10_000 {
        queue.reconcile(key);
        queue.reconcile(key);
    }
    for _ in 0..20_000 {
        let (key, result) = queue.running.join_next().await.expect("runs");
        queue.finish(key, result.expect("ends").or(Some(Duration::from_secs(u64::from(key) % 3))));
    }
    assert!(queue.most <= MIN_CAPACITY && queue.again.capacity() <= MIN_CAPACITY);
    assert_eq!(queue.delays.times.len(), 10_000);
    advance(Duration::from_secs(3)).await;
    assert_eq!(queue.delays.take_due(Instant::now()).len(), 10_000);
    assert!(queue.delays.times.capacity() <= MIN_CAPACITY && queue.delays.due.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_delay_beyond_the_end_of_time_is_no_delay() {
    let (keys, log, _queue) = start(|_| Some(Duration::MAX));
    keys.send("a").expect("runs");
    pass(5).await;
    assert_eq!(log.lines(), ["a starts at 0", "a ends at 2"]);
}
