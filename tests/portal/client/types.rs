//! What a body is called by its `Content-Type`: proxies and servers call it by wrong names, so that what it
//! holds alone counts.

use super::profiles::client_with;
use crate::simulator::{Fault, Operation, Profile, Simulator};
use registry_token_operator::api::{Limits, Reason};
use registry_token_operator::portal::{Portal as _, Rows, Sent};

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_taken_for_what_it_holds_whatever_it_is_called() {
    let profile = Profile::named("unbound").expect("a profile");
    let simulator = Simulator::start(profile.config()).await;
    let portal = client_with(profile, &simulator, profile.minimal(&simulator), Limits::default());
    for called in ["text/html", "application/octet-stream", "application/json; charset=iso-8859-1", "nonsense"] {
        for operation in [Operation::Metadata, Operation::List, Operation::Request] {
            simulator.faults().once(operation, Fault::ContentType(called.to_owned()));
        }
        portal.request("d").await.expect("a token");
        portal.list(Rows::Probe).await.expect("a list");
        simulator.faults().clear();
    }
    let made = simulator.ledger().all().len();
    let page =
        Fault::Body { content_type: "application/json".to_owned(), text: "<html>hush, log in</html>".to_owned() };
    simulator.faults().once(Operation::List, page.clone());
    let failure = portal.list(Rows::Probe).await.expect_err("a page for people");
    assert_eq!(failure.reason, Reason::AnswerMalformed, "{failure}");
    simulator.faults().once(Operation::Request, page);
    let failure = portal.request("d").await.expect_err("a page for people");
    assert_eq!((failure.sent, failure.reason), (Sent::Perhaps, Reason::AnswerMalformed), "{failure}");
    assert!(!failure.message.contains("hush"), "{failure}");
    assert_eq!(simulator.ledger().all().len(), made + 1);
}
