//! An image with one program, made from scratch, as an OCI layout.

use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;

fn sha256(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes a blob; returns its descriptor.
fn blob(layout: &Path, media_type: &str, bytes: &[u8]) -> Value {
    let hash = sha256(bytes);
    fs::write(layout.join("blobs/sha256").join(&hash), bytes).expect("written");
    json!({"mediaType": media_type, "digest": format!("sha256:{hash}"), "size": bytes.len()})
}

/// Writes the OCI layout of an image of this name that runs `program`.
pub fn write_layout(layout: &Path, program: &Path, name: &str) {
    fs::create_dir_all(layout.join("blobs/sha256")).expect("created");
    let folder = program.parent().expect("a folder");
    let file = program.file_name().expect("a name");
    let tar = Command::new("tar").arg("-C").arg(folder).args(["--owner=0", "--group=0", "-cf", "-"]).arg(file).output();
    let layer = tar.expect("tar runs").stdout;
    let entry = format!("/{}", file.to_string_lossy());
    let config = json!({
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        "os": "linux",
        "config": {"Entrypoint": [entry]},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", sha256(&layer))]},
    });
    let layer = blob(layout, "application/vnd.oci.image.layer.v1.tar", &layer);
    let config = blob(layout, "application/vnd.oci.image.config.v1+json", config.to_string().as_bytes());
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": [layer],
    });
    let mut manifest = blob(layout, "application/vnd.oci.image.manifest.v1+json", manifest.to_string().as_bytes());
    manifest["annotations"] = json!({"org.opencontainers.image.ref.name": "1", "io.containerd.image.name": name});
    let index = json!({"schemaVersion": 2, "manifests": [manifest]});
    fs::write(layout.join("index.json"), index.to_string()).expect("written");
    fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("written");
}
