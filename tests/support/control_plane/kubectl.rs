//! kubectl for this control plane, and manifests applied with it.

use super::error::{Context, Error, Result};
use super::start::ControlPlane;
use super::wait::wait_for;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::{Api, Client};
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// A kubectl command that takes longer is considered stuck.
const KUBECTL_LIMIT: Duration = Duration::from_mins(2);

/// The time from a definition's creation until its resources are served.
const CRD_LIMIT: Duration = Duration::from_secs(30);

impl ControlPlane {
    /// The kubectl of this control plane's version.
    pub fn kubectl(&self) -> PathBuf {
        self.files.programs.join("kubectl")
    }

    /// Runs kubectl as the admin, with `stdin` as its standard input. The caller checks the exit status; see
    /// [`Self::kubectl_ok`].
    pub async fn kubectl_run(&self, args: &[&str], stdin: Option<&str>) -> Result<Output> {
        let what = format!("kubectl {}", args.join(" "));
        let run = async {
            let mut child = Command::new(self.kubectl())
                .env("KUBECONFIG", self.kubeconfig_path())
                // Not the user's own cache.
                .env("KUBECACHEDIR", self.files.path("kubectl-cache"))
                .args(args)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .kill_on_drop(true)
                .spawn()?;
            let input = child.stdin.take();
            // Both at once: kubectl may write output before it has read all input, and fill its pipe.
            let feed = async {
                if let (Some(mut input), Some(text)) = (input, stdin) {
                    // kubectl may exit without reading; its exit status shows why.
                    let _ = input.write_all(text.as_bytes()).await;
                }
            };
            let ((), output) = tokio::join!(feed, child.wait_with_output());
            output
        };
        tokio::time::timeout(KUBECTL_LIMIT, run)
            .await
            .map_err(|_| Error::new(format!("waited {KUBECTL_LIMIT:?} for `{what}` to end")))?
            .context(format!("running `{what}`"))
    }

    /// Runs kubectl as the admin and returns its standard output; an error if it fails.
    pub async fn kubectl_ok(&self, args: &[&str], stdin: Option<&str>) -> Result<String> {
        let output = self.kubectl_run(args, stdin).await?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(Error::new(format!(
            "`kubectl {}` ended with {}: {}",
            args.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        )))
    }

    /// Applies manifests by server-side apply. Returns the names of the applied objects, as kubectl prints them
    /// (`configmap/example`).
    pub async fn apply(&self, manifests: &str) -> Result<Vec<String>> {
        let args = ["apply", "--server-side", "--output=name", "--filename=-"];
        let names = self.kubectl_ok(&args, Some(manifests)).await?;
        Ok(names.lines().map(str::to_owned).collect())
    }

    /// Applies manifests and waits until each `CustomResourceDefinition` among them is
    /// established and all its versions are served.
    pub async fn apply_crds(&self, manifests: &str) -> Result<()> {
        let client = self.client().await?;
        for name in self.apply(manifests).await? {
            if let Some(name) = name.strip_prefix("customresourcedefinition.apiextensions.k8s.io/") {
                let what = format!("the CustomResourceDefinition {name} to be served");
                wait_for(&what, CRD_LIMIT, async || served(&client, name).await).await?;
            }
        }
        Ok(())
    }
}

async fn served(client: &Client, name: &str) -> std::result::Result<(), String> {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let definition = definitions.get(name).await.map_err(|error| error.to_string())?;
    let conditions = definition.status.unwrap_or_default().conditions;
    let established =
        conditions.iter().flatten().any(|condition| condition.type_ == "Established" && condition.status == "True");
    if !established {
        return Err(format!("not established: {conditions:?}"));
    }
    // Requests can still get a 404 for a moment after the condition is set.
    let spec = definition.spec;
    for version in spec.versions.iter().filter(|version| version.served) {
        let resource = ApiResource {
            group: spec.group.clone(),
            version: version.name.clone(),
            api_version: format!("{}/{}", spec.group, version.name),
            kind: spec.names.kind.clone(),
            plural: spec.names.plural.clone(),
        };
        Api::<DynamicObject>::all_with(client.clone(), &resource)
            .list(&ListParams::default().limit(1))
            .await
            .map_err(|error| format!("{}: {error}", resource.api_version))?;
    }
    Ok(())
}
