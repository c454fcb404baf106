//! A token after its creation: rotated, its Secret deleted, revoked by a colleague.

use crate::cluster::Cluster;
use crate::demo_log::DemoLog;
use crate::fake_portal::{FakePortal, Operation};
use crate::{content, list, pull, until};

const OBJECT: [&str; 4] = ["rtok", "thinkwise-pull", "-n", "team-a"];

fn kubectl(cluster: &Cluster, verb: &str, rest: &[&str]) -> Result<String, String> {
    DemoLog::kubectl(cluster, &[&[verb], &OBJECT[..], rest].concat())
}

fn live(portal: &FakePortal) -> Vec<i64> {
    portal.ledger().live().iter().map(|token| token.id).collect()
}

/// Whether the object is ready with a token other than these, and no other is live.
fn replaced(cluster: &Cluster, portal: &FakePortal, former: &[i64]) -> bool {
    let ready = ["get", "rtok", "thinkwise-pull", "-n", "team-a", "-o", READY];
    let is = cluster.run(&ready, None).is_ok_and(|status| status == "True");
    let now = live(portal);
    is && now.len() == 1 && !former.contains(&now[0])
}

const READY: &str = r#"jsonpath={.status.conditions[?(@.type=="Ready")].status}"#;

async fn pulls(portal: &FakePortal, content: &[u8]) -> bool {
    pull::pull(content, &portal.registry_host(), &portal.ca_pem()).await.is_ok()
}

/// Rotated by annotation, with an overlap.
pub async fn rotate(show: &mut DemoLog, cluster: &Cluster, portal: &FakePortal) -> Result<(), String> {
    show.step("6. The token is rotated, with an overlap of 10 s");
    let (former, old) = (live(portal), content(cluster)?);
    let patch = r#"{"spec":{"rotation":{"interval":"720h","overlap":"10s"}}}"#;
    kubectl(cluster, "patch", &["--type=merge", "-p", patch])?;
    kubectl(cluster, "annotate", &["registry-token.dev/rotate=now"])?;
    let both = until(|| live(portal).len() == 2 && content(cluster).is_ok_and(|new| new != old)).await;
    show.check(both, "the Secret has a new token, and the old one is still live in the portal");
    list(portal);
    let new = content(cluster)?;
    let pulled = pulls(portal, &old).await && pulls(portal, &new).await;
    show.check(pulled, "both pull during the overlap");
    let alone = until(|| replaced(cluster, portal, &former)).await;
    show.check(alone, "the old one is revoked after the overlap");
    let refused = !pulls(portal, &old).await && pulls(portal, &new).await;
    show.check(refused, "the old one is rejected, and the new one pulls");
    Ok(())
}

/// Its Secret is deleted by mistake.
pub async fn repair(show: &mut DemoLog, cluster: &Cluster, portal: &FakePortal) -> Result<(), String> {
    show.step("7. The Secret is deleted by mistake");
    let former = live(portal);
    DemoLog::kubectl(cluster, &["delete", "secret", "thinkwise-pull", "-n", "team-a"])?;
    let back = until(|| replaced(cluster, portal, &former)).await;
    show.check(back, "it is created again with a new token, and the lost one is revoked");
    show.check(pulls(portal, &content(cluster)?).await, "it pulls");
    list(portal);
    Ok(())
}

/// A colleague revokes it in the portal.
pub async fn revoke_upstream(show: &mut DemoLog, cluster: &Cluster, portal: &FakePortal) -> Result<(), String> {
    show.step("8. A colleague revokes the token in the portal");
    println!("this portal responds fast, so absence can be proved sooner with shorter timeouts:");
    let limits = r#"{"spec":{"limits":{"connectTimeout":"1s","firstByteTimeout":"2s","requestTimeout":"2s"}}}"#;
    DemoLog::kubectl(cluster, &["patch", "clustertokenissuer", "default", "--type=merge", "-p", limits])?;
    let (former, asked) = (live(portal), portal.ledger().count(Operation::Request));
    for id in &former {
        portal.ledger().revoke_as_colleague(*id);
    }
    println!("$ kubectl annotate clustertokenissuer default registry-token.dev/reconcile=...   (repeatedly)");
    let mut found = false;
    for round in 0..45 {
        let asks = format!("registry-token.dev/reconcile={round}");
        cluster.run(&["annotate", "clustertokenissuer", "default", "--overwrite", &asks], None)?;
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        found = replaced(cluster, portal, &former);
        if found {
            break;
        }
    }
    show.check(found, "the audit detects the revocation, and the Secret has a new token");
    show.check(portal.ledger().count(Operation::Request) == asked + 1, "one was requested");
    let events = ["get", "events", "-n", "team-a", "--field-selector", "reason=RevokedUpstream"];
    let output = DemoLog::kubectl(cluster, &events)?;
    show.check(
        output.contains("Warning") && output.contains("Hold"),
        "a warning event reports it, and how to use Hold instead",
    );
    Ok(())
}
