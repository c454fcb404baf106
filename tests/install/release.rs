//! A release on a real API server: installed, upgraded from a previous chart with other CRDs while a token rotates, and
//! installed again. No token is lost at any step.

use crate::control_plane::{ControlPlane, Options};
use crate::fake_portal::Config;
use crate::fixture::{Team, ready};
use crate::helpers::{current, current_id};
use crate::kubelet;
use crate::tools::{Helm, chart};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, ResourceExt};
use serde_json::json;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Namespace and name of the release.
pub const RELEASE: &str = "registry-token-operator";

/// The values of the tests: their portals and registries have addresses of this machine.
const VALUES: [&str; 3] = [
    "--set=issuerPolicy.allowPortalCIDRs={127.0.0.0/8,::1}",
    "--set=issuerPolicy.allowInsecureHTTPForNamespacedIssuers=true",
    "--set=log.level=info",
];

/// `helm install` or `helm upgrade` of this chart with the values of the tests.
pub async fn apply(helm: &Helm, command: &str, chart: &str, more: &[&str]) -> String {
    let mut args = vec![command, RELEASE, chart, "--namespace", RELEASE];
    if command == "install" {
        args.push("--create-namespace");
    }
    args.extend(VALUES);
    args.extend(more);
    helm.ok(&args).await
}

/// A control plane of the test's own.
pub async fn cluster() -> &'static ControlPlane {
    ControlPlane::start_for_test(Options::default()).await.expect("starts")
}

/// A copy of the chart as a previous release: an older version, and CRDs without columns, short names and selectable
/// fields.
fn previous_chart() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let copied = Command::new("cp").args(["-r", &chart()]).arg(folder.path()).status().expect("copied");
    assert!(copied.success());
    let root = folder.path().join("chart");
    rewrite(&root.join("Chart.yaml"), |text| text.replace("version: 0.1.0", "version: 0.0.9"));
    rewrite(&root.join("templates/crds/registrytokens.yaml"), |text| {
        let (before, rest) = text.split_once("    selectableFields:\n").expect("selectable fields");
        let (_, after) = rest.split_once("    served: true\n").expect("the next field");
        let text = format!("{before}    served: true\n{after}");
        let (before, rest) = text.split_once("    - jsonPath: .status.token.requestTime\n").expect("a column");
        let (_, after) = rest.split_once("    - jsonPath: .metadata.creationTimestamp\n").expect("the last column");
        format!("{before}    - jsonPath: .metadata.creationTimestamp\n{after}")
    });
    folder
}

fn rewrite(path: &Path, change: impl FnOnce(String) -> String) {
    let before = std::fs::read_to_string(path).expect("readable");
    let after = change(before.clone());
    assert_ne!(before, after, "{}", path.display());
    std::fs::write(path, after).expect("written");
}

async fn crd(team: &Team) -> CustomResourceDefinition {
    let all: Api<CustomResourceDefinition> = Api::all(team.client.clone());
    all.get("registrytokens.registry-token.dev").await.expect("installed")
}

/// How long a first install may take until a token is ready, with the creation of its portal's issuer.
const FIRST_TOKEN: Duration = Duration::from_mins(1);

#[tokio::test]
async fn a_first_install_has_a_ready_token_within_a_minute() {
    let control_plane = cluster().await;
    let helm = Helm::new(control_plane);
    let start = Instant::now();
    apply(&helm, "install", &chart(), &[]).await;
    let installed = start.elapsed();
    let _operator = kubelet::start(control_plane, RELEASE, RELEASE).await;
    let team = Team::on(control_plane, "first", Config::default(), json!({})).await;
    team.token("pull", "the first of this cluster").await;
    let token = team.until("pull", "True", "TokenStored").await;
    let (installed, elapsed) = (installed.as_secs_f32(), start.elapsed());
    eprintln!("helm install: {installed:.1} s; until the first token was ready: {:.1} s", elapsed.as_secs_f32());
    assert!(elapsed < FIRST_TOKEN, "{elapsed:?}");
    assert!(team.pull(&team.dockerconfigjson("pull").await).await.is_ok());
    assert_eq!(team.portal.ledger().all().len(), 1, "{:?}", token.status);
}

#[tokio::test]
async fn an_upgrade_changes_the_crds_and_loses_no_token_while_it_rotates() {
    let control_plane = cluster().await;
    let helm = Helm::new(control_plane);
    let previous = previous_chart();
    let notes = apply(&helm, "install", &previous.path().join("chart").display().to_string(), &[]).await;
    assert!(notes.contains("kubectl rollout status") && notes.contains("uninstall.policy=Drain before"), "{notes}");
    let operator = kubelet::start(control_plane, RELEASE, RELEASE).await;
    let team = Team::on(control_plane, "upgraded", Config::default(), json!({})).await;
    team.token("pull", "outlives the upgrade").await;
    let first = team.until_synced("pull").await;
    let secret = team.secrets().get("pull").await.expect("a Secret");
    assert!(crd(&team).await.spec.versions[0].selectable_fields.is_none(), "the previous CRD");

    // The old replica stops while it rotates the token; the new one completes the rotation.
    team.patch("pull", json!({"metadata": {"annotations": {"registry-token.dev/rotate": "during the upgrade"}}})).await;
    apply(&helm, "upgrade", &chart(), &[]).await;
    operator.terminate().await;
    let definition = crd(&team).await;
    assert_eq!(definition.spec.versions[0].selectable_fields.as_ref().map(Vec::len), Some(2), "the new CRD");
    assert_eq!(definition.annotations().get("helm.sh/resource-policy").map(String::as_str), Some("keep"));
    let operator = kubelet::start(control_plane, RELEASE, RELEASE).await;
    let second = team.until_replaced("pull", &current(&first)).await;
    let second = if ready(&second).0 == "True" { second } else { team.until_synced("pull").await };
    assert_eq!(second.uid(), first.uid(), "the same object");
    assert_eq!(team.secrets().get("pull").await.expect("a Secret").uid(), secret.uid(), "the same Secret");
    // The old token stays for the overlap.
    team.until_live(&[current_id(&first), current_id(&second)]).await;
    assert!(team.pull(&team.dockerconfigjson("pull").await).await.is_ok());

    // Nothing to change: an upgrade to the same chart and a restart request nothing.
    apply(&helm, "upgrade", &chart(), &[]).await;
    operator.terminate().await;
    let _operator = kubelet::start(control_plane, RELEASE, RELEASE).await;
    let third = team.until_synced("pull").await;
    assert_eq!(current(&third), current(&second));
    team.until_live(&[current_id(&first), current_id(&second)]).await;
}
