//! `helm uninstall` with live tokens: `Refuse` keeps everything and says what lives, `Drain` revokes the tokens first, and
//! the CRDs stay for the next release.

use crate::control_plane::ControlPlane;
use crate::fake_portal::Config;
use crate::fixture::{Team, until_gone};
use crate::kubelet;
use crate::release::{RELEASE, apply, cluster};
use crate::tools::{Helm, chart, result};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use serde_json::json;

const JOB: &str = "registry-token-operator-uninstall";

/// What came of `helm uninstall` and of its Job.
struct Uninstalled {
    helm: (bool, String),
    job: (bool, String, String),
}

async fn uninstall(helm: &Helm, control_plane: &ControlPlane) -> Uninstalled {
    let mut command = helm.command(&["uninstall", RELEASE, "--namespace", RELEASE, "--timeout=3m"]);
    let (output, job) = tokio::join!(command.output(), kubelet::run_job(control_plane, RELEASE, JOB));
    Uninstalled { helm: result(output.expect("it runs")), job }
}

/// A team with a token, served by the release's operator.
async fn team(control_plane: &'static ControlPlane, name: &str) -> Team {
    let changes = json!({"limits": {"connectTimeout": "1s", "firstByteTimeout": "1s", "requestTimeout": "1s"}});
    let team = Team::on(control_plane, name, Config::default(), changes).await;
    team.token("pull", "lives").await;
    team.until_synced("pull").await;
    team
}

fn deployments(team: &Team) -> Api<Deployment> {
    Api::namespaced(team.client.clone(), RELEASE)
}

/// Nothing of the release is left but the CRDs.
async fn assert_uninstalled(team: &Team) {
    assert!(deployments(team).get_opt(RELEASE).await.expect("asked").is_none());
    for name in [RELEASE, JOB] {
        let roles: Api<ClusterRole> = Api::all(team.client.clone());
        until_gone(&roles, name).await;
        let bindings: Api<ClusterRoleBinding> = Api::all(team.client.clone());
        until_gone(&bindings, name).await;
    }
    let jobs: Api<Job> = Api::namespaced(team.client.clone(), RELEASE);
    until_gone(&jobs, JOB).await;
    let definitions: Api<CustomResourceDefinition> = Api::all(team.client.clone());
    let kept = definitions.get("registrytokens.registry-token.dev").await.expect("kept");
    assert!(kept.metadata.deletion_timestamp.is_none());
}

