//! An independent OCI client that gets only a pull secret.

#![allow(dead_code, reason = "several targets include this module, and each uses its own part")]

use oci_client::client::{Certificate, CertificateEncoding, ClientConfig};
use oci_client::manifest::{IMAGE_DOCKER_LAYER_GZIP_MEDIA_TYPE, IMAGE_LAYER_GZIP_MEDIA_TYPE, IMAGE_LAYER_MEDIA_TYPE};
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

/// Pulls the image and checks every layer against its digest; returns the number of bytes.
pub async fn pull(dockerconfigjson: &[u8], host: &str, ca_pem: &str) -> Result<usize, String> {
    // Only the first call sets it; later ones use the same provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (username, password) = login(dockerconfigjson, host)?;
    let certificate = Certificate { encoding: CertificateEncoding::Pem, data: ca_pem.as_bytes().to_vec() };
    let config = ClientConfig { extra_root_certificates: vec![certificate], ..ClientConfig::default() };
    let image: Reference = format!("{host}/{IMAGE}").parse().map_err(|error| format!("{error}"))?;
    let layers = vec![IMAGE_LAYER_GZIP_MEDIA_TYPE, IMAGE_LAYER_MEDIA_TYPE, IMAGE_DOCKER_LAYER_GZIP_MEDIA_TYPE];
    let pulled = Client::new(config).pull(&image, &RegistryAuth::Basic(username, password), layers).await;
    let pulled = pulled.map_err(|error| error.to_string())?;
    Ok(pulled.layers.iter().map(|layer| layer.data.len()).sum())
}
