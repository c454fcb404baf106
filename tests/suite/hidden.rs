//! A portal that shows our user no list of tokens, and then does, as the issuer's condition advises.

use crate::control_plane::eventually;
use crate::simulator::{Operation, Profile};
use crate::stage::{LIMIT, Team, stage};
use serde_json::json;

/// Waits until the issuer is ready for this reason, and has counted so many tokens.
async fn until_issuer(team: &Team, reason: &str, tokens: Option<i64>) {
    eventually(&format!("the issuer to say {reason}"), LIMIT, async || {
        let issuer = team.issuers().get("portal").await.map_err(|error| error.to_string())?;
        let status = issuer.status.unwrap_or_default();
        let ready = status.conditions.iter().find(|one| one.type_ == "Ready" && one.status == "True");
        let is = ready.map(|one| one.reason.clone()).unwrap_or_default();
        if is == reason && status.tokens == tokens { Ok(()) } else { Err(format!("{is}, {:?} tokens", status.tokens)) }
    })
    .await;
}

#[tokio::test]
async fn tokens_outlive_the_day_on_which_their_list_is_shown() {
    let profile = Profile::named("list-hidden").expect("a profile");
    let team = Team::bare(stage(), "hidden", profile.config()).await;
    team.credentials("portal-password").await;
    let found = json!({"table": null, "tasks": null});
    team.issuer(json!({"thinkwise": found, "ownershipMarker": "Permanent"})).await;
    let names: Vec<String> = (0..5).map(|number| format!("pull-{number}")).collect();
    for name in &names {
        team.token(name, "asked for in the dark").await;
    }
    for name in &names {
        let token = team.until_settled(name).await.status.and_then(|status| status.token).expect("a token");
        assert_eq!(token.id, token.username, "nothing tells another id");
    }
    until_issuer(&team, "ListHidden", None).await;

    // Somebody follows the advice. A changed issuer is looked at at once.
    team.portal.configure(|config| config.table_hidden = false);
    team.issuer(json!({"thinkwise": found, "ownershipMarker": "Permanent", "audit": {"interval": "11m"}})).await;
    until_issuer(&team, "PortalReady", Some(5)).await;
    assert_eq!(team.portal.ledger().applied(Operation::Revoke), 0, "every mark is explained");
    for name in &names {
        team.until(name, "True", "TokenStored").await;
        let content = team.dockerconfigjson(name).await;
        team.pull(&content).await.expect("it pulls");
    }

    // What was recorded in the dark can be edited, replaced and revoked.
    team.patch("pull-0", json!({"spec": {"description": "in the light"}})).await;
    team.until_settled("pull-0").await;
    let shown = team.portal.ledger().live();
    let edited = |text: &Option<String>| text.as_ref().is_some_and(|text| text.starts_with("in the light ["));
    assert_eq!(shown.iter().filter(|token| edited(&token.description)).count(), 1);
    team.patch("pull-1", json!({"metadata": {"annotations": {"registry-token.dev/replace": "now"}}})).await;
    eventually("one token to be replaced", LIMIT, async || {
        let (all, live) = (team.portal.ledger().all().len(), team.portal.ledger().live().len());
        if (all, live) == (6, 5) { Ok(()) } else { Err(format!("{all} made, {live} live")) }
    })
    .await;
    for name in &names {
        team.delete(name).await;
    }
    assert!(team.portal.ledger().live().is_empty(), "none is stranded");
}
