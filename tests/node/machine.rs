//! The node: containerd and the kubelet, in namespaces of their own for processes and mounts, so that nothing of them
//! outlives the test.

use crate::control_plane::{ControlPlane, Server, eventually};
use crate::fixture::LIMIT;
use crate::image::write_layout;
use crate::programs::{program, tool};
use crate::registry::Registry;
use k8s_openapi::api::core::v1::Node as NodeObject;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

pub const NODE_NAME: &str = "node";
/// The image of the container that holds a pod's namespaces.
const PAUSE_IMAGE: &str = "registry.invalid/pause:1";
/// What the kubelet sets, and what was set before.
const SYSCTLS: [&str; 5] =
    ["vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops", "kernel/keys/root_maxkeys"];

/// Starts containerd, imports the pause image, and becomes the kubelet. The first process of its namespace: with it, all
/// others end.
const RUN: &str = r#"
set -eu
containerd --config "$1/containerd.toml" >"$1/containerd.log" 2>&1 &
for try in $(seq 100); do
  ctr --address "$1/containerd.sock" version >/dev/null 2>&1 && break
  sleep 0.1
done
ctr --address "$1/containerd.sock" --namespace k8s.io images import "$1/pause.tar" >/dev/null
exec kubelet --config "$1/kubelet.yaml" --kubeconfig "$1/kubeconfig" --hostname-override "$2" --root-dir "$1/kubelet" \
  --cert-dir "$1/kubelet-certificates"
"#;

/// A running node.
pub struct Node {
    server: Option<Server>,
    folder: tempfile::TempDir,
    sysctls: Vec<(PathBuf, String)>,
}

impl Node {
    /// Starts it, and waits until it is ready.
    pub async fn start(control_plane: &ControlPlane, registry: &Registry) -> Self {
        let folder = tempfile::Builder::new().prefix("node-").tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        let config = control_plane.config_for(&format!("system:node:{NODE_NAME}"), &["system:nodes"]).expect("a user");
        control_plane.write_kubeconfig(&config, &at("kubeconfig")).expect("written");
        fs::write(at("kubelet.yaml"), kubelet_config(folder.path()).to_string()).expect("written");
        write_containerd_config(folder.path(), registry);
        write_layout(&at("pause"), &tool("container"), PAUSE_IMAGE);
        let tar = Command::new("tar").arg("-C").arg(at("pause")).arg("-cf").arg(at("pause.tar")).arg(".").status();
        assert!(tar.expect("tar runs").success());
        let read = |name: &&str| {
            let path = Path::new("/proc/sys").join(name);
            Some((path.clone(), fs::read_to_string(path).ok()?))
        };
        let sysctls = SYSCTLS.iter().filter_map(read).collect();
        let path = format!("PATH={}:/usr/sbin:/usr/bin:/sbin:/bin", tool("").display());
        let args: Vec<String> = [
            path.as_str(),
            "NO_PROXY=*",
            "unshare",
            "--mount",
            "--pid",
            "--fork",
            "--mount-proc",
            "--kill-child",
            "sh",
            "-c",
            RUN,
            "node",
            &folder.path().display().to_string(),
            NODE_NAME,
        ]
        .map(str::to_owned)
        .to_vec();
        let server = Server::start("kubelet", Path::new("/usr/bin/env"), &args, folder.path()).expect("started");
        let mut node = Self { server: Some(server), folder, sysctls };
        node.until_ready(control_plane).await;
        node
    }

