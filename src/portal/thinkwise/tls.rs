//! Whom to trust.

use super::{Failure, Sent};
use crate::api::Reason;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;
use std::sync::Arc;

/// TLS by ring, named here so that no process-wide default decides: trusts exactly the
/// certificates of `ca_pem`, or else what the system trusts.
pub(super) fn config(ca_pem: Option<&str>) -> Result<ClientConfig, Failure> {
    let provider = Arc::new(ring::default_provider());
    let versions = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| missing(&format!("TLS cannot be set up: {error}")))?;
    let mut config = match ca_pem {
        Some(pem) => versions.with_root_certificates(roots(pem)?).with_no_client_auth(),
        None => versions.dangerous().with_custom_certificate_verifier(system(provider)?).with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn roots(pem: &str) -> Result<RootCertStore, Failure> {
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|_| missing("the CA in spec.thinkwise.tls is not valid PEM"))?;
        store
            .add(certificate)
            .map_err(|_| missing("the CA in spec.thinkwise.tls holds something that is not a certificate"))?;
    }
    if store.is_empty() {
        return Err(missing(
            "the CA in spec.thinkwise.tls holds no certificate: write PEM that begins with -----BEGIN CERTIFICATE-----",
        ));
    }
    Ok(store)
}

/// Named `dangerous` by rustls since it is not its own verifier; it is the same one, over the system's roots.
fn system(provider: Arc<CryptoProvider>) -> Result<Arc<Verifier>, Failure> {
    Verifier::new(provider).map(Arc::new).map_err(|error| {
        missing(&format!(
            "the system's trusted certificates cannot be read ({error}): give the CA in spec.thinkwise.tls"
        ))
    })
}

fn missing(message: &str) -> Failure {
    Failure::new(Sent::No, Reason::TrustMissing, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_is_trust_missing() {
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let cut = "-----BEGIN CERTIFICATE-----\nAAAA\n";
        for pem in ["", "hello", broken, cut] {
            let failure = config(Some(pem)).expect_err("no certificate in it");
            assert_eq!((failure.sent, failure.reason), (Sent::No, Reason::TrustMissing), "{pem:?}");
        }
    }
}
