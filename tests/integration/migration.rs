//! Restores and migrations: a copy requests a token of its own and does not touch the original's; tokens do not move to
//! another portal. `docs/runbooks.md` describes the procedures, which depend on this behavior.

use crate::control_plane::eventually;
use crate::fake_portal::{Config, FakePortal, Operation, Profile};
use crate::fixture::manifests::elsewhere;
use crate::fixture::{LIMIT, Team, own_control_plane, ready, stage, start_operator, token};
use crate::helpers::{current, current_id};
use crate::operator_process::Operator;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use kube::{Resource, ResourceExt};
use registry_token_operator::api::RegistryToken;
use serde_json::{Value, json};
use std::time::Duration;

/// A second namespace that uses the team's portal.
async fn second(team: &Team, changes: Value) -> String {
    let namespace = team.control_plane.namespace("copy").await.expect("a namespace");
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "portal", "namespace": namespace, "labels": {"registry-token.dev/credentials": "true"}},
        "stringData": {"username": "k8s", "password": "portal-password"},
    });
    let issuer = json!({
        "apiVersion": "registry-token.dev/v1alpha1", "kind": "TokenIssuer",
        "metadata": {"name": "portal", "namespace": namespace}, "spec": team.issuer_spec(changes),
    });
    team.control_plane.apply(&format!("{secret}\n---\n{issuer}")).await.expect("applied");
    namespace
}

async fn restore_status(tokens: &Api<RegistryToken>, name: &str, status: &Value) {
    let body = Patch::Merge(json!({"status": status}));
    tokens.patch_status(name, &PatchParams::default(), &body).await.expect("restored");
}

/// Restores as a backup tool does: the Secret without owner references but with labels and annotations, the object with
/// its finalizer, and with its status if the tool is configured to.
async fn restore_beside(team: &Team, namespace: &str, original: &RegistryToken, copies: &Api<RegistryToken>) {
    let secret = team.secrets().get("pull").await.expect("a Secret");
    let restored = json!({
        "apiVersion": "v1", "kind": "Secret", "type": secret.type_, "data": secret.data,
        "metadata": {"name": "pull", "namespace": namespace, "labels": secret.labels(), "annotations": secret.annotations()},
    });
    team.control_plane.apply(&restored.to_string()).await.expect("restored");
    let mut object = token("pull", "the copy");
    object["metadata"]["namespace"] = json!(namespace);
    object["metadata"]["finalizers"] = json!(original.finalizers());
    object["spec"]["suspend"] = json!(true);
    team.control_plane.apply(&object.to_string()).await.expect("restored");
    restore_status(copies, "pull", &json!(original.status)).await;
    let resume = Patch::Merge(json!({"spec": {"suspend": false}}));
    copies.patch("pull", &PatchParams::default(), &resume).await.expect("resumed");
}

async fn until_own(tokens: &Api<RegistryToken>, name: &str, former: &RegistryToken) -> RegistryToken {
    eventually("the copy to have a token of its own", LIMIT, async || {
        let object = tokens.get(name).await.map_err(|error| error.to_string())?;
        let own = object.status.as_ref().is_some_and(|status| {
            status.uid == object.uid() && status.token.as_ref().is_some_and(|token| token.id != current(former).id)
        });
        if own && ready(&object).0 == "True" { Ok(object) } else { Err(json!(object.status).to_string()) }
    })
    .await
}

#[tokio::test]
async fn a_copy_of_an_existing_object_gets_its_own_token_and_keeps_the_originals() {
    let team = Team::new("original").await;
    team.token("pull", "the original").await;
    let original = team.until_synced("pull").await;
    let content = team.dockerconfigjson("pull").await;
    let namespace = second(&team, json!({})).await;
    let copies: Api<RegistryToken> = Api::namespaced(team.client.clone(), &namespace);

    restore_beside(&team, &namespace, &original, &copies).await;

    let copy = until_own(&copies, "pull", &original).await;
    let mut both = vec![current_id(&original), current_id(&copy)];
    both.sort_unstable();
    team.until_live(&both).await;
    let edited = |id: i64| team.portal.ledger().token(id).expect("there").description;
    eventually("the copy's description", LIMIT, async || {
        let shown = edited(current_id(&copy));
        if shown.as_deref() == Some("the copy") { Ok(()) } else { Err(format!("{shown:?}")) }
    })
    .await;
    assert_eq!(edited(current_id(&original)).as_deref(), Some("the original"));
    assert_eq!(team.portal.ledger().count(Operation::Revoke), 0, "the original's token is never touched");
    let now = team.tokens().get("pull").await.expect("there");
    assert_eq!(now.resource_version(), original.resource_version(), "nor the original itself");
    assert_eq!(team.dockerconfigjson("pull").await, content);
    assert!(team.pull(&content).await.is_ok());

    copies.delete("pull", &DeleteParams::default()).await.expect("deleted");
    team.until_live(&[current_id(&original)]).await;
}

