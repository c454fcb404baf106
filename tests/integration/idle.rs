//! At rest nothing is written, and a restart sends few requests.

use crate::fake_portal::{Config, FakePortal};
use crate::fixture::{Team, own_control_plane, start_operator};
use crate::operator_process::Operator;
use std::time::Duration;

/// How long nothing may be written: longer than from one audit to the next. The issuer may read from the portal.
const IDLE_PERIOD: Duration = Duration::from_secs(70);

#[tokio::test]
async fn at_rest_nothing_is_written_and_a_restart_writes_nothing() {
    let (control_plane, operator) = own_control_plane().await;
    let team =
        Team::on(control_plane, "rest", Config::default(), serde_json::json!({"audit": {"interval": "1m"}})).await;
    for index in 0..5 {
        team.token(&format!("pull-{index}"), "rests").await;
    }
    for index in 0..5 {
        team.until_synced(&format!("pull-{index}")).await;
    }
    // The issuer counts its tokens at an audit: after one that saw all of them the status does not change.
    team.audit_until("the issuer to count five tokens", async || {
        let issuer = team.issuers().get("portal").await.map_err(|error| error.to_string())?;
        let tokens = issuer.status.and_then(|status| status.tokens);
        if tokens == Some(5) { Ok(()) } else { Err(format!("{tokens:?}")) }
    })
    .await;
    tokio::time::sleep(Duration::from_secs(5)).await;

    let audits = || operator.log().matches("ReadPortalList").count();
    let before = audits();
    assert_idle(&team, IDLE_PERIOD).await;
    assert!(audits() > before, "the portal was audited meanwhile");
    let position = control_plane.audit().expect("audit").position().await.expect("position");
    let calls = team.portal.ledger().position();
    operator.terminate().await;
    let restarted: Operator = start_operator(control_plane).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let after = control_plane.audit().expect("audit").since(position).await.expect("read").filter(is_by_operator);
    assert_eq!(after.clone().writes().len(), 0, "{:?}", after.writes());
    let gets =
        after.filter(|event| event.verb == "get" && event.resource == "secrets" && event.name.starts_with("pull"));
    assert_eq!(gets.len(), 0, "no Secret is read for a restart");
    assert!(no_task(&team.portal, calls), "no task is run for a restart");
    drop(restarted);
}

async fn assert_idle(team: &Team, how_long: Duration) {
    let position = team.control_plane.audit().expect("audit").position().await.expect("position");
    let calls = team.portal.ledger().position();
    tokio::time::sleep(how_long).await;
    let events = team.control_plane.audit().expect("audit").since(position).await.expect("read").filter(is_by_operator);
    assert_eq!(events.clone().writes().len(), 0, "{:?}", events.writes());
    assert!(no_task(&team.portal, calls), "no task is run at rest");
}

fn is_by_operator(event: &crate::control_plane::AuditEvent) -> bool {
    event.user_agent.starts_with("registry-token-operator/")
}

fn no_task(portal: &FakePortal, since: usize) -> bool {
    !portal.ledger().requests_since(since).iter().any(|request| request.operation.is_task())
}
