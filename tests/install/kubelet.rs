//! What a kubelet would do. The control plane of the tests has no scheduler, no kubelet and no controllers for Deployments
//! and Jobs, so no Pod runs in it. Instead, these helpers start the operator's binary on this machine with the arguments
//! and the permissions of the ServiceAccount that the release's Deployment or Job names, and write the Job's status from
//! the exit code. Not tested by this: image, probes, security context, volumes and network policy.

use crate::control_plane::{ControlPlane, eventually};
use crate::fixture::{LIMIT, binary};
use crate::operator_process::{Operator, Options};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::PodSpec;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use std::path::PathBuf;
use tokio::process::Command;

/// The kubelet's limit for a termination message that it takes from the log.
const TERMINATION_MESSAGE: usize = 2048;

/// A kubeconfig with the permissions of this pod.
async fn kubeconfig(control_plane: &ControlPlane, namespace: &str, pod: &PodSpec) -> PathBuf {
    let account = pod.service_account_name.as_deref().expect("a ServiceAccount");
    let config = control_plane.service_account_config(namespace, account).await.expect("its token");
    let path = control_plane.folder().join(format!("{account}.kubeconfig"));
    control_plane.write_kubeconfig(&config, &path).expect("written");
    path
}

/// The arguments of the only container.
fn args(pod: &PodSpec) -> Vec<String> {
    pod.containers[0].args.clone().unwrap_or_default()
}

/// Starts one replica of the release's Deployment, and says in the Deployment's status that it is available.
pub async fn start(control_plane: &ControlPlane, namespace: &str, name: &str) -> Operator {
    let deployments: Api<Deployment> = Api::namespaced(control_plane.client().await.expect("a client"), namespace);
    let deployment = deployments.get(name).await.expect("the Deployment");
    let pod = deployment.spec.template.spec.expect("a pod");
    let flags: Vec<&'static str> = args(&pod).into_iter().skip(1).map(|flag| &*flag.leak()).collect();
    let options = Options { namespace: namespace.to_owned(), flags, ..Options::default() };
    let kubeconfig = kubeconfig(control_plane, namespace, &pod).await;
    let operator = Operator::start(binary(), &kubeconfig, &options).await.expect("the operator starts");
    available(&deployments, name, 1).await;
    operator
}

/// Sets how many replicas the Deployment's status counts as available.
pub async fn available(deployments: &Api<Deployment>, name: &str, count: i32) {
    let counts = json!({"replicas": count, "readyReplicas": count, "availableReplicas": count});
    let status = Patch::Merge(json!({"status": counts}));
    deployments.patch_status(name, &PatchParams::default(), &status).await.expect("patched");
}

/// Waits for a Job, runs its container, and writes its status; returns whether it succeeded, its termination message,
/// and everything that it printed.
pub async fn run_job(control_plane: &ControlPlane, namespace: &str, name: &str) -> (bool, String, String) {
    let jobs: Api<Job> = Api::namespaced(control_plane.client().await.expect("a client"), namespace);
    let job = eventually("the Job to be created", LIMIT, async || {
        let job = jobs.get(name).await.map_err(|error| error.to_string())?;
        let is_new = job.status.as_ref().is_none_or(|status| status.conditions.is_none());
        if is_new && job.metadata.deletion_timestamp.is_none() { Ok(job) } else { Err("an old one".to_owned()) }
    })
    .await;
    let pod = job.spec.expect("a spec").template.spec.expect("a pod");
    let kubeconfig = kubeconfig(control_plane, namespace, &pod).await;
    let mut command = Command::new(binary());
    command.args(args(&pod)).env("KUBECONFIG", kubeconfig).env("POD_NAMESPACE", namespace).kill_on_drop(true);
    let (done, text) = crate::tools::result(command.output().await.expect("it runs"));
    let now = k8s_openapi::jiff::Timestamp::now().to_string();
    let condition = |kind: &str| json!({"type": kind, "status": "True", "reason": "Test", "lastTransitionTime": now});
    let status = if done {
        json!({"startTime": now, "completionTime": now, "succeeded": 1,
            "conditions": [condition("SuccessCriteriaMet"), condition("Complete")]})
    } else {
        json!({"startTime": now, "failed": 1, "conditions": [condition("FailureTarget"), condition("Failed")]})
    };
    let patch = Patch::Merge(json!({"status": status}));
    jobs.patch_status(name, &PatchParams::default(), &patch).await.expect("patched");
    let tail = text.len().saturating_sub(TERMINATION_MESSAGE);
    (done, text[text.ceil_char_boundary(tail)..].to_owned(), text)
}
