//! The fake Thinkwise portal, with tasks in one request.

use super::suite::under_test::{Access, LiveToken, PortalUnderTest, Traits};
use super::{COLLEAGUE, Started};
use crate::fake_portal::{Config, FakePortal, Profile};
use crate::fault_proxy::Reply;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::BoxFuture;
use registry_token_operator::api::{Audit, Limits, Reason};
use registry_token_operator::portal::thinkwise::{ThinkwisePortal, ThinkwiseSettings};
use registry_token_operator::portal::{Credentials, EgressPolicy, Portal};
use secrecy::SecretString;
use serde_json::{Value, json};

struct Thinkwise {
    fake: FakePortal,
}

const PAGE_SIZE: usize = 20;

/// Its response contains the id of the new token, and it compares texts as common databases do.
pub async fn start() -> Started {
    let mut config = Config { tls: false, page_size: PAGE_SIZE, ignore_case: true, ..profile().config() };
    config.names.request.id = Some(config.names.key.clone());
    let fake = FakePortal::start(config).await;
    fake.ledger().add_as_colleague(Some(COLLEAGUE));
    Ok(Box::new(Thinkwise { fake }))
}

fn profile() -> &'static Profile {
    Profile::named("unbound").expect("a profile")
}

impl PortalUnderTest for Thinkwise {
    fn traits(&self) -> Traits {
        let message = json!({
            "MessageType": "ApplicationDbMessage", "RawMessage": "<msg id=\"max_tokens\"/>", "MessageID": "max_tokens",
            "NamedParameters": [], "TranslatedMessage": "The maximum number of tokens is reached.",
        });
        let rows = [r#"{"value": null}"#, r#"{"value": {}}"#, r#"{"value": [{"container_token_id": 1}]}"#];
        Traits {
            list: "/container_token",
            secret_field: "secret",
            page_size: PAGE_SIZE,
            rows_shift: true,
            refuses_duplicates: false,
            explains_refusals: false,
            missing_token: Reason::RequestRejected,
            broken_lists: rows.map(str::to_owned).to_vec(),
            token_limit: Reply::new(400, "").with("tsfmessages", STANDARD.encode(message.to_string())),
        }
    }

    fn access(&self) -> Access {
        let login = profile().credentials(&self.fake);
        let text = |name: &str| login[name].as_str().expect("a text").to_owned();
        let credentials =
            Credentials::Basic { username: text("username"), password: SecretString::from(text("password")) };
        Access { url: self.fake.portal_url(), ca_pem: None, credentials }
    }

    fn connect(&self, url: &str, credentials: Credentials, limits: Limits) -> Box<dyn Portal> {
        let mut spec = profile().minimal(&self.fake);
        spec["url"] = Value::from(url);
        spec["auth"]["basic"]["secretRef"]["name"] = Value::from("portal-login");
        let settings = ThinkwiseSettings {
            spec: serde_json::from_value(spec).expect("a spec"),
            limits,
            credentials,
            ca_pem: None,
            metadata_ttl: Audit::default().interval.0,
            egress: EgressPolicy::default(),
        };
        Box::new(ThinkwisePortal::new(settings).expect("a client"))
    }

    fn add<'a>(&'a self, description: &'a str) -> BoxFuture<'a, ()> {
        self.fake.ledger().add_as_colleague(Some(description));
        Box::pin(std::future::ready(()))
    }

    fn tokens(&self) -> BoxFuture<'_, Vec<LiveToken>> {
        let live = self.fake.ledger().live().into_iter();
        let shown = |token: crate::fake_portal::Token| LiveToken {
            id: token.key,
            description: token.description.unwrap_or_default(),
        };
        Box::pin(std::future::ready(live.map(shown).collect()))
    }

    fn remove<'a>(&'a self, id: &'a str) -> BoxFuture<'a, ()> {
        let is_removed = self.fake.ledger().revoke_as_colleague(id.parse().expect("a number"));
        assert!(is_removed, "{id}");
        Box::pin(std::future::ready(()))
    }

    fn set_origin(&self, origin: &str) {
        self.fake.configure(|config| config.habits.origin = Some(origin.to_owned()));
    }
}
