//! Whom to trust.

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;
use std::sync::Arc;

/// There is nobody to trust.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TrustError {
    /// The given CA is not PEM.
    NotPem,
    /// It holds something else than certificates.
    NotACertificate,
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
            Self::NotPem => format!("the CA in {field} is not valid PEM"),
            Self::NotACertificate => format!("the CA in {field} holds something that is not a certificate"),
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
    let mut config = match ca_pem {
        Some(pem) => versions.with_root_certificates(roots(pem)?).with_no_client_auth(),
        None => versions.dangerous().with_custom_certificate_verifier(system(provider)?).with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn roots(pem: &str) -> Result<RootCertStore, TrustError> {
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|_| TrustError::NotPem)?;
        store.add(certificate).map_err(|_| TrustError::NotACertificate)?;
    }
    if store.is_empty() { Err(TrustError::Empty) } else { Ok(store) }
}

/// Named `dangerous` by rustls since it is not its own verifier; it is the same one, over the system's roots.
fn system(provider: Arc<CryptoProvider>) -> Result<Arc<Verifier>, TrustError> {
    Verifier::new(provider).map(Arc::new).map_err(|error| TrustError::System(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_is_nobody_to_trust() {
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let cut = "-----BEGIN CERTIFICATE-----\nAAAA\n";
        for (pem, expected) in [
            ("", TrustError::Empty),
            ("hello", TrustError::Empty),
            (broken, TrustError::NotACertificate),
            (cut, TrustError::NotPem),
        ] {
            let error = config(Some(pem)).expect_err("no certificate in it");
            assert_eq!(error, expected, "{pem:?}");
            assert!(error.message("spec.x.tls").contains("spec.x.tls"));
        }
    }
}
