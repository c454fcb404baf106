//! Which log lines are written, and how.

use clap::ValueEnum;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{FilterExt as _, filter_fn};
use tracing_subscriber::layer::Filter;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Layer, fmt};

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

/// Libraries that handle responses of the API server, the portal, the registry or the collector. kube logs a whole
/// response that it cannot parse, which may be a Secret.
const SILENCED_CRATES: [&str; 12] = [
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
    "opentelemetry",
];

/// Whether a log line is allowed at all: everything of the operator; only warnings of libraries, and nothing of those
/// that handle responses. Spans are for traces only.
fn is_metadata_allowed(about: &Metadata<'_>) -> bool {
    about.is_event() && is_allowed(about.target(), *about.level())
}

fn is_allowed(target: &str, level: Level) -> bool {
    let krate = target.split("::").next().unwrap_or_default();
    if krate == env!("CARGO_CRATE_NAME") {
        return true;
    }
    let is_silenced = SILENCED_CRATES.iter().any(|name| krate == *name || krate.starts_with(&format!("{name}_")));
    !is_silenced && level <= Level::WARN
}

/// The log lines that are written: those that `RUST_LOG` selects among the allowed ones.
pub(super) fn filter<S: Subscriber>() -> impl Filter<S> {
    let selected = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    selected.and(filter_fn(is_metadata_allowed))
}

/// Writes log lines to standard error.
pub(super) fn layer<S: Subscriber + for<'span> LookupSpan<'span>>(
    format: LogFormat,
) -> Box<dyn Layer<S> + Send + Sync> {
    match format {
        LogFormat::Json => Box::new(fmt::layer().json().flatten_event(true).with_writer(std::io::stderr)),
        LogFormat::Text => Box::new(fmt::layer().with_writer(std::io::stderr)),
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
            "opentelemetry_otlp",
        ] {
            assert!(!is_allowed(target, Level::ERROR) && !is_allowed(target, Level::TRACE), "{target}");
        }
        assert!(is_allowed("registry_token_operator::controller::watch", Level::TRACE));
        assert!(!is_allowed("registry_token_operator_like", Level::INFO));
        assert!(is_allowed("some_library", Level::WARN) && !is_allowed("some_library", Level::INFO));
    }
}
