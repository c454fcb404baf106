//! What changes while no watch is connected, and is only seen in the list that follows.

use crate::control_plane::eventually;
use crate::fake_portal::Config;
use crate::fixture::{LIMIT, Team, own_control_plane, token};
use crate::helpers::{current, current_id};
use kube::api::DeleteParams;
use serde_json::json;

const MORE_OBJECTS: usize = 200;

#[tokio::test]
async fn what_changed_while_the_api_server_restarted_is_handled_at_once() {
    let (control_plane, operator) = own_control_plane().await;
    control_plane.mark_modified();
    let team = Team::on(control_plane, "repeated-lists", Config::default(), json!({})).await;
    for name in ["edited", "deleted", "without-secret"] {
        team.token(name, "before").await;
    }
    // Many more, listed after these: the list is long enough for a pass to start before its end.
    for number in 0..MORE_OBJECTS {
        let mut object = token(&format!("more-{number}"), "long ".repeat(40).trim());
        object["spec"]["suspend"] = json!(true);
        team.apply(object).await;
    }
    let edited = team.until_synced("edited").await;
    let deleted = team.until_synced("deleted").await;
    let repaired = team.until_synced("without-secret").await;

    // The versions from which the operator would continue are too old for the API server that it finds afterwards.
    operator.signal("STOP");
    control_plane.restart().await.expect("restarted");
    team.patch("edited", json!({"spec": {"description": "after"}})).await;
    team.tokens().delete("deleted", &DeleteParams::default()).await.expect("deleted");
    team.secrets().delete("without-secret", &DeleteParams::default()).await.expect("deleted");
    operator.signal("CONT");

    let after = team.until_synced("edited").await;
    assert_eq!(current(&after).id, current(&edited).id);
    eventually("the deleted object's token to be revoked", LIMIT, async || {
        let live = team.portal.ledger().token(current_id(&deleted)).is_some_and(|token| token.is_live());
        if live { Err("it is live".to_owned()) } else { Ok(()) }
    })
    .await;
    eventually("the Secret to be there again with a new token", LIMIT, async || {
        let object = team.tokens().get("without-secret").await.map_err(|error| error.to_string())?;
        let secret = team.secrets().get_opt("without-secret").await.map_err(|error| error.to_string())?;
        let id = object.status.and_then(|status| status.token).map(|token| token.id);
        let new = id.as_deref() != Some(current(&repaired).id.as_str());
        if secret.is_some() && new { Ok(()) } else { Err(format!("Secret: {}, token {id:?}", secret.is_some())) }
    })
    .await;
    let log = operator.log();
    assert_eq!(log.matches("\"caches synced\"").count(), 1, "it is the same process");
    assert!(log.contains("\"watch: listing again\""), "it listed again");
}
