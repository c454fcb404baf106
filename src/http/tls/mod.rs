//! TLS configuration and trust anchors.

mod bundle;
mod der;
mod verifier;

use self::verifier::BundleVerifier;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;
use std::sync::Arc;

/// Why there is no trust anchor.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TrustError {
    /// A block of the given CA is not PEM.
    NotPem {
        /// The number of the block, from 1.
        block: usize,
    },
    /// A block is valid PEM, but does not contain a certificate.
    NotACertificate {
        /// The number of the block, from 1.
        block: usize,
    },
    /// It contains no certificate.
    Empty,
    /// The system's certificates cannot be read.
    System(String),
    /// TLS cannot be set up.
    Setup(String),
}

impl TrustError {
    /// The human-readable message; `field` is the spec's field with the CA.
    pub(crate) fn message(&self, field: &str) -> String {
        match self {
            Self::NotPem { block } => {
                format!("block {block} of the CA in {field} is not valid PEM: replace or remove it")
            }
            Self::NotACertificate { block } => {
                format!("block {block} of the CA in {field} is not a certificate: replace or remove it")
            }
            Self::Empty => format!(
                "the CA in {field} contains no certificate: set it to PEM that begins with -----BEGIN CERTIFICATE-----"
            ),
            Self::System(error) => {
                format!("the system's trusted certificates cannot be read ({error}): set the CA in {field}")
            }
            Self::Setup(error) => format!("TLS cannot be set up: {error}"),
        }
    }
}

/// TLS with ring, set explicitly so that no process-wide default applies: trusts exactly the certificates of
/// `ca_pem`, or otherwise those that the system trusts.
pub(crate) fn config(ca_pem: Option<&str>) -> Result<ClientConfig, TrustError> {
    let provider = Arc::new(ring::default_provider());
    let versions = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| TrustError::Setup(error.to_string()))?;
    // rustls calls this `dangerous` because neither verifier is its default; both verify in the same way, the
    // system's with the system's roots.
    let verifier: Arc<dyn ServerCertVerifier> = match ca_pem {
        Some(pem) => bundle_verifier(pem, provider)?,
        None => system_verifier(provider)?,
    };
    let mut config = versions.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn bundle_verifier(pem: &str, provider: Arc<CryptoProvider>) -> Result<Arc<BundleVerifier>, TrustError> {
    let certificates = bundle::certificates(pem)?;
    if certificates.is_empty() {
        return Err(TrustError::Empty);
    }
    let mut roots = RootCertStore::empty();
    for (block, certificate) in &certificates {
        roots.add(certificate.clone()).map_err(|_| TrustError::NotACertificate { block: *block })?;
    }
    let chains = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
    let chains = chains.map_err(|error| TrustError::Setup(error.to_string()))?;
    let trusted = certificates.into_iter().map(|(_, certificate)| certificate).collect();
    Ok(Arc::new(BundleVerifier::new(chains, trusted)))
}

fn system_verifier(provider: Arc<CryptoProvider>) -> Result<Arc<Verifier>, TrustError> {
    Verifier::new(provider).map(Arc::new).map_err(|error| TrustError::System(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_without_a_certificate_is_an_error() {
        let invalid = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let truncated = "-----BEGIN CERTIFICATE-----\nAAAA\n";
        for (pem, expected) in [
            ("", TrustError::Empty),
            ("hello", TrustError::Empty),
            (invalid, TrustError::NotACertificate { block: 1 }),
            (truncated, TrustError::NotPem { block: 1 }),
        ] {
            let error = config(Some(pem)).expect_err("no certificate in it");
            assert_eq!(error, expected, "{pem:?}");
            assert!(error.message("spec.x.tls").contains("spec.x.tls"));
        }
    }
}
