//! What is served, and that it is documented.

use super::*;

#[test]
fn series_without_an_event_are_shown_from_the_start() {
    let metrics = Metrics::default();
    let _watch = metrics.watch(Kind::TokenIssuer);
    let shown = "\
# HELP registry_token_operator_watch_failures How often the watch failed and was started again.
# TYPE registry_token_operator_watch_failures counter
registry_token_operator_watch_failures_total{kind=\"TokenIssuer\"} 0
# HELP registry_token_operator_invalid_objects Objects that cannot be parsed and are skipped.
# TYPE registry_token_operator_invalid_objects gauge
registry_token_operator_invalid_objects{kind=\"TokenIssuer\"} 0
";
    let text = metrics.text();
    assert!(text.contains(shown) && text.ends_with("# EOF\n"), "{text}");
    for reason in ["rejected", "unavailable"] {
        let line = format!("registry_token_operator_status_write_failures_total{{reason=\"{reason}\"}} 0\n");
        assert!(text.contains(&line), "{text}");
    }
}

#[test]
fn requests_without_a_response_and_dropped_events_are_counted() {
    let metrics = Metrics::default();
    metrics.record_api_request("GET", "10.0.0.1:443", Some(200));
    metrics.record_api_request("PATCH", "10.0.0.1:443", None);
    metrics.record_dropped_event();
    metrics.record_suppressed_event();
    let text = metrics.text();
    for line in [
        "rest_client_requests_total{code=\"200\",method=\"GET\",host=\"10.0.0.1:443\"} 1\n",
        "rest_client_requests_total{code=\"<error>\",method=\"PATCH\",host=\"10.0.0.1:443\"} 1\n",
        "registry_token_operator_events_dropped_total 1\n",
        "registry_token_operator_events_suppressed_total 1\n",
    ] {
        assert!(text.contains(line), "{text}");
    }
    let version = format!("registry_token_operator_build_info{{version=\"{}\",git_commit=", env!("CARGO_PKG_VERSION"));
    assert!(text.contains(&version), "{text}");
}

#[test]
fn every_served_metric_is_registered_under_its_name_and_every_name_is_documented() {
    let metrics = Metrics::with_objects(1);
    metrics.show_objects(|| Some(vec![]));
    let text = metrics.encode(Format::Text);
    for name in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()) {
        assert!(metrics.names().contains(&name), "{name}");
    }
    let documented = include_str!("../../docs/monitoring.md");
    let table: Vec<&str> = documented.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    for name in metrics.names() {
        assert!(table.contains(name), "docs/monitoring.md lacks {name}");
    }
    for name in table.iter().filter(|name| !name.starts_with("RegistryTokenOperator")) {
        assert!(metrics.names().contains(name), "docs/monitoring.md names {name}, which is not served");
    }
}

#[test]
fn the_leader_is_shown_under_the_name_that_dashboards_know() {
    let metrics = Metrics::default();
    for (is_leader, value) in [(false, 0), (true, 1)] {
        metrics.set_leader("a-lease", is_leader);
        let line = format!("leader_election_master_status{{name=\"a-lease\"}} {value}\n");
        assert!(metrics.text().lines().any(|shown| shown == line.trim_end()), "{}", metrics.text());
    }
}

#[test]
fn each_failure_is_counted_under_its_reason() {
    let metrics = Metrics::default();
    metrics.record_status_write_failure(StatusWriteFailure::Rejected);
    metrics.record_status_write_failure(StatusWriteFailure::Rejected);
    metrics.record_status_write_failure(StatusWriteFailure::Unavailable);
    let text = metrics.text();
    assert!(text.contains("failures_total{reason=\"rejected\"} 2\n"), "{text}");
    assert!(text.contains("failures_total{reason=\"unavailable\"} 1\n"), "{text}");
}

#[test]
fn each_pass_is_counted_under_the_check_that_decided() {
    let metrics = Metrics::default();
    metrics.record_decision("idle");
    metrics.record_decision("idle");
    metrics.record_decision("wait_for_issuer");
    let text = metrics.text();
    assert!(text.contains("decisions_total{check=\"idle\"} 2\n"), "{text}");
    assert!(text.contains("decisions_total{check=\"wait_for_issuer\"} 1\n"), "{text}");
}

#[test]
fn a_watch_has_series_of_its_own_and_one_that_is_not_served_has_none() {
    let metrics = Metrics::default();
    let (tokens, _secrets) = (metrics.watch(Kind::RegistryToken), metrics.watch(Kind::Secret));
    tokens.set_last_event(1_700_000_000);
    WatchMetrics::not_served(Kind::Secret).record_failure();
    let text = metrics.text();
    let stamp = "watch_last_event_timestamp_seconds{kind=\"RegistryToken\"} 1700000000\n";
    assert!(text.contains(stamp) && !text.contains("timestamp_seconds{kind=\"Secret\"}"), "{text}");
    assert!(text.contains("watch_failures_total{kind=\"Secret\"} 0\n"), "{text}");
}
