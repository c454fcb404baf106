//! Alerts and dashboard with a real Prometheus that scrapes a running operator. `make test-monitoring` runs it; `make test`
//! does not, because it needs Prometheus.

#![allow(
    clippy::expect_used,
    clippy::needless_pass_by_value,
    clippy::panic,
    clippy::too_many_lines,
    dead_code,
    unused_imports,
    reason = "a test stops at the first failure, and lists its steps in order; the shared helpers are used in part"
)]

#[path = "../support/control_plane/mod.rs"]
mod control_plane;
#[path = "../support/fake_portal/mod.rs"]
mod fake_portal;
#[path = "../support/fixture.rs"]
mod fixture;
#[path = "../integration/helpers.rs"]
mod helpers;
#[path = "../support/operator_process/mod.rs"]
mod operator_process;
mod prometheus;
#[path = "../support/oci_client/mod.rs"]
mod pull;

use control_plane::eventually;
use fake_portal::Config;
use fixture::{LIMIT, Team, own_control_plane_with, token};
use prometheus::{Prometheus, lint};
use serde_json::{Value, json};
use std::path::Path;

/// The queries of the dashboard, each with the title of its panel.
fn dashboard_queries() -> Vec<(String, String)> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/monitoring/dashboard.json");
    let dashboard: Value = serde_json::from_slice(&std::fs::read(file).expect("readable")).expect("JSON");
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut queries = vec![];
    for panel in list(&dashboard["panels"]) {
        for target in list(&panel["targets"]) {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{}", panel["title"]);
            let text = |value: &Value| value.as_str().expect("text").to_owned();
            queries.push((text(&panel["title"]), text(&target["expr"]).replace("$__rate_interval", "1m")));
        }
    }
    assert!(queries.len() > 25, "{}", queries.len());
    queries
}

#[test]
fn each_alert_has_a_unit_test_in_which_it_fires_and_is_documented() {
    let read =
        |path: &str| std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("readable");
    let rules: Value = serde_saphyr::from_str(&read("deploy/monitoring/alerts.yaml")).expect("YAML");
    let tests: Value = serde_saphyr::from_str(&read("deploy/monitoring/alerts_test.yaml")).expect("YAML");
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let cases: Vec<Value> = list(&tests["tests"]).iter().flat_map(|one| list(&one["alert_rule_test"])).collect();
    let documented = read("docs/monitoring.md");
    let rules = list(&rules["groups"][0]["rules"]);
    assert_eq!(rules.len(), 11);
    for alert in rules.iter().map(|rule| rule["alert"].as_str().expect("a name")) {
        let of_alert: Vec<&Value> = cases.iter().filter(|case| case["alertname"] == alert).collect();
        let fires = |case: &&&Value| !list(&case["exp_alerts"]).is_empty();
        assert!(of_alert.iter().any(|case| fires(&case)) && !of_alert.iter().all(|case| fires(&case)), "{alert}");
        assert!(documented.contains(&format!("| `{alert}` |")), "docs/monitoring.md lacks {alert}");
    }
}

#[tokio::test]
async fn each_query_of_the_dashboard_has_data_and_no_alert_fires_for_a_healthy_operator() {
    let mut options = operator_process::Options::default();
    options.flags.extend(["--leader-elect", "--metrics-per-object"]);
    let (control_plane, operator) = own_control_plane_with(options).await;
    let team = Team::on(control_plane, "monitored", Config::default(), json!({})).await;
    let prometheus = Prometheus::scraping(&operator.address()).await;
    let mut rotated = token("pull", "a rotated token");
    rotated["spec"]["rotation"] = json!({"interval": "720h", "overlap": "24h"});
    team.apply(rotated).await;
    team.until_synced("pull").await;
    // The issuer's next reconcile shows its tokens.
    team.annotate_issuer("reconcile", &helpers::unique_value()).await;
    for (panel, query) in dashboard_queries() {
        eventually(&format!("data in the panel {panel}"), LIMIT, async || {
            let series = prometheus.query(&query).await?;
            if series.is_empty() { Err(query.clone()) } else { Ok(()) }
        })
        .await;
    }
    let issuer = format!("{{issuer=\"{}/portal\"}}", team.namespace);
    eventually("the token to be counted", LIMIT, async || {
        let active = "registry_token_operator_tokens{state=\"active\"} == 1";
        let series = prometheus.query(active).await?;
        if series.len() == 1 { Ok(()) } else { Err(operator.metrics().await) }
    })
    .await;
    let next = prometheus.query(&format!("registry_token_operator_next_rotation_timestamp_seconds{issuer}")).await;
    assert_eq!(next.expect("queried").len(), 1);

    let rules = eventually("the alerts to be evaluated", LIMIT, async || {
        let rules = prometheus.rules().await?;
        let is_evaluated = |rule: &Value| rule["health"] == "ok";
        if rules.len() == 11 && rules.iter().all(is_evaluated) { Ok(rules) } else { Err(json!(rules).to_string()) }
    })
    .await;
    for rule in rules {
        assert_eq!(rule["state"], "inactive", "{rule}");
        let name = rule["name"].as_str().unwrap_or_default();
        assert!(name.starts_with("RegistryTokenOperator"), "{name}");
    }

    let (code, problems) = lint(&operator.metrics().await);
    assert_eq!(code, Some(0), "{problems}");

    team.delete("pull").await;
    let issuers = team.issuers();
    issuers.delete("portal", &kube::api::DeleteParams::default()).await.expect("deleted");
    fixture::until_gone(&issuers, "portal").await;
    eventually("the series of the deleted issuer to be removed", LIMIT, async || {
        let metrics = operator.metrics().await;
        let left: Vec<&str> = metrics.lines().filter(|line| line.contains(&team.namespace)).collect();
        if left.is_empty() { Ok(()) } else { Err(left.join("\n")) }
    })
    .await;
}
