//! A certificate authority created at start, and a server certificate signed by it.

use super::config::Config;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

/// The CA's certificate, and the TLS acceptor.
pub(super) struct Tls {
    pub(super) ca_pem: String,
    pub(super) acceptor: TlsAcceptor,
}

impl Tls {
    /// A new CA, and a certificate for the loopback addresses and the names in the configuration.
    pub(super) fn new(config: &Config) -> Self {
        let ca_key = KeyPair::generate().expect("a key");
        let ca_params = ca_params();
        let ca = ca_params.self_signed(&ca_key).expect("a CA");
        let key = KeyPair::generate().expect("a key");
        let issuer = Issuer::new(ca_params, ca_key);
        let certificate = server_params(config).signed_by(&key, &issuer).expect("a certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring supports them")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
            .expect("the key is the certificate's");
        let protocols: &[&[u8]] = if config.http2 { &[b"h2", b"http/1.1"] } else { &[b"http/1.1"] };
        server.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Self { ca_pem: ca.pem(), acceptor: TlsAcceptor::from(Arc::new(server)) }
    }
}

fn ca_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "fake portal CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn server_params(config: &Config) -> CertificateParams {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), config.host.clone()];
    names.extend(config.extra_names.iter().cloned());
    names.dedup();
    let mut params = CertificateParams::new(names).expect("names for a certificate");
    params.distinguished_name.push(DnType::CommonName, "fake portal");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    params
}
