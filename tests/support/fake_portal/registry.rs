//! The container registry behind the portal: the distribution protocol, version 2, for pulls.
//!
//! A token that is revoked at the portal is rejected at once, even with a bearer token that was issued before.

use super::answer::Answer;
use super::config::{Challenge, Config};
use super::connection::Connection;
use super::image::{IMAGE, MANIFEST_TYPE, REPOSITORIES, TAGS};
use super::ledger::Token;
use super::requests::{Kind, OpenRecord, Operation, Record, Server, now};
use super::shared::Shared;
use super::{inject, login};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use axum::{Extension, Router};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;
use url::form_urlencoded::parse;

/// The registry's service name in its challenge.
const SERVICE: &str = "registry";
/// How long a registry bearer token is valid.
const VALID: Duration = Duration::from_mins(5);

pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new().fallback(handle).with_state(shared)
}

async fn handle(
    State(shared): State<Arc<Shared>>,
    Extension(connection): Extension<Connection>,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    let visit = shared.ledger.requests.begin(record(&parts, &connection));
    let (state, seen) = (shared.clone(), visit.clone());
    let answer = inject::meet(&shared, &connection, Kind::of(Operation::Registry), |manner| async move {
        sleep(manner.late).await;
        answer(&state, &parts, &seen)
    });
    let answer = answer.await.with("docker-distribution-api-version", "registry/2.0");
    visit.answered(answer.status);
    answer.into_response()
}

fn record(parts: &Parts, connection: &Connection) -> Record {
    Record {
        seq: 0,
        at: now(),
        server: Server::Registry,
        connection: connection.number,
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().map(str::to_owned),
        body: None,
        operation: Operation::Registry,
        task: None,
        principal: None,
        status: None,
        applied: false,
        answered: None,
    }
}

fn answer(shared: &Shared, parts: &Parts, visit: &OpenRecord) -> Answer {
    let path = parts.uri.path();
    if !matches!(parts.method, Method::GET | Method::HEAD) {
        return error(405, "UNSUPPORTED", "pulls only");
    }
    if path == "/token" {
        return token(shared, parts, visit);
    }
    let Some(path) = path.strip_prefix("/v2") else { return error(404, "NOT_FOUND", "not found") };
    let resource = path.trim_start_matches('/');
    let repository = repository(resource);
    if shared.config().registry_challenge == Challenge::Anonymous {
        return if resource.is_empty() { Answer::json(200, &json!({})) } else { content(resource) };
    }
    let Some(user) = user(shared, &parts.headers, repository) else {
        return challenge(shared, repository);
    };
    visit.principal(&user.username);
    if resource.is_empty() { Answer::json(200, &json!({})) } else { content(resource) }
}

/// `a/b` of `a/b/manifests/latest`.
fn repository(resource: &str) -> Option<&str> {
    ["/manifests/", "/blobs/", "/tags/"].iter().find_map(|kind| Some(resource.split_once(kind)?.0))
}

/// The token whose user may do this.
fn user(shared: &Shared, headers: &HeaderMap, repository: Option<&str>) -> Option<Token> {
    let config = shared.config();
    if config.registry_challenge == Challenge::Basic {
        return logged_in(shared, &config, headers);
    }
    let (id, scopes) = shared.pulls.owner(login::bearer(headers)?)?;
    if repository.is_some_and(|name| !scopes.iter().any(|scope| allows(scope, name))) {
        return None;
    }
    shared.ledger.token(id).filter(|token| token.is_known(config.registry_lag))
}

/// The token that a client logs in with, if it is live.
fn logged_in(shared: &Shared, config: &Config, headers: &HeaderMap) -> Option<Token> {
    let (username, secret) = login::basic(headers)?;
    let id = shared.ledger.read(|tokens| {
        let fits = |token: &&Token| token.username == username && token.secret == secret;
        tokens.values().find(fits).map(|token| token.id)
    })?;
    shared.ledger.token(id).filter(|token| token.is_known(config.registry_lag))
}

/// Whether a scope such as `repository:a/b:pull` or `repository:a/b:pull,push` permits pulling `a/b`.
fn allows(scope: &str, name: &str) -> bool {
    let mut parts = scope.split(':');
    (parts.next(), parts.next()) == (Some("repository"), Some(name))
        && parts.next().is_some_and(|actions| actions.split(',').any(|action| action == "pull"))
}

fn challenge(shared: &Shared, repository: Option<&str>) -> Answer {
    let scope = repository.map(|name| format!(",scope=\"repository:{name}:pull\"")).unwrap_or_default();
    let wanted = match shared.config().registry_challenge {
        Challenge::Basic | Challenge::Anonymous => format!("Basic realm=\"{SERVICE}\""),
        Challenge::Bearer => {
            format!("Bearer realm=\"{}/token\",service=\"{SERVICE}\"{scope}", shared.origins().registry)
        }
    };
    error(401, "UNAUTHORIZED", "authentication required").with("www-authenticate", wanted)
}

/// The token endpoint: exchanges credentials for a bearer token.
fn token(shared: &Shared, parts: &Parts, visit: &OpenRecord) -> Answer {
    let Some(user) = logged_in(shared, &shared.config(), &parts.headers) else {
        return error(401, "UNAUTHORIZED", "wrong credentials");
    };
    visit.principal(&user.username);
    let query = parts.uri.query().unwrap_or_default();
    let scopes = parse(query.as_bytes()).filter(|(name, _)| name == "scope");
    let scopes = scopes.flat_map(|(_, scope)| scope.split(' ').map(str::to_owned).collect::<Vec<_>>()).collect();
    let bearer = shared.pulls.issue((user.id, scopes), VALID);
    let issued = now().to_string();
    Answer::json(
        200,
        &json!({"token": bearer, "access_token": bearer, "expires_in": VALID.as_secs(), "issued_at": issued}),
    )
}

/// Manifests, blobs and the tag list.
fn content(resource: &str) -> Answer {
    let parts: Vec<&str> = resource.rsplitn(3, '/').collect();
    let [reference, kind, name] = parts[..] else { return error(404, "NOT_FOUND", "not found") };
    if !REPOSITORIES.contains(&name) {
        return error(404, "NAME_UNKNOWN", "repository name not known to registry");
    }
    match kind {
        "manifests" if TAGS.contains(&reference) || reference == IMAGE.manifest.digest => {
            Answer::body(200, MANIFEST_TYPE, IMAGE.manifest.bytes.clone())
                .with("docker-content-digest", IMAGE.manifest.digest.clone())
        }
        "manifests" => error(404, "MANIFEST_UNKNOWN", "manifest unknown"),
        "blobs" => match IMAGE.blobs.iter().find(|blob| blob.digest == reference) {
            Some(blob) => Answer::body(200, "application/octet-stream", blob.bytes.clone())
                .with("docker-content-digest", blob.digest.clone()),
            None => error(404, "BLOB_UNKNOWN", "blob unknown to registry"),
        },
        "tags" => Answer::json(200, &json!({"name": name, "tags": TAGS})),
        _ => error(404, "NOT_FOUND", "not found"),
    }
}

fn error(status: u16, code: &str, message: &str) -> Answer {
    Answer::json(status, &json!({"errors": [{"code": code, "message": message, "detail": null}]}))
}
