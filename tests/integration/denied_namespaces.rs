//! A cluster issuer that no longer serves a namespace: its tokens are kept for the grace period, and then revoked.

use crate::control_plane::{ControlPlane, eventually};
use crate::fake_portal::{Config, Operation};
use crate::fixture::{LIMIT, Team, condition, merge, own_control_plane, ready, stage, start_operator};
use crate::helpers::current_id;
use crate::issuers::cluster_issuer;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt};
use registry_token_operator::api::RegistryToken;
use serde_json::{Value, json};
use std::time::Duration;

/// How long nothing may happen.
const SILENCE: Duration = Duration::from_secs(4);

/// A namespace with a label that its issuer selects.
struct Denied {
    team: Team,
    issuer: String,
    /// The content of the Secret of its first token.
    content: Vec<u8>,
}

impl Denied {
    /// With a token, if the issuer serves the namespace.
    async fn on(control_plane: &'static ControlPlane, name: &str, spec: Value) -> (Self, RegistryToken) {
        let team = Team::bare(control_plane, name, Config::default()).await;
        let mut denied = Self { issuer: team.namespace.clone(), team, content: vec![] };
        denied.label(Some("yes")).await;
        denied.allow("yes", "1h").await;
        denied.token("pull", spec).await;
        let token = denied.team.until_synced("pull").await;
        denied.content = denied.team.dockerconfigjson("pull").await;
        assert!(denied.team.pull(&denied.content).await.is_ok());
        (denied, token)
    }

    async fn new(name: &str, spec: Value) -> (Self, RegistryToken) {
        Self::on(stage(), name, spec).await
    }

    async fn token(&self, name: &str, spec: Value) {
        let mut object = json!({
            "apiVersion": "registry-token.dev/v1alpha1", "kind": "RegistryToken", "metadata": {"name": name},
            "spec": {"description": "while it is allowed", "issuerRef": {"name": self.issuer}},
        });
        merge(&mut object["spec"], spec);
        self.team.apply(object).await;
    }

    /// Applies the issuer, which serves the namespaces whose label has this value.
    async fn allow(&self, value: &str, grace_period: &str) {
        let selector = json!({"matchLabels": {"may-pull": value}});
        let allowed = json!({"from": "Selector", "selector": selector, "gracePeriod": grace_period});
        cluster_issuer(&self.team, json!({"allowedNamespaces": allowed})).await;
    }

    /// Sets the namespace's label, or removes it.
    async fn label(&self, value: Option<&str>) {
        let namespaces: Api<Namespace> = Api::all(self.team.client.clone());
        let patch = Patch::Merge(json!({"metadata": {"labels": {"may-pull": value}}}));
        namespaces.patch(&self.team.namespace, &PatchParams::default(), &patch).await.expect("labeled");
    }

    /// Waits until the condition says that the tokens are revoked, and when; returns since when.
    async fn until_announced(&self) -> String {
        let announced = self
            .team
            .until_object("pull", "announced", |token| {
                condition(token, "NamespaceAllowed")
                    .is_some_and(|one| one["message"].as_str().is_some_and(|text| text.contains("are revoked at 20")))
            })
            .await;
        since(&announced)
    }

    async fn until_condition_gone(&self) -> RegistryToken {
        self.team.until_object("pull", "allowed", |token| condition(token, "NamespaceAllowed").is_none()).await
    }