#[tokio::test]
async fn with_a_hidden_list_a_copy_of_an_existing_object_keeps_the_originals_too() {
    let profile = Profile::named("list-hidden").expect("a profile");
    let team = Team::bare(stage(), "original-hidden", profile.config()).await;
    team.credentials("portal-password").await;
    let changes = json!({"thinkwise": {"table": null, "tasks": null}});
    team.issuer(changes.clone()).await;
    team.token("pull", "the original").await;
    let original = team.until_synced("pull").await;
    let content = team.dockerconfigjson("pull").await;
    let namespace = second(&team, changes).await;
    let copies: Api<RegistryToken> = Api::namespaced(team.client.clone(), &namespace);
    restore_beside(&team, &namespace, &original, &copies).await;
    until_own(&copies, "pull", &original).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(team.portal.ledger().count(Operation::Revoke), 0, "the original's token is never touched");
    assert_eq!(team.portal.ledger().live().len(), 2);
    assert!(team.pull(&content).await.is_ok());
}

/// The object's finalizer is removed by force, and the object is created again with the old status.
///
/// No operator runs meanwhile: it would restore the finalizer, and revoke the token.
async fn removed_by_force_and_restored(team: &Team, operator: Operator) -> (RegistryToken, RegistryToken, Operator) {
    team.token("pull", "restored").await;
    let original = team.until_synced("pull").await;
    // Such a deletion sends no request to the operator.
    let orphans =
        DeleteParams { propagation_policy: Some(kube::api::PropagationPolicy::Orphan), ..DeleteParams::default() };
    team.patch("pull", json!({"spec": {"suspend": true}})).await;
    team.until_condition("pull", "Suspended", "True", "Suspended").await;
    operator.terminate().await;
    team.patch("pull", json!({"metadata": {"finalizers": null}})).await;
    team.tokens().delete("pull", &orphans).await.expect("deleted");
    eventually("the original to be deleted", LIMIT, async || match team.tokens().get_opt("pull").await {
        Ok(None) => Ok(()),
        other => Err(format!("{:?}", other.map(|found| found.map(|object| object.meta().clone())))),
    })
    .await;
    let mut object = token("pull", "restored");
    object["spec"]["suspend"] = json!(true);
    team.apply(object).await;
    restore_status(&team.tokens(), "pull", &json!(original.status)).await;
    let operator = start_operator(team.control_plane).await;
    team.patch("pull", json!({"spec": {"suspend": false}})).await;
    let copy = until_own(&team.tokens(), "pull", &original).await;
    (original, copy, operator)
}

#[tokio::test]
async fn an_object_restored_in_place_gets_a_new_token_and_users_decide_about_the_old_one() {
    let (control_plane, operator) = own_control_plane().await;
    let team = Team::on(control_plane, "in-place", Config::default(), json!({})).await;
    let (original, copy, _operator) = removed_by_force_and_restored(&team, operator).await;
    team.until_synced("pull").await;
    team.annotate_issuer("reconcile", "audited").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let mut both = vec![current_id(&original), current_id(&copy)];
    both.sort_unstable();
    // It may be in use elsewhere: without a marker the operator cannot know.
    team.until_live(&both).await;
    assert!(team.pull(&team.dockerconfigjson("pull").await).await.is_ok());
}

