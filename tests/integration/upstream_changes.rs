//! Changes by colleagues in the portal: a revoked token is replaced or left revoked, a changed description is restored.
//! A list that shrinks suddenly is not used as proof.

use crate::control_plane::eventually;
use crate::fake_portal::{Config, Operation, Visible};
use crate::fixture::{LIMIT, Team, condition, ready};
use crate::helpers::{current, current_id};
use jiff::SignedDuration;
use registry_token_operator::api::RegistryToken;
use serde_json::json;
use std::time::Duration;

fn has_reason(object: &RegistryToken, reason: &str) -> bool {
    ready(object).1 == reason
}

fn replaced(before: &RegistryToken) -> impl Fn(&RegistryToken) -> bool {
    let former = current(before);
    move |object| ready(object).0 == "True" && current(object).id != former.id
}

#[tokio::test]
async fn a_revoked_token_is_replaced_once_with_a_warning_and_held_the_second_time_in_a_day() {
    let team = Team::new("reissue").await;
    team.token("pull", "overridden once").await;
    let first = team.until_synced("pull").await;
    let uid = team.secret_uid("pull").await;
    assert!(team.portal.ledger().revoke_as_colleague(current_id(&first)));
    team.audit_until_object("pull", "a new token", replaced(&first)).await;
    let second = team.until_synced("pull").await;
    let event = team.until_event("pull", "RevokedUpstream").await;
    assert_eq!(event.type_.as_deref(), Some("Warning"));
    let message = event.message.unwrap_or_default();
    assert!(message.contains("overrides the revocation") && message.contains("Hold"), "{message}");
    assert_eq!(team.secret_uid("pull").await, uid, "updated in place");
    assert!(team.pull(&team.dockerconfigjson("pull").await).await.is_ok());
    assert_eq!(team.portal.ledger().count(Operation::Revoke), 0, "there was nothing left to revoke");

    assert!(team.portal.ledger().revoke_as_colleague(current_id(&second)));
    let held = |object: &RegistryToken| has_reason(object, "RevokedUpstream") && condition(object, "Stalled").is_some();
    team.audit_until_object("pull", "held", held).await;
    let object = team.tokens().get("pull").await.expect("there");
    let message = ready(&object).2;
    assert!(message.contains("second time within 24 hours"), "{message}");
    assert!(message.contains("registry-token.dev/replace"), "it says how to have a new one: {message}");
    team.assert_idle_for("pull", Duration::from_secs(5)).await;
    assert_eq!(team.portal.ledger().count(Operation::Request), 2);

    team.annotate("pull", "replace", "decided").await;
    let third = team.until_replaced("pull", &current(&second)).await;
    team.until_synced("pull").await;
    team.until_live(&[current_id(&third)]).await;
    assert_eq!(team.portal.ledger().count(Operation::Request), 3);
}

/// Moves the last detected revocation back by this much, and the token's request time too, so that their order is kept.
async fn age(team: &Team, by: SignedDuration) {
    let object = team.tokens().get("pull").await.expect("there");
    let revocation = object.status.as_ref().and_then(|status| status.upstream_revocation.clone()).expect("revoked");
    let earlier = json!({
        "token": {"requestTime": current(&object).request_time.0 - by},
        "upstreamRevocation": {"time": revocation.time.0 - by},
    });
    team.patch_status("pull", earlier).await;
}

#[tokio::test]
async fn a_token_that_is_held_for_a_day_is_replaced_after_it_and_so_is_one_revoked_a_day_later() {
    let team = Team::new("a-day").await;
    team.token("pull", "overridden now and then").await;
    let first = team.until_synced("pull").await;
    assert!(team.portal.ledger().revoke_as_colleague(current_id(&first)));
    team.audit_until_object("pull", "a new token", replaced(&first)).await;
    let second = team.until_synced("pull").await;

    // A day later it is replaced as the first time.
    age(&team, SignedDuration::from_hours(25)).await;
    assert!(team.portal.ledger().revoke_as_colleague(current_id(&second)));
    team.audit_until_object("pull", "a new token", replaced(&second)).await;
    let third = team.until_synced("pull").await;
    assert_eq!(team.portal.ledger().count(Operation::Request), 3);

    // An hour later it is held until the day has passed.
    age(&team, SignedDuration::from_hours(1)).await;
    assert!(team.portal.ledger().revoke_as_colleague(current_id(&third)));
    let held = |object: &RegistryToken| has_reason(object, "RevokedUpstream") && condition(object, "Stalled").is_some();
    team.audit_until_object("pull", "held", held).await;
    age(&team, SignedDuration::from_hours(23)).await;
    team.annotate_issuer("reconcile", "still held").await;
    team.assert_idle_for("pull", Duration::from_secs(4)).await;
    assert_eq!(team.portal.ledger().count(Operation::Request), 3);
    age(&team, SignedDuration::from_hours(1)).await;
    let fourth = team.until_replaced("pull", &current(&third)).await;
    let settled = team.until_synced("pull").await;
    assert!(condition(&settled, "Stalled").is_none());
    team.until_live(&[current_id(&fourth)]).await;
    assert!(team.pull(&team.dockerconfigjson("pull").await).await.is_ok());
    assert_eq!(team.portal.ledger().count(Operation::Request), 4);
}

