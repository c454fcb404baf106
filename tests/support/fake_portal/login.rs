//! Login to the portal: HTTP Basic, or OAuth2 client credentials.

use super::answer::Answer;
use super::config::{Config, Login};
use super::habits::ClientAuth;
use super::shared::Shared;
use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use std::collections::HashMap;
use std::time::Duration;
use url::form_urlencoded::parse;

/// The user or client that is authenticated by these headers.
pub(super) fn principal(shared: &Shared, headers: &HeaderMap) -> Option<String> {
    if let Some((name, secret)) = basic(headers) {
        return known(&shared.config().basic, &name, &secret);
    }
    shared.bearers.owner(bearer(headers)?)
}

/// Username and password of HTTP Basic.
pub(super) fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let pair = STANDARD.decode(scheme(headers, "basic")?).ok()?;
    let (name, secret) = std::str::from_utf8(&pair).ok()?.split_once(':')?;
    Some((name.to_owned(), secret.to_owned()))
}

pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    scheme(headers, "bearer")
}

fn scheme<'a>(headers: &'a HeaderMap, wanted: &str) -> Option<&'a str> {
    let (scheme, rest) = headers.get("authorization")?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case(wanted).then_some(rest.trim())
}

fn known(logins: &[Login], name: &str, secret: &str) -> Option<String> {
    logins.iter().find(|login| login.is(name, secret)).map(|login| login.name.clone())
}

/// The response to missing or wrong credentials.
pub(super) fn unauthorized() -> Answer {
    Answer::empty(401).with("www-authenticate", "Basic realm=\"Indicium\"")
}

/// The discovery document.
pub(super) fn discovery(config: &Config, origin: &str) -> Answer {
    let root = format!("{origin}{}", config.root);
    let methods = (!config.habits.silent_client_auth).then(|| config.habits.client_auth.names());
    Answer::json(
        200,
        &json!({
            "issuer": root,
            "token_endpoint": format!("{root}/connect/token"),
            "grant_types_supported": ["client_credentials"],
            "token_endpoint_auth_methods_supported": methods,
        }),
    )
}

/// The token endpoint: returns a bearer token for a client, and the client's id.
pub(super) fn token(shared: &Shared, headers: &HeaderMap, body: &[u8]) -> (Answer, Option<String>) {
    let is_form = headers
        .get("content-type")
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/x-www-form-urlencoded"));
    let form: HashMap<String, String> = parse(body).into_owned().collect();
    let field = |name: &str| form.get(name).map_or("", String::as_str);
    if !is_form || field("grant_type") != "client_credentials" {
        return (Answer::json(400, &json!({"error": "unsupported_grant_type"})), None);
    }
    let config = shared.config();
    // Each part of the pair is form-encoded (RFC 6749, 2.3.1).
    let plain = |text: &str| {
        parse(format!("x={text}").as_bytes()).next().map_or_else(String::new, |(_, text)| text.into_owned())
    };
    let by_basic = basic(headers).map(|(id, secret)| (plain(&id), plain(&secret)));
    let is_taken = match config.habits.client_auth {
        ClientAuth::Either => true,
        ClientAuth::Post => by_basic.is_none(),
        ClientAuth::Basic => by_basic.is_some() && field("client_secret").is_empty(),
    };
    let (id, secret) = by_basic.unwrap_or_else(|| (field("client_id").into(), field("client_secret").into()));
    let Some(client) = known(&config.clients, &id, &secret).filter(|_| is_taken) else {
        return (Answer::json(config.client_refusal, &json!({"error": "invalid_client"})), None);
    };
    let bearer = shared.bearers.issue(client.clone(), Duration::from_secs(config.bearer_seconds));
    let expires_in = config.habits.expires_in.clone().unwrap_or_else(|| json!(config.bearer_seconds));
    let answer = json!({"access_token": bearer, "expires_in": expires_in, "token_type": "Bearer"});
    (Answer::json(200, &answer).with("cache-control", "no-store"), Some(client))
}
