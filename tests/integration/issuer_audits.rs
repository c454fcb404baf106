//! Failing audits: conclusions that are still possible are drawn, the others are reported as impossible, and the portal
//! gets no requests for as long as its `Retry-After` says.

use crate::control_plane::eventually;
use crate::fake_portal::{Config, Fault, Operation};
use crate::fixture::{LIMIT, Team, ready, stage};
use crate::helpers::{current, current_id};
use kube::ResourceExt;
use registry_token_operator::domain::model::marker::{AttemptId, IssuerTag, Marker, Nonce};
use serde_json::json;
use std::time::Duration;

/// A description with the marker of a deleted object of this issuer.
async fn orphan_description(team: &Team) -> String {
    let issuer = team.issuers().get("portal").await.expect("there").uid().expect("a UID");
    let nonce = Nonce::of("a deleted object", &AttemptId::from_random(&[7; 16]));
    Marker::new(IssuerTag::of(&issuer), nonce).append_to("left behind")
}

#[tokio::test]
async fn a_token_that_cannot_be_revoked_is_reported_and_hides_no_revocation_by_a_colleague() {
    let team = Team::new("stubborn").await;
    team.token("pull", "revoked by a colleague").await;
    let first = team.until_synced("pull").await;
    let orphan = team.portal.ledger().add_as_colleague(Some(&orphan_description(&team).await)).id;
    team.portal.faults().always(Operation::Revoke, Fault::Refuse("token_in_use".to_owned()));
    assert!(team.portal.ledger().revoke_as_colleague(current_id(&first)));
    let replaced = |object: &registry_token_operator::api::RegistryToken| {
        ready(object).0 == "True" && current(object).id != current(&first).id
    };
    team.audit_until_object("pull", "a new token", replaced).await;
    team.until_issuer("True", "AuditFailed", &["1 orphaned tokens", "revoke them in the portal"]).await;
    assert!(team.portal.ledger().live().iter().any(|token| token.id == orphan));

    team.portal.faults().clear();
    team.annotate_issuer("reconcile", "it is dropped").await;
    team.until_issuer("True", "PortalReady", &[]).await;
    assert!(!team.portal.ledger().live().iter().any(|token| token.id == orphan));
    assert_eq!(team.portal.ledger().live().len(), 1);
}

#[tokio::test]
async fn a_failing_audit_is_reported_on_the_issuer_as_long_as_it_fails() {
    let team = Team::new("unaudited").await;
    team.until_issuer("True", "PortalReady", &[]).await;
    // One row can be read, and the complete list cannot.
    let elsewhere = "https://elsewhere.example.com/next".to_owned();
    team.portal.faults().always(Operation::List, Fault::NextLink(elsewhere));
    team.annotate_issuer("reconcile", "now").await;
    team.until_issuer("True", "AuditFailed", &["audit of its list failed", "is retried"]).await;
    team.portal.faults().clear();
    team.until_issuer("True", "PortalReady", &[]).await;
}

/// Checks that the portal receives no request during its `Retry-After`, starting with the rejection.
async fn gets_no_requests(team: &Team, since: usize) {
    eventually("a refusal", LIMIT, async || {
        let asked = team.portal.ledger().requests_since(since);
        if asked.iter().any(|request| request.status == Some(429)) { Ok(()) } else { Err(format!("{asked:?}")) }
    })
    .await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    let asked = team.portal.ledger().requests_since(since);
    let refused = asked.iter().position(|request| request.status == Some(429)).expect("refused");
    let begun = asked[refused].at;
    for request in &asked[refused + 1..] {
        let after = Duration::try_from(request.at.duration_since(begun)).expect("later");
        assert!(after >= Duration::from_millis(4900), "{after:?} after Retry-After: 5: {request:?}");
    }
}

#[tokio::test]
async fn a_rate_limited_portal_gets_no_requests_after_any_operation() {
    // One request at a time: no request is already on its way when the portal rejects another one.
    let team = Team::on(stage(), "left-alone", Config::default(), json!({"limits": {"concurrency": 1}})).await;
    team.until_issuer("True", "PortalReady", &[]).await;
    let refusal = Fault::RetryAfter { status: 429, seconds: 5 };

    // The first request for the list is the probe whether it can be read; the second is the audit's.
    let position = team.portal.ledger().position();
    team.portal.faults().once(Operation::List, Fault::DelayAfter(1));
    team.portal.faults().once(Operation::List, refusal.clone());
    team.annotate_issuer("reconcile", "audit").await;
    gets_no_requests(&team, position).await;
    team.until_issuer("True", "PortalReady", &[]).await;

    let position = team.portal.ledger().position();
    team.portal.faults().once(Operation::Request, refusal);
    team.token("pull", "requested later").await;
    gets_no_requests(&team, position).await;
    team.until_synced("pull").await;
    assert_eq!(team.portal.ledger().all().len(), 1);
}

#[tokio::test]
async fn a_portal_that_rejects_probes_is_not_probed_repeatedly() {
    let team = Team::bare(stage(), "probed", Config::default()).await;
    team.portal.faults().always(Operation::List, Fault::RetryAfter { status: 429, seconds: 1 });
    team.credentials("portal-password").await;
    team.issuer(json!({})).await;
    eventually("four probes", LIMIT, async || {
        let probes = team.portal.ledger().count(Operation::List);
        if probes >= 4 { Ok(()) } else { Err(format!("{probes}")) }
    })
    .await;
    team.until_issuer("False", "RateLimited", &[]).await;
    assert_eq!(team.portal.ledger().count(Operation::Metadata), 1);
    team.portal.faults().clear();
    team.until_issuer("True", "PortalReady", &[]).await;
    assert_eq!(team.portal.ledger().count(Operation::Metadata), 1);
}

#[tokio::test]
async fn a_long_list_delays_no_token_request() {
    const ROWS: usize = 60;
    let config = Config { page_size: 1, ..Config::default() };
    let team = Team::bare(stage(), "long-list", config).await;
    for _ in 0..ROWS {
        team.portal.ledger().add_as_colleague(Some("a colleague's"));
    }
    team.credentials("portal-password").await;
    team.issuer(json!({"limits": {"concurrency": 1}})).await;
    team.token("first", "first use of the issuer").await;
    team.until_synced("first").await;

    let position = team.portal.ledger().position();
    let pages = || {
        let asked = team.portal.ledger().requests_since(position);
        let until = asked.iter().position(|request| request.operation == Operation::Request).unwrap_or(asked.len());
        (asked[..until].iter().filter(|request| request.operation == Operation::List).count(), until < asked.len())
    };
    team.portal.faults().always(Operation::List, Fault::DelayAfter(250));
    team.annotate_issuer("reconcile", "a long list").await;
    let reached = async |what: &str, is: &dyn Fn((usize, bool)) -> bool| {
        eventually(what, LIMIT, async || if is(pages()) { Ok(()) } else { Err(format!("{:?}", pages())) }).await;
    };
    reached("some pages to be read", &|(pages, _)| pages >= 4).await;
    team.token("pull", "a pod waits").await;
    reached("the request", &|(_, requested)| requested).await;
    assert!(pages().0 < ROWS, "the list was read to its end first: {:?}", pages());
    team.portal.faults().clear();
    team.until_synced("pull").await;
    team.until_issuer("True", "PortalReady", &[]).await;
}
