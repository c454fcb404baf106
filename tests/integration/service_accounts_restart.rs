//! `spec.serviceAccounts` and restarts: which requests are sent, and what happened in the meantime.

use crate::api_proxy::{self, ResponseFault};
use crate::control_plane::{AuditEvent, eventually};
use crate::fake_portal::Config;
use crate::fixture::{LIMIT, Team, binary, condition, own_control_plane, start_operator};
use crate::operator_process::{Operator, Options};
use crate::service_accounts::CONDITION;
use kube::api::DeleteParams;
use serde_json::json;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

fn by_operator(event: &AuditEvent) -> bool {
    event.user_agent.starts_with("registry-token-operator/")
}

#[tokio::test]
async fn accounts_are_read_only_if_an_object_names_one_and_a_restart_reads_and_writes_none() {
    let (control_plane, operator) = own_control_plane().await;
    let audit = control_plane.audit().expect("audit");
    let team = Team::on(control_plane, "account-budget", Config::default(), json!({})).await;
    team.account("ci", &["a"]).await;
    let start = audit.position().await.expect("position");
    team.token("plain", "names no account").await;
    team.until_synced("plain").await;
    let of_accounts = |event: &AuditEvent| by_operator(event) && event.resource == "serviceaccounts";
    let before = audit.since(start).await.expect("read").filter(of_accounts);
    assert_eq!(before.len(), 0, "{before:?}");

    team.named_token("pull", &["ci"]).await;
    team.until_accounts_synced("pull").await;
    team.until_synced("pull").await;
    let sent = audit.since(start).await.expect("read").filter(of_accounts);
    assert_eq!(sent.clone().filter(|event| event.verb == "get").len(), 1, "{sent:?}");
    assert_eq!(sent.clone().writes().len(), 1, "{sent:?}");
    team.assert_idle_for("pull", Duration::from_secs(3)).await;

    operator.terminate().await;
    let position = audit.position().await.expect("position");
    let operator = start_operator(control_plane).await;
    // The watch begins when the caches are synced; then it has listed the accounts.
    eventually("the accounts to be watched", LIMIT, async || {
        let sent = audit.since(position).await.map_err(|error| error.to_string())?.filter(of_accounts);
        if sent.is_empty() { Err(operator.log()) } else { Ok(()) }
    })
    .await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let sent = audit.since(position).await.expect("read").filter(by_operator);
    assert_eq!(sent.clone().writes().len(), 0, "{:?}", sent.writes());
    let gets = sent.filter(|event| event.resource == "serviceaccounts" && event.verb == "get");
    assert_eq!(gets.len(), 0, "{gets:?}");

    // What happened while the operator was stopped is noticed.
    operator.terminate().await;
    team.accounts().delete("ci", &DeleteParams::default()).await.expect("deleted");
    team.account("ci", &["b"]).await;
    let operator = start_operator(control_plane).await;
    team.until_entries("ci", &["b", "pull"]).await;
    operator.terminate().await;
    team.accounts().delete("ci", &DeleteParams::default()).await.expect("deleted");
    let _operator = start_operator(control_plane).await;
    team.until_condition("pull", CONDITION, "False", "ServiceAccountNotFound").await;
}

#[tokio::test]
async fn an_entry_whose_addition_was_not_confirmed_before_a_crash_is_removed_with_its_name() {
    let (control_plane, operator) = own_control_plane().await;
    operator.terminate().await;
    let team = Team::on(control_plane, "account-crash", Config::default(), json!({})).await;
    team.account("ci", &["a"]).await;
    // The account is written, and the response is lost, as is that of each read after it.
    let written = AtomicBool::new(false);
    let kubeconfig = api_proxy::start(control_plane, move |method, uri| {
        if !uri.path().contains("/serviceaccounts/") {
            return ResponseFault::PassThrough;
        }
        let is_write = *method == axum::http::Method::PATCH;
        if written.fetch_or(is_write, Ordering::Relaxed) || is_write {
            ResponseFault::AsError
        } else {
            ResponseFault::PassThrough
        }
    })
    .await;
    let operator = Operator::start(binary(), &kubeconfig, &Options::default()).await.expect("starts");
    team.named_token("pull", &["ci"]).await;
    team.until_entries("ci", &["a", "pull"]).await;
    operator.kill();
    let status = team.tokens().get("pull").await.expect("there").status.expect("a status");
    let recorded: Vec<_> = status.service_accounts.iter().map(|one| (one.name.as_str(), &one.uid)).collect();
    assert_eq!(recorded, [("ci", &None)], "recorded before the write, and not confirmed");
    team.name_accounts("pull", &[]).await;
    let _operator = start_operator(control_plane).await;
    team.until_entries("ci", &["a"]).await;
    team.until_object("pull", "no condition", |object| condition(object, CONDITION).is_none()).await;
}
