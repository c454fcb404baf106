//! The life of a token of Gitea: created, rotated, its Secret deleted, deleted in Gitea, and revoked.

use crate::demo_log::DemoLog;
use crate::gitea_portal::{Stage, until};
use crate::gitea_with_image::PULLER;
use serde_json::json;
use std::time::Duration;

pub const NAME: &str = "gitea-pull";
pub const NAMESPACE: &str = "team-a";
const OBJECT: [&str; 4] = ["rtok", NAME, "-n", NAMESPACE];
const READY: &str = r#"jsonpath={.status.conditions[?(@.type=="Ready")].status}"#;
const SYNCED: &str = r#"jsonpath={.status.conditions[?(@.type=="DescriptionSynced")].status} {.status.conditions[?(@.type=="DescriptionSynced")].reason}"#;

fn kubectl(stage: &Stage<'_>, verb: &str, rest: &[&str]) -> Result<String, String> {
    DemoLog::kubectl(stage.cluster, &[&[verb], &OBJECT[..], rest].concat())
}

/// Whether the object is ready with a token other than these, and no other is live.
async fn replaced(stage: &Stage<'_>, former: &[i64]) -> bool {
    let ready = [&["get"], &OBJECT[..], &["-o", READY]].concat();
    let is_ready = stage.cluster.run(&ready, None).is_ok_and(|status| status == "True");
    let now = stage.ids().await;
    is_ready && now.len() == 1 && !former.contains(&now[0])
}

/// An object, and a pull with only its Secret.
pub async fn create(show: &mut DemoLog, stage: &Stage<'_>) -> Result<(), String> {
    show.step("3. The RegistryToken becomes ready, and an OCI client pulls with only its Secret");
    let cluster = stage.cluster;
    cluster.apply(&format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {NAMESPACE}}}}}"))?;
    let object = json!({
        "apiVersion": "registry-token.dev/v1alpha1", "kind": "RegistryToken",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "spec": {"description": "prod-eu, team-a", "issuerRef": {"name": "default"}},
    });
    print!("{}", cluster.apply(&object.to_string())?);
    let rtok = format!("rtok/{NAME}");
    let wait = ["wait", "--for=condition=Ready", &rtok, "-n", NAMESPACE, "--timeout=60s"];
    show.check(DemoLog::kubectl(cluster, &wait).is_ok(), "the RegistryToken is Ready");
    DemoLog::kubectl(cluster, &["get", "rtok", "-A", "-o", "wide"])?;
    DemoLog::kubectl(cluster, &["get", "clustertokenissuer", "-o", "wide"])?;
    stage.print_list().await;
    let live = stage.live().await;
    let is_named = live.len() == 1 && live[0].name.starts_with("prod-eu, team-a [");
    show.check(is_named, "Gitea lists one token more, whose name is the description with the marker");
    show.check(stage.pulls(&stage.content()?).await, "the image is pulled with only the Secret");
    Ok(())
}

