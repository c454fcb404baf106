//! The API server's clock jumps ten years ahead and back, and is then corrected: nothing is delayed that long, nothing
//! is requested repeatedly, and pods can pull all the time.

use super::proxy::Proxy;
use crate::control_plane::{ControlPlane, Options, eventually};
use crate::fake_portal::{Config, Operation};
use crate::fixture::{LIMIT, Team, binary, ready, token};
use crate::operator_process::{self, Operator};
use jiff::{SignedDuration, Timestamp};
use registry_token_operator::api::RegistryToken;
use serde_json::json;
use std::time::Duration;

const HOUR: SignedDuration = SignedDuration::from_hours(1);
const DECADE: SignedDuration = SignedDuration::from_hours(24 * 3653);
/// By how much the arrival of a response may differ from its date.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(2);

async fn team(control_plane: &'static ControlPlane, name: &str) -> (Team, i64) {
    let team = Team::on(control_plane, name, Config::default(), json!({})).await;
    let mut object = token("pull", "on schedule");
    object["spec"]["rotation"] = json!({"interval": "24h", "overlap": "1h"});
    team.apply(object).await;
    let first = id(&team.until_synced("pull").await);
    (team, first)
}

fn id(object: &RegistryToken) -> i64 {
    let token = object.status.as_ref().and_then(|status| status.token.as_ref());
    token.and_then(|token| token.id.parse().ok()).unwrap_or_default()
}

fn request_time(object: &RegistryToken) -> Timestamp {
    object
        .status
        .as_ref()
        .and_then(|status| status.token.as_ref())
        .map(|token| token.request_time.0)
        .unwrap_or_default()
}

fn is_near(time: Timestamp, wanted: SignedDuration) -> bool {
    (time.duration_since(Timestamp::now()) - wanted).abs() < TOLERANCE
}

/// Requests reconciles, so that the operator sees the current date, until this is true.
async fn reconcile_until(team: &Team, what: &str, wanted: impl Fn(&RegistryToken) -> bool) -> RegistryToken {
    let mut round = 0;
    eventually(what, LIMIT, async || {
        round += 1;
        let value = format!("{what}, {round}");
        team.patch("pull", json!({"metadata": {"annotations": {"registry-token.dev/reconcile": value}}})).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        let object = team.tokens().get("pull").await.map_err(|error| error.to_string())?;
        assert_eq!(ready(&object).0, "True", "pods can pull all the time: {:?}", object.status);
        if wanted(&object) { Ok(object) } else { Err(json!(object.status).to_string()) }
    })
    .await
}

/// Longer than it takes until another time is accepted.
async fn reconcile_for_a_while(team: &Team) -> RegistryToken {
    let until = std::time::Instant::now() + Duration::from_secs(8);
    reconcile_until(team, "some time to pass", |_| std::time::Instant::now() > until).await
}

fn requests(team: &Team) -> usize {
    team.portal.ledger().count(Operation::Request)
}

async fn both_pull(team: &Team, old: &[u8]) {
    assert!(team.pull(old).await.is_ok() && team.pull(&team.dockerconfigjson("pull").await).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_jumps_by_ten_years_rotates_once_and_delays_nothing() {
    let control_plane = ControlPlane::start_for_test(Options::default()).await.expect("starts");
    operator_process::install(control_plane).await.expect("installed");
    let (proxy, kubeconfig) = Proxy::start(control_plane).await.expect("a proxy");
    let operator = Operator::start(binary(), &kubeconfig, &operator_process::Options::default()).await.expect("starts");

    // Ahead: ten years later a token with an interval of a day is to be replaced, once.
    let (ahead, first) = team(control_plane, "ahead").await;
    let old = ahead.dockerconfigjson("pull").await;
    proxy.shift_clock(DECADE);
    reconcile_until(&ahead, "the token to be rotated", |object| id(object) != first).await;
    let then = reconcile_for_a_while(&ahead).await;
    assert!(is_near(request_time(&then), DECADE), "by the API server's time: {}", request_time(&then));
    assert_eq!(requests(&ahead), 2, "once for all that was missed");
    both_pull(&ahead, &old).await;
    // And back: recorded times in the future count as now, and the overlap is as configured.
    proxy.shift_clock(SignedDuration::ZERO);
    let now =
        reconcile_until(&ahead, "current times", |object| is_near(request_time(object), SignedDuration::ZERO)).await;
    let status = now.status.clone().expect("a status");
    assert!(is_near(status.retiring[0].revocation_time.0, HOUR), "{:?}", status.retiring);
    let next = status.next_rotation_time.expect("a rotation").0;
    assert!(next < Timestamp::now() + HOUR * 24 + TOLERANCE, "delayed to {next}");
    let after = reconcile_for_a_while(&ahead).await;
    assert_eq!((requests(&ahead), id(&after)), (2, id(&then)), "nothing is requested again");
    assert_eq!(ahead.portal.ledger().count(Operation::Revoke), 0, "nor is the overlap shortened");
    both_pull(&ahead, &old).await;

    // Back: nothing is due, and nothing waits for the previous time.
    let (behind, first) = team(control_plane, "behind").await;
    let old = behind.dockerconfigjson("pull").await;
    proxy.shift_clock(-DECADE);
    reconcile_until(&behind, "times of that moment", |object| is_near(request_time(object), -DECADE)).await;
    let then = reconcile_for_a_while(&behind).await;
    assert_eq!((requests(&behind), id(&then)), (1, first), "nothing is requested");
    // And forward: a token that is ten years old is rotated, once, with its overlap.
    proxy.shift_clock(SignedDuration::ZERO);
    reconcile_until(&behind, "the token to be rotated", |object| id(object) != first).await;
    let after = reconcile_for_a_while(&behind).await;
    assert!(is_near(request_time(&after), SignedDuration::ZERO));
    assert_eq!(requests(&behind), 2, "once");
    assert_eq!(behind.portal.ledger().count(Operation::Revoke), 0);
    both_pull(&behind, &old).await;
    let log = operator.kill();
    assert!(!log.contains("panicked at"), "the operator panicked");
}
