//! Configures logs.

use clap::ValueEnum;
use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::util::TryInitError;
use tracing_subscriber::{fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// Format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// Text for people.
    Text,
}

/// The log filter if `RUST_LOG` is not set.
const DEFAULT_FILTER: &str = "info";

/// Libraries that handle responses of the API server, the portal or the registry. kube logs a whole response that it
/// cannot parse, which may be a Secret.
const SILENCED_CRATES: [&str; 11] = [
    "kube",
    "hyper",
    "h2",
    "tower",
    "rustls",
    "reqwest",
    "tokio_util",
    "tungstenite",
    "axum",
    "http_auth",
    "quick_xml",
];

/// Whether a log line is allowed at all: everything of the operator; only warnings of libraries, and nothing of those
/// that handle responses.
fn is_metadata_allowed(about: &Metadata<'_>) -> bool {
    is_allowed(about.target(), *about.level())
}

fn is_allowed(target: &str, level: Level) -> bool {
    let krate = target.split("::").next().unwrap_or_default();
    if krate == env!("CARGO_CRATE_NAME") {
        return true;
    }
    let is_silenced = SILENCED_CRATES.iter().any(|name| krate == *name || krate.starts_with(&format!("{name}_")));
    !is_silenced && level <= Level::WARN
}

/// Starts logging to standard error; `RUST_LOG` selects among the allowed log lines, `info` by default.
///
/// # Errors
/// If logging was started before.
pub fn init(format: LogFormat) -> Result<(), TryInitError> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let registry = tracing_subscriber::registry().with(filter).with(filter_fn(is_metadata_allowed));
    match format {
        LogFormat::Json => {
            registry.with(fmt::layer().json().flatten_event(true).with_writer(std::io::stderr)).try_init()
        }
        LogFormat::Text => registry.with(fmt::layer().with_writer(std::io::stderr)).try_init(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_filter_lets_a_library_log_a_response() {
        for target in [
            "kube_client::client",
            "kube_runtime::watcher",
            "hyper::proto::h1",
            "hyper_util::client",
            "h2",
            "tower_http::trace",
            "rustls::conn",
            "reqwest::connect",
            "tokio_util::codec",
        ] {
            assert!(!is_allowed(target, Level::ERROR) && !is_allowed(target, Level::TRACE), "{target}");
        }
        assert!(is_allowed("registry_token_operator::controller::watch", Level::TRACE));
        assert!(!is_allowed("registry_token_operator_like", Level::INFO));
        assert!(is_allowed("some_library", Level::WARN) && !is_allowed("some_library", Level::INFO));
    }
}
