//! Whom to trust.

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

/// There is nobody to trust.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TrustError {
    /// A block of the given CA is not PEM.
    NotPem {
        /// Which one, from 1.
        block: usize,
    },
    /// A block is valid PEM, and what it holds is not a certificate.
    NotACertificate {
        /// Which one, from 1.
        block: usize,
    },
    /// It holds nothing.
    Empty,
    /// The system's certificates cannot be read.
    System(String),
    /// TLS cannot be set up.
    Setup(String),
}

impl TrustError {
    /// For people; the CA stands in this field of a spec.
    pub(crate) fn message(&self, field: &str) -> String {
        match self {
            Self::NotPem { block } => {
                format!("block {block} of the CA in {field} is not valid PEM: replace it or leave it out")
            }
            Self::NotACertificate { block } => {
                format!("block {block} of the CA in {field} is not a certificate: replace it or leave it out")
            }
            Self::Empty => format!(
                "the CA in {field} holds no certificate: write PEM that begins with -----BEGIN CERTIFICATE-----"
            ),
            Self::System(error) => {
                format!("the system's trusted certificates cannot be read ({error}): give the CA in {field}")
            }
            Self::Setup(error) => format!("TLS cannot be set up: {error}"),
        }
    }
}

/// TLS by ring, named here so that no process-wide default decides: trusts exactly the
/// certificates of `ca_pem`, or else what the system trusts.
pub(crate) fn config(ca_pem: Option<&str>) -> Result<ClientConfig, TrustError> {
    let provider = Arc::new(ring::default_provider());
    let versions = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| TrustError::Setup(error.to_string()))?;
    // Named `dangerous` by rustls since neither is its default; both verify as that does, the system's over its roots.
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
    let given = certificates.into_iter().map(|(_, certificate)| certificate).collect();
    Ok(Arc::new(BundleVerifier::new(chains, given)))
}

fn system_verifier(provider: Arc<CryptoProvider>) -> Result<Arc<Verifier>, TrustError> {
    Verifier::new(provider).map(Arc::new).map_err(|error| TrustError::System(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_without_a_certificate_is_an_error() {
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let cut = "-----BEGIN CERTIFICATE-----\nAAAA\n";
        for (pem, expected) in [
            ("", TrustError::Empty),
            ("hello", TrustError::Empty),
            (broken, TrustError::NotACertificate { block: 1 }),
            (cut, TrustError::NotPem { block: 1 }),
        ] {
            let error = config(Some(pem)).expect_err("no certificate in it");
            assert_eq!(error, expected, "{pem:?}");
            assert!(error.message("spec.x.tls").contains("spec.x.tls"));
        }
    }
}
