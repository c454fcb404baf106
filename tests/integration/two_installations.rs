//! The operator is installed twice in one cluster: one installation works, and the other one says that it waits.

use crate::control_plane::{ControlPlane, eventually};
use crate::fake_portal::{Config, Operation};
use crate::fixture::{LIMIT, Team, binary, own_control_plane_with, until_gone};
use crate::helpers::current;
use crate::leader_election::{changes, elected, is_leader, until_leads, until_logged};
use crate::mac_key::key_id;
use crate::operator_process::{Operator, Options};
use registry_token_operator::api::RecordedToken;
use serde_json::json;
use std::path::PathBuf;

const SECOND: &str = "second-installation";

/// What manifests with other names in another namespace grant.
async fn kubeconfig_of_second(control_plane: &ControlPlane) -> PathBuf {
    let mut manifests = vec![
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SECOND}}),
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": SECOND, "namespace": SECOND}}),
    ];
    for role in ["registry-token-operator", "registry-token-operator-leader-election"] {
        manifests.push(json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": format!("second-{role}")},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": SECOND, "namespace": SECOND}],
        }));
    }
    let manifests: Vec<String> = manifests.iter().map(ToString::to_string).collect();
    control_plane.apply(&manifests.join("\n---\n")).await.expect("applied");
    let config = control_plane.service_account_config(SECOND, SECOND).await.expect("a ServiceAccount");
    let path = control_plane.folder().join("second.kubeconfig");
    control_plane.write_kubeconfig(&config, &path).expect("written");
    path
}

/// Waits until these objects are signed with another key than before; returns their tokens.
async fn until_signed_by_another(team: &Team, before: &[(&str, RecordedToken)]) -> Vec<RecordedToken> {
    let mut tokens = Vec::new();
    for (name, former) in before {
        let other = |object: &registry_token_operator::api::RegistryToken| {
            let token = object.status.as_ref().and_then(|status| status.token.as_ref());
            token.is_some_and(|token| key_id(token) != key_id(former))
        };
        let token = current(&team.until_object(name, "to be signed with another key", other).await);
        assert_eq!((&token.id, &token.username), (&former.id, &former.username), "{name} keeps its token");
        tokens.push(token);
    }
    tokens
}

async fn synced(team: &Team, name: &str) -> RecordedToken {
    current(&team.until_synced(name).await)
}

#[tokio::test]
async fn a_second_installation_waits_and_says_so_and_keeps_every_token_when_it_takes_over() {
    let (control_plane, first) = own_control_plane_with(elected()).await;
    control_plane.mark_modified();
    let team = Team::on(control_plane, "installed-twice", Config::default(), json!({})).await;
    until_leads(&first).await;
    team.token("before", "of the first installation").await;
    let before = synced(&team, "before").await;

    let kubeconfig = kubeconfig_of_second(control_plane).await;
    let audit = control_plane.audit().expect("audit");
    let position = audit.position().await.expect("position");
    let options = Options { namespace: SECOND.to_owned(), ..elected() };
    let second = Operator::spawn(binary(), &kubeconfig, &options).expect("spawned");
    until_logged(&second, "another installation of this operator is active").await;
    let ready = second.health("readyz").await;
    for part in ["registry-token-operator/registry-token-operator-mac", "kube-system/registry-token-operator"] {
        assert!(ready.contains(part), "{part}: {ready}");
    }
    assert!(second.health("livez").await.starts_with("ok"));
    // Younger than the key of the second installation.
    team.token("during", "of the first installation").await;
    let during = synced(&team, "during").await;
    assert!(!is_leader(&second).await && changes(&second, 0).is_empty(), "{}", second.log());
    let by_second = audit.since(position).await.expect("read").by(&format!("system:serviceaccount:{SECOND}:{SECOND}"));
    let writes = by_second.writes();
    assert!(writes.iter().all(|event| event.namespace == SECOND), "only its MAC key is written: {writes:?}");

    // The first one is uninstalled.
    first.terminate().await;
    until_leads(&second).await;
    until_logged(&second, "taking over from another installation").await;
    let signed = until_signed_by_another(&team, &[("before", before), ("during", during)]).await;
    team.token("after", "of the second installation").await;
    let after = synced(&team, "after").await;

    // And installed again, with its former key, which is older than all that the second one has signed.
    let [before, during] = <[RecordedToken; 2]>::try_from(signed).expect("two");
    let waiting = start_waiting(control_plane).await;
    second.kill();
    until_leads(&waiting).await;
    until_signed_by_another(&team, &[("before", before), ("during", during), ("after", after)]).await;
    assert_eq!(team.portal.ledger().count(Operation::Request), 3, "one token for each object");
    assert_eq!(team.portal.ledger().live().len(), 3);
    for name in ["before", "during", "after"] {
        team.tokens().delete(name, &kube::api::DeleteParams::default()).await.expect("deleted");
    }
    for name in ["before", "during", "after"] {
        until_gone(&team.tokens(), name).await;
    }
    assert!(team.portal.ledger().live().is_empty(), "each is proved and revoked");
}

/// An operator of the first installation, which waits.
async fn start_waiting(control_plane: &ControlPlane) -> Operator {
    let path = crate::operator_process::kubeconfig(control_plane).await.expect("kubeconfig");
    let waiting = Operator::spawn(binary(), &path, &elected()).expect("spawned");
    eventually("the first installation to wait", LIMIT, async || {
        let ready = waiting.health("readyz").await;
        if ready.contains(SECOND) { Ok(()) } else { Err(ready) }
    })
    .await;
    waiting
}
