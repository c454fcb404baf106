//! Malicious registries, and registries that are broken in ways that the fake registry does not cover.

use super::reason;
use crate::raw_server::{ConnectionAction, RawRequest, RawServer, response, self_signed_tls};
use registry_token_operator::api::Reason;
use registry_token_operator::domain::model::login_result::LoginResult;
use registry_token_operator::registry::{EgressPolicy, LoginChecker as _, RegistryLogin, RegistryLoginChecker};
use secrecy::SecretString;
use std::time::{Duration, Instant};

const USER: &str = "robot$1";
const SECRET: &str = "hush-secret";
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);

/// Checks the login, in plain HTTP or over TLS with the certificate.
async fn check(server: &RawServer, ca_pem: Option<&str>) -> LoginResult {
    let secret = SecretString::from(SECRET);
    let plain_http = ca_pem.is_none();
    let egress = EgressPolicy::OPEN;
    let login =
        RegistryLogin { registry: &server.address, username: USER, secret: &secret, ca_pem, plain_http, egress };
    let begun = Instant::now();
    let verdict = RegistryLoginChecker::with_timeout(CHECK_TIMEOUT).check(login).await;
    assert!(begun.elapsed() < CHECK_TIMEOUT * 3, "it ends in time");
    assert!(!format!("{verdict:?}").contains("hush"), "{verdict:?}");
    verdict
}

/// A registry whose token endpoint is at `realm`; requests with a login to the registry itself get this response.
fn bearer_challenge(
    realm: String,
    then: impl Fn(&RawRequest) -> ConnectionAction + Send + Sync,
) -> impl Fn(&RawRequest) -> ConnectionAction + Send + Sync {
    move |seen| {
        if !seen.header("authorization").is_empty() {
            return then(seen);
        }
        response(401, &[&format!("WWW-Authenticate: Bearer realm=\"{realm}\",service=\"x\"")], "")
    }
}

fn authenticated_requests(server: &RawServer) -> usize {
    server.requests().iter().filter(|seen| !seen.header("authorization").is_empty()).count()
}

