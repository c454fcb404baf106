//! The `Content-Type` of a response: proxies and servers set wrong ones, so only the content counts.

use super::fixtures::{client_credentials, delivery_and_reason, portal, with_basic};
use super::minimal_portal::{CLIENT_SECRET, MinimalPortal, RequestFault as Instead};
use super::profiles::client_with;
use crate::fake_portal::{FakePortal, Fault, Operation, Profile};
use registry_token_operator::api::{Limits, Reason};
use registry_token_operator::domain::model::token::RowQuery;
use registry_token_operator::portal::{Delivery, Portal as _};

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_parsed_by_content_whatever_its_content_type() {
    let profile = Profile::named("unbound").expect("a profile");
    let fake = FakePortal::start(profile.config()).await;
    let portal = client_with(profile, &fake, profile.minimal(&fake), Limits::default());
    for called in ["text/html", "application/octet-stream", "application/json; charset=iso-8859-1", "nonsense"] {
        for operation in [Operation::Metadata, Operation::List, Operation::Request] {
            fake.faults().once(operation, Fault::ContentType(called.to_owned()));
        }
        portal.request("d").await.expect("a token");
        portal.list(&RowQuery::Probe).await.expect("a list");
        fake.faults().clear();
    }
    let made = fake.ledger().all().len();
    let page =
        Fault::Body { content_type: "application/json".to_owned(), text: "<html>hush, log in</html>".to_owned() };
    fake.faults().once(Operation::List, page.clone());
    let failure = portal.list(&RowQuery::Probe).await.expect_err("a page for people");
    assert_eq!(failure.reason, Reason::InvalidResponse, "{failure}");
    fake.faults().once(Operation::Request, page);
    let failure = portal.request("d").await.expect_err("a page for people");
    assert_eq!((failure.delivery, failure.reason), (Delivery::Unknown, Reason::InvalidResponse), "{failure}");
    assert!(!failure.message.contains("hush"), "{failure}");
    assert_eq!(fake.ledger().all().len(), made + 1);
}

#[tokio::test]
async fn an_html_error_page_is_reported_as_such() {
    let page = |status| {
        Instead::Answer(status, vec![("Content-Type", "text/html".to_owned())], "<h1>hush</h1><p>Denied by the proxy")
    };
    let is_said = |failure: &registry_token_operator::portal::PortalError| {
        assert!(failure.message.contains("HTML page") && !failure.message.contains("hush"), "{failure}");
    };
    let (fake, client) = with_basic().await;
    client.resolve().await.expect("it fits");
    for (status, reason) in [
        (403, Reason::AccessDenied),
        (404, Reason::AccessDenied),
        (407, Reason::Unreachable),
        (502, Reason::PortalError),
        (503, Reason::PortalError),
    ] {
        fake.fail("request_token", page(status));
        let failure = client.request("d").await.expect_err("an error");
        assert_eq!(failure.reason, reason, "{failure}");
        is_said(&failure);
    }
    fake.fail("request_token", Instead::Answer(403, vec![], "no page"));
    let failure = client.request("d").await.expect_err("an error");
    assert!(!failure.message.contains("HTML"), "{failure}");
    for (at, status, reason) in [
        ("openid-configuration", 404, Reason::PortalError),
        ("token", 403, Reason::Unauthorized),
        ("token", 502, Reason::PortalError),
    ] {
        let fake = MinimalPortal::start(None).await;
        let client = portal(&fake.url, client_credentials(CLIENT_SECRET));
        // With both client authentication methods.
        for _ in 0..2 {
            fake.fail(at, page(status));
        }
        let failure = client.request("d").await.expect_err("no bearer");
        assert_eq!(delivery_and_reason(&failure), (Delivery::NotSent, reason), "{failure}");
        is_said(&failure);
    }
}