#[tokio::test]
async fn refuse_keeps_everything_and_says_what_lives_and_drain_revokes_it() {
    let control_plane = cluster().await;
    let helm = Helm::new(control_plane);
    apply(&helm, "install", &chart(), &[]).await;
    let operator = kubelet::start(control_plane, RELEASE, RELEASE).await;
    let team = team(control_plane, "refused").await;
    let live = team.portal.ledger().live();

    let Uninstalled { helm: (done, text), job: (succeeded, message, _) } = uninstall(&helm, control_plane).await;
    assert!(!done && text.contains(JOB), "{text}");
    assert!(!succeeded && message.contains(&format!("RegistryToken {}/pull", team.namespace)), "{message}");
    assert!(message.contains(&format!("TokenIssuer {}/portal", team.namespace)), "{message}");
    assert!(message.contains("registry-token-operator drain"), "{message}");
    assert!(deployments(&team).get_opt(RELEASE).await.expect("asked").is_some(), "the operator stays");
    assert_eq!(team.portal.ledger().live().len(), live.len(), "nothing is revoked");
    assert!(team.pull(&team.dockerconfigjson("pull").await).await.is_ok(), "pods still pull");

    // As docs/install.md says: Helm upgrades no release whose uninstallation failed. The operator runs, so the Job leaves
    // the work to it.
    let upgrade =
        helm.command(&["upgrade", RELEASE, &chart(), "--namespace", RELEASE]).output().await.expect("it runs");
    let (done, text) = result(upgrade);
    assert!(!done && text.contains("has no deployed releases"), "the rollback is not needed any more: {text}");
    helm.ok(&["rollback", RELEASE, "1", "--namespace", RELEASE]).await;
    apply(&helm, "upgrade", &chart(), &["--set=uninstall.policy=Drain"]).await;
    kubelet::available(&deployments(&team), RELEASE, 1).await;
    let Uninstalled { helm: (done, text), job: (succeeded, _, output) } = uninstall(&helm, control_plane).await;
    assert!(done && succeeded, "{text}\n{output}");
    assert!(!output.contains("running the controllers here"), "{output}");
    assert!(team.portal.ledger().live().is_empty(), "every token is revoked");
    assert!(team.tokens().get_opt("pull").await.expect("asked").is_none());
    assert_uninstalled(&team).await;
    operator.terminate().await;

    // The kept CRDs belong to the next release. Without objects, Refuse lets it go.
    apply(&helm, "install", &chart(), &[]).await;
    let operator = kubelet::start(control_plane, RELEASE, RELEASE).await;
    team.credentials("portal-password").await;
    team.issuer(json!({})).await;
    team.token("again", "lives").await;
    team.until_synced("again").await;
    team.delete("again").await;
    team.issuers().delete("portal", &kube::api::DeleteParams::default()).await.expect("deleted");
    until_gone(&team.issuers(), "portal").await;
    operator.terminate().await;
    let Uninstalled { helm: (done, text), job: (succeeded, _, output) } = uninstall(&helm, control_plane).await;
    assert!(done && succeeded && output.contains("nothing needs the operator"), "{text}\n{output}");
    assert_uninstalled(&team).await;
}

#[tokio::test]
async fn drain_revokes_the_tokens_with_the_rights_of_its_job_although_no_operator_is_available() {
    let control_plane = cluster().await;
    let helm = Helm::new(control_plane);
    apply(&helm, "install", &chart(), &["--set=uninstall.policy=Drain"]).await;
    let operator = kubelet::start(control_plane, RELEASE, RELEASE).await;
    let team = team(control_plane, "drained").await;
    operator.terminate().await;
    kubelet::available(&deployments(&team), RELEASE, 0).await;
    let Uninstalled { helm: (done, text), job: (succeeded, _, output) } = uninstall(&helm, control_plane).await;
    assert!(done && succeeded, "{text}\n{output}");
    assert!(output.contains("running the controllers here"), "{output}");
    assert!(!output.to_lowercase().contains("forbidden"), "{output}");
    assert!(team.portal.ledger().live().is_empty(), "every token is revoked");
    assert_uninstalled(&team).await;
}

#[tokio::test]
async fn a_drain_that_the_portal_blocks_keeps_the_release() {
    let control_plane = cluster().await;
    let helm = Helm::new(control_plane);
    apply(&helm, "install", &chart(), &["--set=uninstall.policy=Drain", "--set=uninstall.timeout=5s"]).await;
    let operator = kubelet::start(control_plane, RELEASE, RELEASE).await;
    let team = team(control_plane, "blocked").await;
    team.portal.down().await;
    let Uninstalled { helm: (done, text), job: (succeeded, message, _) } = uninstall(&helm, control_plane).await;
    assert!(!done && !succeeded, "{text}");
    assert!(message.contains(&format!("RegistryToken {}/pull", team.namespace)), "{message}");
    assert!(message.contains("--policy=orphan"), "{message}");
    assert!(deployments(&team).get_opt(RELEASE).await.expect("asked").is_some(), "the operator stays");
    // It completes what was begun, and the uninstallation can be repeated.
    team.portal.up().await;
    until_gone(&team.tokens(), "pull").await;
    until_gone(&team.issuers(), "portal").await;
    assert!(team.portal.ledger().live().is_empty());
    let Uninstalled { helm: (done, text), job: (succeeded, _, output) } = uninstall(&helm, control_plane).await;
    assert!(done && succeeded, "{text}\n{output}");
    assert_uninstalled(&team).await;
    operator.terminate().await;
}
