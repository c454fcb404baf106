//! Deletion of an issuer: it completes only after a final audit has shown that no token was left behind, and the status
//! says what it waits for. The finalizer is then removed from each of its credentials Secrets.

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
    /// Waits until the issuer's `Ready` has this status and reason, and a message that contains these texts.
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

    async fn until_issuer_deleted(&self) {
        eventually("the issuer to be deleted", LIMIT * 2, async || match self.issuers().get_opt("portal").await {
            Ok(None) => Ok(()),
            Ok(Some(issuer)) => Err(json!(issuer.status).to_string()),
            Err(error) => Err(error.to_string()),
        })
        .await;
    }

    /// Waits until exactly these Secrets carry a finalizer.
    async fn until_finalizers(&self, wanted: &[&str]) {
        eventually(&format!("{wanted:?} to have finalizers"), LIMIT, async || {
            let all = self.secrets().list(&ListParams::default()).await.map_err(|error| error.to_string())?;
            let with_finalizer =
                all.items.iter().filter(|secret| !secret.finalizers().is_empty()).map(Secret::name_any);
            let with_finalizer: Vec<String> = with_finalizer.collect();
            if with_finalizer == wanted { Ok(()) } else { Err(format!("{with_finalizer:?}")) }
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
    team.token("first", "first use of the issuer").await;
    team.until_synced("first").await;
    team.delete("first").await;
    // The portal creates a token and goes down before it has responded. If only the list failed, an audit that comes
    // first would make the object wait for an issuer that is not ready.
    team.portal.faults().always(Operation::Request, Fault::HangAfter);
    team.token("pull", "its response is lost").await;
    eventually("a token that no object records", LIMIT, async || {
        let live = team.portal.ledger().live().len();
        if live == 1 { Ok(()) } else { Err(format!("{live} live")) }
    })
    .await;
    team.portal.down().await;
    team.portal.faults().clear();
    team.delete_issuer().await;
    team.delete("pull").await;

    let advice =
        ["final audit", "portal is permanently unavailable", "registry-token.dev/revoke", "(portal)", "runbooks"];
    team.until_issuer("False", "Unreachable", &advice).await;
    // Longer than the response deadline.
    tokio::time::sleep(Duration::from_secs(20)).await;
    team.until_issuer("False", "Unreachable", &advice).await;
    assert_eq!(team.portal.ledger().live().len(), 1);
    team.until_finalizers(&["portal"]).await;

    team.portal.up().await;
    team.until_issuer_deleted().await;
    assert!(team.portal.ledger().live().is_empty(), "found by its marker, and revoked");
    team.until_finalizers(&[]).await;
}

#[tokio::test]
async fn a_hidden_list_is_reported_once_and_blocks_no_deletion_of_an_issuer() {
    let (control_plane, operator) = own_control_plane().await;
    let mut portal = Config::default();
    portal.names.request.id = Some("container_token_id".to_owned());
    let team = Team::bare(control_plane, "list-hidden", portal).await;
    team.credentials("portal-password").await;
    let outputs = json!({"username": "username", "secret": "secret", "id": "container_token_id"});
    team.issuer(json!({"thinkwise": {"tasks": {"request": {"outputs": outputs}}}})).await;
    team.token("pull", "while the list is shown").await;
    team.until_synced("pull").await;
    team.until_issuer("True", "PortalReady", &[]).await;

    team.portal.configure(|config| config.table_hidden = true);
    // After a change of the spec the portal is probed again.
    let unnamed = json!({"table": null, "tasks": {"request": {"outputs": outputs}}});
    team.issuer(json!({"thinkwise": unnamed})).await;
    let status = team.until_issuer("True", "TokenListForbidden", &["no audits"]).await;
    assert_eq!(status.resolved.expect("resolved").table, None, "the resolved problem is removed from the status too");
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
    team.until_issuer("False", "IssuerDeleting", &["final audit", "in-flight requests"]).await;
    team.until_issuer_deleted().await;
    team.until_finalizers(&[]).await;
    drop(operator);
}

#[tokio::test]
async fn a_deleted_issuer_in_use_reports_that_it_waits_for_its_objects() {
    let team = Team::new("in-use").await;
    team.token("pull", "needs its issuer").await;
    team.until_synced("pull").await;
    team.delete_issuer().await;
    team.until_issuer("False", "IssuerDeleting", &["RegistryTokens still need this issuer", "Delete them"]).await;
    team.until("pull", "True", "TokenStored").await;
    team.delete("pull").await;
    team.until_issuer_deleted().await;
}

#[tokio::test]
async fn invalid_credentials_keep_the_finalizer_on_the_previous_ones_and_are_recorded() {
    let team = Team::new("detour").await;
    team.token("pull", "credentials move").await;
    team.until_synced("pull").await;
    team.until_finalizers(&["portal"]).await;
    team.other_credentials("portal-new", "wrong").await;
    team.refer_to("portal-new").await;
    team.until_issuer("False", "Unauthorized", &["portal-new"]).await;
    team.until_finalizers(&["portal", "portal-new"]).await;
    // The finalizer stays on the credentials that still work, so the change can be undone.
    team.refer_to("portal").await;
    let status = team.until_issuer("True", "PortalReady", &[]).await;
    assert_eq!(status.credentials_secrets, ["portal"]);
    team.until_finalizers(&["portal"]).await;

    // Once more, until it is deleted: without objects too, the finalizer is on the Secret that the spec names.
    team.delete("pull").await;
    team.other_credentials("portal-other", "portal-password").await;
    team.refer_to("portal-other").await;
    team.until_finalizers(&["portal-other"]).await;
    team.refer_to("portal-new").await;
    team.until_issuer("False", "Unauthorized", &[]).await;
    team.refer_to("portal-other").await;
    team.until_finalizers(&["portal-other"]).await;
    team.delete_issuer().await;
    team.until_issuer_deleted().await;
    team.until_finalizers(&[]).await;
}

#[tokio::test]
async fn two_issuers_that_share_credentials_and_change_them_together_remove_their_finalizers() {
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
    // Which reconcile sees what the other one recorded is random.
    for secret in ["portal-2", "portal", "portal-2", "portal", "portal-2"] {
        both(secret).await;
        team.until_finalizers(&[secret]).await;
        // An issuer that saw what the other one had recorded until then is reconciled again a minute later.
        eventually("both to record nothing else", LIMIT * 2, async || {
            let all = team.issuers().list(&ListParams::default()).await.map_err(|error| error.to_string())?;
            let noted = all.items.into_iter().filter_map(|one| one.status).map(|status| status.credentials_secrets);
            let noted: Vec<_> = noted.collect();
            if noted.iter().all(|names| *names == [secret]) { Ok(()) } else { Err(format!("{noted:?}")) }
        })
        .await;
    }
}

#[tokio::test]
async fn credentials_that_are_deleted_alone_stay_while_needed_and_the_issuer_says_what_to_do() {
    let team = Team::new("credentials-first").await;
    team.token("pull", "revoked with them").await;
    let before = team.until_synced("pull").await;
    team.secrets().delete("portal", &DeleteParams::default()).await.expect("deleted");
    // The issuer is reconciled once a minute, and when its spec changes.
    team.issuer(json!({"audit": {"interval": "11m"}})).await;
    let advice = ["portal", "is being deleted", "create another Secret", "spec.thinkwise.auth", "delete this issuer"];
    team.until_issuer("True", "CredentialsDeleting", &advice).await;
    // This blocks nothing: the requested replacement happens.
    team.annotate("pull", "replace", "1").await;
    team.until_replaced("pull", &before.status.and_then(|status| status.token).expect("a token")).await;
    team.token("late", "requested with them").await;
    team.until_synced("late").await;
    team.delete("late").await;
    team.delete("pull").await;
    assert!(team.portal.ledger().live().is_empty());
    // The Secret is deleted after either step that the message names: using another Secret,
    team.other_credentials("portal-other", "portal-password").await;
    team.refer_to("portal-other").await;
    team.until_issuer("True", "PortalReady", &[]).await;
    team.until_finalizers(&["portal-other"]).await;
    assert!(team.secrets().get_opt("portal").await.expect("asked").is_none(), "deleted in the end");
    // or deleting the issuer.
    team.secrets().delete("portal-other", &DeleteParams::default()).await.expect("deleted");
    team.delete_issuer().await;
    team.until_issuer_deleted().await;
    assert!(team.secrets().get_opt("portal-other").await.expect("asked").is_none());
}

#[tokio::test]
async fn credentials_removed_by_force_are_requested_before_a_token_is_revoked() {
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
    eventually("pull to be deleted", LIMIT, async || match team.tokens().get_opt("pull").await {
        Ok(None) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    assert!(team.portal.ledger().live().is_empty());
}
