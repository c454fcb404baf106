//! Separate control planes, which stop at the end of the test that started them. One that runs on costs memory and a
//! part of a core, and a test binary starts dozens of them.

use super::error::{Context as _, Result};
use super::start::{ControlPlane, Options};
use std::cell::RefCell;
use tokio::sync::Semaphore;

/// How many start at the same time: each start uses all cores for some seconds, and other tests wait meanwhile.
static STARTS: Semaphore = Semaphore::const_new(2);

thread_local! {
    /// The control planes of the test that runs in this thread. The test runner gives each test its own thread, which
    /// ends with the test, even if it fails.
    static STARTED: RefCell<Vec<StopOnDrop>> = const { RefCell::new(Vec::new()) };
}

struct StopOnDrop(&'static ControlPlane);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl ControlPlane {
    /// Starts a control plane for the current test. It stops when the calling thread ends.
    pub async fn start_for_test(options: Options) -> Result<&'static Self> {
        let _permit = STARTS.acquire().await.context("waiting for other control planes to start")?;
        let control_plane: &'static Self = Box::leak(Box::new(Self::start(options).await?));
        STARTED.with_borrow_mut(|started| started.push(StopOnDrop(control_plane)));
        Ok(control_plane)
    }
}
