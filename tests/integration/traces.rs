//! Traces: what is exported, and that no collector disturbs the operator.

use crate::collector::Collector;
use crate::control_plane::eventually;
use crate::fake_portal::Config;
use crate::fixture::{LIMIT, Team, own_control_plane_with, start_operator_with};
use crate::operator_process::Options;
use serde_json::json;
use std::net::TcpListener;
use std::time::{Duration, Instant};

/// Exports to this collector, at this interval in milliseconds.
fn exporting_to(endpoint: &str, interval: &str) -> Options {
    let environment =
        vec![format!("OTEL_EXPORTER_OTLP_ENDPOINT={endpoint}"), format!("OTEL_BSP_SCHEDULE_DELAY={interval}")];
    // What is logged has no effect on traces.
    Options { environment, log: "warn", ..Options::default() }
}

#[tokio::test]
async fn each_reconcile_and_portal_request_is_exported_at_the_latest_on_shutdown() {
    let collector = Collector::start().await;
    let (control_plane, operator) = own_control_plane_with(exporting_to(&collector.endpoint, "3600000")).await;
    let team = Team::on(control_plane, "traced", Config::default(), json!({})).await;
    team.token("a-traced-object", "d").await;
    team.until_synced("a-traced-object").await;
    let (code, log) = operator.ended().await;
    assert_eq!(code, Some(0), "{log}");
    let received = collector.received();
    for expected in [
        "reconcile",
        "portal request",
        "registrytoken",
        "tokenissuer",
        "a-traced-object",
        "requeue_after",
        "outcome",
        "request",
        "metadata",
        "list",
        "edit",
        "service.name",
        "registry-token-operator",
        "service.version",
    ] {
        assert!(received.contains(expected), "{expected} is not in the traces: {received:?}");
    }
    assert!(!log.contains("reconcile{") && !log.contains("\"span\""), "spans are not logged: {log}");
}

#[tokio::test]
async fn a_collector_that_hangs_refuses_or_is_unusable_does_not_disturb_the_operator() {
    // It accepts connections, and never responds.
    let hanging = TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = format!("http://{}", hanging.local_addr().expect("an address"));
    let (control_plane, first) = own_control_plane_with(exporting_to(&endpoint, "100")).await;
    let team = Team::on(control_plane, "traced", Config::default(), json!({})).await;
    let mut first = Some(first);
    for (name, endpoint, said) in [
        ("hangs", endpoint.as_str(), "the last traces were not exported"),
        ("refuses", "http://127.0.0.1:1", "traces cannot be exported"),
        ("unusable", "collector:4318", "OTEL_EXPORTER_OTLP_ENDPOINT is not the URL of a collector"),
    ] {
        let operator = match first.take() {
            Some(first) => first,
            None => start_operator_with(control_plane, &exporting_to(endpoint, "100")).await,
        };
        team.token(name, "d").await;
        team.until_synced(name).await;
        if name != "hangs" {
            eventually("the log to say what is wrong", LIMIT, async || {
                let log = operator.log();
                if log.contains(said) { Ok(()) } else { Err(log) }
            })
            .await;
        }
        let stopping = Instant::now();
        let (code, log) = operator.ended().await;
        assert_eq!(code, Some(0), "{name}: {log}");
        assert!(stopping.elapsed() < Duration::from_secs(15), "{name}: the end took {:?}", stopping.elapsed());
        assert!(log.contains(said), "{name}: {log}");
        assert!(log.matches("traces cannot be exported").count() <= 1, "{name}: {log}");
    }
}
