//! `spec.secret.argocdRepository` and restarts: which requests are sent, and what a crash leaves.

use crate::api_proxy::{self, ResponseFault};
use crate::argocd_repository::{CONDITION, NAME};
use crate::control_plane::AuditEvent;
use crate::fake_portal::Config;
use crate::fixture::{Team, binary, own_control_plane, start_operator, until_gone};
use crate::helpers::{current, current_id};
use crate::operator_process::{Operator, Options};
use serde_json::json;
use std::time::Duration;

fn by_operator(event: &AuditEvent) -> bool {
    event.user_agent.starts_with("registry-token-operator/")
}

#[tokio::test]
async fn the_secret_costs_one_write_and_a_restart_reads_and_writes_none() {
    let (control_plane, operator) = own_control_plane().await;
    let audit = control_plane.audit().expect("audit");
    let team = Team::on(control_plane, "argocd-budget", Config::default(), json!({})).await;
    let start = audit.position().await.expect("position");
    team.token("plain", "has no second Secret").await;
    team.until_synced("plain").await;
    // Not the finalizer of the credentials, which the first object adds.
    let of_secrets = |event: &AuditEvent| {
        let is_here = event.resource == "secrets" && event.namespace == team.namespace;
        by_operator(event) && is_here && event.name != "portal"
    };
    let plain = audit.since(start).await.expect("read").filter(of_secrets).writes().len();

    let start = audit.position().await.expect("position");
    team.argocd_token("pull", json!({})).await;
    team.until_synced("pull").await;
    team.until_argocd_synced("pull", NAME).await;
    team.assert_idle_for("pull", Duration::from_secs(3)).await;
    let sent = audit.since(start).await.expect("read").filter(of_secrets);
    assert_eq!(sent.clone().writes().len(), plain + 1, "{:?}", sent.writes());

    operator.terminate().await;
    let position = audit.position().await.expect("position");
    let _operator = start_operator(control_plane).await;
    tokio::time::sleep(Duration::from_secs(8)).await;
    let sent = audit.since(position).await.expect("read").filter(by_operator);
    assert_eq!(sent.clone().writes().len(), 0, "{:?}", sent.writes());
    let read = sent.filter(|event| event.resource == "secrets" && event.verb == "get" && event.name == NAME);
    assert_eq!(read.len(), 0, "{read:?}");
}

#[tokio::test]
async fn a_crash_between_the_two_secrets_is_repaired_and_the_old_token_is_revoked_after_that() {
    let (control_plane, operator) = own_control_plane().await;
    let team = Team::on(control_plane, "argocd-crash", Config::default(), json!({})).await;
    team.argocd_token("pull", json!({})).await;
    let first = team.until_synced("pull").await;
    let before = team.until_argocd_synced("pull", NAME).await;
    operator.terminate().await;

    // No request about the second Secret is answered.
    let kubeconfig = api_proxy::start(control_plane, |_, uri| {
        if uri.path().ends_with(&format!("/secrets/{NAME}")) {
            ResponseFault::AsError
        } else {
            ResponseFault::PassThrough
        }
    })
    .await;
    let operator = Operator::start(binary(), &kubeconfig, &Options::default()).await.expect("the operator starts");
    team.annotate("pull", "replace", "1").await;
    let second = team.until_replaced("pull", &current(&first)).await;
    team.until_condition("pull", CONDITION, "False", "APIServerUnavailable").await;
    team.until_live(&[current_id(&first), current_id(&second)]).await;
    operator.terminate().await;
    let held = team.secrets().get(NAME).await.expect("there");
    assert_eq!(held.data, before.data, "it has the login of the old token, which is still valid");

    let operator = start_operator(control_plane).await;
    team.until_argocd_synced("pull", NAME).await;
    team.until_live(&[current_id(&second)]).await;

    // The field is removed while nothing runs.
    operator.terminate().await;
    team.patch("pull", json!({"spec": {"secret": null}})).await;
    let _operator = start_operator(control_plane).await;
    until_gone(&team.secrets(), NAME).await;
}
