//! From nothing to a working issuer: the output of `discover` can be applied unchanged, and `check` logs in as the
//! operator would.

use crate::fake_portal::{Config, Names};
use crate::fixture::{Team, binary, stage};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use std::process::Output;
use tokio::process::Command;

async fn run(team: &Team, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(binary());
    command.args(arguments).env_clear().env("KUBECONFIG", team.control_plane.kubeconfig_path());
    let output = command.envs(environment.iter().copied()).output().await.expect("runs");
    let all = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(!all.contains("portal-password"), "{all}");
    output
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn the_output_of_discover_can_be_applied_and_works() {
    let config = Config { names: Names::dutch(), description_max_length: Some(120), ..Config::default() };
    let team = Team::bare(stage(), "first-steps", config).await;
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let (ca, file) = (path("ca.crt"), path("issuer.yaml"));
    std::fs::write(&ca, team.portal.ca_pem()).expect("written");
    let (url, namespace) = (team.portal.portal_url(), team.namespace.clone());
    let login = [("PORTAL_USERNAME", "k8s"), ("PORTAL_PASSWORD", "portal-password")];
    let place = ["--kind", "token-issuer", "--name", "portal", "--namespace", &namespace, "--ca-file", &ca];
    let found = run(&team, &[&["discover", "--url", &url], &place[..]].concat(), &login).await;
    assert!(found.status.success(), "{}", text(&found.stderr));
    std::fs::write(&file, &found.stdout).expect("written");

    // The Secret does not exist yet.
    let checked = run(&team, &["check", "-f", &file], &[]).await;
    let said = text(&checked.stderr);
    assert!(!checked.status.success() && said.contains("/portal does not exist: create it"), "{said}");
    team.credentials("portal-password").await;
    let checked = run(&team, &["check", "-f", &file], &[]).await;
    let said = text(&checked.stdout);
    assert!(
        checked.status.success() && said.contains("the issuer matches the portal"),
        "{said}{}",
        text(&checked.stderr)
    );

    team.control_plane.apply(&text(&found.stdout)).await.expect("applied as it is");
    // Logins are checked at the vendor's registry unless the spec names another: here the fake one.
    let registry = json!({"host": team.portal.registry_host(), "tls": {"caBundle": team.portal.ca_pem()}});
    let change = Patch::Merge(json!({"spec": {"registries": [registry]}}));
    team.issuers().patch("portal", &PatchParams::default(), &change).await.expect("patched");
    team.token("pull", "by what was found").await;
    team.until_synced("pull").await;
    let issuer = team.issuers().get("portal").await.expect("an issuer");
    let resolved = issuer.status.expect("a status").resolved.expect("what was found");
    assert_eq!((resolved.table.as_deref(), resolved.request.as_str()), (Some("klant_token"), "token_aanvragen"));
    let wide = ["get", "tokenissuer", "-o", "wide", "-n", &namespace];
    let wide = team.control_plane.kubectl_ok(&wide, None).await.expect("shown");
    assert!(wide.lines().next().expect("a header").contains("TOKENS"), "{wide}");
}

#[tokio::test]
async fn an_issuer_with_only_the_portals_address_works() {
    let team = Team::bare(stage(), "no-more", Config::default()).await;
    team.credentials("portal-password").await;
    team.issuer(json!({"thinkwise": {"table": Value::Null, "tasks": Value::Null}})).await;
    team.token("pull", "by what was found").await;
    team.until_synced("pull").await;
}

#[tokio::test]
async fn a_name_that_the_portal_does_not_have_is_in_the_issuers_condition() {
    let team = Team::bare(stage(), "misnamed", Config::default()).await;
    team.credentials("portal-password").await;
    team.issuer(json!({"thinkwise": {"tasks": {"revoke": {"name": "revoke_tokens"}}}})).await;
    team.token("pull", "waits").await;
    let waits = team.until("pull", "False", "IssuerNotReady").await;
    let message = crate::fixture::ready(&waits).2;
    assert!(message.contains("nearest: revoke_token"), "{message}");
    assert!(message.contains("spec.thinkwise.tasks.revoke.name"), "{message}");
    assert!(team.portal.ledger().live().is_empty());
    team.issuer(json!({})).await;
    team.until("pull", "True", "TokenStored").await;
}
