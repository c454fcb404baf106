//! An image in an OCI archive.

use crate::output;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// An unpacked archive.
pub struct Image {
    folder: TempDir,
    manifest: Value,
    /// The configuration, with user, labels and entrypoint below `config`.
    pub config: Value,
}

impl Image {
    pub fn read(archive: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        output(Command::new("tar").arg("-xf").arg(archive).arg("-C").arg(folder.path()));
        let read =
            |path: PathBuf| -> Value { serde_json::from_slice(&std::fs::read(&path).expect("a file")).expect("JSON") };
        let mut manifest = read(folder.path().join("index.json"));
        // BuildKit nests an index, beside attestations, whose platform is unknown.
        while let Some(all) = manifest["manifests"].as_array() {
            let images: Vec<&Value> = all.iter().filter(|one| one["platform"]["os"] != "unknown").collect();
            let [image] = images[..] else { panic!("one image is expected: {images:?}") };
            manifest = read(folder.path().join(blob(&image["digest"])));
        }
        let config = read(folder.path().join(blob(&manifest["config"]["digest"])));
        Self { folder, manifest, config }
    }

    /// What a node downloads, in bytes.
    pub fn compressed_size(&self) -> u64 {
        let layers = self.manifest["layers"].as_array().expect("layers");
        layers.iter().map(|layer| layer["size"].as_u64().expect("a size")).sum()
    }

    /// The root of a container's file system.
    pub fn unpack(&self) -> TempDir {
        let root = tempfile::tempdir().expect("a folder");
        for layer in self.manifest["layers"].as_array().expect("layers") {
            let archive = self.folder.path().join(blob(&layer["digest"]));
            output(Command::new("tar").arg("-xpf").arg(archive).arg("-C").arg(root.path()));
        }
        output(Command::new("chmod").arg("755").arg(root.path()));
        root
    }
}

fn blob(digest: &Value) -> String {
    format!("blobs/{}", digest.as_str().expect("a digest").replace(':', "/"))
}
