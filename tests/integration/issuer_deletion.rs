//! How an issuer ends: not before a last audit has shown that no token was left behind; and what it waits for
//! is said. The Secrets with its credentials are let go with it, each of them.

use crate::control_plane::eventually;
use crate::fake_portal::{Config, Fault, Operation};
use crate::fixture::{LIMIT, Team, own_control_plane};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams};
use registry_token_operator::api::IssuerStatus;
use serde_json::json;
use std::time::Duration;

impl Team {
    /// Waits until the issuer's `Ready` has this status and reason, and a message with these words.
    pub async fn until_issuer(&self, status: &str, reason: &str, words: &[&str]) -> IssuerStatus {
        eventually(&format!("the issuer to be Ready={status}, {reason}"), LIMIT * 2, async || {
            let issuer = self.issuers().get("portal").await.map_err(|error| error.to_string())?;
            let said = issuer.status.ok_or("no status")?;
            let ready = said.conditions.iter().find(|one| one.type_ == "Ready").ok_or("no condition")?;
            let is = ready.status == status && ready.reason == reason;
            if is && words.iter().all(|word| ready.message.contains(word)) {
                Ok(said)
            } else {
                Err(format!("Ready={} {}: {}", ready.status, ready.reason, ready.message))
            }
        })
        .await
    }

    async fn until_issuer_gone(&self) {
        eventually("the issuer to be gone", LIMIT * 2, async || match self.issuers().get_opt("portal").await {
            Ok(None) => Ok(()),
            Ok(Some(issuer)) => Err(json!(issuer.status).to_string()),
            Err(error) => Err(error.to_string()),
        })
        .await;
    }

    /// The Secrets that carry a finalizer are these.
    async fn until_finalizers(&self, wanted: &[&str]) {
        eventually(&format!("{wanted:?} to be held"), LIMIT, async || {
            let all = self.secrets().list(&ListParams::default()).await.map_err(|error| error.to_string())?;
            let held = all.items.iter().filter(|secret| !secret.finalizers().is_empty()).map(Secret::name_any);
            let held: Vec<String> = held.collect();
            if held == wanted { Ok(()) } else { Err(format!("{held:?}")) }
        })
        .await;
    }

    async fn other_credentials(&self, name: &str, password: &str) {
        self.apply(json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "labels": {"registry-token.dev/credentials": "true"}},
            "stringData": {"username": "k8s", "password": password},
        }))
        .await;
    }

    async fn refer_to(&self, secret: &str) {
        self.issuer(json!({"thinkwise": {"auth": {"basic": {"secretRef": {"name": secret}}}}})).await;
    }

    async fn delete_issuer(&self) {
        self.issuers().delete("portal", &DeleteParams::default()).await.expect("deleted");
    }
}

#[tokio::test]
async fn an_issuer_whose_portal_went_down_after_a_lost_answer_stays_until_its_last_audit_is_done() {
    let team = Team::new("lost-answer").await;
    team.token("first", "takes the issuer into use").await;
    team.until_synced("first").await;
    team.delete("first").await;
    // The portal makes a token, and goes before it has answered: with a list that fails instead, an audit that
    // comes first would have the object wait for an issuer that is not ready.
    team.portal.faults().always(Operation::Request, Fault::HangAfter);
    team.token("pull", "its answer gets lost").await;
    eventually("a token that nobody knows", LIMIT, async || {
        let live = team.portal.ledger().live().len();
        if live == 1 { Ok(()) } else { Err(format!("{live} live")) }
    })
    .await;
    team.portal.down().await;
    team.portal.faults().clear();
    team.delete_issuer().await;
    team.delete("pull").await;

    let advice = ["last audit", "portal is gone for good", "registry-token.dev/revoke", "(portal)", "runbooks"];
    team.until_issuer("False", "Unreachable", &advice).await;
    // Longer than any answer may take.
    tokio::time::sleep(Duration::from_secs(20)).await;
    team.until_issuer("False", "Unreachable", &advice).await;
    assert_eq!(team.portal.ledger().live().len(), 1);
    team.until_finalizers(&["portal"]).await;

    team.portal.up().await;
    team.until_issuer_gone().await;
    assert!(team.portal.ledger().live().is_empty(), "found by its mark, and revoked");
    team.until_finalizers(&[]).await;
}

