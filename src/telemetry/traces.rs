//! Traces: one span for each reconcile and for each request to a portal, exported with OTLP if the environment names a
//! collector. Spans have names and bounded values as attributes, never a response, a message or a secret. What cannot be
//! exported is lost: nothing waits for the collector.

use super::collector::CollectorClient;
use super::otlp::OtlpSettings;
use crate::http;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{SpanExporter, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use std::time::Duration;
use tracing::level_filters::LevelFilter;
use tracing::{Metadata, Subscriber};
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::filter::{FilterFn, filter_fn};
use tracing_subscriber::registry::LookupSpan;

/// How long the last spans may delay the end of the process.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(3);

/// The traces of the process; none by default.
#[derive(Debug, Default)]
pub struct Traces(Option<SdkTracerProvider>);

impl Traces {
    /// Traces as the environment's `OTEL_*` variables say. It must be called in a runtime; sends nothing.
    ///
    /// # Errors
    /// If a variable cannot be honored.
    pub(super) fn from_environment() -> Result<Self, String> {
        let Some(settings) = OtlpSettings::read(|name| std::env::var(name).ok())? else { return Ok(Self::default()) };
        let ca_pem = settings.ca_file.map(std::fs::read_to_string).transpose();
        let ca_pem = ca_pem.map_err(|error| format!("OTEL_EXPORTER_OTLP_CERTIFICATE cannot be read: {error}"))?;
        let tls =
            http::tls_config(ca_pem.as_deref()).map_err(|error| error.message("OTEL_EXPORTER_OTLP_CERTIFICATE"))?;
        let client = CollectorClient::new(tls, settings.plain_http, settings.timeout)?;
        let exporter = SpanExporter::builder().with_http().with_http_client(client).build();
        // Its text may quote a variable.
        let exporter = exporter.map_err(|_| "the OTEL_EXPORTER_OTLP variables cannot be used")?;
        let mut resource = Resource::builder();
        if let Some(name) = settings.service_name {
            resource = resource.with_service_name(name);
        }
        let version = opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let resource = resource.with_attribute(version).build();
        Ok(Self(Some(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build())))
    }

    pub(super) fn tracer(&self) -> Option<SdkTracer> {
        self.0.as_ref().map(|provider| provider.tracer(env!("CARGO_PKG_NAME")))
    }

    /// Exports the last spans, within a few seconds.
    pub async fn flush(self) {
        let Some(provider) = self.0 else { return };
        let flushed = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(FLUSH_TIMEOUT));
        if !tokio::time::timeout(FLUSH_TIMEOUT, flushed)
            .await
            .is_ok_and(|ended| ended.is_ok_and(|result| result.is_ok()))
        {
            tracing::warn!("the last traces were not exported");
        }
    }
}

/// Turns the spans of the operator into traces.
pub(super) fn layer<S: Subscriber + for<'span> LookupSpan<'span>>(
    tracer: SdkTracer,
) -> OpenTelemetryLayer<S, SdkTracer> {
    tracing_opentelemetry::layer()
        .with_tracer(tracer)
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_context_activation(false)
}

/// The operator's own spans, whatever is logged, and no log line.
pub(super) fn filter() -> FilterFn {
    let is_own_span =
        |about: &Metadata<'_>| about.is_span() && about.target().split("::").next() == Some(env!("CARGO_CRATE_NAME"));
    filter_fn(is_own_span as fn(&Metadata<'_>) -> bool).with_max_level_hint(LevelFilter::INFO)
}
