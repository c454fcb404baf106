//! The environment variables of OpenTelemetry for traces. The exporter reads some of them itself; those that it cannot
//! honor are reported.

use std::path::PathBuf;
use std::time::Duration;
use url::Url;

/// The time limit of an export if the environment gives none.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
const SERVICE_NAME: &str = "registry-token-operator";

/// Where and how traces are exported.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct OtlpSettings {
    /// Whether the collector is reached without TLS.
    pub(super) plain_http: bool,
    /// The CA certificates to trust, and no others; the system's roots if `None`.
    pub(super) ca_file: Option<PathBuf>,
    /// The time limit of a request.
    pub(super) timeout: Duration,
    /// The name of the service, unless the environment gives one.
    pub(super) service_name: Option<&'static str>,
}

impl OtlpSettings {
    /// Reads the variables; `None` if no traces are wanted.
    ///
    /// # Errors
    /// If a variable cannot be honored; the message names it, but not its value, which may contain a password.
    pub(super) fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, String> {
        let set = |name: &str| variable(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let of_traces = |name: &str| {
            let names = [format!("OTEL_EXPORTER_OTLP_TRACES_{name}"), format!("OTEL_EXPORTER_OTLP_{name}")];
            names.into_iter().find_map(|name| Some((set(&name)?, name)))
        };
        let is_disabled = set("OTEL_SDK_DISABLED").is_some_and(|text| text.eq_ignore_ascii_case("true"));
        let exporter = set("OTEL_TRACES_EXPORTER").unwrap_or_else(|| "otlp".to_owned());
        let Some((endpoint, name)) = of_traces("ENDPOINT").filter(|_| !is_disabled && exporter != "none") else {
            return Ok(None);
        };
        if exporter != "otlp" {
            return Err("OTEL_TRACES_EXPORTER names another exporter: only otlp and none are supported".to_owned());
        }
        if let Some((_, name)) = of_traces("PROTOCOL").filter(|(protocol, _)| protocol != "http/protobuf") {
            return Err(format!("{name} is not http/protobuf, the only protocol that is supported"));
        }
        if let Some((_, name)) = of_traces("COMPRESSION").filter(|(compression, _)| compression != "none") {
            return Err(format!("{name} is not none: compression is not supported"));
        }
        let url = Url::parse(&endpoint).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let url = url.ok_or_else(|| {
            format!("{name} is not the URL of a collector: set it to a URL such as http://collector.example.com:4318")
        })?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(format!("{name} contains a username or password: set OTEL_EXPORTER_OTLP_HEADERS instead"));
        }
        let timeout = match of_traces("TIMEOUT") {
            None => DEFAULT_TIMEOUT,
            Some((text, name)) => {
                let milliseconds = text.parse().ok().filter(|count| *count > 0);
                Duration::from_millis(milliseconds.ok_or_else(|| format!("{name} is not a number of milliseconds"))?)
            }
        };
        let has_name = set("OTEL_SERVICE_NAME").is_some()
            || set("OTEL_RESOURCE_ATTRIBUTES").is_some_and(|text| text.contains("service.name="));
        Ok(Some(Self {
            plain_http: url.scheme() == "http",
            ca_file: of_traces("CERTIFICATE").map(|(path, _)| PathBuf::from(path)),
            timeout,
            service_name: (!has_name).then_some(SERVICE_NAME),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Option<OtlpSettings>, String> {
        OtlpSettings::read(|name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");

    #[test]
    fn traces_are_off_unless_the_environment_names_a_collector() {
        for variables in [
            vec![],
            vec![("OTEL_SERVICE_NAME", "a"), ("OTEL_TRACES_EXPORTER", "otlp")],
            vec![("OTEL_EXPORTER_OTLP_ENDPOINT", "")],
            vec![("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://collector:4318")],
            vec![ENDPOINT, ("OTEL_SDK_DISABLED", "true")],
            vec![ENDPOINT, ("OTEL_TRACES_EXPORTER", "none")],
        ] {
            assert_eq!(read(&variables), Ok(None), "{variables:?}");
        }
    }

    #[test]
    fn the_variables_of_traces_take_precedence() {
        let settings = read(&[
            ENDPOINT,
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://traces.example.com/v1/traces"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "1000"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "2500"),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/certs/ca.pem"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"),
            ("OTEL_RESOURCE_ATTRIBUTES", "a=b,service.name=mine"),
        ]);
        let expected = OtlpSettings {
            plain_http: false,
            ca_file: Some(PathBuf::from("/certs/ca.pem")),
            timeout: Duration::from_millis(2500),
            service_name: None,
        };
        assert_eq!(settings, Ok(Some(expected)));
        let plain = read(&[ENDPOINT]).expect("valid").expect("on");
        assert!(plain.plain_http && plain.service_name == Some(SERVICE_NAME) && plain.timeout == DEFAULT_TIMEOUT);
    }

    #[test]
    fn a_variable_that_cannot_be_honored_is_named_without_its_value() {
        for (name, value) in [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "gzip"),
            ("OTEL_TRACES_EXPORTER", "zipkin"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "collector:4318"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://u:hush@collector"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"),
        ] {
            let problem = read(&[(name, value), ENDPOINT]).expect_err(name);
            assert!(problem.contains(name) && !problem.contains(value) && !problem.contains("hush"), "{problem}");
        }
    }
}
