//! An independent OCI client that gets only a pull secret.

#![allow(dead_code, reason = "several targets include this module, and each uses its own part")]

use oci_client::client::{Certificate, CertificateEncoding, ClientConfig, Config, ImageLayer};
use oci_client::manifest::{
    IMAGE_CONFIG_MEDIA_TYPE, IMAGE_DOCKER_LAYER_GZIP_MEDIA_TYPE, IMAGE_LAYER_GZIP_MEDIA_TYPE, IMAGE_LAYER_MEDIA_TYPE,
};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use serde_json::Value;

/// The image in the fake registry.
pub const IMAGE: &str = "public/indicium:latest";

/// The username and password for a registry in a `.dockerconfigjson`.
pub fn login(dockerconfigjson: &[u8], host: &str) -> Result<(String, String), String> {
    let config: Value = serde_json::from_slice(dockerconfigjson).map_err(|error| error.to_string())?;
    let entry = &config["auths"][host];
    let text = |key: &str| entry[key].as_str().map(str::to_owned).ok_or(format!("no {key} for {host}"));
    Ok((text("username")?, text("password")?))
}

/// Pulls the image of the fake registry and checks every layer against its digest; returns the number of bytes.
pub async fn pull(dockerconfigjson: &[u8], host: &str, ca_pem: &str) -> Result<usize, String> {
    pull_image(dockerconfigjson, host, IMAGE, ca_pem).await
}

/// The same for another image.
pub async fn pull_image(dockerconfigjson: &[u8], host: &str, image: &str, ca_pem: &str) -> Result<usize, String> {
    let (username, password) = login(dockerconfigjson, host)?;
    let layers = vec![IMAGE_LAYER_GZIP_MEDIA_TYPE, IMAGE_LAYER_MEDIA_TYPE, IMAGE_DOCKER_LAYER_GZIP_MEDIA_TYPE];
    let auth = RegistryAuth::Basic(username, password);
    let pulled = client(ca_pem).pull(&reference(host, image)?, &auth, layers).await;
    let pulled = pulled.map_err(|error| error.to_string())?;
    Ok(pulled.layers.iter().map(|layer| layer.data.len()).sum())
}

/// Pushes an image with one layer of these bytes.
pub async fn push_image(
    (username, password): (&str, &str),
    host: &str,
    image: &str,
    ca_pem: &str,
    layer: &[u8],
) -> Result<(), String> {
    let auth = RegistryAuth::Basic(username.to_owned(), password.to_owned());
    let layers = [ImageLayer::new(layer.to_vec(), IMAGE_LAYER_MEDIA_TYPE.to_owned(), None)];
    let config = br#"{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[]}}"#;
    let config = Config::new(config.to_vec(), IMAGE_CONFIG_MEDIA_TYPE.to_owned(), None);
    let pushed = client(ca_pem).push(&reference(host, image)?, &layers, config, &auth, None).await;
    pushed.map(|_| ()).map_err(|error| error.to_string())
}

fn reference(host: &str, image: &str) -> Result<Reference, String> {
    format!("{host}/{image}").parse().map_err(|error| format!("{error}"))
}

/// A client without any former login.
fn client(ca_pem: &str) -> Client {
    // Only the first call sets it; later ones use the same provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let certificate = Certificate { encoding: CertificateEncoding::Pem, data: ca_pem.as_bytes().to_vec() };
    Client::new(ClientConfig { extra_root_certificates: vec![certificate], ..ClientConfig::default() })
}
