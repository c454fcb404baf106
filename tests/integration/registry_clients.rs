//! Other clients than the kubelet find the login in a pull secret, under each form of a registry: host, host with port, and
//! host with path.

use crate::fixture::{Team, merge};
use crate::pull::IMAGE;
use serde_json::{Value, json};
use std::path::PathBuf;
use tokio::process::Command;

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("registry-clients-{name}-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("certs")).expect("created");
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Reads the image's manifest with skopeo and this content of a pull secret. `None` if skopeo is not installed.
async fn skopeo(team: &Team, folder: &Folder, content: &Value) -> Option<Result<(), String>> {
    let (auth, certs) = (folder.0.join("auth.json"), folder.0.join("certs"));
    std::fs::write(&auth, content.to_string()).expect("written");
    std::fs::write(certs.join("ca.crt"), team.portal.ca_pem()).expect("written");
    let image = format!("docker://{}/{IMAGE}", team.portal.registry_host());
    let mut command = Command::new("skopeo");
    command.args(["inspect", "--raw", "--authfile"]).arg(&auth).arg("--cert-dir").arg(&certs).arg(&image);
    command.env("HOME", &folder.0).env_remove("REGISTRY_AUTH_FILE").env("NO_PROXY", "*").kill_on_drop(true);
    let output = match command.output().await {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => panic!("{error}"),
    };
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    Some(if output.status.success() { Ok(()) } else { Err(error) })
}

#[tokio::test]
async fn skopeo_finds_the_login_under_host_and_port_and_under_a_path() {
    let team = Team::new("registry-clients").await;
    let host = team.portal.registry_host();
    let paths = [host.clone(), format!("{host}/public"), format!("{host}/public/indicium"), format!("{host}/other")];
    let mut registries: Vec<Value> = team.issuer_spec(json!({}))["registries"].as_array().expect("a list").clone();
    let first = registries.remove(0);
    registries.extend(paths.iter().map(|path| {
        let mut registry = first.clone();
        merge(&mut registry, json!({"host": path}));
        registry
    }));
    team.issuer(json!({"registries": registries})).await;
    team.token("pull", "for other clients").await;
    team.until_synced("pull").await;
    let content: Value = serde_json::from_slice(&team.dockerconfigjson("pull").await).expect("JSON");
    let auths = content["auths"].as_object().expect("a map");
    assert_eq!(auths.keys().collect::<std::collections::BTreeSet<_>>(), paths.iter().collect());

    let folder = Folder::new("skopeo");
    let only = |key: &String| json!({"auths": {key: auths[key]}});
    for path in &paths[..3] {
        let Some(read) = skopeo(&team, &folder, &only(path)).await else {
            println!("skipped: skopeo is not installed");
            return;
        };
        read.unwrap_or_else(|error| panic!("{path}: {error}"));
    }
    let refused = skopeo(&team, &folder, &json!({"auths": {}})).await.expect("installed").expect_err("no login");
    assert!(refused.contains("unauthorized") || refused.contains("authentication required"), "{refused}");
    assert!(skopeo(&team, &folder, &content).await.expect("installed").is_ok(), "with all of them");
}
