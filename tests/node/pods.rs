//! Pods that run the image, each with one pull secret or none.

use crate::control_plane::eventually;
use crate::fixture::{LIMIT, Team};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, ListParams};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The kubelet's back-off after a failed pull reaches 20 s with the second failure and 40 s with the third.
const BACKOFF_LIMIT: Duration = Duration::from_mins(3);

/// The pods of a team.
pub struct Pods<'a> {
    team: &'a Team,
    image: String,
}

impl<'a> Pods<'a> {
    pub fn of(team: &'a Team, image: &str) -> Self {
        Self { team, image: image.to_owned() }
    }

    fn api(&self) -> Api<Pod> {
        Api::namespaced(self.team.client.clone(), &self.team.namespace)
    }

    /// Creates a pod on the node. Every pull asks the registry: otherwise an image that another pod pulled is used.
    pub async fn create(&self, name: &str, secret: Option<&str>) {
        let secrets: Vec<Value> = secret.into_iter().map(|name| json!({"name": name})).collect();
        self.team
            .apply(json!({
                "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
                "spec": {
                    "nodeName": crate::machine::NODE_NAME,
                    "hostNetwork": true,
                    "imagePullSecrets": secrets,
                    "automountServiceAccountToken": false,
                    "enableServiceLinks": false,
                    "terminationGracePeriodSeconds": 1,
                    "tolerations": [{"operator": "Exists"}],
                    "containers": [{"name": "app", "image": self.image, "imagePullPolicy": "Always"}],
                },
            }))
            .await;
    }

    /// A pull secret with this content.
    pub async fn copy_secret(&self, name: &str, content: &[u8]) {
        let content = String::from_utf8(content.to_vec()).expect("text");
        self.team
            .apply(json!({
                "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "kubernetes.io/dockerconfigjson",
                "stringData": {".dockerconfigjson": content},
            }))
            .await;
    }

    /// Waits until the pod runs; returns for how many seconds it waited.
    pub async fn until_running(&self, name: &str) -> f64 {
        let begun = Instant::now();
        eventually(&format!("the pod {name} to run"), BACKOFF_LIMIT, async || {
            let (running, seen) = self.look(name).await?;
            if running { Ok(()) } else { Err(seen) }
        })
        .await;
        begun.elapsed().as_secs_f64()
    }

    /// Waits until the pod cannot pull its image; one that runs fails the test.
    pub async fn until_failing(&self, name: &str) {
        eventually(&format!("the pod {name} to fail to pull"), LIMIT, async || {
            let (running, seen) = self.look(name).await?;
            assert!(!running, "{name} runs, although its login is not valid");
            let failing = seen.starts_with("ErrImagePull") || seen.starts_with("ImagePullBackOff");
            if failing { Ok(()) } else { Err(seen) }
        })
        .await;
    }

    /// Whether the container runs, and what it waits for.
    async fn look(&self, name: &str) -> Result<(bool, String), String> {
        let pod = self.api().get(name).await.map_err(|error| error.to_string())?;
        let status = json!(pod.status);
        let state = &status["containerStatuses"][0]["state"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let seen = format!("{}: {}", text(&state["waiting"]["reason"]), text(&state["waiting"]["message"]));
        let seen = if state.is_null() { status.to_string() } else { seen };
        Ok((state["running"].is_object(), seen))
    }

    pub async fn delete_all(&self) {
        let pods = self.api();
        pods.delete_collection(&DeleteParams::default(), &ListParams::default()).await.expect("deleted");
        eventually("the pods to be gone", LIMIT, async || {
            let left = pods.list(&ListParams::default()).await.map_err(|error| error.to_string())?.items.len();
            if left == 0 { Ok(()) } else { Err(format!("{left} are left")) }
        })
        .await;
    }
}
