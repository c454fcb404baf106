//! The runbooks for restores: in place, and into a second cluster in addition to the first.

use crate::control_plane::ControlPlane;
use crate::fake_portal::{Config, FakePortal, Operation};
use crate::fixture::{Team, own_control_plane, start_operator};
use crate::helpers::{current, current_id};
use kube::ResourceExt;
use serde_json::{Value, json};
use std::time::Duration;

const OBJECT: &str = "thinkwise-pull";

/// What a backup contains of a namespace: no status, no owner references, and nothing that the cluster assigns.
async fn backup(team: &Team) -> Vec<Value> {
    let get = ["get", "secrets,tokenissuers,registrytokens", "-n", &team.namespace, "-o", "json"];
    let text = team.control_plane.kubectl_ok(&get, None).await.expect("backed up");
    let all: Value = serde_json::from_str(&text).expect("JSON");
    let mut items = all["items"].as_array().cloned().expect("items");
    for item in &mut items {
        let metadata = item["metadata"].as_object_mut().expect("metadata");
        for key in ["uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "ownerReferences"] {
            metadata.remove(key);
        }
        item.as_object_mut().expect("an object").remove("status");
    }
    items
}

/// In the order of the runbook: credentials, issuers, then Secrets and their objects.
async fn restore(control_plane: &ControlPlane, items: &[Value]) {
    let rank = |item: &Value| match (item["kind"].as_str(), item["metadata"]["name"].as_str()) {
        (Some("Secret"), Some("portal")) => 0,
        (Some("TokenIssuer"), _) => 1,
        (Some("Secret"), _) => 2,
        _ => 3,
    };
    let mut items = items.to_vec();
    items.sort_by_key(rank);
    for item in items {
        control_plane.apply(&item.to_string()).await.expect("restored");
    }
}

/// Both operators audit their portal successfully.
async fn audited(teams: &[&Team]) {
    for round in 0..3 {
        for team in teams {
            team.annotate_issuer("reconcile", &format!("round-{round}")).await;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

#[tokio::test]
async fn the_same_manifests_in_a_second_cluster() {
    let (first_cluster, _first_operator) = own_control_plane().await;
    let (second_cluster, _second_operator) = own_control_plane().await;
    // With a permanent marker each audit sees which cluster owns each token.
    let team = Team::on(first_cluster, "clusters", Config::default(), json!({"ownershipMarker": "Permanent"})).await;
    team.token(OBJECT, "cluster one").await;
    let original = team.until_synced(OBJECT).await;
    let content = team.dockerconfigjson(OBJECT).await;
    let mut items = backup(&team).await;
    for item in &mut items {
        if item["kind"] == "RegistryToken" {
            item["spec"]["description"] = json!("cluster two");
        }
    }

    let name = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": team.namespace}});
    second_cluster.apply(&name.to_string()).await.expect("a namespace of the same name");
    restore(second_cluster, &items).await;
    let client = second_cluster.client().await.expect("a client");
    // The same portal, used by the other cluster; this fake portal gets no requests.
    let portal = FakePortal::start(Config::default()).await;
    let there = Team { control_plane: second_cluster, namespace: team.namespace.clone(), portal, client };
    let restored = there.secret_uid(OBJECT).await;
    let copy = there.until_synced(OBJECT).await;
    assert_eq!(there.secret_uid(OBJECT).await, restored, "it is written into the restored Secret");
    audited(&[&team, &there]).await;
    let mut both = vec![current_id(&original), current_id(&copy)];
    both.sort_unstable();
    team.until_live(&both).await;
    let texts: Vec<String> = team.portal.ledger().live().iter().filter_map(|one| one.description.clone()).collect();
    assert!(texts[0].starts_with("cluster one [") && texts[1].starts_with("cluster two ["), "{texts:?}");
    let now = team.tokens().get(OBJECT).await.expect("there");
    assert_eq!(now.resource_version(), original.resource_version(), "the original is not written");
    assert_eq!(team.dockerconfigjson(OBJECT).await, content);
    let copied = there.dockerconfigjson(OBJECT).await;
    assert!(team.pull(&content).await.is_ok() && team.pull(&copied).await.is_ok());

    there.delete(OBJECT).await;
    team.until_live(&[current_id(&original)]).await;
    audited(&[&team, &there]).await;
    assert!(team.pull(&content).await.is_ok(), "deleting one does not delete the other");
    assert_eq!(team.portal.ledger().count(Operation::Request), 2);
    assert_eq!(team.portal.ledger().count(Operation::Revoke), 1);
}

#[tokio::test]
async fn a_cluster_is_restored_from_a_backup_in_place() {
    let (control_plane, operator) = own_control_plane().await;
    let config = Config { username_prefix: "restored-".to_owned(), ..Config::default() };
    let team = Team::on(control_plane, "restored", config, json!({})).await;
    for name in [OBJECT, "other"] {
        team.token(name, "outlives its cluster").await;
    }
    let original = team.until_synced(OBJECT).await;
    team.until_synced("other").await;
    let items = backup(&team).await;
    // The cluster is lost: no token is revoked.
    operator.terminate().await;
    // The Secrets first: the garbage collector deletes those of a deleted object.
    for kind in ["secrets", "registrytokens", "tokenissuers"] {
        for item in items.iter().filter(|item| kind.starts_with(&item["kind"].as_str().unwrap_or("-").to_lowercase())) {
            let name = item["metadata"]["name"].as_str().expect("a name");
            let lost = [
                "patch",
                kind,
                name,
                "-n",
                &team.namespace,
                "--type=merge",
                "-p",
                r#"{"metadata":{"finalizers":null}}"#,
            ];
            control_plane.kubectl_ok(&lost, None).await.expect("patched");
            control_plane.kubectl_ok(&["delete", kind, name, "-n", &team.namespace], None).await.expect("deleted");
        }
    }
    assert_eq!(team.portal.ledger().live().len(), 2);

    // Step 1.
    restore(control_plane, &items).await;
    let restored = team.secret_uid(OBJECT).await;
    let _operator = start_operator(control_plane).await;
    // Step 2.
    let copy = team.until_synced(OBJECT).await;
    team.until_synced("other").await;
    assert_ne!(current(&copy).id, current(&original).id);
    assert_eq!(team.secret_uid(OBJECT).await, restored, "the restored Secret is written, and keeps its UID");
    assert_eq!(team.portal.ledger().live().len(), 4, "the previous ones stay live");
    assert_eq!(team.portal.ledger().count(Operation::Revoke), 0);
    // Step 3.
    let keep = team.runbook("custom-columns").await;
    let mut revoked = 0;
    for one in team.portal.ledger().live() {
        if !keep.split_whitespace().any(|word| word == one.username) {
            assert!(team.portal.ledger().revoke_as_colleague(one.id));
            revoked += 1;
        }
    }
    assert_eq!(revoked, 2, "{keep}");
    audited(&[&team]).await;
    for name in [OBJECT, "other"] {
        team.until(name, "True", "TokenStored").await;
        assert!(team.pull(&team.dockerconfigjson(name).await).await.is_ok());
    }
    assert_eq!(team.portal.ledger().count(Operation::Request), 4, "no further token");
}
