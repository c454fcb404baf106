//! The Grafana dashboard has the shape that Grafana expects, and dashboard and alerts name only metrics that are served.
//! `make test-monitoring` executes the queries.

use registry_token_operator::metrics::Metrics;
use serde_json::Value;
use std::collections::{BTreeSet, HashSet};
use std::path::Path;

/// Data sources are objects with a type since this version of the schema.
const OLDEST_SCHEMA: u64 = 33;
/// The columns of a dashboard.
const COLUMNS: u64 = 24;
const PREFIXES: [&str; 6] =
    ["registry_token_operator_", "controller_runtime_", "workqueue_", "rest_client_", "leader_election_", "process_"];

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("readable")
}

fn dashboard() -> Value {
    serde_json::from_str(&read("deploy/monitoring/dashboard.json")).expect("JSON")
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is not a number"))
}

#[test]
fn the_dashboard_can_be_imported_and_has_a_variable_for_its_data_source() {
    let dashboard = dashboard();
    assert!(number(&dashboard["schemaVersion"]) >= OLDEST_SCHEMA);
    let uid = dashboard["uid"].as_str().expect("a uid");
    assert!(!uid.is_empty() && uid.len() <= 40, "{uid}");
    assert!(!dashboard["title"].as_str().expect("a title").is_empty());
    assert!(dashboard.get("id").is_none_or(Value::is_null), "Grafana gives it one");
    assert!(dashboard.get("__inputs").is_none(), "a sidecar does not ask for inputs");
    let variables = list(&dashboard["templating"]["list"]);
    let datasource = variables.iter().find(|one| one["name"] == "datasource").expect("a variable");
    assert_eq!((&datasource["type"], &datasource["query"]), (&"datasource".into(), &"prometheus".into()));
    let text = dashboard.to_string();
    let named: BTreeSet<&str> = text.split("${").skip(1).filter_map(|rest| rest.split('}').next()).collect();
    assert_eq!(named, BTreeSet::from(["datasource"]), "no other variable is used");
}

#[test]
fn each_panel_has_a_known_type_a_place_of_its_own_and_complete_queries() {
    let panels = list(&dashboard()["panels"]);
    let (mut ids, mut taken) = (HashSet::new(), HashSet::new());
    for panel in &panels {
        let title = &panel["title"];
        assert!(ids.insert(number(&panel["id"])), "{title}: the id is not unique");
        let place = &panel["gridPos"];
        let [x, y, width, height] = ["x", "y", "w", "h"].map(|side| number(&place[side]));
        assert!(width > 0 && height > 0 && x + width <= COLUMNS, "{title}: {place}");
        for column in x..x + width {
            for row in y..y + height {
                assert!(taken.insert((column, row)), "{title} overlaps another panel");
            }
        }
        let targets = list(&panel["targets"]);
        match panel["type"].as_str().expect("a type") {
            "row" => assert!(targets.is_empty() && panel["panels"].is_array(), "{title}"),
            "stat" | "timeseries" | "table" | "state-timeline" => {
                assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
                assert!(!targets.is_empty() && panel["fieldConfig"]["defaults"].is_object(), "{title}");
            }
            other => panic!("{title} has the type {other}"),
        }
        let references: HashSet<String> = targets.iter().map(|target| target["refId"].to_string()).collect();
        assert_eq!(references.len(), targets.len(), "{title}: refId is not unique");
        for target in targets {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
            assert_eq!(target["datasource"]["type"], "prometheus", "{title}");
            assert!(target["expr"].as_str().is_some_and(|query| !query.is_empty()), "{title}");
        }
    }
    let last_row = panels.iter().map(|panel| number(&panel["gridPos"]["y"])).max();
    assert!(last_row.is_some_and(|last| last < 100), "the panels are not spread over an endless page");
}

/// The metrics that a text names.
fn named_metrics(text: &str) -> BTreeSet<String> {
    let words = text.split(|one: char| !(one.is_ascii_alphanumeric() || one == '_'));
    words.filter(|word| PREFIXES.iter().any(|prefix| word.starts_with(prefix))).map(str::to_owned).collect()
}

#[test]
fn dashboard_and_alerts_name_only_metrics_that_are_served() {
    let metrics = Metrics::with_objects(1);
    let served: HashSet<&str> = metrics.names().iter().copied().collect();
    let queries = |panel: &Value| list(&panel["targets"]).iter().map(|one| one["expr"].to_string()).collect::<String>();
    let dashboard: String = list(&dashboard()["panels"]).iter().map(queries).collect();
    for (file, text) in [("the dashboard", dashboard), ("alerts.yaml", read("deploy/monitoring/alerts.yaml"))] {
        let named = named_metrics(&text);
        assert!(named.len() > 8, "{file}: {named:?}");
        for name in named {
            let base = name.strip_suffix("_bucket").unwrap_or(&name);
            assert!(served.contains(base), "{file} names {name}, which is not served");
        }
    }
}
