//! Which certificates a given CA makes trusted.

use super::reason;
use crate::raw_server::{RawServer, response, self_signed_tls_with};
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyUsagePurpose, SanType, date_time_ymd};
use registry_token_operator::api::Reason;
use registry_token_operator::domain::model::login_result::{LoginResult, RegistryProblem};
use registry_token_operator::registry::{EgressPolicy, LoginChecker as _, RegistryLogin, RegistryLoginChecker};
use secrecy::SecretString;
use std::time::Duration;

/// Checks a login at a server with such a certificate, with this certificate configured as the CA.
async fn check(change: impl FnOnce(&mut CertificateParams), given: impl FnOnce(String) -> String) -> LoginResult {
    let (acceptor, pem) = self_signed_tls_with(&[], change);
    let server = RawServer::responding(Some(acceptor), |_| response(200, &[], "{}")).await;
    let (secret, ca_pem) = (SecretString::from("hush"), given(pem));
    let ca_pem = Some(ca_pem.as_str());
    let registries = RegistryLoginChecker::with_timeout(Duration::from_secs(5));
    let egress = EgressPolicy::OPEN;
    let login =
        RegistryLogin { registry: &server.address, username: "u", secret: &secret, ca_pem, plain_http: false, egress };
    registries.check(login).await
}

fn as_ca(params: &mut CertificateParams) {
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
}

fn other_pem() -> String {
    self_signed_tls_with(&[], |_| {}).1
}

#[tokio::test]
async fn a_server_that_signs_its_own_certificate_is_trusted_by_exactly_that() {
    // As created by `openssl req -x509`, by Go and by other tools.
    for make in [as_ca as fn(&mut CertificateParams), |_| {}, |params| params.is_ca = IsCa::ExplicitNoCa] {
        assert_eq!(check(make, |pem| pem).await, LoginResult::Accepted);
        assert_eq!(check(make, |pem| format!("\u{feff}{}\r\n{pem}", other_pem())).await, LoginResult::Accepted);
        // Another certificate with the same name is not the configured one.
        let verdict = check(make, |_| self_signed_tls_with(&[], as_ca).1).await;
        assert_eq!(reason(&verdict), Some(Reason::TlsUntrusted), "{verdict:?}");
    }
}

#[tokio::test]
async fn its_name_and_its_dates_are_still_checked() {
    let elsewhere = |params: &mut CertificateParams| {
        as_ca(params);
        params.subject_alt_names = vec![SanType::DnsName("other.example".try_into().expect("a name"))];
    };
    let expired = |params: &mut CertificateParams| {
        as_ca(params);
        params.not_after = date_time_ymd(2020, 1, 1);
    };
    let early = |params: &mut CertificateParams| {
        as_ca(params);
        params.not_before = date_time_ymd(2500, 1, 1);
        params.not_after = date_time_ymd(2501, 1, 1);
    };
    for make in [elsewhere as fn(&mut CertificateParams), expired, early] {
        let verdict = check(make, |pem| pem).await;
        assert_eq!(reason(&verdict), Some(Reason::TlsUntrusted), "{verdict:?}");
    }
}

#[tokio::test]
async fn a_bad_block_is_named_by_its_number() {
    let bad = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let LoginResult::Unknown(RegistryProblem { reason, message, .. }) =
        check(|_| {}, |pem| format!("{pem}{bad}")).await
    else {
        panic!("it is no CA");
    };
    assert_eq!(reason, Reason::CABundleInvalid);
    assert!(message.contains("block 2 of the CA in spec.registries[].tls"), "{message}");
}