    async fn until_ready(&mut self, control_plane: &ControlPlane) {
        let nodes: Api<NodeObject> = Api::all(control_plane.client().await.expect("a client"));
        let server = self.server.as_mut().expect("it runs");
        eventually("the node to be ready", LIMIT, async || {
            server.check_alive().map_err(|error| error.to_string())?;
            let node = nodes.get(NODE_NAME).await.map_err(|error| error.to_string())?;
            let conditions = json!(node.status)["conditions"].as_array().cloned().unwrap_or_default();
            let ready = conditions.iter().find(|one| one["type"] == "Ready").cloned().unwrap_or_default();
            if ready["status"] == "True" { Ok(()) } else { Err(format!("{ready}\n{}", server.log_tail())) }
        })
        .await;
        let untainted = Patch::Merge(json!({"spec": {"taints": null}}));
        nodes.patch(NODE_NAME, &PatchParams::default(), &untainted).await.expect("patched");
    }
}

/// Ends its processes, and undoes what the kubelet set on this machine.
impl Drop for Node {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = fs::read_to_string(self.folder.path().join("containerd.log")).unwrap_or_default();
            let tail: Vec<&str> = log.lines().rev().take(20).collect();
            eprintln!("the end of containerd's log, last line first:\n{}", tail.join("\n"));
        }
        if let Some(mut server) = self.server.take() {
            server.kill();
        }
        for (path, before) in self.sysctls.drain(..) {
            let _ = fs::write(path, before);
        }
        remove_cgroups();
    }
}

/// Removes the empty groups that the kubelet made, in each hierarchy.
fn remove_cgroups() {
    let remove = "find /sys/fs/cgroup -depth -type d -path '*/kubepods*' -exec rmdir {} + 2>/dev/null";
    let _ = Command::new("sh").args(["-c", remove]).status();
}

fn kubelet_config(folder: &Path) -> Value {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": format!("unix://{}", folder.join("containerd.sock").display()),
        "authentication": {"anonymous": {"enabled": false}, "webhook": {"enabled": false}},
        "authorization": {"mode": "AlwaysAllow"},
        "cgroupDriver": "cgroupfs",
        "failCgroupV1": false,
        "failSwapOn": false,
        "makeIPTablesUtilChains": false,
        "enableServer": false,
        "healthzPort": 0,
        "enforceNodeAllocatable": [],
        "evictionHard": {"memory.available": "10Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "localStorageCapacityIsolation": false,
        "registryPullQPS": 0,
    })
}

/// Writes containerd's configuration, its trust in the registry, and a network of which only the loopback is used.
fn write_containerd_config(folder: &Path, registry: &Registry) {
    let at = |name: &str| folder.join(name).display().to_string();
    let hosts = folder.join("hosts").join(registry.host());
    fs::create_dir_all(&hosts).expect("created");
    fs::create_dir_all(folder.join("cni")).expect("created");
    let loopback = json!({"cniVersion": "1.0.0", "name": "loopback", "plugins": [{"type": "loopback"}]});
    fs::write(folder.join("cni/10-loopback.conflist"), loopback.to_string()).expect("written");
    let trust = format!(
        "server = \"https://{}\"\ncapabilities = [\"pull\", \"resolve\"]\nca = \"{}\"\n",
        registry.host(),
        registry.ca_file().display()
    );
    fs::write(hosts.join("hosts.toml"), trust).expect("written");
    let config = format!(
        r#"version = 3
root = "{root}"
state = "{state}"
disabled_plugins = ["io.containerd.nri.v1.nri"]
[grpc]
  address = "{socket}"
[ttrpc]
  address = "{socket}.ttrpc"
[plugins."io.containerd.cri.v1.images"]
  snapshotter = "native"
  # The transfer service unpacks only for the snapshotters of its own configuration.
  use_local_image_pull = true
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "{PAUSE_IMAGE}"
  [plugins."io.containerd.cri.v1.images".registry]
    config_path = "{hosts}"
[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["/usr/lib/cni"]
    conf_dir = "{cni}"
  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
      BinaryName = "{runc}"
"#,
        root = at("containerd-root"),
        state = at("containerd-state"),
        socket = at("containerd.sock"),
        hosts = at("hosts"),
        cni = at("cni"),
        runc = program("runc").display(),
    );
    fs::write(folder.join("containerd.toml"), config).expect("written");
}
