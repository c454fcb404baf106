//! What the vendor documents about its portal, and what other servers do: each habit of the fake portal separately.

use super::fixtures::{marker, token_ref};
use super::profiles::client_with;
use crate::fake_portal::{
    ClientAuth, CommitAnswer, Config, FakePortal, Fault, Flow, Form, Forms, Habits, Location, Operation, Profile,
};
use registry_token_operator::api::{Limits, Reason};
use registry_token_operator::domain::model::token::{RowQuery, TokenRow};
use registry_token_operator::portal::thinkwise::ThinkwisePortal;
use registry_token_operator::portal::{Delivery, Portal as _, PortalError};
use secrecy::ExposeSecret as _;
use serde_json::json;

/// A description with a marker.
fn marked() -> String {
    marker(1).append_to("It's ours")
}

async fn portal_with_profile(profile: &str, config: Config) -> (FakePortal, ThinkwisePortal) {
    let profile = Profile::named(profile).expect("a profile");
    let fake = FakePortal::start(config).await;
    let portal = client_with(profile, &fake, profile.minimal(&fake), Limits::default());
    (fake, portal)
}

/// A portal with these habits and these forms of tasks.
async fn portal_with_habits(habits: Habits, forms: Forms) -> (FakePortal, ThinkwisePortal) {
    portal_with_profile("unbound", Config { forms, habits, ..Config::default() }).await
}

