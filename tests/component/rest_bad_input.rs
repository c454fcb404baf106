//! What Gitea, Harbor and GitLab may send or contain although nothing is broken: other names, missing fields, tokens that
//! others created, tokens that have expired.

use crate::commands::fixed_api::{Api, error};
use crate::portal_faults::{marker, outcome, settings};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use registry_token_operator::api::{IssuerSpec, Reason};
use registry_token_operator::domain::model::marker::{IssuerTag, Marker};
use registry_token_operator::domain::model::token::{RowQuery, TokenRow};
use registry_token_operator::portal::gitea::GiteaPortal;
use registry_token_operator::portal::gitlab::GitLabPortal;
use registry_token_operator::portal::harbor::HarborPortal;
use registry_token_operator::portal::{Credentials, Delivery, Portal};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

const PASSWORD: &str = "correct-horse-battery";
const SECRET: &str = "hush-token-1";
/// When robot accounts and deploy tokens of these tests have expired.
const PAST: &str = "2020-01-01T00:00:00Z";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Gitea,
    Harbor,
    GitLab,
}

const ALL: [Kind; 3] = [Kind::Gitea, Kind::Harbor, Kind::GitLab];

/// A portal with fixed responses, and its client.
struct Stage {
    kind: Kind,
    api: Api,
    portal: Box<dyn Portal>,
}

impl Stage {
    async fn new(kind: Kind) -> Self {
        let basic = format!("Basic {}", STANDARD.encode(format!("bot:{PASSWORD}")));
        let (header, value) = match kind {
            Kind::GitLab => ("private-token", PASSWORD.to_owned()),
            Kind::Gitea | Kind::Harbor => ("authorization", basic),
        };
        let api = Api::start(header, value).await;
        api.set("/api/v2.0/projects/apps", 200, json!({"project_id": 7, "name": "apps"}));
        let portal = portal(kind, &api.url);
        Self { kind, api, portal }
    }

    /// The address of the list, to which requests are sent too.
    const fn path(&self) -> &'static str {
        match self.kind {
            Kind::Gitea => "/api/v1/users/bot/tokens",
            Kind::Harbor => "/api/v2.0/robots",
            Kind::GitLab => "/api/v4/projects/42/deploy_tokens",
        }
    }

    /// The response to a request: a token with this name or description, and only the fields that every version sends.
    fn set_created(&self, description: &str) {
        let name = Marker::at_end_of(description).map(|marker| marker.token_name()).unwrap_or_default();
        let created = match self.kind {
            Kind::Gitea => json!({"id": 1, "name": description, "sha1": SECRET}),
            Kind::Harbor => json!({"id": 1, "name": format!("robot$apps+{name}"), "secret": SECRET}),
            Kind::GitLab => json!({"id": 1, "name": description, "username": "gitlab+deploy-token-1", "token": SECRET}),
        };
        self.api.set(self.path(), 201, created);
    }

    /// The list with these descriptions, and only the fields that every version sends.
    fn set_list(&self, descriptions: &[String], more: &Value) {
        let row = |(index, text): (usize, &String)| {
            let id = index + 1;
            let mut row = match self.kind {
                Kind::Gitea => json!({"id": id, "name": text}),
                Kind::Harbor => json!({"id": id, "name": format!("robot$apps+x{id}"), "description": text}),
                Kind::GitLab => json!({"id": id, "name": text, "username": format!("gitlab+deploy-token-{id}")}),
            };
            for (name, value) in more.as_object().expect("an object") {
                row[name] = value.clone();
            }
            row
        };
        let rows = descriptions.iter().enumerate().map(row).collect::<Vec<_>>();
        self.api.set(self.path(), 200, Value::from(rows));
    }

    async fn find(&self, marker: Marker) -> Vec<TokenRow> {
        self.portal.list(&RowQuery::WithMarker(marker)).await.expect("read")
    }

    async fn all(&self) -> Vec<TokenRow> {
        let mut rows = vec![];
        self.portal.scan(&mut |row| rows.push(row)).await.expect("read");
        rows
    }
}

