//! `drain` with `ClusterRegistryToken`s.

use super::Fleet;
use crate::fixture::{binary, own_control_plane};
use crate::operator_process;
use serde_json::json;
use tokio::process::Command;

#[tokio::test]
async fn drain_stops_the_object_first_and_leaves_nothing() {
    let (control_plane, operator) = own_control_plane().await;
    let fleet = Fleet::on(control_plane, "drained").await;
    let (one, two) = (fleet.namespace("drained-one").await, fleet.namespace("drained-two").await);
    fleet.apply(json!({})).await;
    fleet.until_synced(&one).await;
    fleet.until_synced(&two).await;
    let mut command = Command::new(binary());
    command.arg("drain").args(operator_process::Options::default().flags).args(["--policy=orphan", "--timeout=2m"]);
    command.env("KUBECONFIG", control_plane.kubeconfig_path()).env_remove("RUST_LOG").kill_on_drop(true);
    let output = command.output().await.expect("it runs");
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("nothing is left"), "{text}");
    assert!(text.contains("ClusterRegistryTokens"), "{text}");
    assert!(fleet.objects().list(&kube::api::ListParams::default()).await.expect("listed").items.is_empty());
    assert_eq!(fleet.live(), 2, "orphaned, as the policy says: {text}");
    drop(operator);
}
