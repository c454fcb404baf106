//! A portal that does not let the operator's user list tokens, and later does, as the issuer's condition advises.

use crate::control_plane::eventually;
use crate::fake_portal::{Fault, Operation, Profile};
use crate::fixture::{LIMIT, Team, ready, stage};
use serde_json::json;

/// Waits until the issuer is ready with this reason and has counted this many tokens.
async fn until_issuer(team: &Team, reason: &str, tokens: Option<i64>) {
    eventually(&format!("the issuer to report {reason}"), LIMIT, async || {
        let issuer = team.issuers().get("portal").await.map_err(|error| error.to_string())?;
        let status = issuer.status.unwrap_or_default();
        let found = status.conditions.iter().find(|one| one.type_ == "Ready" && one.status == "True");
        let is = found.map(|one| one.reason.clone()).unwrap_or_default();
        if is == reason && status.tokens == tokens { Ok(()) } else { Err(format!("{is}, {:?} tokens", status.tokens)) }
    })
    .await;
}

#[tokio::test]
async fn tokens_stay_usable_when_the_hidden_list_is_shown() {
    let profile = Profile::named("list-hidden").expect("a profile");
    let team = Team::bare(stage(), "hidden", profile.config()).await;
    team.credentials("portal-password").await;
    let found = json!({"table": null, "tasks": null});
    team.issuer(json!({"thinkwise": found, "ownershipMarker": "Permanent"})).await;
    let names: Vec<String> = (0..5).map(|number| format!("pull-{number}")).collect();
    for name in &names {
        team.token(name, "requested while the list is hidden").await;
    }
    for name in &names {
        let token = team.until_synced(name).await.status.and_then(|status| status.token).expect("a token");
        assert_eq!(token.id, token.username, "no other id is known");
    }
    until_issuer(&team, "TokenListForbidden", None).await;

    // An admin follows the advice. A changed issuer is reconciled at once.
    team.portal.configure(|config| config.table_hidden = false);
    team.issuer(json!({"thinkwise": found, "ownershipMarker": "Permanent", "audit": {"interval": "11m"}})).await;
    until_issuer(&team, "PortalReady", Some(5)).await;
    assert_eq!(team.portal.ledger().applied(Operation::Revoke), 0, "every marker is accounted for");
    for name in &names {
        team.until(name, "True", "TokenStored").await;
        let content = team.dockerconfigjson(name).await;
        team.pull(&content).await.expect("it pulls");
    }

    // Tokens that were recorded while the list was hidden can be edited, replaced and revoked.
    team.patch("pull-0", json!({"spec": {"description": "in the light"}})).await;
    team.until_synced("pull-0").await;
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
    assert!(team.portal.ledger().live().is_empty(), "none is left behind");
}

#[tokio::test]
async fn a_token_returned_without_its_password_is_revoked_although_no_list_shows_it() {
    let profile = Profile::named("list-hidden").expect("a profile");
    let team = Team::bare(stage(), "no-secret", profile.config()).await;
    team.credentials("portal-password").await;
    team.issuer(json!({"thinkwise": {"table": null, "tasks": null}})).await;
    team.portal.faults().once(Operation::Request, Fault::WithoutSecret);
    team.token("pull", "asked twice").await;
    team.until_synced("pull").await;
    let ledger = team.portal.ledger();
    assert_eq!((ledger.all().len(), ledger.live().len()), (2, 1), "the first one is revoked");
}

#[tokio::test]
async fn responses_without_a_password_create_few_tokens_however_many_objects_wait() {
    let team = Team::new("few").await;
    team.portal.faults().always(Operation::Request, Fault::WithoutSecret);
    let names: Vec<String> = (0..30).map(|number| format!("pull-{number}")).collect();
    for name in &names {
        team.token(name, "waits").await;
    }
    eventually("the issuer to report the problem", LIMIT, async || {
        let issuer = team.issuers().get("portal").await.map_err(|error| error.to_string())?;
        let conditions = issuer.status.unwrap_or_default().conditions;
        let ready = conditions.into_iter().find(|one| one.type_ == "Ready").ok_or("no Ready")?;
        let is_reported = ready.message.contains("tasks.request.outputs");
        if ready.reason == "InvalidResponse" && is_reported { Ok(()) } else { Err(format!("{ready:?}")) }
    })
    .await;
    for name in &names {
        eventually(&format!("{name} to report what it waits for"), LIMIT, async || {
            let object = team.tokens().get(name).await.map_err(|error| error.to_string())?;
            let (is, why, message) = ready(&object);
            let known = ["InvalidResponse", "RequestOutcomeUnknown"].contains(&why.as_str());
            if is == "False" && known { Ok(()) } else { Err(format!("{is} {why}: {message}")) }
        })
        .await;
    }
    // As many as were in flight at once (`limits.concurrency`), and one for each probe of the circuit breaker.
    let made = team.portal.ledger().all().len();
    assert!(made <= 8 + 3, "{made} unusable tokens were created");
    team.portal.faults().clear();
    // A changed issuer is probed at once.
    team.issuer(json!({"audit": {"interval": "11m"}})).await;
    for name in &names {
        team.until(name, "True", "TokenStored").await;
    }
    eventually("the unusable tokens to be revoked", LIMIT, async || {
        let live = team.portal.ledger().live().len();
        if live == names.len() { Ok(()) } else { Err(format!("{live} live")) }
    })
    .await;
}