async fn other_server() -> RawServer {
    RawServer::responding(None, |_| response(200, &[], r#"{"token":"t"}"#)).await
}

#[tokio::test]
async fn credentials_do_not_follow_to_another_host() {
    let other = other_server().await;
    let location = format!("Location: http://{}/token", other.address);
    for status in [301, 302, 307, 308] {
        let line = location.clone();
        // In the first response, and in the response to the credentials.
        let redirecting = RawServer::responding(None, move |_| response(status, &[&line], "")).await;
        let verdict = check(&redirecting, None).await;
        assert_eq!(reason(&verdict), Some(Reason::InvalidResponse), "{verdict:?}");
        let line = location.clone();
        let basic = move |seen: &RawRequest| match seen.header("authorization") {
            "" => response(401, &["WWW-Authenticate: Basic realm=x"], ""),
            _ => response(status, &[&line], ""),
        };
        let redirecting = RawServer::responding(None, basic).await;
        let verdict = check(&redirecting, None).await;
        assert_eq!(reason(&verdict), Some(Reason::InvalidResponse), "{verdict:?}");
    }
    assert_eq!(other.connections(), 0);
}

#[tokio::test]
async fn a_redirect_on_the_same_host_is_followed_and_loops_end() {
    let moved = |seen: &RawRequest| match (seen.path(), seen.header("authorization")) {
        ("/v2/", _) => response(307, &["Location: /registry/v2/"], ""),
        (_, "") => response(401, &["WWW-Authenticate: Basic realm=x"], ""),
        _ => response(200, &[], "{}"),
    };
    let server = RawServer::responding(None, moved).await;
    assert_eq!(check(&server, None).await, LoginResult::Accepted);
    let circle = RawServer::responding(None, |_| response(307, &["Location: /v2/"], "")).await;
    assert_eq!(reason(&check(&circle, None).await), Some(Reason::InvalidResponse));
    assert!(circle.requests().len() <= 4, "{} requests", circle.requests().len());
}

#[tokio::test]
async fn a_secure_registry_cannot_have_the_credentials_sent_in_the_clear() {
    let (acceptor, pem) = self_signed_tls(&[]);
    let other = other_server().await;
    let realm = format!("http://{}/token", other.address);
    let server =
        RawServer::responding(Some(acceptor.clone()), bearer_challenge(realm, |_| response(200, &[], "{}"))).await;
    let verdict = check(&server, Some(&pem)).await;
    assert_eq!(reason(&verdict), Some(Reason::InvalidResponse), "{verdict:?}");
    let downgrade = format!("Location: http://{}/v2/", other.address);
    let server = RawServer::responding(Some(acceptor), move |_| response(307, &[&downgrade], "")).await;
    assert_eq!(reason(&check(&server, Some(&pem)).await), Some(Reason::InvalidResponse));
    assert_eq!((other.connections(), authenticated_requests(&server)), (0, 0));
}

#[tokio::test]
async fn a_token_endpoint_may_lie_on_another_host_and_gets_the_credentials_alone() {
    let (acceptor, pem) = self_signed_tls(&[]);
    let endpoint =
        RawServer::responding(Some(acceptor.clone()), |_| response(200, &[], r#"{"access_token":"b1"}"#)).await;
    let realm = format!("https://{}/token?x=1", endpoint.address);
    let lets_in =
        |seen: &RawRequest| response(if seen.header("authorization") == "Bearer b1" { 200 } else { 401 }, &[], "");
    let server = RawServer::responding(Some(acceptor), bearer_challenge(realm, lets_in)).await;
    assert_eq!(check(&server, Some(&pem)).await, LoginResult::Accepted);
    let asked = endpoint.requests();
    assert_eq!((asked.len(), asked[0].path()), (1, "/token?x=1&service=x"));
    assert!(asked[0].header("authorization").starts_with("Basic "));
    let own: Vec<_> = server.requests().iter().map(|seen| seen.header("authorization").to_owned()).collect();
    assert_eq!(own, ["", "Bearer b1"], "the registry itself does not see them");
}

#[tokio::test]
async fn a_bearer_that_the_registry_rejects_is_a_rejection() {
    let endpoint = other_server().await;
    for status in [401, 403] {
        let realm = format!("http://{}/token", endpoint.address);
        let server = RawServer::responding(None, bearer_challenge(realm, move |_| response(status, &[], ""))).await;
        assert!(matches!(check(&server, None).await, LoginResult::Rejected(_)));
    }
}

#[tokio::test]
async fn a_public_registry_still_gets_the_login() {
    for (status, accepted) in [(200, true), (401, false), (403, false)] {
        let open = move |seen: &RawRequest| {
            response(if seen.header("authorization").is_empty() { 200 } else { status }, &[], "")
        };
        let server = RawServer::responding(None, open).await;
        assert_eq!(check(&server, None).await == LoginResult::Accepted, accepted);
    }
}

#[tokio::test]
async fn a_rejection_before_any_credentials_does_not_reject_the_login() {
    let challenges: [&[&str]; 4] =
        [&[], &["WWW-Authenticate: Negotiate"], &["WWW-Authenticate: Bearer realm="], &["WWW-Authenticate: \u{e9}"]];
    for (status, headers) in challenges.map(|headers| (401, headers)).into_iter().chain([(403, &[][..]), (407, &[])]) {
        let server = RawServer::responding(None, move |_| response(status, headers, "")).await;
        let verdict = check(&server, None).await;
        assert_eq!(reason(&verdict), Some(Reason::InvalidResponse), "{headers:?} {verdict:?}");
        assert_eq!(authenticated_requests(&server), 0);
    }
}

#[tokio::test]
async fn invalid_responses_of_a_token_endpoint() {
    for (body, expected) in [
        ("", Reason::InvalidResponse),
        ("<html>hush</html>", Reason::InvalidResponse),
        ("{}", Reason::InvalidResponse),
        (r#"{"token":""}"#, Reason::InvalidResponse),
        (r#"{"token":{"hush":1}}"#, Reason::InvalidResponse),
        (r#"{"token":"hush\r\nX-Evil: 1"}"#, Reason::InvalidResponse),
    ] {
        let endpoint = RawServer::responding(None, move |_| response(200, &[], body)).await;
        let realm = format!("http://{}/token", endpoint.address);
        let server = RawServer::responding(None, bearer_challenge(realm, |_| response(200, &[], ""))).await;
        let verdict = check(&server, None).await;
        assert_eq!(reason(&verdict), Some(expected), "{body} {verdict:?}");
        assert_eq!(authenticated_requests(&server), 0, "nothing was made up");
    }
}

#[tokio::test]
async fn endless_bodies_and_headers_are_not_read_to_their_end() {
    let chunk = format!("2000\r\n{}\r\n", "x".repeat(0x2000));
    let body = ConnectionAction::SendForever("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(), chunk);
    let announced = ConnectionAction::Send("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n".to_owned());
    let head =
        ConnectionAction::SendForever("HTTP/1.1 200 OK\r\n".to_owned(), format!("X-More: {}\r\n", "x".repeat(1000)));
    let half =
        ConnectionAction::SendAndClose("HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{\"token\":\"hush".to_owned());
    for (action, expected) in [
        (body, Reason::InvalidResponse),
        (announced, Reason::InvalidResponse),
        (head, Reason::Unreachable),
        (half, Reason::Unreachable),
        (ConnectionAction::Hang, Reason::TimedOut),
    ] {
        let said = action.clone();
        let endpoint = RawServer::responding(None, move |_| said.clone()).await;
        let realm = format!("http://{}/token", endpoint.address);
        let server = RawServer::responding(None, bearer_challenge(realm, |_| response(200, &[], ""))).await;
        let verdict = check(&server, None).await;
        assert_eq!(reason(&verdict), Some(expected), "{action:?} {verdict:?}");
        // And as the registry's own response, whose body is not needed.
        let server = RawServer::responding(None, move |_| action.clone()).await;
        check(&server, None).await;
    }
}
