//! Two issuers with one login at one portal, as two clusters have: neither takes the tokens of the other for its own.

use crate::expiry::team_with;
use crate::fake_harbor::FakeHarbor;
use crate::fixture::{stage, token, until_gone};
use crate::helpers::current_id;
use serde_json::json;

#[tokio::test]
async fn the_audits_and_deletions_of_one_issuer_leave_the_tokens_of_the_other_alone() {
    let harbor = FakeHarbor::start().await;
    let [here, there] = [
        team_with(stage(), "login-here", &harbor, json!({})).await,
        team_with(stage(), "login-there", &harbor, json!({})).await,
    ];
    // The marker stays in the descriptions, so that an audit could take each of them for an orphan.
    for team in [&here, &there] {
        let keep = json!({"spec": {"ownershipMarker": "Permanent"}});
        let patch = kube::api::Patch::Merge(keep);
        team.issuers().patch("portal", &kube::api::PatchParams::default(), &patch).await.expect("patched");
        team.apply(token("pull", "the same description")).await;
    }
    let (ours, theirs) = (here.until_synced("pull").await, there.until_synced("pull").await);
    assert_ne!(current_id(&ours), current_id(&theirs));
    for team in [&here, &there] {
        team.annotate_issuer("reconcile", "an audit").await;
        team.until_issuer("True", "PortalReady", &[]).await;
        team.annotate("pull", "reconcile", "after the audit").await;
        team.until_synced("pull").await;
    }
    let calls = harbor.calls();
    assert_eq!(calls.iter().filter(|call| call.starts_with("POST")).count(), 2, "{calls:?}");
    assert!(!calls.iter().any(|call| call.starts_with("DELETE")), "{calls:?}");
    here.delete("pull").await;
    until_gone(&here.tokens(), "pull").await;
    let left: Vec<i64> = harbor.state().robots.iter().map(|robot| robot.id).collect();
    assert_eq!(left, [current_id(&theirs)]);
    there.until_synced("pull").await;
}
