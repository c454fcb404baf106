//! Rotation by time: missed rotations, rotations that become due, and timestamps that a clock jump has left in a
//! status.

use crate::fake_portal::{Config, Operation};
use crate::fixture::{Team, merge, own_control_plane, start_operator, token};
use crate::helpers::{current, current_id, retiring};
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use registry_token_operator::api::RegistryToken;
use serde_json::{Value, json};
use std::time::Duration;

const HOUR: SignedDuration = SignedDuration::from_hours(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);
/// Ten years: how far a clock may jump.
const DECADE: SignedDuration = SignedDuration::from_hours(24 * 3653);

fn rotating(name: &str, interval: &str, overlap: &str) -> Value {
    let mut object = token(name, "rotates");
    merge(&mut object["spec"], json!({"rotation": {"interval": interval, "overlap": overlap}}));
    object
}

/// When the token was requested, and when it is to be replaced.
fn times(object: &RegistryToken) -> (Timestamp, Timestamp) {
    let next = object.status.as_ref().and_then(|status| status.next_rotation_time.clone());
    (current(object).request_time.0, next.expect("the next rotation").0)
}

/// Makes the token older by this much.
async fn age(team: &Team, name: &str, by: SignedDuration) -> RegistryToken {
    let object = team.tokens().get(name).await.expect("there");
    let (requested, next) = times(&object);
    let times = json!({"token": {"requestTime": requested - by}, "nextRotationTime": next - by});
    team.patch_status(name, times).await;
    object
}

#[tokio::test]
async fn rotations_missed_while_the_operator_was_down_happen_once() {
    let (control_plane, operator) = own_control_plane().await;
    let team = Team::on(control_plane, "missed", Config::default(), json!({})).await;
    for name in ["missed", "young"] {
        team.apply(rotating(name, "24h", "12s")).await;
    }
    team.until_synced("young").await;
    let before = team.until_synced("missed").await;
    let (old, uid) = (team.dockerconfigjson("missed").await, team.secret_uid("missed").await);
    let others = team.tokens().get("young").await.expect("there");
    operator.terminate().await;
    // Ten rotations were missed.
    age(&team, "missed", DAY * 10).await;
    let started = Timestamp::now();
    let _operator = start_operator(control_plane).await;

    let rotated = team.until_replaced("missed", &current(&before)).await;
    let former = &rotated.status.as_ref().expect("a status").retiring[0];
    assert_eq!(former.username, current(&before).username, "both are in status");
    let (requested, next) = times(&rotated);
    assert!(requested >= started - SignedDuration::from_secs(2), "{requested} is now, and not when it was due");
    assert!(next > requested + DAY * 9 / 10 - HOUR / 60 && next <= requested + DAY, "one interval later: {next}");
    let new = team.dockerconfigjson("missed").await;
    assert!(team.pull(&old).await.is_ok() && team.pull(&new).await.is_ok(), "both pull during the overlap");

    let mut live = vec![current_id(&rotated), current_id(&others)];
    live.sort_unstable();
    team.until_live(&live).await;
    let ended = team.portal.ledger().token(current_id(&before)).and_then(|token| token.revoked).expect("revoked");
    assert!(ended >= former.revocation_time.0, "not before its time");
    assert!(team.pull(&old).await.is_err() && team.pull(&new).await.is_ok());
    team.until_object("missed", "nothing retires", |object| retiring(object) == 0).await;
    team.until_synced("missed").await;
    assert_eq!(team.secret_uid("missed").await, uid, "the Secret is updated in place");
    team.assert_idle_for("missed", Duration::from_secs(4)).await;
    assert_eq!(team.portal.ledger().count(Operation::Request), 3, "once, whatever was missed");
    assert_eq!(team.portal.ledger().count(Operation::Revoke), 1);
    let young = team.tokens().get("young").await.expect("there");
    assert_eq!(young.resource_version(), others.resource_version(), "no other object rotates or is written");
}

#[tokio::test]
async fn a_token_is_rotated_when_its_time_comes_and_not_before() {
    let team = Team::new("comes-due").await;
    team.apply(rotating("pull", "24h", "0s")).await;
    let before = team.until_synced("pull").await;
    let uid = team.secret_uid("pull").await;
    let (_, next) = times(&before);
    // Due in some seconds.
    age(&team, "pull", next.duration_since(Timestamp::now()) - SignedDuration::from_secs(8)).await;
    let aged = team.tokens().get("pull").await.expect("there");
    let rotated = team.until_replaced("pull", &current(&before)).await;
    team.until_live(&[current_id(&rotated)]).await;
    let made = team.portal.ledger().token(current_id(&rotated)).expect("there").requested;
    // The API server's timestamps have whole seconds.
    let (_, due) = times(&aged);
    assert!(made >= due - SignedDuration::from_secs(2), "due at {due}, rotated at {made}");
    team.until_synced("pull").await;
    assert_eq!(team.secret_uid("pull").await, uid, "updated in place");
    team.assert_idle_for("pull", Duration::from_secs(4)).await;
    assert_eq!(team.portal.ledger().count(Operation::Request), 2);
}

