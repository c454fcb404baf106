//! One small image to pull: a configuration and one layer with one file.

use ring::digest::{SHA256, digest};
use serde_json::json;
use std::fmt::Write;
use std::sync::LazyLock;

/// Repositories with the image.
pub(super) const REPOSITORIES: [&str; 2] = ["public/indicium", "public/indicium-basic"];
/// The image's tags.
pub(super) const TAGS: [&str; 2] = ["latest", "2026.1"];

pub(super) const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// Content and its digest.
pub(super) struct Blob {
    pub(super) digest: String,
    pub(super) bytes: Vec<u8>,
}

/// The image.
pub(super) struct Image {
    pub(super) manifest: Blob,
    pub(super) blobs: [Blob; 2],
}

/// The image, created once.
pub(super) static IMAGE: LazyLock<Image> = LazyLock::new(Image::new);

impl Blob {
    fn new(bytes: Vec<u8>) -> Self {
        let digest = digest(&SHA256, &bytes).as_ref().iter().fold("sha256:".to_owned(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
        Self { digest, bytes }
    }
}

impl Image {
    fn new() -> Self {
        let tar = Blob::new(tar("etc/motd", b"pulled from the fake registry\n"));
        let layer = Blob::new(gzip(&tar.bytes));
        let config = json!({
            "architecture": "amd64", "os": "linux", "config": {"Cmd": ["/etc/motd"]},
            "rootfs": {"type": "layers", "diff_ids": [tar.digest]},
            "history": [{"created": "2026-01-01T00:00:00Z", "created_by": "fake registry"}],
        });
        let config = Blob::new(config.to_string().into_bytes());
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST_TYPE,
            "config": {"mediaType": CONFIG_TYPE, "digest": config.digest, "size": config.bytes.len()},
            "layers": [{"mediaType": LAYER_TYPE, "digest": layer.digest, "size": layer.bytes.len()}],
        });
        Self { manifest: Blob::new(manifest.to_string().into_bytes()), blobs: [config, layer] }
    }
}

const BLOCK: usize = 512;

/// A tar archive (ustar) of one file.
fn tar(name: &str, content: &[u8]) -> Vec<u8> {
    let mut header = [0_u8; BLOCK];
    let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, "0000644\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{:011o}\0", content.len()));
    put(136, "00000000000\0");
    // The checksum is computed with blanks in its own place.
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\x0000");
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut archive = header.to_vec();
    archive.extend_from_slice(content);
    // Padded to a whole block; two empty blocks end the archive.
    archive.resize(archive.len().next_multiple_of(BLOCK) + 2 * BLOCK, 0);
    archive
}

/// A gzip file with uncompressed content ("stored"): one block, so at most 65,535 bytes.
fn gzip(content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("a small layer");
    let mut file = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff, 1];
    file.extend_from_slice(&length.to_le_bytes());
    file.extend_from_slice(&(!length).to_le_bytes());
    file.extend_from_slice(content);
    file.extend_from_slice(&crc32(content).to_le_bytes());
    file.extend_from_slice(&u32::from(length).to_le_bytes());
    file
}

fn crc32(content: &[u8]) -> u32 {
    !content.iter().fold(u32::MAX, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| (sum >> 1) ^ (0xedb8_8320 * (sum & 1)))
    })
}
