//! One control plane for all tests of a test binary.

use super::error::{Context as _, Error, Result};
use super::start::{ControlPlane, Options};
use std::sync::OnceLock;

/// The control plane that the tests of this binary share, with an audit log; started at the first use. It ends with the
/// process (see the `supervise` module: statics are not dropped).
///
/// # Panics
///
/// If it could not be started: each test that needs it fails with the same reason.
pub fn shared() -> &'static ControlPlane {
    static SHARED: OnceLock<Result<ControlPlane>> = OnceLock::new();
    match SHARED.get_or_init(start_on_own_thread) {
        Ok(control_plane) => control_plane,
        Err(error) => fail(error),
    }
}

/// Each test has its own runtime, which ends with it, and a runtime cannot block on another one in the same thread.
fn start_on_own_thread() -> Result<ControlPlane> {
    std::thread::spawn(|| {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("making a runtime for the control plane's start")?
            .block_on(ControlPlane::start(Options { audit: true, ..Options::default() }))
    })
    .join()
    .unwrap_or_else(|_| Err(Error::new("the control plane's start panicked")))
}

#[expect(clippy::panic, reason = "this is how a test fails")]
fn fail(error: &Error) -> ! {
    panic!("the shared control plane could not be started: {error}")
}
