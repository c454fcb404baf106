//! A portal client with restricted egress.

use crate::portal_client::fixtures::{basic, client_credentials, settings};
use crate::portal_client::minimal_portal::{MinimalPortal, PASSWORD};
use crate::raw_server::{ConnectionAction, RawRequest, RawServer, response};
use registry_token_operator::api::{OAuth2ClientCredentials, OAuth2SecretRef, Reason};
use registry_token_operator::portal::thinkwise::{ThinkwisePortal, ThinkwiseSettings};
use registry_token_operator::portal::{Delivery, EgressPolicy, EgressRules, Portal as _, PortalError, parse_range};

fn rules(allowed: &[&str], hosts: &[&str]) -> EgressPolicy {
    let allowed = allowed.iter().map(|text| parse_range(text).expect(text)).collect();
    let hosts = hosts.iter().map(|text| text.parse().expect(text)).collect();
    EgressPolicy::restricted(EgressRules { allowed, hosts, ..EgressRules::default() })
}

async fn expect_egress_denied(settings: ThinkwiseSettings) -> PortalError {
    let failure = ThinkwisePortal::new(settings).expect("a portal").request("d").await.expect_err("it may not");
    assert_eq!((failure.delivery, failure.reason), (Delivery::NotSent, Reason::AddressNotAllowed), "{failure}");
    assert!(failure.message.contains("--allow-portal-"), "{failure}");
    failure
}

#[tokio::test]
async fn a_portal_inside_the_cluster_is_used_only_if_an_admin_allows_it() {
    let fake = MinimalPortal::start(None).await;
    let named = fake.url.replace("127.0.0.1", "localhost");
    let of = |url: &str, egress| ThinkwiseSettings { egress, ..settings(url, basic(PASSWORD)) };
    for url in [&fake.url, &named] {
        for closed in [rules(&[], &[]), rules(&["10.0.0.0/8", "127.0.0.2"], &["portal.example.com", "*.localhost"])] {
            expect_egress_denied(of(url, closed)).await;
        }
    }
    assert_eq!((fake.request_count("$metadata"), fake.issued()), (0, 0));
    for (url, open) in [(&fake.url, rules(&["127.0.0.0/8"], &[])), (&named, rules(&[], &["localhost"]))] {
        ThinkwisePortal::new(of(url, open)).expect("a portal").request("d").await.expect("a token");
    }
    assert_eq!(fake.issued(), 2);
}

#[tokio::test]
async fn the_client_secret_goes_to_no_token_endpoint_inside_the_cluster() {
    let inside = RawServer::start_on("127.0.0.2", None, |_, _| ConnectionAction::Continue).await;
    let endpoint = format!("http://{}/token", inside.address);
    let found = serde_json::json!({"token_endpoint": endpoint}).to_string();
    let portal = RawServer::responding(None, move |_: &RawRequest| response(200, &[], &found)).await;
    let url = format!("http://{}/indicium", portal.address);
    let discovered =
        ThinkwiseSettings { egress: rules(&["127.0.0.1"], &[]), ..settings(&url, client_credentials("hush")) };
    let mut pinned = discovered.clone();
    pinned.spec.auth.oauth2_client_credentials = Some(OAuth2ClientCredentials {
        secret_ref: OAuth2SecretRef::named("portal".parse().expect("a name")),
        token_url: Some(endpoint),
        scopes: vec![],
    });
    for settings in [discovered, pinned] {
        let failure = expect_egress_denied(settings).await;
        assert!(failure.message.contains("127.0.0.2"), "{failure}");
    }
    assert_eq!((portal.requests().len(), inside.connections()), (1, 0), "only the endpoint's address is requested");
}
