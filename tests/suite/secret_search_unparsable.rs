//! An answer that cannot be parsed shows no secret either: it is logged by no library, and by us without what it
//! holds.

use crate::api_proxy::{self, Spoil};
use crate::control_plane::eventually;
use crate::operator::{Operator, Options};
use crate::secret_search::{every_object, finds, holders};
use crate::simulator::Config;
use crate::stage::{LIMIT, Team, binary, own_stage};
use serde_json::json;

/// What is spoiled: every answer that holds one Secret. Lists and watches bring whole Secrets, though metadata is
/// asked for.
fn spoil(path: &str, how: Spoil) -> Spoil {
    match path.split("/secrets").nth(1) {
        Some("") => Spoil::Whole,
        Some(_) => how,
        None => Spoil::Nothing,
    }
}

#[tokio::test]
async fn an_answer_that_cannot_be_parsed_shows_no_secret() {
    let (control_plane, operator) = own_stage().await;
    let team = Team::on(control_plane, "unparsable", Config::default(), json!({})).await;
    team.token("pull", "searched for").await;
    team.until_settled("pull").await;
    operator.terminate().await;
    let secrets = team.portal.ledger().secrets();
    assert_eq!(secrets.len(), 1);
    for how in [Spoil::Cut, Spoil::Mistyped, Spoil::AsError] {
        // The issuer works at first, so that the pull secret is read too.
        let namespace = team.namespace.clone();
        let spoiled = move |_: &axum::http::Method, uri: &axum::http::Uri| {
            let credentials = uri.path().ends_with("/secrets/portal") && uri.path().contains(&namespace);
            if credentials { Spoil::Nothing } else { spoil(uri.path(), how) }
        };
        let log = run(&team, spoiled, "read the Secret").await;
        unseen(&team, &log, &secrets[0], how).await;
        let log = run(&team, move |_, uri| spoil(uri.path(), how), "read the issuer's Secret").await;
        unseen(&team, &log, "portal-password", how).await;
        unseen(&team, &log, &secrets[0], how).await;
    }
}

/// Runs an operator until it has logged that this failed; its log.
async fn run(
    team: &Team,
    spoiled: impl Fn(&axum::http::Method, &axum::http::Uri) -> Spoil + Send + Sync + 'static,
    failed: &str,
) -> String {
    let kubeconfig = api_proxy::start(team.control_plane, spoiled).await;
    let talkative = Options { log: "trace", ..Options::default() };
    let operator = Operator::start(binary(), &kubeconfig, &talkative).await.expect("starts");
    // Somebody changes the Secret, so that it is read.
    team.patch_secret("pull", json!({"metadata": {"annotations": {"note": failed}, "labels": {"note": null}}})).await;
    let now = format!("{failed}-{:?}", std::time::Instant::now());
    team.annotate("pull", "reconcile", &now).await;
    eventually(&format!("{failed} to fail"), LIMIT, async || {
        let log = operator.log();
        let told = log.lines().any(|line| line.contains(failed) && line.contains("did not answer as it should"));
        let told = told || log.lines().any(|line| line.contains("ClusterUnavailable") && line.contains(failed));
        if told { Ok(()) } else { Err(log.lines().rev().take(5).collect::<Vec<_>>().join("\n")) }
    })
    .await;
    operator.terminate().await
}

async fn unseen(team: &Team, log: &str, secret: &str, how: Spoil) {
    assert!(log.contains("TRACE"), "the trace log was on");
    assert!(!finds(log, secret), "{how:?}: {secret} is in the log");
    let objects = every_object(team).await;
    let holders = holders(&objects, secret);
    assert!(holders.iter().all(|name| name.starts_with("Secret/")), "{how:?}: {secret} is in {holders:?}");
}
