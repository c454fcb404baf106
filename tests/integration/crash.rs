//! The operator process is killed; no token is leaked.

use crate::control_plane::eventually;
use crate::fake_portal::{Config, Fault, Operation};
use crate::fixture::{LIMIT, Team, own_control_plane, start_operator};
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn killed_between_request_and_commit_no_token_is_leaked() {
    let (control_plane, mut operator) = own_control_plane().await;
    let team = Team::on(control_plane, "kill", Config::default(), json!({})).await;
    for round in 0..3 {
        let name = format!("pull-{round}");
        // The portal has created the token, and its response has not arrived yet.
        team.portal.faults().once(Operation::Request, Fault::HangAfter);
        let before = team.portal.ledger().applied(Operation::Request);
        team.token(&name, "killed meanwhile").await;
        eventually("the portal to have created the token", LIMIT, async || {
            let made = team.portal.ledger().applied(Operation::Request);
            if made > before { Ok(()) } else { Err(format!("{made} made")) }
        })
        .await;
        operator.kill();
        team.portal.faults().clear();
        operator = start_operator(control_plane).await;
        team.until_synced(&name).await;
        let live: Vec<String> = team.portal.ledger().live().iter().map(|token| token.username.clone()).collect();
        assert_eq!(live.len(), round + 1, "each object has its own token and no other is live: {live:?}");
    }
    assert_eq!(team.portal.ledger().all().len(), 6, "three were lost and replaced");
    for round in 0..3 {
        let content = team.dockerconfigjson(&format!("pull-{round}")).await;
        assert!(team.pull(&content).await.is_ok());
    }
}

#[tokio::test]
async fn killed_after_the_commit_the_stored_token_is_adopted() {
    let (control_plane, operator) = own_control_plane().await;
    let team = Team::on(control_plane, "adopt", Config::default(), json!({})).await;
    // The edit that follows the commit hangs; the status is reset to the one before the commit.
    team.portal.faults().once(Operation::Edit, Fault::HangBefore);
    team.token("pull", "adopted").await;
    let object = team.until("pull", "True", "TokenStored").await;
    operator.kill();
    let cleared = json!({"status": {"token": null, "uid": null, "portal": null, "secret": null, "conditions": []}});
    let params = kube::api::PatchParams::default();
    team.tokens().patch_status("pull", &params, &kube::api::Patch::Merge(cleared)).await.expect("cleared");
    team.portal.faults().clear();
    let operator = start_operator(control_plane).await;
    let after = team.until_synced("pull").await;
    let id = |object: &registry_token_operator::api::RegistryToken| {
        object.status.clone().and_then(|status| status.token).map(|token| token.id)
    };
    assert_eq!(id(&object), id(&after), "the same token");
    assert_eq!(team.portal.ledger().all().len(), 1, "no other token was requested");
    assert_eq!(team.portal.ledger().live()[0].description.as_deref(), Some("adopted"));
    drop(operator);
}

#[tokio::test]
async fn on_shutdown_the_operator_stores_the_token_that_it_waits_for() {
    let (control_plane, operator) = own_control_plane().await;
    let slow = Config { latency: Duration::from_secs(3), ..Config::default() };
    let team =
        Team::on(control_plane, "ends", slow, json!({"limits": {"firstByteTimeout": "20s", "requestTimeout": "20s"}}))
            .await;
    team.token("pull", "requested at shutdown").await;
    eventually("the request to be in flight", LIMIT, async || {
        let asked = team.portal.ledger().count(Operation::Request);
        if asked == 1 { Ok(()) } else { Err(format!("{asked} requests")) }
    })
    .await;

    let (code, log) = operator.ended().await;
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("shutdown requested") && log.contains("\"stopped\""), "{log}");
    let content = team.dockerconfigjson("pull").await;
    assert!(team.pull(&content).await.is_ok(), "the Secret has the token already");

    let operator = start_operator(control_plane).await;
    team.until_synced("pull").await;
    assert_eq!(team.portal.ledger().all().len(), 1, "only one token was requested");
    assert_eq!(team.dockerconfigjson("pull").await, content);
    drop(operator);
}
