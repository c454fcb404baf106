//! A login check with restricted egress: for the registry, and for the server to which it sends the credentials.

use super::reason;
use crate::raw_server::{ConnectionAction, RawRequest, RawServer, response};
use registry_token_operator::api::Reason;
use registry_token_operator::domain::model::login_result::LoginResult;
use registry_token_operator::portal::{EgressPolicy, EgressRules, parse_range};
use registry_token_operator::registry::{LoginChecker as _, RegistryLogin, RegistryLoginChecker};
use secrecy::SecretString;
use std::time::Duration;

async fn check(registries: &RegistryLoginChecker, registry: &str, egress: &EgressPolicy) -> LoginResult {
    let secret = SecretString::from("hush");
    registries
        .check(RegistryLogin { registry, username: "u", secret: &secret, ca_pem: None, plain_http: true, egress })
        .await
}

/// Allows 127.0.0.1, and no other address of this machine.
fn only_the_first_address() -> EgressPolicy {
    let allowed = vec![parse_range("127.0.0.1").expect("an address")];
    EgressPolicy::restricted(EgressRules { allowed, ..EgressRules::default() })
}

fn says_which_flag(verdict: &LoginResult) -> bool {
    matches!(verdict, LoginResult::Unknown(problem) if problem.message.contains("--allow-portal-"))
}

#[tokio::test]
async fn a_registry_inside_the_cluster_is_not_connected_to() {
    let server = RawServer::responding(None, |_| response(200, &[], "{}")).await;
    let port = server.address.rsplit(':').next().expect("a port");
    let (registries, closed) =
        (RegistryLoginChecker::with_timeout(Duration::from_secs(3)), EgressPolicy::restricted(EgressRules::default()));
    for host in ["127.0.0.1", "127.1", "2130706433", "0x7f.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0"] {
        let verdict = check(&registries, &format!("{host}:{port}"), &closed).await;
        assert_eq!(reason(&verdict), Some(Reason::AddressNotAllowed), "{host}: {verdict:?}");
        assert!(says_which_flag(&verdict), "{host}: {verdict:?}");
    }
    assert_eq!(server.connections(), 0);
    // The same checker with a policy that allows it: connections are not shared between policies.
    assert_eq!(check(&registries, &server.address, EgressPolicy::OPEN).await, LoginResult::Accepted);
    assert_eq!(server.connections(), 1);
    assert_eq!(reason(&check(&registries, &server.address, &closed).await), Some(Reason::AddressNotAllowed));
    assert_eq!(check(&registries, &server.address, &only_the_first_address()).await, LoginResult::Accepted);
}

#[tokio::test]
async fn credentials_go_to_no_token_endpoint_inside_the_cluster() {
    let inside = RawServer::start_on("127.0.0.2", None, |_, _| ConnectionAction::Continue).await;
    let registries = RegistryLoginChecker::with_timeout(Duration::from_secs(3));
    let realm = format!("http://{}/token", inside.address);
    let names_it = move |_: &RawRequest| response(401, &[&format!("WWW-Authenticate: Bearer realm=\"{realm}\"")], "");
    let server = RawServer::responding(None, names_it).await;
    let verdict = check(&registries, &server.address, &only_the_first_address()).await;
    assert_eq!(reason(&verdict), Some(Reason::AddressNotAllowed), "{verdict:?}");
    assert!(says_which_flag(&verdict), "{verdict:?}");
    assert_eq!((server.requests().len(), inside.connections()), (1, 0));
}
