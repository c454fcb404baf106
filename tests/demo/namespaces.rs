//! A namespace with a label gets a token of its own.

use crate::cluster::{Cluster, SECOND_TEAM};
use crate::demo_log::DemoLog;
use crate::fake_portal::FakePortal;
use crate::{content_of, list, pull, until};
use serde_json::Value;

const NAME: &str = "thinkwise-pull";

/// The first object of `examples/many-namespaces.yaml`.
fn manifest() -> Result<String, String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/many-namespaces.yaml");
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let first = text.split("\n---\n").next().unwrap_or_default();
    let object: Value = serde_saphyr::from_str(first).map_err(|error| format!("{path}: {error}"))?;
    Ok(object.to_string())
}

/// A pod of that namespace, as the API server admits it.
fn admitted_pod(cluster: &Cluster, portal: &FakePortal) -> Result<Value, String> {
    let image = format!("{}/{}", portal.registry_host(), pull::IMAGE);
    let pod = serde_json::json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "app", "namespace": SECOND_TEAM},
        "spec": {"containers": [{"name": "app", "image": image}], "imagePullSecrets": [{"name": NAME}]},
    });
    let admitted = cluster.run(&["create", "--dry-run=server", "-o", "json", "-f", "-"], Some(&pod.to_string()))?;
    serde_json::from_str(&admitted).map_err(|error| error.to_string())
}

/// Creates a `ClusterRegistryToken`, labels a namespace, and deletes the `ClusterRegistryToken` again.
pub async fn label_namespace(show: &mut DemoLog, cluster: &Cluster, portal: &FakePortal) -> Result<(), String> {
    show.step("9. A labeled namespace gets a token of its own");
    let before = portal.ledger().live().len();
    cluster.apply(&format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {SECOND_TEAM}}}}}"))?;
    print!("{}", cluster.apply(&manifest()?)?);
    DemoLog::kubectl(cluster, &["label", "namespace", SECOND_TEAM, "registry-token.dev/pull=true"])?;
    let synced = format!("rtok/{NAME}");
    let created = || cluster.run(&["get", &synced, "-n", SECOND_TEAM], None).is_ok();
    show.check(until(created).await, "the namespace has a RegistryToken");
    let wait = ["wait", "--for=condition=DescriptionSynced", &synced, "-n", SECOND_TEAM, "--timeout=60s"];
    DemoLog::kubectl(cluster, &wait)?;
    DemoLog::kubectl(cluster, &["wait", "--for=condition=Ready", &synced, "-n", SECOND_TEAM, "--timeout=60s"])?;
    DemoLog::kubectl(cluster, &["get", "clusterregistrytokens"])?;
    DemoLog::kubectl(cluster, &["get", "rtok", "-A"])?;
    list(portal);
    show.check(portal.ledger().live().len() == before + 1, "one more token is live");

    let pod = admitted_pod(cluster, portal)?;
    let secret = pod["spec"]["imagePullSecrets"][0]["name"].as_str().unwrap_or_default();
    let pulled =
        pull::pull(&content_of(cluster, SECOND_TEAM, secret)?, &portal.registry_host(), &portal.ca_pem()).await;
    println!("pull {}/{}: {pulled:?}", portal.registry_host(), pull::IMAGE);
    show.check(pulled.is_ok(), "the Secret that a pod of this namespace names pulls its image");

    DemoLog::kubectl(cluster, &["delete", "clusterregistrytoken", NAME, "--timeout=60s"])?;
    show.check(portal.ledger().live().len() == before, "with the ClusterRegistryToken, its token is revoked");
    Ok(())
}