#[tokio::test]
async fn an_interval_that_is_set_later_counts_from_the_tokens_request() {
    let team = Team::new("later-interval").await;
    team.token("pull", "old").await;
    let before = team.until_synced("pull").await;
    team.patch_status("pull", json!({"token": {"requestTime": current(&before).request_time.0 - DAY * 3}})).await;
    team.assert_idle_for("pull", Duration::from_secs(3)).await;
    team.patch("pull", json!({"spec": {"rotation": {"interval": "720h"}}})).await;
    let young = team.until_synced("pull").await;
    assert_eq!(current(&young).id, current(&before).id, "three days are no month");
    team.patch("pull", json!({"spec": {"rotation": {"interval": "24h", "overlap": "0s"}}})).await;
    let rotated = team.until_replaced("pull", &current(&before)).await;
    team.until_live(&[current_id(&rotated)]).await;
    team.until_synced("pull").await;
    team.assert_idle_for("pull", Duration::from_secs(3)).await;
    assert_eq!(team.portal.ledger().count(Operation::Request), 2);
}

#[tokio::test]
async fn objects_created_together_do_not_rotate_together() {
    let team = Team::new("spread").await;
    let names: Vec<String> = (0..8).map(|number| format!("pull-{number}")).collect();
    for name in &names {
        team.apply(rotating(name, "720h", "15m")).await;
    }
    let mut after = vec![];
    for name in &names {
        let (requested, next) = times(&team.until_synced(name).await);
        after.push(next.duration_since(requested));
    }
    let month = DAY * 30;
    assert!(after.iter().all(|wait| *wait > month * 9 / 10 - HOUR && *wait <= month), "{after:?}");
    after.sort_unstable();
    after.dedup_by_key(|wait| wait.as_hours());
    assert!(after.len() >= 5, "spread over three days: {after:?}");
}

#[tokio::test]
async fn timestamps_of_a_clock_that_ran_ten_years_ahead_count_as_now() {
    let team = Team::new("ahead").await;
    team.apply(rotating("pull", "24h", "1h")).await;
    let first = team.until_synced("pull").await;
    team.annotate("pull", "rotate", "1").await;
    let second = team.until_replaced("pull", &current(&first)).await;
    let settled = team.until_synced("pull").await;
    let retires = settled.status.as_ref().expect("a status").retiring[0].clone();
    let (requested, next) = times(&settled);
    let ahead = json!({
        "token": {"requestTime": requested + DECADE}, "nextRotationTime": next + DECADE,
        "retiring": [{"id": retires.id, "username": retires.username, "mac": retires.mac, "revocationTime": retires.revocation_time.0 + DECADE}],
    });
    team.patch_status("pull", ahead).await;

    let near = |time: Timestamp, wanted: SignedDuration| {
        (time.duration_since(Timestamp::now()) - wanted).abs() < SignedDuration::from_mins(2)
    };
    let corrected = |object: &RegistryToken| near(current(object).request_time.0, SignedDuration::ZERO);
    let object = team.until_object("pull", "current times", corrected).await;
    let status = object.status.clone().expect("a status");
    assert!(near(status.retiring[0].revocation_time.0, HOUR), "the overlap is what it was: {:?}", status.retiring);
    assert!(times(&object).1 <= Timestamp::now() + DAY, "nor is a rotation delayed by ten years");
    team.assert_idle_for("pull", Duration::from_secs(4)).await;
    assert_eq!(team.portal.ledger().count(Operation::Revoke), 0, "nothing is revoked early");
    assert_eq!(current(&object).id, current(&second).id);

    // Moved back ten years everything is due, once.
    let back = json!({
        "token": {"requestTime": requested - DECADE}, "nextRotationTime": next - DECADE,
        "retiring": [{"id": retires.id, "username": retires.username, "mac": retires.mac, "revocationTime": retires.revocation_time.0 - DECADE}],
    });
    team.patch_status("pull", back).await;
    let third = team.until_replaced("pull", &current(&second)).await;
    let mut live = vec![current_id(&second), current_id(&third)];
    live.sort_unstable();
    team.until_live(&live).await;
    team.until_synced("pull").await;
    team.assert_idle_for("pull", Duration::from_secs(4)).await;
    assert_eq!(team.portal.ledger().count(Operation::Request), 3, "rotated once for ten years");
    assert!(team.pull(&team.dockerconfigjson("pull").await).await.is_ok());
}