/// Gitea cannot rename a token.
pub async fn edit_description(show: &mut DemoLog, stage: &Stage<'_>) -> Result<(), String> {
    show.step("4. The description is edited, which Gitea cannot do");
    let former = stage.live().await;
    kubectl(stage, "patch", &["--type=merge", "-p", r#"{"spec":{"description":"prod-eu, team-a, moved"}}"#])?;
    let synced = [&["get"], &OBJECT[..], &["-o", SYNCED]].concat();
    let is_reported = async || stage.cluster.run(&synced, None).is_ok_and(|text| text == "False EditUnsupported");
    show.check(until(is_reported).await, "DescriptionSynced is False, with the reason EditUnsupported");
    let wide = "custom-columns=NAME:.metadata.name,READY:.status.conditions[?(@.type==\"Ready\")].status,DESCRIPTION-SYNCED:.status.conditions[?(@.type==\"DescriptionSynced\")].reason";
    kubectl(stage, "get", &["-o", wide])?;
    show.check(stage.live().await == former, "no token is requested, and the present one keeps its name");
    show.check(stage.pulls(&stage.content()?).await, "pods are not affected: the Secret still pulls");
    Ok(())
}

/// Rotated by annotation, with an overlap.
pub async fn rotate(show: &mut DemoLog, stage: &Stage<'_>) -> Result<(), String> {
    show.step("5. The token is rotated, with an overlap of 10 s");
    let (former, old) = (stage.ids().await, stage.content()?);
    let patch = r#"{"spec":{"rotation":{"interval":"720h","overlap":"10s"}}}"#;
    kubectl(stage, "patch", &["--type=merge", "-p", patch])?;
    kubectl(stage, "annotate", &["registry-token.dev/rotate=now"])?;
    let both = until(async || stage.ids().await.len() == 2 && stage.content().is_ok_and(|new| new != old)).await;
    show.check(both, "the Secret has a new token, and the old one is still live in Gitea");
    stage.print_list().await;
    let new = stage.content()?;
    show.check(stage.pulls(&old).await && stage.pulls(&new).await, "both pull during the overlap");
    show.check(until(async || replaced(stage, &former).await).await, "the old one is deleted after the overlap");
    let is_named = stage.live().await.iter().all(|token| token.name.starts_with("prod-eu, team-a, moved ["));
    show.check(is_named, "the new one has the new description as its name");
    show.check(!stage.pulls(&old).await && stage.pulls(&new).await, "the old one is rejected, and the new one pulls");
    Ok(())
}

/// Its Secret is deleted by mistake.
pub async fn repair(show: &mut DemoLog, stage: &Stage<'_>) -> Result<(), String> {
    show.step("6. The Secret is deleted by mistake");
    let former = stage.ids().await;
    DemoLog::kubectl(stage.cluster, &["delete", "secret", NAME, "-n", NAMESPACE])?;
    let back = until(async || replaced(stage, &former).await).await;
    show.check(back, "it is created again with a new token, and the lost one is deleted in Gitea");
    show.check(stage.pulls(&stage.content()?).await, "it pulls");
    stage.print_list().await;
    Ok(())
}

/// The user deletes the token in Gitea.
pub async fn revoke_upstream(show: &mut DemoLog, stage: &Stage<'_>) -> Result<(), String> {
    show.step("7. The token is deleted in Gitea itself");
    println!("Gitea responds fast, so absence can be proved sooner with shorter timeouts:");
    let limits = r#"{"spec":{"limits":{"connectTimeout":"1s","firstByteTimeout":"2s","requestTimeout":"2s"}}}"#;
    DemoLog::kubectl(stage.cluster, &["patch", "clustertokenissuer", "default", "--type=merge", "-p", limits])?;
    let former = stage.ids().await;
    for id in &former {
        stage.gitea.delete_token(PULLER, *id).await;
    }
    stage.print_list().await;
    println!("$ kubectl annotate clustertokenissuer default registry-token.dev/reconcile=...   (repeatedly)");
    let mut found = false;
    for round in 0..60 {
        let asks = format!("registry-token.dev/reconcile={round}");
        stage.cluster.run(&["annotate", "clustertokenissuer", "default", "--overwrite", &asks], None)?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        found = replaced(stage, &former).await;
        if found {
            break;
        }
    }
    show.check(found, "the audit detects it, and the Secret has a new token");
    show.check(stage.pulls(&stage.content()?).await, "it pulls");
    let events = ["get", "events", "-n", NAMESPACE, "--field-selector", "reason=RevokedUpstream"];
    let output = DemoLog::kubectl(stage.cluster, &events)?;
    show.check(output.contains("Warning"), "a warning event reports it");
    stage.print_list().await;
    Ok(())
}

/// The object is deleted.
pub async fn delete(show: &mut DemoLog, stage: &Stage<'_>) -> Result<(), String> {
    show.step("8. The object is deleted");
    let content = stage.content()?;
    kubectl(stage, "delete", &["--timeout=60s"])?;
    show.check(stage.live().await.is_empty(), "the token is deleted in Gitea: only the login of the operator is left");
    stage.print_list().await;
    show.check(!stage.pulls(&content).await, "the pull is rejected");
    let secret = ["get", "secret", "-n", NAMESPACE, NAME, "--ignore-not-found"];
    println!("waiting for the garbage collector, which discovers new kinds every 30 s");
    let collected = until(async || stage.cluster.run(&secret, None).is_ok_and(|text| text.is_empty())).await;
    show.check(collected, "the Secret is garbage collected");
    Ok(())
}
