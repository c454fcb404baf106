//! Configures logs and traces.

mod collector;
mod logs;
mod otlp;
mod traces;

use tracing_subscriber::util::TryInitError;
use tracing_subscriber::{Layer as _, layer::SubscriberExt as _, util::SubscriberInitExt as _};

pub use self::logs::LogFormat;
pub use self::traces::Traces;

/// Starts logging to standard error, and exporting traces if the environment names a collector. `RUST_LOG` selects among
/// the allowed log lines, `info` by default. If the environment's settings of traces cannot be used, the log says so, and
/// there are none.
///
/// # Errors
/// If logging was started before.
pub fn init(format: LogFormat) -> Result<Traces, TryInitError> {
    let (traces, problem) = match Traces::from_environment() {
        Ok(traces) => (traces, None),
        Err(problem) => (Traces::default(), Some(problem)),
    };
    let spans = traces.tracer().map(|tracer| traces::layer(tracer).with_filter(traces::filter()));
    tracing_subscriber::registry().with(logs::layer(format).with_filter(logs::filter())).with(spans).try_init()?;
    if let Some(problem) = problem {
        tracing::warn!(detail = problem, "no traces are exported");
    }
    Ok(traces)
}
