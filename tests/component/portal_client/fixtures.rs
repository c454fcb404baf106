//! Portals and clients to test with.

use super::minimal_portal::{MinimalPortal, PASSWORD, RequestFault, Shape, ShapeForm, USER, metadata};
use registry_token_operator::api::{Audit, Limits, Reason, Thinkwise};
use registry_token_operator::domain::model::marker::{IssuerTag, Marker, Nonce};
use registry_token_operator::domain::model::token::{TokenRef, TokenRow};
use registry_token_operator::portal::thinkwise::{ThinkwisePortal, ThinkwiseSettings};
use registry_token_operator::portal::{Credentials, Delivery, EgressPolicy, Portal as _, PortalError};
use secrecy::SecretString;
use serde_json::json;

/// A spec with only what `$metadata` does not contain.
pub fn minimal_spec(url: &str, shape: &Shape) -> Thinkwise {
    let mut text = json!({
        "url": url,
        "allowInsecureHTTP": true,
        "auth": {"type": "Basic", "basic": {"secretRef": {"name": "portal-login"}}},
    });
    if shape.form != ShapeForm::Unbound {
        let row = json!({"table": "klant", "key": [{"column": "klant_id", "value": "42"}]});
        text["tasks"] = json!({"request": {"boundTo": row}});
    }
    serde_json::from_value(text).expect("a spec")
}

/// A spec with everything, including what is not needed.
pub fn full_spec(url: &str) -> Thinkwise {
    let text = json!({
        "url": url,
        "allowInsecureHTTP": true,
        "auth": {"type": "Basic", "basic": {"secretRef": {"name": "portal-login"}}},
        "table": {
            "name": "container_token",
            "key": [{"column": "token_id", "from": "TokenID"}],
            "columns": {"username": "username", "description": "description"},
        },
        "tasks": {
            "request": {
                "name": "request_token",
                "parameters": [{"name": "z_first", "value": "1"}, {"name": "description", "from": "Description"}],
                "outputs": {"username": "username", "secret": "secret", "id": "token_id"},
            },
            "editDescription": {
                "name": "edit_token",
                "parameters": [{"name": "token_id", "from": "TokenID"}, {"name": "description", "from": "Description"}],
            },
            "revoke": {
                "name": "revoke_token",
                "parameters": [{"name": "token_id", "from": "TokenID"}, {"name": "confirm", "value": "true"}],
            },
        },
    });
    serde_json::from_value(text).expect("a spec")
}

pub fn basic(password: &str) -> Credentials {
    basic_as(USER, password)
}

pub fn basic_as(username: &str, password: &str) -> Credentials {
    Credentials::Basic { username: username.to_owned(), password: SecretString::from(password) }
}

pub fn client_credentials(secret: &str) -> Credentials {
    Credentials::ClientCredentials { client_id: "operator".to_owned(), client_secret: SecretString::from(secret) }
}

pub fn settings(url: &str, credentials: Credentials) -> ThinkwiseSettings {
    let limits = Limits {
        connect_timeout: "1s".parse().expect("a duration"),
        first_byte_timeout: "2s".parse().expect("a duration"),
        request_timeout: "3s".parse().expect("a duration"),
        ..Limits::default()
    };
    let keep = Audit::default().interval.0;
    ThinkwiseSettings {
        spec: full_spec(url),
        limits,
        credentials,
        ca_pem: None,
        metadata_ttl: keep,
        egress: EgressPolicy::default(),
    }
}

pub fn portal(url: &str, credentials: Credentials) -> ThinkwisePortal {
    ThinkwisePortal::new(settings(url, credentials)).expect("a portal")
}

pub async fn with_basic() -> (MinimalPortal, ThinkwisePortal) {
    let fake = MinimalPortal::start(None).await;
    let portal = portal(&fake.url, basic(PASSWORD));
    (fake, portal)
}

pub fn delivery_and_reason(failure: &PortalError) -> (Delivery, Reason) {
    (failure.delivery, failure.reason)
}

/// The responses of a portal that is only read: its `$metadata`, and a list without tokens. `None` for a task.
pub fn read_response(path: &str) -> Option<String> {
    let last = path.rsplit('/').next()?.split('?').next()?;
    match last {
        "$metadata" => Some(metadata(&Shape::default())),
        "container_token" => Some(json!({"value": []}).to_string()),
        _ => None,
    }
}

/// A portal of this shape, and a client that discovered everything itself.
pub async fn portal_with_shape(shape: Shape) -> (MinimalPortal, ThinkwisePortal) {
    let fake = MinimalPortal::with_shape(shape.clone()).await;
    let settings = ThinkwiseSettings { spec: minimal_spec(&fake.url, &shape), ..settings(&fake.url, basic(PASSWORD)) };
    (fake, ThinkwisePortal::new(settings).expect("a portal"))
}

/// A token of the portal.
pub fn token_ref(id: &str, username: &str) -> TokenRef {
    TokenRef { id: id.to_owned(), username: username.to_owned() }
}

/// A row of the portal's list.
pub fn token_row(id: &str, username: &str, description: &str) -> TokenRow {
    TokenRow { token: token_ref(id, username), description: description.to_owned(), expiration_time: None }
}

/// One of several markers of an issuer.
pub fn marker(number: usize) -> Marker {
    let nonce: String = format!("{number:012}").chars().map(|digit| char::from(b'a' + (digit as u8 - b'0'))).collect();
    Marker::new(IssuerTag::of("issuer"), Nonce::parse(&nonce).expect("a nonce"))
}

pub async fn list_all(portal: &ThinkwisePortal) -> Result<Vec<TokenRow>, PortalError> {
    let mut rows = Vec::new();
    portal.scan(&mut |row: TokenRow| rows.push(row)).await?;
    Ok(rows)
}

pub fn response_fault(status: u16, headers: &[(&'static str, &str)]) -> RequestFault {
    let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    RequestFault::Answer(status, headers, "a body that holds hush-body")
}