fn portal(kind: Kind, url: &str) -> Box<dyn Portal> {
    let basic = json!({"type": "Basic", "basic": {"secretRef": {"name": "portal"}}});
    let token = json!({"type": "Token", "token": {"secretRef": {"name": "portal"}}});
    let spec = |name: &str, more: Value, auth: &Value| -> IssuerSpec {
        let mut portal = more;
        portal["url"] = json!(url);
        portal["allowInsecureHTTP"] = json!(true);
        portal["auth"] = auth.clone();
        let mut spec = json!({"type": name, "registries": [{"host": "registry.example.com"}]});
        spec[name.to_lowercase()] = portal;
        serde_json::from_value(spec).expect("a spec")
    };
    let password = SecretString::from(PASSWORD);
    let user = Credentials::Basic { username: "bot".to_owned(), password: password.clone() };
    match kind {
        Kind::Gitea => {
            let spec = spec("Gitea", json!({"user": "bot"}), &basic);
            Box::new(GiteaPortal::new(settings(&spec, user)).expect("a portal"))
        }
        Kind::Harbor => {
            let spec = spec("Harbor", json!({"project": "apps"}), &basic);
            Box::new(HarborPortal::new(settings(&spec, user)).expect("a portal"))
        }
        Kind::GitLab => {
            let spec = spec("GitLab", json!({"project": "42"}), &token);
            Box::new(GitLabPortal::new(settings(&spec, Credentials::Token { token: password })).expect("a portal"))
        }
    }
}

#[tokio::test]
async fn a_version_that_sends_fewer_fields_is_served() {
    for kind in ALL {
        let stage = Stage::new(kind).await;
        let description = marker('a').append_to("prod");
        stage.set_created(&description);
        let token = stage.portal.request(&description).await.expect("a token");
        assert_eq!((token.id.as_deref(), token.expiration_time), (Some("1"), None), "{kind:?}");
        assert_eq!(token.secret.expose_secret(), SECRET);
        stage.set_list(std::slice::from_ref(&description), &json!({}));
        let found = stage.find(marker('a')).await;
        assert_eq!(found.len(), 1, "{kind:?}");
        assert_eq!((found[0].description.as_str(), found[0].expiration_time), (description.as_str(), None));
    }
}

#[tokio::test]
async fn a_name_that_the_portal_normalizes_or_truncates_makes_the_token_unusable_and_it_is_known_which() {
    let description = marker('a').append_to("Prod  EU");
    let truncated: String = description.chars().take(12).collect();
    for changed in [description.to_lowercase(), description.replace("  ", " "), truncated] {
        for kind in [Kind::Gitea, Kind::GitLab] {
            let stage = Stage::new(kind).await;
            stage.set_created(&changed);
            let failure = stage.portal.request(&description).await.expect_err("another name");
            assert_eq!(outcome(&failure), (Delivery::Unknown, Reason::InvalidResponse), "{kind:?} {changed}");
            assert!(!failure.message.contains(SECRET), "{failure}");
            assert_eq!(failure.unusable_token.expect("it is revoked").id, "1");
            assert_eq!(stage.api.calls().len(), 1, "no second request");
        }
    }
    // Harbor's name is that of the request, whatever becomes of the description.
    let stage = Stage::new(Kind::Harbor).await;
    stage.set_created(&marker('b').append_to("prod"));
    let failure = stage.portal.request(&description).await.expect_err("another name");
    assert_eq!(outcome(&failure), (Delivery::Unknown, Reason::InvalidResponse));
    assert!(failure.message.contains("another name") && !failure.message.contains(SECRET), "{failure}");
}

#[tokio::test]
async fn a_description_whose_end_is_cut_off_has_no_marker() {
    let description = marker('a').append_to("prod");
    let cut = description.chars().take(description.len() - 1).collect::<String>();
    for kind in ALL {
        let stage = Stage::new(kind).await;
        stage.set_list(&[cut.clone(), format!("{description} ")], &json!({}));
        let ids: Vec<String> = stage.find(marker('a')).await.into_iter().map(|row| row.token.id).collect();
        assert_eq!(ids, ["2"], "{kind:?}: blanks at the end do not matter");
    }
}

