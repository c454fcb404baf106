//! Several operators, each with some of the namespaces: how to serve more than one operator can.

use crate::control_plane::ControlPlane;
use crate::fake_portal::{Config, Operation};
use crate::fixture::{Team, binary, own_control_plane};
use crate::helpers::current;
use crate::operator_process::{Operator, Options};
use serde_json::json;
use std::time::Duration;

/// An operator for this namespace, with its own namespace for the MAC key.
async fn shard(control_plane: &ControlPlane, name: &str, watched: &str) -> Operator {
    let home = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    control_plane.apply(&home.to_string()).await.expect("applied");
    let mut options = Options { namespace: name.to_owned(), ..Options::default() };
    options.flags.push(Box::leak(format!("--namespaces={watched}").into_boxed_str()));
    Operator::start(binary(), &control_plane.kubeconfig_path(), &options).await.expect("the operator starts")
}

#[tokio::test]
async fn two_operators_share_the_namespaces_and_neither_waits_for_the_other() {
    const OBJECTS: usize = 5;
    let (control_plane, whole) = own_control_plane().await;
    whole.terminate().await;
    let [a, b] = [
        Team::on(control_plane, "shard-a", Config::default(), json!({})).await,
        Team::on(control_plane, "shard-b", Config::default(), json!({})).await,
    ];
    let first = shard(control_plane, "operator-a", &a.namespace).await;
    let second = shard(control_plane, "operator-b", &b.namespace).await;
    for team in [&a, &b] {
        for index in 0..OBJECTS {
            team.token(&format!("pull-{index}"), "in one of two shards").await;
        }
    }
    for team in [&a, &b] {
        for index in 0..OBJECTS {
            team.until_synced(&format!("pull-{index}")).await;
        }
        assert_eq!(team.portal.ledger().count(Operation::Request), OBJECTS, "each object is requested once");
    }

    first.kill();
    b.token("later", "of the shard that runs").await;
    b.until_synced("later").await;
    a.token("later", "of the shard that is down").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let waiting = a.tokens().get("later").await.expect("there");
    assert!(waiting.status.is_none_or(|status| status.conditions.is_empty()), "no other operator takes it");
    let kept = current(&a.until_synced("pull-0").await);

    let _first = shard(control_plane, "operator-a", &a.namespace).await;
    a.until_synced("later").await;
    assert_eq!(current(&a.until_synced("pull-0").await), kept, "a restart changes no token");
    for team in [&a, &b] {
        team.until_live_count(OBJECTS + 1).await;
        assert_eq!(team.portal.ledger().count(Operation::Revoke), 0);
    }
    drop(second);
}
