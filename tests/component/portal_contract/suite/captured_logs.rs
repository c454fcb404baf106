//! Everything that is logged on the thread of a test. One subscriber serves all threads: subscribers that come and go would
//! change each other's levels, and a test whose logs nobody reads logs nothing.

use std::cell::RefCell;
use std::io;
use std::sync::{Arc, Mutex, Once};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;

type Buffer = Arc<Mutex<Vec<u8>>>;

thread_local! {
    static CAPTURED: RefCell<Option<Buffer>> = const { RefCell::new(None) };
}

/// The logs of this thread since it was created, and until it is dropped.
pub struct CapturedLogs(Buffer);

impl CapturedLogs {
    pub fn start() -> Self {
        static INSTALLED: Once = Once::new();
        INSTALLED.call_once(|| {
            let is_captured = || CAPTURED.with_borrow(Option::is_some);
            let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(|| Writer);
            let layer = layer.with_filter(dynamic_filter_fn(move |_, _| is_captured()));
            let subscriber = tracing_subscriber::registry().with(layer);
            tracing::subscriber::set_global_default(subscriber).expect("no other subscriber");
        });
        let buffer = Buffer::default();
        CAPTURED.set(Some(Arc::clone(&buffer)));
        Self(buffer)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("logs")).into_owned()
    }
}

impl Drop for CapturedLogs {
    fn drop(&mut self) {
        CAPTURED.set(None);
    }
}

/// Writes to the buffer of the thread.
struct Writer;

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        CAPTURED.with_borrow(|captured| {
            if let Some(buffer) = captured {
                buffer.lock().expect("logs").extend_from_slice(bytes);
            }
        });
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