#[tokio::test]
async fn a_permission_that_the_login_may_not_grant_is_a_rejection_with_the_portals_words() {
    for (kind, status, words, reason) in [
        (Kind::Gitea, 403, "token scope exceeds that of the parent token", Reason::AccessDenied),
        (Kind::Gitea, 400, "invalid access token scope provided: x", Reason::RequestRejected),
        (
            Kind::Harbor,
            403,
            "permission scope is invalid. It must be equal to or more restrictive",
            Reason::AccessDenied,
        ),
        (Kind::Harbor, 400, "bad request permission: repository:fly", Reason::RequestRejected),
        (Kind::GitLab, 403, "403 Forbidden", Reason::AccessDenied),
        (Kind::GitLab, 400, "scopes does not have a valid value", Reason::RequestRejected),
    ] {
        let stage = Stage::new(kind).await;
        stage.api.set(stage.path(), status, error(words));
        let failure = stage.portal.request(&marker('a').append_to("prod")).await.expect_err("rejected");
        assert_eq!(outcome(&failure), (Delivery::Rejected, reason), "{kind:?} {failure}");
        assert!(failure.message.ends_with(words), "{failure}");
        assert_eq!(stage.api.calls().len(), 1, "no second request");
    }
}

#[tokio::test]
async fn two_operators_with_one_login_find_only_their_own_tokens() {
    let nonce = marker('a').nonce().clone();
    let other = Marker::new(IssuerTag::of("issuer of the other cluster"), nonce);
    for kind in ALL {
        let stage = Stage::new(kind).await;
        stage.set_list(&[marker('a').append_to("prod"), other.append_to("prod")], &json!({}));
        let ids = async |marker| stage.find(marker).await.into_iter().map(|row| row.token.id).collect::<Vec<_>>();
        assert_eq!(
            (ids(marker('a')).await, ids(other.clone()).await),
            (vec!["1".into()], vec!["2".into()]),
            "{kind:?}"
        );
        // An audit sees both, and finds the marker of its issuer in one of them.
        let own = IssuerTag::of("issuer");
        let marked: Vec<bool> =
            stage.all().await.iter().map(|row| Marker::find(&own, &row.description).is_some()).collect();
        assert_eq!(marked, [true, false], "{kind:?}");
        assert!(stage.api.calls().iter().all(|call| call.starts_with("GET ")), "nothing is changed");
    }
}

#[tokio::test]
async fn tokens_of_the_same_name_that_were_left_behind_by_hand_are_not_taken_for_the_operators() {
    let description = marker('a').append_to("prod");
    let by_hand = ["prod".to_owned(), format!("{description} copy"), format!("prod [{}]", "a".repeat(12))];
    for kind in ALL {
        let stage = Stage::new(kind).await;
        stage.set_list(&by_hand, &json!({}));
        assert_eq!(stage.find(marker('a')).await, [], "{kind:?}");
        assert_eq!(stage.all().await.len(), 3, "they are in the list");
        // If the whole name was copied, both are found, so that the one without a record is noticed.
        stage.set_list(&[description.clone(), description.clone()], &json!({}));
        assert_eq!(stage.find(marker('a')).await.len(), 2, "{kind:?}");
    }
}

#[tokio::test]
async fn a_token_that_has_expired_is_still_in_the_list_with_its_time() {
    let past: Timestamp = PAST.parse().expect("a time");
    for (kind, more) in [
        (Kind::Harbor, json!({"expires_at": past.as_second()})),
        (Kind::GitLab, json!({"expires_at": PAST, "expired": true, "revoked": false})),
    ] {
        let stage = Stage::new(kind).await;
        stage.set_list(&[marker('a').append_to("prod")], &more);
        let found = stage.find(marker('a')).await;
        assert_eq!(found.iter().map(|row| row.expiration_time).collect::<Vec<_>>(), [Some(past)], "{kind:?}");
    }
}