#[tokio::test]
async fn with_a_permanent_marker_the_next_audit_revokes_what_a_forced_deletion_left_behind() {
    let (control_plane, operator) = own_control_plane().await;
    let issuer = json!({"ownershipMarker": "Permanent"});
    let team = Team::on(control_plane, "in-place-marked", Config::default(), issuer).await;
    let (_, copy, _operator) = removed_by_force_and_restored(&team, operator).await;
    team.audit_until("the old token to be revoked", async || {
        let live: Vec<i64> = team.portal.ledger().live().iter().map(|token| token.id).collect();
        if live == [current_id(&copy)] { Ok(()) } else { Err(format!("{live:?}")) }
    })
    .await;
    team.until_synced("pull").await;
}

#[tokio::test]
async fn an_issuer_that_names_another_portal_reports_it_and_does_not_touch_live_tokens() {
    let team = Team::new("moved").await;
    team.token("pull", "stays").await;
    let before = team.until_synced("pull").await;
    let other = FakePortal::start(Config::default()).await;
    let calls = team.portal.ledger().position();
    team.issuer(elsewhere(&other)).await;
    team.token("second", "waits").await;
    let waits = team.until("second", "False", "IssuerNotReady").await;
    let message = ready(&waits).2;
    assert!(message.contains("PortalChanged") && message.contains("set it back"), "{message}");
    team.annotate("pull", "rotate", "not now").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let now = team.tokens().get("pull").await.expect("there");
    assert_eq!((ready(&now).0.as_str(), current(&now)), ("True", current(&before)));
    assert!(!team.portal.ledger().requests_since(calls).iter().any(|request| request.operation.is_task()));
    assert_eq!(other.ledger().count(Operation::Request), 0, "nothing is requested there");
    // The token of an object that is deleted meanwhile is not revoked at the wrong portal.
    team.tokens().delete("pull", &DeleteParams::default()).await.expect("deleted");
    let going = team.until("pull", "False", "IssuerNotReady").await;
    assert!(ready(&going).2.contains("PortalChanged"), "{}", ready(&going).2);
    assert_eq!(other.ledger().count(Operation::Revoke), 0);
    team.issuer(json!({})).await;
    team.until_synced("second").await;
    eventually("pull to be deleted", LIMIT, async || match team.tokens().get_opt("pull").await {
        Ok(None) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    assert_eq!(team.portal.ledger().live().len(), 1);
}

#[tokio::test]
async fn an_orphan_deleted_while_the_portal_was_down_stays_live_when_it_is_back() {
    let team = Team::new("orphan-away").await;
    team.issuer(json!({"ownershipMarker": "Permanent"})).await;
    team.token("pull", "left").await;
    let left = team.until_synced("pull").await;
    let content = team.dockerconfigjson("pull").await;
    team.credentials("wrong").await;
    team.annotate_issuer("reconcile", "away").await;
    let away = |issuer: registry_token_operator::api::TokenIssuer| {
        let conditions = issuer.status.map(|status| status.conditions).unwrap_or_default();
        conditions.into_iter().any(|one| one.type_ == "Ready" && one.status == "False")
    };
    eventually("the issuer to be deleted", LIMIT, async || {
        let issuer = team.issuers().get("portal").await.map_err(|error| error.to_string())?;
        if away(issuer) { Ok(()) } else { Err("it is ready".to_owned()) }
    })
    .await;
    team.patch("pull", json!({"spec": {"deletionPolicy": "Orphan"}})).await;
    team.delete("pull").await;
    team.credentials("portal-password").await;
    // Another token, left behind by a forced deletion, shows that audits run and that their results are used.
    team.issuer(json!({"ownershipMarker": "Permanent", "audit": {"interval": "1m"}})).await;
    team.token("other", "forced out").await;
    team.until_synced("other").await;
    team.patch("other", json!({"spec": {"suspend": true}})).await;
    team.until_condition("other", "Suspended", "True", "Suspended").await;
    team.patch("other", json!({"metadata": {"finalizers": null}})).await;
    team.tokens().delete("other", &DeleteParams::default()).await.expect("deleted");
    team.audit_until("only the orphan to be live", async || {
        let live: Vec<i64> = team.portal.ledger().live().iter().map(|token| token.id).collect();
        if live == [current_id(&left)] { Ok(()) } else { Err(format!("{live:?}")) }
    })
    .await;
    assert_eq!(team.dockerconfigjson("pull").await, content);
    assert!(team.pull(&content).await.is_ok());
    // An object that takes the name again does not take over the Secret.
    team.token("pull", "again").await;
    team.until("pull", "False", "SecretNotOwned").await;
}