#[tokio::test]
async fn a_list_that_is_hidden_is_said_once_and_holds_up_no_issuer_that_is_to_go() {
    let (control_plane, operator) = own_control_plane().await;
    let mut portal = Config::default();
    portal.names.request.id = Some("container_token_id".to_owned());
    let team = Team::bare(control_plane, "list-hidden", portal).await;
    team.credentials("portal-password").await;
    let outputs = json!({"username": "username", "secret": "secret", "id": "container_token_id"});
    team.issuer(json!({"thinkwise": {"tasks": {"request": {"outputs": outputs}}}})).await;
    team.token("pull", "while it lists").await;
    team.until_synced("pull").await;
    team.until_issuer("True", "PortalReady", &[]).await;

    team.portal.configure(|config| config.table_hidden = true);
    // A changed spec has the portal looked at anew.
    let unnamed = json!({"table": null, "tasks": {"request": {"outputs": outputs}}});
    team.issuer(json!({"thinkwise": unnamed})).await;
    let status = team.until_issuer("True", "TokenListForbidden", &["no audits"]).await;
    assert_eq!(status.resolved.expect("resolved").table, None, "what is gone is taken out of the status too");
    let audit = control_plane.audit().expect("audit");
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (position, probes) = (audit.position().await.expect("a position"), team.portal.ledger().position());
    for round in ["one", "two"] {
        team.annotate_issuer("reconcile", round).await;
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    let ours = |event: &crate::control_plane::AuditEvent| event.user_agent.starts_with("registry-token-operator/");
    let written = audit.since(position).await.expect("read").filter(ours).writes();
    assert_eq!(written.len(), 0, "at rest: {written:?}");
    assert!(!team.portal.ledger().requests_since(probes).iter().any(|request| request.operation.is_task()));

    team.delete("pull").await;
    assert!(team.portal.ledger().live().is_empty());
    team.delete_issuer().await;
    team.until_issuer("False", "IssuerDeleting", &["nobody uses it any more", "no late answer can come"]).await;
    team.until_issuer_gone().await;
    team.until_finalizers(&[]).await;
    drop(operator);
}

#[tokio::test]
async fn an_issuer_in_use_that_is_deleted_says_that_it_waits_for_its_objects() {
    let team = Team::new("in-use").await;
    team.token("pull", "needs its issuer").await;
    team.until_synced("pull").await;
    team.delete_issuer().await;
    team.until_issuer("False", "IssuerDeleting", &["RegistryTokens still need it", "Delete them"]).await;
    team.until("pull", "True", "TokenStored").await;
    team.delete("pull").await;
    team.until_issuer_gone().await;
}

#[tokio::test]
async fn credentials_that_do_not_work_keep_the_finalizer_on_the_former_ones_and_are_not_forgotten() {
    let team = Team::new("detour").await;
    team.token("pull", "credentials move").await;
    team.until_synced("pull").await;
    team.until_finalizers(&["portal"]).await;
    team.other_credentials("portal-new", "wrong").await;
    team.refer_to("portal-new").await;
    team.until_issuer("False", "Unauthorized", &["portal-new"]).await;
    team.until_finalizers(&["portal", "portal-new"]).await;
    // What works still is not collected meanwhile, and the way back is open.
    team.refer_to("portal").await;
    let status = team.until_issuer("True", "PortalReady", &[]).await;
    assert_eq!(status.credentials_secrets, ["portal"]);
    team.until_finalizers(&["portal"]).await;

    // Once more, to the end: without objects too, the Secret that is held is the one that is referred to.
    team.delete("pull").await;
    team.other_credentials("portal-other", "portal-password").await;
    team.refer_to("portal-other").await;
    team.until_finalizers(&["portal-other"]).await;
    team.refer_to("portal-new").await;
    team.until_issuer("False", "Unauthorized", &[]).await;
    team.refer_to("portal-other").await;
    team.until_finalizers(&["portal-other"]).await;
    team.delete_issuer().await;
    team.until_issuer_gone().await;
    team.until_finalizers(&[]).await;
}

#[tokio::test]
async fn two_issuers_that_share_their_credentials_and_move_away_together_remove_their_finalizers() {
    let team = Team::new("move-together").await;
    team.other_credentials("portal-2", "portal-password").await;
    let issuer = |name: &str, secret: &str| {
        json!({
            "apiVersion": "registry-token.dev/v1alpha1", "kind": "TokenIssuer",
            "metadata": {"name": name, "namespace": team.namespace},
            "spec": team.issuer_spec(json!({"thinkwise": {"auth": {"basic": {"secretRef": {"name": secret}}}}})),
        })
    };
    let both = async |secret: &str| {
        let items = [issuer("portal", secret), issuer("second", secret)];
        let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
        team.control_plane.apply(&list.to_string()).await.expect("applied");
    };
    both("portal").await;
    for (name, issuer) in [("first", "portal"), ("other", "second")] {
        let mut token = crate::fixture::token(name, name);
        token["spec"]["issuerRef"]["name"] = json!(issuer);
        team.apply(token).await;
        team.until_synced(name).await;
    }
    // Which pass sees what the other one has noted is chance.
    for secret in ["portal-2", "portal", "portal-2", "portal", "portal-2"] {
        both(secret).await;
        team.until_finalizers(&[secret]).await;
        eventually("both to note nothing else", LIMIT, async || {
            let all = team.issuers().list(&ListParams::default()).await.map_err(|error| error.to_string())?;
            let noted = all.items.into_iter().filter_map(|one| one.status).map(|status| status.credentials_secrets);
            let noted: Vec<_> = noted.collect();
            if noted.iter().all(|names| *names == [secret]) { Ok(()) } else { Err(format!("{noted:?}")) }
        })
        .await;
    }
}

#[tokio::test]
async fn credentials_that_are_deleted_alone_stay_while_they_are_needed_and_the_issuer_says_what_to_do() {
    let team = Team::new("credentials-first").await;
    team.token("pull", "revoked with them").await;
    let before = team.until_synced("pull").await;
    team.secrets().delete("portal", &DeleteParams::default()).await.expect("deleted");
    // It is looked at once a minute, and when its spec changes.
    team.issuer(json!({"audit": {"interval": "11m"}})).await;
    let advice = ["portal", "is being deleted", "create another Secret", "spec.thinkwise.auth", "delete this issuer"];
    team.until_issuer("True", "CredentialsDeleting", &advice).await;
    // Nothing is stuck by it: what is asked for is done.
    team.annotate("pull", "replace", "1").await;
    team.until_replaced("pull", &before.status.and_then(|status| status.token).expect("a token")).await;
    team.token("late", "requested with them").await;
    team.until_synced("late").await;
    team.delete("late").await;
    team.delete("pull").await;
    assert!(team.portal.ledger().live().is_empty());
    // And it goes as the message says, one way
    team.other_credentials("portal-other", "portal-password").await;
    team.refer_to("portal-other").await;
    team.until_issuer("True", "PortalReady", &[]).await;
    team.until_finalizers(&["portal-other"]).await;
    assert!(team.secrets().get_opt("portal").await.expect("asked").is_none(), "gone at last");
    // or the other.
    team.secrets().delete("portal-other", &DeleteParams::default()).await.expect("deleted");
    team.delete_issuer().await;
    team.until_issuer_gone().await;
    assert!(team.secrets().get_opt("portal-other").await.expect("asked").is_none());
}

#[tokio::test]
async fn credentials_that_were_taken_away_by_force_are_asked_for_before_a_token_is_revoked() {
    let team = Team::new("credentials-forced").await;
    team.token("pull", "revoked with others").await;
    team.until_synced("pull").await;
    team.secrets().delete("portal", &DeleteParams::default()).await.expect("deleted");
    team.patch_secret("portal", json!({"metadata": {"finalizers": null}})).await;
    team.issuer(json!({"audit": {"interval": "11m"}})).await;
    team.until_issuer("False", "CredentialsMissing", &["portal", "create it"]).await;
    team.until("pull", "True", "TokenStored").await;
    team.tokens().delete("pull", &DeleteParams::default()).await.expect("deleted");
    let waits = team.until("pull", "False", "IssuerNotReady").await;
    let message = crate::fixture::ready(&waits).2;
    assert!(message.contains("create it") && message.contains("deletionPolicy: Orphan"), "{message}");
    assert_eq!(team.portal.ledger().live().len(), 1);
    team.credentials("portal-password").await;
    eventually("pull to be gone", LIMIT, async || match team.tokens().get_opt("pull").await {
        Ok(None) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    assert!(team.portal.ledger().live().is_empty());
}