/// One token is requested, edited and revoked.
async fn run_lifecycle(fake: &FakePortal, portal: &ThinkwisePortal) -> Result<(), PortalError> {
    let issued = portal.request(&marked()).await?;
    assert!(fake.ledger().secrets().iter().any(|known| known == issued.secret.expose_secret()));
    let (id, username) = (issued.id.expect("an id"), issued.username);
    let meant = token_ref(&id, &username);
    portal.edit_description(&meant, "New").await?;
    portal.revoke(&meant).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_staged_task_in_one_of_several_instances_is_found_by_its_cookie() {
    for forms in [
        Forms::all(Form::BoundStaged),
        Forms::all(Form::UnboundStaged).with_flows(),
        Forms::all(Form::Bound).with_flows(),
    ] {
        let (fake, portal) = portal_with_habits(Habits { affinity: true, ..Habits::default() }, forms).await;
        run_lifecycle(&fake, &portal).await.expect("all of it");
        let ledger = fake.ledger();
        assert_eq!((ledger.all().len(), ledger.live().len(), ledger.staged(), ledger.open_flows()), (1, 0, 0, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_staged_task_under_a_tight_rate_limit_completes() {
    let (fake, portal) = portal_with_habits(Habits::default(), Forms::all(Form::BoundStaged).with_flows()).await;
    portal.resolve().await.expect("it fits");
    fake.configure(|config| config.habits.one_request_each_ms = 400);
    portal.request(&marked()).await.expect("a token");
    let ledger = fake.ledger();
    assert_eq!(
        (ledger.all().len(), ledger.count(Operation::Stage), ledger.staged(), ledger.open_flows()),
        (1, 1, 0, 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unbound_staged_task_is_discovered_and_a_405_names_the_form() {
    let (fake, portal) = portal_with_habits(Habits::default(), Forms::all(Form::UnboundStaged)).await;
    run_lifecycle(&fake, &portal).await.expect("discovered");
    assert_eq!(fake.ledger().count(Operation::Commit), 3);
    let profile = Profile::named("unbound-staged").expect("a profile");
    let mut spec = profile.pinned(&fake);
    spec["tasks"]["request"]["form"] = json!("Unbound");
    let wrong = client_with(profile, &fake, spec, Limits::default());
    let failure = wrong.request(&marked()).await.expect_err("another form");
    assert_eq!((failure.delivery, failure.reason), (Delivery::Rejected, Reason::MetadataMismatch), "{failure}");
    assert!(failure.message.contains("form") && !failure.message.contains("description"), "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_with_a_dropped_description_is_reported_and_can_be_revoked() {
    for with_id in [false, true] {
        let mut config =
            Config { habits: Habits { drops_description: true, ..Habits::default() }, ..Config::default() };
        config.names.request.id = with_id.then(|| "container_token_id".to_owned());
        let (fake, portal) = portal_with_profile("unbound", config).await;
        let failure = portal.request(&marked()).await.expect_err("no marker");
        assert_eq!((failure.delivery, failure.reason), (Delivery::Unknown, Reason::InvalidResponse), "{failure}");
        assert!(failure.message.contains("the portal drops the description"), "{failure}");
        let made = failure.unusable_token.expect("the error names it");
        assert_eq!(made.username, fake.ledger().live()[0].username);
        // If its revocation failed, an audit would find it by the marker that an edit has added.
        let found = portal.list(&RowQuery::WithMarker(marker(1))).await.expect("a list");
        assert_eq!(found.iter().map(|row| &row.token.id).collect::<Vec<_>>(), [&made.id]);
        portal.revoke(&made).await.expect("revoked");
        // A portal that keeps the description is used at once.
        fake.configure(|config| config.habits.drops_description = false);
        portal.request(&marked()).await.expect("a token");
        assert_eq!(fake.ledger().live().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_portal_that_kept_a_marker_is_not_checked_again_for_each_token() {
    let mut config = Config::default();
    config.names.request.id = Some("container_token_id".to_owned());
    let (fake, portal) = portal_with_profile("unbound", config).await;
    portal.resolve().await.expect("it fits");
    let before = fake.ledger().count(Operation::List);
    for _ in 0..3 {
        portal.request(&marked()).await.expect("a token");
    }
    assert_eq!(fake.ledger().count(Operation::List), before + 1);
    // After a lost response it counts again.
    fake.faults().once(Operation::Request, Fault::StatusAfter(504));
    portal.request(&marked()).await.expect_err("lost");
    portal.request(&marked()).await.expect("a token");
    assert_eq!(fake.ledger().count(Operation::List), before + 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_is_not_the_last_parameter_of_a_staged_task() {
    let (fake, portal) = portal_with_habits(Habits::default(), Forms::all(Form::UnboundStaged)).await;
    run_lifecycle(&fake, &portal).await.expect("all of it");
    let patches: Vec<String> = fake
        .ledger()
        .requests_since(0)
        .into_iter()
        .filter(|record| record.operation == Operation::Patch && record.task == Some(Operation::Edit))
        .filter_map(|record| record.body)
        .collect();
    assert_eq!(patches, [r#"{"description":"New","container_token_id":1}"#]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_waits_for_a_task_that_responds_before_its_effect() {
    let forms = Forms { commit: CommitAnswer::Empty, ..Forms::all(Form::BoundStaged) };
    let (fake, portal) = portal_with_habits(Habits { late_effect_ms: 700, ..Habits::default() }, forms).await;
    let issued = portal.request(&marked()).await.expect("a token, once there is one");
    let (id, username) = (issued.id.expect("an id"), issued.username);
    portal.revoke(&token_ref(&id, &username)).await.expect("revoked");
    assert!(fake.ledger().live().is_empty(), "and not only accepted");
    let mut rows = 0;
    portal.scan(&mut |_: TokenRow| rows += 1).await.expect("a list");
    assert_eq!(rows, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_without_effect_does_not_count_as_done() {
    let (fake, portal) = portal_with_habits(Habits::default(), Forms::default()).await;
    let issued = portal.request(&marked()).await.expect("a token");
    fake.faults().once(Operation::Revoke, Fault::Redirect { status: 200, location: "/login".to_owned() });
    let id = issued.id.expect("an id");
    let failure = portal.revoke(&token_ref(&id, &issued.username)).await.expect_err("it is live");
    assert_eq!(failure.delivery, Delivery::Unknown, "{failure}");
    assert_eq!(fake.ledger().live().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_portal_that_does_not_know_its_public_name_is_used_under_the_configured_one() {
    let elsewhere = Some("http://indicium.internal:8080".to_owned());
    for (profile, forms) in [
        ("client-credentials", Forms { location: Location::Absolute, ..Forms::all(Form::BoundStaged).with_flows() }),
        ("unbound", Forms { location: Location::Absolute, ..Forms::default().with_flows() }),
    ] {
        let base = Profile::named(profile).expect("a profile").config();
        let habits = Habits { origin: elsewhere.clone(), ..Habits::default() };
        let (fake, portal) = portal_with_profile(profile, Config { habits, forms, page_size: 1, ..base }).await;
        for _ in 0..3 {
            portal.request(&marked()).await.expect("a token");
        }
        let mut rows = 0;
        portal.scan(&mut |_: TokenRow| rows += 1).await.expect("all pages");
        assert_eq!((rows, fake.ledger().open_flows()), (3, 0), "{profile}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_endpoint_gets_the_client_authentication_that_it_supports() {
    for client_auth in [ClientAuth::Basic, ClientAuth::Post, ClientAuth::Either] {
        for silent_client_auth in [false, true] {
            let mut config = Profile::named("client-credentials").expect("a profile").config();
            config.habits = Habits { client_auth, silent_client_auth, ..Habits::default() };
            // Each character that needs encoding.
            (config.clients[0].name, config.clients[0].secret) = ("a:b c+é".to_owned(), "s%3A:+ &=ü".to_owned());
            let (fake, portal) = portal_with_profile("client-credentials", config).await;
            run_lifecycle(&fake, &portal).await.unwrap_or_else(|failure| panic!("{client_auth:?}: {failure}"));
            let tries = if silent_client_auth && client_auth == ClientAuth::Basic { 2 } else { 1 };
            assert_eq!(fake.ledger().count(Operation::TokenEndpoint), tries, "{client_auth:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_client_may_need_a_restart_of_the_identity_provider() {
    let config = Profile::named("client-credentials").expect("a profile").config();
    let (fake, portal) = portal_with_profile("client-credentials", config).await;
    fake.configure(|config| config.clients.clear());
    let failure = portal.request(&marked()).await.expect_err("unknown");
    assert_eq!((failure.delivery, failure.reason), (Delivery::NotSent, Reason::Unauthorized), "{failure}");
    assert!(failure.message.contains("invalid_client") && failure.message.contains("restart Indicium"), "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn content_encoding_and_byte_order_marks_are_understood() {
    for expires_in in [json!(3599.5), json!(-1), json!("3600"), json!("soon"), json!({"x": 1})] {
        let mut config = Profile::named("client-credentials").expect("a profile").config();
        config.habits = Habits { expires_in: Some(expires_in), byte_order_mark: true, ..Habits::default() };
        let (fake, portal) = portal_with_profile("client-credentials", config).await;
        run_lifecycle(&fake, &portal).await.expect("all of it");
        assert_eq!(fake.ledger().count(Operation::TokenEndpoint), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_responses_and_html_pages_are_reported_as_such() {
    let (fake, portal) = portal_with_habits(Habits::default(), Forms::default()).await;
    portal.request(&marked()).await.expect("a token");
    let page = |operation| {
        let (content_type, text) =
            ("application/json".to_owned(), "\u{feff} <!DOCTYPE html><html>hush</html>".to_owned());
        fake.faults().once(operation, Fault::Body { content_type, text });
    };
    page(Operation::List);
    let failure = portal.list(&RowQuery::Probe).await.expect_err("a page");
    assert!(failure.message.contains("HTML page") && !failure.message.contains("hush"), "{failure}");
    page(Operation::Request);
    let failure = portal.request(&marked()).await.expect_err("a page");
    assert_eq!((failure.delivery, failure.reason), (Delivery::Unknown, Reason::InvalidResponse), "{failure}");
    assert!(failure.message.contains("HTML page") && portal.open_reason_for("").is_some(), "{failure}");
    fake.configure(|config| config.habits.content_encoding = Some("gzip".to_owned()));
    let failure = portal.list(&RowQuery::Probe).await.expect_err("compressed");
    assert!(failure.message.contains("Content-Encoding: gzip"), "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_is_finished_by_commit_if_continue_is_unknown() {
    let habits = Habits { flow_commits: true, no_cancel: true, ..Habits::default() };
    let mut forms = Forms::all(Form::Bound);
    (forms.request.flow, forms.edit.flow, forms.revoke.flow) = (Flow::Waits, Flow::Waits, Flow::Waits);
    let (fake, portal) = portal_with_habits(habits, forms).await;
    run_lifecycle(&fake, &portal).await.expect("all of it");
    assert_eq!(fake.ledger().open_flows(), 0);
}
