//! Logs.

use clap::ValueEnum;
use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::util::TryInitError;
use tracing_subscriber::{fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// What is logged unless `RUST_LOG` is given.
const DEFAULT_FILTER: &str = "info";

/// Libraries that have answers of the API server, the portal or the registry in hand. kube logs an answer that
/// it cannot parse, whole: it may be a Secret.
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

/// Whether something may be logged at all: of ours everything; of libraries warnings, and of those that have
/// answers in hand nothing.
fn is_metadata_allowed(about: &Metadata<'_>) -> bool {
    is_allowed(about.target(), *about.level())
}

fn is_allowed(target: &str, level: Level) -> bool {
    let krate = target.split("::").next().unwrap_or_default();
    if krate == env!("CARGO_CRATE_NAME") {
        return true;
    }
    let is_silenced =
        SILENCED_CRATES.iter().any(|carrier| krate == *carrier || krate.starts_with(&format!("{carrier}_")));
    !is_silenced && level <= Level::WARN
}

/// Starts logging to standard error; `RUST_LOG` chooses what of what may be logged, `info` unless given.
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
