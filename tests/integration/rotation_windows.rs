//! Rotation windows: a rotation that is due waits for one.

use crate::fake_portal::Operation;
use crate::fixture::{Team, merge, token};
use crate::helpers::{current, current_id};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use registry_token_operator::api::RegistryToken;
use serde_json::{Value, json};
use std::time::Duration;

fn rotating(name: &str, schedule: &str) -> Value {
    let mut object = token(name, "rotates");
    let windows = json!([{"schedule": schedule, "duration": "5m"}]);
    merge(&mut object["spec"], json!({"rotation": {"interval": "24h", "overlap": "0s", "windows": windows}}));
    object
}

fn next_rotation(object: &RegistryToken) -> Timestamp {
    object.status.as_ref().and_then(|status| status.next_rotation_time.as_ref()).expect("the next rotation").0
}

/// Status and reason of the condition about the windows.
fn windows(object: &RegistryToken) -> Option<(&str, &str)> {
    let conditions = &object.status.as_ref()?.conditions;
    let found = conditions.iter().find(|condition| condition.type_ == "RotationWindowsValid")?;
    Some((&found.status, &found.reason))
}

/// Makes the token two days older.
async fn age(team: &Team, name: &str) {
    let object = team.tokens().get(name).await.expect("there");
    let requested = current(&object).request_time.0 - SignedDuration::from_hours(48);
    team.patch_status(name, json!({"token": {"requestTime": requested}})).await;
}

#[tokio::test]
async fn a_rotation_that_is_due_waits_for_a_window_and_happens_once() {
    let team = Team::new("window-waits").await;
    let later = (Timestamp::now() + SignedDuration::from_hours(12)).to_zoned(TimeZone::UTC);
    team.apply(rotating("pull", &format!("{} {} * * *", later.minute(), later.hour()))).await;
    let before = team.until_synced("pull").await;
    assert_eq!(windows(&before), Some(("True", "RotationWindowsApply")));
    age(&team, "pull").await;
    // Any change makes the operator compute the status again.
    team.patch("pull", json!({"spec": {"description": "rotates at night"}})).await;
    let due = team.until_object("pull", "waits for its window", |object| {
        next_rotation(object).duration_since(Timestamp::now()) < SignedDuration::from_hours(13)
    });
    let next = next_rotation(&due.await);
    assert!(next > Timestamp::now() + SignedDuration::from_hours(11), "{next}");
    team.until_synced("pull").await;
    team.assert_idle_for("pull", Duration::from_secs(3)).await;
    assert_eq!(team.portal.ledger().count(Operation::Request), 1, "no token is requested outside of the window");

    let always = json!([{"schedule": "* * * * *", "duration": "5m"}]);
    team.patch("pull", json!({"spec": {"rotation": {"windows": always}}})).await;
    let rotated = team.until_replaced("pull", &current(&before)).await;
    team.until_live(&[current_id(&rotated)]).await;
    team.until_synced("pull").await;
    team.assert_idle_for("pull", Duration::from_secs(3)).await;
    assert_eq!(team.portal.ledger().count(Operation::Request), 2, "once");
}

#[tokio::test]
async fn a_window_that_never_opens_is_ignored_and_the_object_says_so() {
    let team = Team::new("window-never").await;
    team.apply(rotating("pull", "0 0 30 2 *")).await;
    let before = team.until_synced("pull").await;
    assert_eq!(windows(&before), Some(("False", "RotationWindowIgnored")));
    team.until_event("pull", "RotationWindowIgnored").await;
    age(&team, "pull").await;
    team.patch("pull", json!({"spec": {"description": "rotates anyway"}})).await;
    team.until_replaced("pull", &current(&before)).await;
    // Without windows there is nothing to say.
    team.patch("pull", json!({"spec": {"rotation": {"windows": []}}})).await;
    team.until_object("pull", "says nothing about windows", |object| windows(object).is_none()).await;
}