#[tokio::test]
async fn under_hold_a_revoked_token_stays_revoked_until_a_new_one_is_requested() {
    let team = Team::new("hold").await;
    team.token("pull", "held").await;
    team.patch("pull", json!({"spec": {"upstreamRevocationPolicy": "Hold"}})).await;
    let first = team.until_synced("pull").await;
    assert!(team.portal.ledger().revoke_as_colleague(current_id(&first)));
    team.audit_until_object("pull", "held", |object| has_reason(object, "RevokedUpstream")).await;
    let message = team.until_condition("pull", "Stalled", "True", "RevokedUpstream").await;
    assert!(message.contains("is Hold") && message.contains("registry-token.dev/replace"), "{message}");
    team.annotate_issuer("reconcile", "once more").await;
    team.assert_idle_for("pull", Duration::from_secs(5)).await;
    assert_eq!(team.portal.ledger().count(Operation::Request), 1);
    // Changing the policy requests a new token.
    team.patch("pull", json!({"spec": {"upstreamRevocationPolicy": "Reissue"}})).await;
    team.until_replaced("pull", &current(&first)).await;
    team.until_synced("pull").await;
    assert_eq!(team.portal.ledger().live().len(), 1);
}

#[tokio::test]
async fn a_held_object_can_be_deleted() {
    let team = Team::new("held-goes").await;
    team.token("pull", "held").await;
    team.patch("pull", json!({"spec": {"upstreamRevocationPolicy": "Hold"}})).await;
    let first = team.until_synced("pull").await;
    assert!(team.portal.ledger().revoke_as_colleague(current_id(&first)));
    team.audit_until_object("pull", "held", |object| has_reason(object, "RevokedUpstream")).await;
    team.delete("pull").await;
    assert_eq!(team.portal.ledger().count(Operation::Request), 1);
}

#[tokio::test]
async fn a_changed_description_is_restored_with_one_edit() {
    let team = Team::new("set-back").await;
    team.token("pull", "as in the spec").await;
    let object = team.until_synced("pull").await;
    let edits = team.portal.ledger().count(Operation::Edit);
    assert!(team.portal.ledger().edit_as_colleague(current_id(&object), "edited by hand"));
    team.audit_until("the description to be restored", async || {
        let live = team.portal.ledger().live();
        let shown = live[0].description.clone().unwrap_or_default();
        if shown == "as in the spec" { Ok(()) } else { Err(shown) }
    })
    .await;
    team.until_synced("pull").await;
    team.annotate_issuer("reconcile", "once more").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(team.portal.ledger().count(Operation::Edit), edits + 1);
    assert_eq!(team.portal.ledger().count(Operation::Request), 1, "a description never requests a token");
}

#[tokio::test]
async fn an_edit_that_the_portal_alters_is_reported_and_not_retried_forever() {
    let config = Config { tidy_descriptions: true, ..Config::default() };
    let team = Team::with("not-kept", config).await;
    team.token("pull", "lower case").await;
    team.until("pull", "True", "TokenStored").await;
    let not_kept = |object: &RegistryToken| {
        condition(object, "DescriptionSynced").is_some_and(|one| one["reason"] == "DescriptionAltered")
    };
    team.audit_until_object("pull", "DescriptionAltered", not_kept).await;
    let object = team.tokens().get("pull").await.expect("there");
    assert_eq!(ready(&object).0, "True", "pods can pull");
    let message = condition(&object, "DescriptionSynced").unwrap_or_default()["message"].to_string();
    assert!(message.contains("as the portal shows it"), "{message}");
    let edits = team.portal.ledger().count(Operation::Edit);
    assert!(edits <= 2, "{edits} edits");
    for round in 0..3 {
        team.annotate_issuer("reconcile", &format!("round-{round}")).await;
        tokio::time::sleep(Duration::from_millis(1500)).await;
    }
    assert_eq!(team.portal.ledger().count(Operation::Edit), edits, "no loop");
    // Using the description that the portal shows resolves it, as the message says.
    team.patch("pull", json!({"spec": {"description": "Lower case"}})).await;
    team.until_synced("pull").await;
    assert_eq!(team.portal.ledger().count(Operation::Request), 1);
}

