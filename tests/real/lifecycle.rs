//! The whole life of a token, with the operator on a real API server.

use crate::control_plane::{ControlPlane, Options};
use crate::fixture::{condition, start_operator, token};
use crate::gitea_with_image::PULLER;
use crate::helpers::{current, current_id};
use crate::operator_process::install;
use crate::stage::Stage;
use kube::api::DeleteParams;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_gitea_is_created_pulls_is_rotated_replaced_and_deleted() {
    let control_plane = ControlPlane::start_for_test(Options::default()).await.expect("starts");
    install(control_plane).await.expect("installed");
    let _operator = start_operator(control_plane).await;
    let stage = Stage::new(control_plane, "gitea").await;
    let team = &stage.team;

    let mut object = token("pull", "prod, team-a");
    object["spec"]["rotation"] = json!({"interval": "24h", "overlap": "10s"});
    team.apply(object.clone()).await;
    let first = team.until_synced("pull").await;
    let live = stage.live().await;
    assert_eq!(live.iter().map(|token| token.id).collect::<Vec<_>>(), [current_id(&first)]);
    assert!(live[0].name.starts_with("prod, team-a ["), "{live:?}");
    let old = team.dockerconfigjson("pull").await;
    stage.assert_pulls(&old).await;
    let wrong = String::from_utf8(old.clone()).expect("text").replace("\"password\":\"", "\"password\":\"x");
    stage.assert_refused(wrong.as_bytes()).await;

    // Both pull during the overlap, and then only the new one.
    team.annotate("pull", "rotate", "1").await;
    let rotated = team.until_replaced("pull", &current(&first)).await;
    let new = team.dockerconfigjson("pull").await;
    assert_eq!(stage.live().await.len(), 2);
    stage.assert_pulls(&old).await;
    stage.assert_pulls(&new).await;
    stage.until_live(&[current_id(&rotated)]).await;
    stage.assert_refused(&old).await;
    stage.assert_pulls(&new).await;

    // The name of a token cannot change, and no token is requested for it.
    object["spec"]["description"] = json!("prod, team-b");
    team.apply(object).await;
    team.until_condition("pull", "DescriptionSynced", "False", "EditUnsupported").await;
    stage.until_live(&[current_id(&rotated)]).await;

    // The password is lost with the Secret.
    team.secrets().delete("pull", &DeleteParams::default()).await.expect("deleted");
    let restored = team.until_replaced("pull", &current(&rotated)).await;
    stage.until_live(&[current_id(&restored)]).await;
    assert!(stage.live().await[0].name.starts_with("prod, team-b ["));
    assert_eq!(condition(&restored, "Ready").expect("reported")["status"], "True");
    stage.assert_refused(&new).await;
    let third = team.dockerconfigjson("pull").await;
    stage.assert_pulls(&third).await;

    // Its user deletes the token in Gitea.
    stage.gitea.delete_token(PULLER, current_id(&restored)).await;
    stage.assert_refused(&third).await;
    let former = current(&restored).id;
    team.audit_until_object("pull", "another token", |object| {
        object.status.as_ref().and_then(|status| status.token.as_ref()).is_some_and(|token| token.id != former)
    })
    .await;
    let replaced = team.until_synced("pull").await;
    stage.until_live(&[current_id(&replaced)]).await;
    let last = team.dockerconfigjson("pull").await;
    stage.assert_pulls(&last).await;

    team.delete("pull").await;
    stage.until_live(&[]).await;
    stage.assert_refused(&last).await;
}
