//! The procedures of `docs/runbooks.md`: the tests read the commands from there and run them.

use crate::control_plane::{ControlPlane, eventually};
use crate::fake_portal::{Config, FakePortal, Operation};
use crate::fixture::manifests::elsewhere;
use crate::fixture::{LIMIT, Team, issuer_spec, merge, ready, token, until_gone};
use crate::helpers::{current, current_id};
use crate::issuers::cluster_issuer;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::{DeleteParams, PostParams};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;
use tokio::process::Command;

const RUNBOOKS: &str = include_str!("../../docs/runbooks.md");

/// The only command of the runbooks that contains these words.
fn command(words: &str) -> &'static str {
    let written = RUNBOOKS.split(['\n', '`']).filter(|text| text.starts_with("kubectl "));
    let mut found: Vec<&str> = written.filter(|text| text.contains(words)).collect();
    assert_eq!(found.len(), 1, "commands with {words:?}: {found:?}");
    found.remove(0)
}

/// Runs the command in a shell, with the names of the runbooks replaced by these.
async fn run(control_plane: &ControlPlane, words: &str, names: &[(&str, &str)]) -> String {
    let mut command = command(words).to_owned();
    for (written, meant) in names {
        command = command.replace(written, meant);
    }
    let kubectl = control_plane.kubectl();
    let path = format!("{}:/usr/bin:/bin", kubectl.parent().unwrap_or(Path::new("/")).display());
    let mut shell = Command::new("/bin/sh");
    let cache = std::env::temp_dir().join(format!("kubectl-cache-{}", std::process::id()));
    shell.args(["-c", &command]).env("PATH", path).env("KUBECACHEDIR", cache);
    let output = shell.env("KUBECONFIG", control_plane.kubeconfig_path()).output().await.expect("runs");
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

impl Team {
    /// Runs a command of the runbooks for the object `thinkwise-pull` in `team-a`.
    pub async fn runbook(&self, words: &str) -> String {
        run(self.control_plane, words, &[("team-a", &self.namespace), ("NAME", "portal")]).await
    }
}

const OBJECT: &str = "thinkwise-pull";

#[tokio::test]
async fn a_token_may_be_compromised() {
    let team = Team::new("runbook-replace").await;
    team.token(OBJECT, "known to others").await;
    let before = team.until_synced(OBJECT).await;
    let leaked = team.dockerconfigjson(OBJECT).await;
    team.runbook("registry-token.dev/replace").await;
    let after = team.until_replaced(OBJECT, &current(&before)).await;
    team.until_live(&[current_id(&after)]).await;
    assert!(team.pull(&leaked).await.is_err());
    assert!(team.pull(&team.dockerconfigjson(OBJECT).await).await.is_ok());
}

#[tokio::test]
async fn a_portal_does_not_come_back() {
    let team = Team::new("runbook-gone").await;
    team.token(OBJECT, "left behind").await;
    team.until_synced(OBJECT).await;
    let content = team.dockerconfigjson(OBJECT).await;
    team.portal.down().await;
    team.tokens().delete(OBJECT, &DeleteParams::default()).await.expect("deleted");
    team.until(OBJECT, "False", "IssuerNotReady").await;
    team.runbook("deletionPolicy").await;
    until_gone(&team.tokens(), OBJECT).await;
    assert_eq!(team.dockerconfigjson(OBJECT).await, content, "its Secret is left to its user");
    // The issuer, too.
    team.issuers().delete("portal", &DeleteParams::default()).await.expect("deleted");
    team.until_issuer("False", "Unreachable", &["final audit", "runbooks"]).await;
    team.runbook("kubectl patch tokenissuer").await;
    team.runbook("kubectl patch secret").await;
    until_gone(&team.issuers(), "portal").await;
    let secret = team.secrets().get("portal").await.expect("it was not deleted");
    assert!(secret.finalizers().is_empty(), "nothing keeps it");
    assert_eq!(team.portal.ledger().count(Operation::Revoke), 0);
}

#[tokio::test]
async fn a_secret_is_adopted() {
    let team = Team::new("runbook-adopt").await;
    let foreign: Secret = serde_json::from_value(json!({
        "metadata": {"name": OBJECT}, "type": "kubernetes.io/dockerconfigjson",
        "stringData": {".dockerconfigjson": "{\"auths\":{}}"},
    }))
    .expect("a Secret");
    let uid = team.secrets().create(&PostParams::default(), &foreign).await.expect("created").uid();
    team.token(OBJECT, "takes over").await;
    team.until(OBJECT, "False", "SecretNotOwned").await;
    team.runbook("registry-token.dev/adopt").await;
    team.until_synced(OBJECT).await;
    assert_eq!(team.secret_uid(OBJECT).await, uid);
    assert!(team.pull(&team.dockerconfigjson(OBJECT).await).await.is_ok());
}

#[tokio::test]
async fn colleagues_revoked_a_token_and_the_portal_is_audited_now() {
    let team = Team::bare(crate::fixture::stage(), "runbook-audit", Config::default()).await;
    let issuer = cluster_issuer(&team, json!({})).await;
    let mut object = token(OBJECT, "revoked on purpose");
    object["spec"]["issuerRef"] = json!({"name": issuer});
    object["spec"]["upstreamRevocationPolicy"] = json!("Hold");
    team.apply(object).await;
    let first = team.until_synced(OBJECT).await;
    assert!(team.portal.ledger().revoke_as_colleague(current_id(&first)));
    // No list proves anything yet; a second audit needs another value.
    eventually("the object to be held", LIMIT, async || {
        run(team.control_plane, "annotate clustertokenissuer", &[("NAME", &issuer)]).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let object = team.tokens().get(OBJECT).await.map_err(|error| error.to_string())?;
        let (_, reason, message) = ready(&object);
        if reason == "RevokedUpstream" { Ok(()) } else { Err(message) }
    })
    .await;
    assert_eq!(team.portal.ledger().count(Operation::Request), 1);
}

#[tokio::test]
async fn the_portal_gets_another_address() {
    let team = Team::new("runbook-moved").await;
    team.token(OBJECT, "at the old address").await;
    let before = team.until_synced(OBJECT).await;
    let old = team.dockerconfigjson(OBJECT).await;
    let other = FakePortal::start(Config::default()).await;
    let at_the_new = |changes: Value| {
        let mut spec = issuer_spec(&other);
        merge(&mut spec, changes);
        spec
    };
    // The portal's address is changed in place, and an object gets a rotation request.
    team.issuer(elsewhere(&other)).await;
    team.until_issuer("False", "PortalChanged", &["set it back", "create another issuer"]).await;
    assert!(team.pull(&old).await.is_ok(), "pods go on pulling");
    // Step 1.
    team.issuer(json!({})).await;
    team.until_issuer("True", "PortalReady", &[]).await;
    // Step 2.
    team.apply(json!({
        "apiVersion": "registry-token.dev/v1alpha1", "kind": "TokenIssuer", "metadata": {"name": "portal-new"},
        "spec": at_the_new(json!({})),
    }))
    .await;
    let mut second = token("thinkwise-pull-new", "at the new address");
    merge(&mut second["spec"], json!({"issuerRef": {"name": "portal-new"}, "secret": {"name": "pull-new"}}));
    team.apply(second).await;
    team.until_synced("thinkwise-pull-new").await;
    let new = team.dockerconfigjson("pull-new").await;
    let pulled = crate::pull::pull(&new, &other.registry_host(), &other.ca_pem()).await;
    assert!(pulled.is_ok(), "pods can use the new Secret: {pulled:?}");
    assert!(team.pull(&old).await.is_ok(), "and the old one");
    assert_eq!(current(&team.until_synced(OBJECT).await), current(&before));
    // Step 3.
    team.delete(OBJECT).await;
    assert!(team.portal.ledger().live().is_empty(), "revoked at the old address");
    team.issuers().delete("portal", &DeleteParams::default()).await.expect("deleted");
    until_gone(&team.issuers(), "portal").await;
    assert_eq!(other.ledger().live().len(), 1);
    assert_eq!(other.ledger().count(Operation::Revoke), 0);
    team.assert_idle_for("thinkwise-pull-new", Duration::from_secs(2)).await;
}