#[tokio::test]
async fn a_token_that_the_portal_hides_and_the_registry_accepts_is_not_replaced() {
    let team = Team::new("hidden").await;
    team.token("pull", "hidden").await;
    let first = team.until_synced("pull").await;
    team.portal.configure(|config| config.visible = Visible::Percent(0));
    let reported =
        |object: &RegistryToken| condition(object, "Reconciling").is_some_and(|one| one["reason"] == "TokenNotFound");
    team.audit_until_object("pull", "it is reported", reported).await;
    let object = team.tokens().get("pull").await.expect("there");
    assert_eq!((ready(&object).0.as_str(), current(&object)), ("True", current(&first)));
    let message = condition(&object, "Reconciling").unwrap_or_default()["message"].to_string();
    assert!(message.contains("may see fewer tokens than before"), "{message}");
    assert_eq!(team.portal.ledger().count(Operation::Request), 1);
    // Once the token is listed again, nothing has changed.
    team.portal.configure(|config| config.visible = Visible::All);
    team.audit_until_object("pull", "no problem is reported", |object| condition(object, "Reconciling").is_none())
        .await;
    assert!(team.pull(&team.dockerconfigjson("pull").await).await.is_ok());
    assert_eq!(team.portal.ledger().count(Operation::Request), 1);
}

async fn until_issuer(team: &Team, reason: &str, advice: &str) {
    eventually(&format!("the issuer to report {reason}"), LIMIT, async || {
        let issuer = team.issuers().get("portal").await.map_err(|error| error.to_string())?;
        let conditions = issuer.status.map(|status| status.conditions).unwrap_or_default();
        let ready = conditions.into_iter().find(|one| one.type_ == "Ready").ok_or("no condition")?;
        let reported = ready.reason == reason && ready.message.contains(advice);
        if reported { Ok(()) } else { Err(format!("{} {}", ready.reason, ready.message)) }
    })
    .await;
}

#[tokio::test]
async fn a_list_that_shrinks_suddenly_reissues_nothing_until_an_admin_confirms_it() {
    let team = Team::new("shrunken").await;
    let names: Vec<String> = (0..7).map(|index| format!("pull-{index}")).collect();
    for name in &names {
        team.token(name, "one of seven").await;
    }
    let mut before = vec![];
    for name in &names {
        before.push(team.until_synced(name).await);
    }
    // A role that shows no rows any more, after the list's maximum lag.
    tokio::time::sleep(Duration::from_secs(14)).await;
    team.portal.configure(|config| config.visible = Visible::Percent(0));
    team.annotate_issuer("reconcile", "shrunken").await;
    until_issuer(&team, "TokenListShrunk", "maxVanishedPercent").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    for object in &before {
        let now = team.tokens().get(object.metadata.name.as_deref().expect("a name")).await.expect("there");
        assert_eq!(now.metadata.resource_version, object.metadata.resource_version, "no write");
    }
    assert_eq!(team.portal.ledger().count(Operation::Request), 7);

    // They were in fact revoked, and an admin confirms it.
    for object in &before {
        team.portal.ledger().revoke_as_colleague(current_id(object));
    }
    team.portal.configure(|config| config.visible = Visible::All);
    team.annotate_issuer("reconcile", "revoked").await;
    until_issuer(&team, "TokenListShrunk", "on purpose").await;
    team.issuer(json!({"audit": {"maxVanishedPercent": 100}})).await;
    team.annotate_issuer("reconcile", "confirmed").await;
    for object in &before {
        team.until_replaced(object.metadata.name.as_deref().expect("a name"), &current(object)).await;
    }
    until_issuer(&team, "PortalReady", "").await;
    assert_eq!(team.portal.ledger().live().len(), 7);
}
