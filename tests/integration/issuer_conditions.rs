//! What an issuer's conditions say about its portal, and when the issuer is reconciled again.

use crate::control_plane::eventually;
use crate::fake_portal::{Config, Fault, Login, Operation, Profile};
use crate::fixture::{LIMIT, Team, binary, stage};
use futures::future::join_all;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::process::Command;

/// Waits until the issuer's `Ready` has this reason; returns its status and message.
async fn until(team: &Team, reason: &str) -> (String, String) {
    eventually(&format!("the issuer in {} to report {reason}", team.namespace), LIMIT, async || {
        let issuer = team.issuers().get("portal").await.map_err(|error| error.to_string())?;
        let conditions = issuer.status.unwrap_or_default().conditions;
        let ready = conditions.into_iter().find(|one| one.type_ == "Ready").ok_or("no condition yet")?;
        if ready.reason == reason { Ok((ready.status, ready.message)) } else { Err(format!("{ready:?}")) }
    })
    .await
}

/// A portal with this fault, and an issuer with these changes.
struct Case {
    reason: &'static str,
    /// Part of the message: what to do, or the cause.
    says: &'static str,
    fault: Option<Fault>,
    denied: bool,
    changes: Value,
}

fn case(reason: &'static str, says: &'static str) -> Case {
    Case { reason, says, fault: None, denied: false, changes: json!({}) }
}

fn failing(reason: &'static str, says: &'static str, fault: Fault) -> Case {
    Case { fault: Some(fault), ..case(reason, says) }
}

fn cases(other_ca: &str) -> Vec<Case> {
    let map = json!({"thinkwise": {"tls": {"caBundle": null, "caConfigMapRef": {"name": "portal-ca"}}}});
    let bundle = json!({"thinkwise": {"tls": {"caBundle": other_ca}}});
    vec![
        Case { denied: true, ..case("AccessDenied", "the user's role") },
        Case { changes: bundle, ..case("TlsUntrusted", "spec.thinkwise.tls") },
        Case {
            changes: map,
            ..case("CABundleInvalid", "/portal-ca with the key \"ca.crt\" does not exist: create it")
        },
        failing("TimedOut", "did not respond within", Fault::HangBefore),
        failing("RateLimited", "rate limited by the portal", Fault::RetryAfter { status: 429, seconds: 1 }),
        failing("PortalError", "HTTP 500", Fault::Status(500)),
        failing("InvalidResponse", "an HTML page", Fault::Garbage),
        failing("Unreachable", "closed the connection", Fault::DropBefore),
    ]
}

async fn check_case(case: Case, number: usize) {
    let team = Team::bare(stage(), &format!("says-{number}"), Config::default()).await;
    team.credentials("portal-password").await;
    if let Some(fault) = case.fault {
        team.portal.faults().always(Operation::Metadata, fault);
    }
    if case.denied {
        team.portal.configure(|config| config.denied = vec!["k8s".to_owned()]);
    }
    team.issuer(case.changes).await;
    team.token("pull", "waits").await;
    let (status, message) = until(&team, case.reason).await;
    assert_eq!(status, "False", "{}", case.reason);
    assert!(message.contains(case.says), "{}: {message}", case.reason);
    team.until("pull", "False", "IssuerNotReady").await;
    assert_eq!(team.portal.ledger().count(Operation::Request), 0, "{}", case.reason);
    team.portal.faults().clear();
    team.portal.configure(|config| config.denied.clear());
    team.issuer(json!({"thinkwise": {"tls": {"caConfigMapRef": null}}})).await;
    until(&team, "PortalReady").await;
    team.until("pull", "True", "TokenStored").await;
}

#[tokio::test]
async fn an_issuer_reports_portal_problems_and_recovers() {
    let other_ca = crate::fake_portal::FakePortal::start(Config::default()).await.ca_pem();
    join_all(cases(&other_ca).into_iter().enumerate().map(|(number, case)| check_case(case, number))).await;
}

#[tokio::test]
async fn a_password_that_the_portal_rejects_is_reread_at_once() {
    let team = Team::new("new-password").await;
    team.token("before", "with the old password").await;
    team.until_synced("before").await;
    team.credentials("another-password").await;
    team.portal.configure(|config| config.basic = vec![Login::new("k8s", "another-password")]);
    let begun = std::time::Instant::now();
    team.token("after", "with the new password").await;
    team.until("after", "True", "TokenStored").await;
    // Sooner than the issuer's periodic resync.
    assert!(begun.elapsed() < Duration::from_secs(40), "{:?}", begun.elapsed());
    assert_eq!(team.portal.ledger().all().len(), 2);
    until(&team, "PortalReady").await;
}

#[tokio::test]
async fn new_credentials_are_used_within_a_minute_although_the_previous_ones_still_work() {
    let config = Config::default();
    let basic = vec![Login::new("k8s", "portal-password"), Login::new("successor", "portal-password")];
    let team = Team::with("successor", Config { basic, ..config }).await;
    team.token("pull", "stays").await;
    team.until_synced("pull").await;
    team.apply(json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "portal", "labels": {"registry-token.dev/credentials": "true"}},
        "stringData": {"username": "successor", "password": "portal-password"},
    }))
    .await;
    let is_successor = |by: &Option<String>| by.as_deref() == Some("successor");
    eventually("the portal to get a request from the new user", Duration::from_secs(90), async || {
        let seen =
            team.portal.ledger().requests_since(0).into_iter().filter(|one| is_successor(&one.principal)).count();
        if seen > 0 { Ok(()) } else { Err("not yet".to_owned()) }
    })
    .await;
    team.until("pull", "True", "TokenStored").await;
    assert_eq!(team.portal.ledger().all().len(), 1, "no token for that");
}

#[tokio::test]
async fn check_reads_credentials_and_ca_from_the_references_of_either_issuer_kind() {
    for kind in ["TokenIssuer", "ClusterTokenIssuer"] {
        let team = Team::bare(stage(), "check-ca", Config::default()).await;
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("issuer.yaml");
        let mut spec =
            json!({"type": "Thinkwise", "thinkwise": Profile::named("unbound").expect("it").minimal(&team.portal)});
        spec["thinkwise"]["tls"] = json!({"caConfigMapRef": {"name": "portal-ca", "key": "portal.pem"}});
        let mut issuer = json!({
            "apiVersion": "registry-token.dev/v1alpha1", "kind": kind, "metadata": {"name": "portal"}, "spec": spec,
        });
        let mut arguments = vec!["check", "-f", file.to_str().expect("UTF-8")];
        if kind == "TokenIssuer" {
            issuer["metadata"]["namespace"] = json!(team.namespace);
        } else {
            arguments.extend(["--namespace", &team.namespace]);
        }
        std::fs::write(&file, issuer.to_string()).expect("written");
        let run = async || {
            let mut command = Command::new(binary());
            command.args(&arguments).env_clear().env("KUBECONFIG", team.control_plane.kubeconfig_path());
            let output = command.output().await.expect("runs");
            let said =
                format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert!(!said.contains("portal-password"), "{said}");
            (output.status.success(), said)
        };
        team.credentials("portal-password").await;
        let (fits, said) = run().await;
        let missing = format!("the ConfigMap {}/portal-ca with the key \"portal.pem\" does not exist", team.namespace);
        assert!(!fits && said.contains(&missing), "{said}");
        team.apply(json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "portal-ca"},
            "data": {"portal.pem": team.portal.ca_pem()},
        }))
        .await;
        let (fits, said) = run().await;
        assert!(fits && said.contains("the issuer matches the portal"), "{said}");
        assert!(said.contains(kind), "{said}");
    }
}