    /// Waits until the object has no token, and checks what is left.
    async fn until_revoked(&self, former: &RegistryToken) {
        let uid = self.team.secret_uid("pull").await;
        self.team.until("pull", "False", "NamespaceNotAllowed").await;
        self.team.until_live_count(0).await;
        assert!(!self.team.portal.ledger().token(current_id(former)).expect("a token").is_live());
        let object = self.until_status_without_tokens().await;
        let message = condition(&object, "NamespaceAllowed").expect("the condition")["message"].to_string();
        assert!(message.contains("has not served this namespace since 20"), "{message}");
        assert_eq!(condition(&object, "Stalled").expect("stalled")["reason"], "NamespaceNotAllowed");
        assert!(condition(&object, "LoginVerified").is_none() && condition(&object, "DescriptionSynced").is_none());
        assert_eq!(self.team.secret_uid("pull").await, uid, "the Secret is kept, without the login");
        assert_eq!(self.team.dockerconfigjson("pull").await, br#"{"auths":{}}"#);
        let _ = self.team.pull(&self.content).await.expect_err("the login is not accepted any more");
    }

    /// The portal knows of a revocation before the status does.
    async fn until_status_without_tokens(&self) -> RegistryToken {
        self.team
            .until_object("pull", "without tokens", |token| {
                let status = token.status.clone().unwrap_or_default();
                status.token.is_none() && status.retiring.is_empty()
            })
            .await
    }

    /// Nothing is written to the object or its Secret, and no task is run.
    async fn assert_silence(&self) {
        let version = async || {
            let token = self.team.tokens().get("pull").await.expect("there").resource_version();
            (token, self.team.secrets().get("pull").await.ok().and_then(|secret| secret.resource_version()))
        };
        let before = version().await;
        self.team.assert_no_task_for(SILENCE).await;
        assert_eq!(version().await, before);
    }

    fn requests(&self) -> usize {
        self.team.portal.ledger().count(Operation::Request)
    }
}

fn since(token: &RegistryToken) -> String {
    condition(token, "NamespaceAllowed").expect("the condition")["lastTransitionTime"].to_string()
}

#[tokio::test]
async fn an_issuer_that_is_narrowed_revokes_after_the_grace_period_and_says_why_and_when() {
    let (denied, first) = Denied::new("narrowed", json!({})).await;
    denied.allow("no", "1h").await;
    denied.until_announced().await;
    let event = denied.team.until_event("pull", "NamespaceNotAllowed").await;
    assert!(event.message.is_some_and(|text| text.contains("are revoked at 20")));
    let object = denied.team.tokens().get("pull").await.expect("there");
    assert_eq!(ready(&object).0, "True", "pods can pull");
    assert!(condition(&object, "Stalled").is_none() && condition(&object, "Reconciling").is_none());
    denied.assert_silence().await;
    assert_eq!(denied.team.portal.ledger().live().len(), 1, "nothing is revoked before the grace period ends");

    // A shorter grace period counts from the same time.
    let began = since(&object);
    denied.allow("no", "2s").await;
    denied.until_revoked(&first).await;
    assert_eq!(since(&denied.team.tokens().get("pull").await.expect("there")), began);
    denied.assert_silence().await;
    assert_eq!(denied.requests(), 1, "nothing is requested");

    denied.allow("yes", "2s").await;
    let again = denied.team.until_synced("pull").await;
    assert_ne!(current_id(&again), current_id(&first));
    denied.until_condition_gone().await;
    assert!(denied.team.pull(&denied.team.dockerconfigjson("pull").await).await.is_ok());
    assert_eq!(denied.requests(), 2);
    denied.team.delete("pull").await;
    assert!(denied.team.portal.ledger().live().is_empty());
}

#[tokio::test]
async fn a_namespace_that_loses_its_label_and_gets_it_back_in_time_keeps_its_token() {
    let (denied, first) = Denied::new("relabeled", json!({})).await;
    denied.label(None).await;
    denied.until_announced().await;
    // A compromised token is not replaced meanwhile, and pods can pull.
    denied.team.annotate("pull", "replace", "1").await;
    denied.team.until_condition("pull", "Stalled", "True", "NamespaceNotAllowed").await;
    assert_eq!(ready(&denied.team.tokens().get("pull").await.expect("there")).0, "True");
    denied.team.patch("pull", json!({"metadata": {"annotations": {"registry-token.dev/replace": null}}})).await;
    denied.label(Some("yes")).await;
    let object = denied.until_condition_gone().await;
    assert_eq!(current_id(&object), current_id(&first));
    denied.team.until_object("pull", "not stalled", |token| condition(token, "Stalled").is_none()).await;
    denied.assert_silence().await;
    assert_eq!((denied.requests(), denied.team.portal.ledger().live().len()), (1, 1));
    assert_eq!(denied.team.dockerconfigjson("pull").await, denied.content);
    assert!(denied.team.pull(&denied.content).await.is_ok());
}

#[tokio::test]
async fn deletion_policy_suspension_and_an_immutable_secret_prevent_no_revocation() {
    let spec = json!({"deletionPolicy": "Orphan", "suspend": false, "rotation": {"interval": "24h", "overlap": "1h"}});
    let (denied, first) = Denied::new("unlabeled", spec).await;
    denied.team.annotate("pull", "rotate", "1").await;
    let second = denied
        .team
        .until_object("pull", "rotated", |token| {
            token.status.as_ref().is_some_and(|status| !status.retiring.is_empty())
                && current_id(token) != current_id(&first)
        })
        .await;
    denied.team.until_synced("pull").await;
    denied.team.patch("pull", json!({"spec": {"suspend": true}})).await;
    denied.team.until_condition("pull", "Suspended", "True", "Suspended").await;
    denied.team.patch_secret("pull", json!({"immutable": true})).await;
    denied.allow("yes", "0s").await;
    denied.label(None).await;
    denied.team.until("pull", "False", "NamespaceNotAllowed").await;
    denied.team.until_live_count(0).await;
    denied.until_status_without_tokens().await;
    for token in [&first, &second] {
        assert!(!denied.team.portal.ledger().token(current_id(token)).expect("a token").is_live());
    }
    denied.assert_silence().await;
    assert_eq!(denied.requests(), 2);
}

#[tokio::test]
async fn a_namespace_that_was_never_allowed_gets_neither_a_finalizer_nor_a_secret() {
    let (denied, _) = Denied::new("never", json!({})).await;
    denied.label(None).await;
    denied.until_announced().await;
    denied.token("other", json!({})).await;
    let other = denied.team.until("other", "False", "NamespaceNotAllowed").await;
    assert!(other.finalizers().is_empty() && denied.team.secrets().get_opt("other").await.expect("read").is_none());
    assert_eq!(denied.requests(), 1);
    denied.label(Some("yes")).await;
    denied.team.until_synced("other").await;
}

#[tokio::test]
async fn a_restart_neither_extends_nor_shortens_the_grace_period() {
    let (control_plane, operator) = own_control_plane().await;
    let (denied, first) = Denied::on(control_plane, "restarted", json!({})).await;
    denied.label(None).await;
    let began = denied.until_announced().await;
    operator.kill();
    // It is longer than the first one by then.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let operator = start_operator(control_plane).await;
    denied.assert_silence().await;
    assert_eq!(since(&denied.team.tokens().get("pull").await.expect("there")), began);
    assert_eq!(denied.team.portal.ledger().live().len(), 1);
    operator.terminate().await;
    // The grace period is over when the operator is back: it reads issuer and namespace, and revokes at once.
    denied.allow("yes", "5s").await;
    let operator = start_operator(control_plane).await;
    denied.until_revoked(&first).await;
    assert_eq!(denied.requests(), 1);
    drop(operator);
}

#[tokio::test]
async fn a_label_that_comes_back_while_no_operator_runs_revokes_nothing() {
    let (control_plane, operator) = own_control_plane().await;
    let (denied, first) = Denied::on(control_plane, "back", json!({})).await;
    denied.label(None).await;
    denied.until_announced().await;
    operator.terminate().await;
    denied.allow("yes", "1s").await;
    denied.label(Some("yes")).await;
    let operator = start_operator(control_plane).await;
    let object = denied.until_condition_gone().await;
    assert_eq!(current_id(&object), current_id(&first));
    denied.assert_silence().await;
    assert_eq!((denied.requests(), denied.team.portal.ledger().live().len()), (1, 1));
    drop(operator);
}

#[tokio::test]
async fn an_issuer_that_is_being_deleted_denies_nothing() {
    let (denied, first) = Denied::new("deleted", json!({})).await;
    denied.allow("no", "1h").await;
    denied.until_announced().await;
    let issuers: Api<registry_token_operator::api::ClusterTokenIssuer> = Api::all(denied.team.client.clone());
    issuers.delete(&denied.issuer, &kube::api::DeleteParams::default()).await.expect("deleted");
    let shorter = Patch::Merge(json!({"spec": {"allowedNamespaces": {"gracePeriod": "0s"}}}));
    issuers.patch(&denied.issuer, &PatchParams::default(), &shorter).await.expect("patched");
    denied.team.assert_no_task_for(SILENCE).await;
    assert!(denied.team.portal.ledger().token(current_id(&first)).expect("a token").is_live());
    denied.team.delete("pull").await;
    eventually("the issuer to be deleted", LIMIT, async || match issuers.get_opt(&denied.issuer).await {
        Ok(None) => Ok(()),
        other => Err(format!("{:?}", other.map(|issuer| issuer.and_then(|issuer| issuer.status)))),
    })
    .await;
    assert!(denied.team.portal.ledger().live().is_empty());
}
