//! Separate control planes. Starting one costs several seconds of CPU time and a test binary needs dozens of them, so
//! one that a test left is emptied, and the next test gets it.

use super::error::{Context as _, Error, Result};
use super::start::{ControlPlane, Options};
use std::cell::RefCell;
use std::sync::{Mutex, PoisonError};
use tokio::sync::{Semaphore, SemaphorePermit};

/// How many start at the same time: each start uses all cores for some seconds, and other tests wait meanwhile.
static STARTS: Semaphore = Semaphore::const_new(2);

/// How many reusable control planes run at the same time. Further tests wait until another test ends.
static REUSABLE: Semaphore = Semaphore::const_new(6);

/// The reusable control planes that are empty and wait for a test.
static IDLE: Mutex<Vec<&'static ControlPlane>> = Mutex::new(Vec::new());

thread_local! {
    /// The control planes of the test that runs in this thread. The test runner gives each test its own thread, which
    /// ends with the test, even if it fails.
    static STARTED: RefCell<Vec<InUse>> = const { RefCell::new(Vec::new()) };
}

/// A control plane until the end of its test.
struct InUse {
    control_plane: &'static ControlPlane,
    /// The place of a reusable one, which is free again when the control plane is empty or has stopped.
    place: Option<SemaphorePermit<'static>>,
}

impl Drop for InUse {
    fn drop(&mut self) {
        let control_plane = self.control_plane;
        match self.place.take() {
            // The next test does not wait for it, unless it needs it.
            Some(place) => drop(std::thread::spawn(move || give_back(control_plane, place))),
            None => control_plane.stop(),
        }
    }
}

/// Empties it for the next test, and stops it if that fails.
fn give_back(control_plane: &'static ControlPlane, place: SemaphorePermit<'static>) {
    match empty(control_plane) {
        Ok(()) => IDLE.lock().unwrap_or_else(PoisonError::into_inner).push(control_plane),
        Err(error) => {
            eprintln!("a control plane stops and is not used again: {error}");
            control_plane.stop();
        }
    }
    drop(place);
}

fn empty(control_plane: &ControlPlane) -> Result<()> {
    if control_plane.is_modified() {
        return Err(Error::new("a test changed what cannot be restored"));
    }
    if std::env::var_os("KEEP_CONTROL_PLANE").is_some() {
        return Err(Error::new("its logs are kept, and are of one test"));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("making a runtime")?;
    runtime.block_on(control_plane.empty())
}

impl ControlPlane {
    /// Starts a control plane for the current test. It stops when the calling thread ends.
    pub async fn start_for_test(options: Options) -> Result<&'static Self> {
        let control_plane = start_limited(options).await?;
        STARTED.with_borrow_mut(|started| started.push(InUse { control_plane, place: None }));
        Ok(control_plane)
    }

    /// A control plane with an audit log for the current test, which may have served other tests: it contains no
    /// namespaces, policies, roles and custom objects of theirs. When the calling thread ends, another test may get it.
    pub async fn reuse_for_test() -> Result<&'static Self> {
        let place = REUSABLE.acquire().await.context("waiting for the control plane of another test")?;
        let idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let control_plane = match idle {
            Some(control_plane) => control_plane,
            None => start_limited(Options { audit: true, ..Options::default() }).await?,
        };
        STARTED.with_borrow_mut(|started| started.push(InUse { control_plane, place: Some(place) }));
        Ok(control_plane)
    }
}

async fn start_limited(options: Options) -> Result<&'static ControlPlane> {
    let _permit = STARTS.acquire().await.context("waiting for other control planes to start")?;
    Ok(Box::leak(Box::new(ControlPlane::start(options).await?)))
}
