//! An API server without streaming lists, like Kubernetes 1.33 and 1.31 and older.

use crate::control_plane::{ControlPlane, Options};
use crate::fake_portal::Config;
use crate::fixture::{Team, start_operator};
use crate::operator_process;
use serde_json::json;

#[tokio::test]
async fn without_streaming_lists_each_kind_is_listed_page_by_page_and_watched() {
    let options = Options { audit: true, feature_gates: Some("WatchList=false"), ..Options::default() };
    let control_plane = ControlPlane::start_for_test(options).await.expect("starts");
    operator_process::install(control_plane).await.expect("installed");
    let operator = start_operator(control_plane).await;
    let team = Team::on(control_plane, "paged", Config::default(), json!({})).await;
    team.token("pull", "listed page by page").await;
    team.until_synced("pull").await;
    team.patch("pull", json!({"spec": {"description": "noticed by its watch"}})).await;
    team.until_synced("pull").await;
    let log = operator.terminate().await;
    for kind in ["RegistryToken", "ClusterTokenIssuer", "TokenIssuer", "Secret"] {
        let said = format!("\"kind\":\"{kind}\"");
        let lines = log.lines().filter(|line| line.contains("page by page") && line.contains(&said)).count();
        assert_eq!(lines, 1, "{kind}: {log}");
    }
    assert!(!log.contains("\"WARN\""), "{log}");

    // Existing objects come with the list.
    let before = team.tokens().get("pull").await.expect("there").metadata.resource_version;
    let operator = start_operator(control_plane).await;
    team.token("second", "after a restart").await;
    team.until_synced("second").await;
    assert_eq!(
        team.tokens().get("pull").await.expect("there").metadata.resource_version,
        before,
        "a restart writes nothing"
    );
    team.delete("pull").await;
    assert_eq!(team.portal.ledger().live().len(), 1);
    drop(operator);
}
