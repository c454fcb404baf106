//! Objects as they are listed past every cache: who they are, which issuer and Secret they name, and
//! what status records. Nothing else of a spec is parsed, and each object on its own, so that one which this
//! version cannot read neither stops the list nor hides its token.

use super::cluster::{ClusterError, call, classify, read};
use super::context::Context;
use super::decode;
use super::issuers::IssuerKey;
use super::json;
use super::partial;
use super::watch_events::page;
use crate::api::{IssuerRef, RegistryToken, RegistryTokenStatus};
use crate::kube_api::collection;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::ListParams;
use kube::{Client, Error};
use serde::Deserialize;

/// Objects in one answer of the API server.
const PAGE: u32 = 500;

/// What is parsed of a spec.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Gist {
    issuer_ref: IssuerRef,
    secret: Option<NamedSecret>,
}

/// What is parsed of `spec.secret`.
#[derive(Clone, Debug, Deserialize)]
struct NamedSecret {
    name: Option<String>,
}

/// An object that was listed.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its metadata.
    pub metadata: ObjectMeta,
    /// The issuer that it names.
    pub issuer_ref: IssuerRef,
    /// The Secret that it names; its own name unless given.
    pub secret_name: Option<String>,
    /// What its status records; of one that cannot be parsed what can be read of it.
    pub status: Option<RegistryTokenStatus>,
}

impl Listed {
    fn parse(object: &[u8]) -> Option<Self> {
        let metadata = decode::metadata::<RegistryToken>(object);
        let metadata = metadata.inspect_err(|invalid| {
            tracing::warn!(name = invalid.about.name, detail = invalid.why, "a listed object is skipped");
        });
        let gist: Gist = json::field(object, "spec").and_then(|spec| decode::parse(spec).ok()).unwrap_or_default();
        let status = json::field(object, "status");
        let status = status.and_then(|status| decode::parse(status).ok().or_else(|| partial::token_status(object)));
        let secret_name = gist.secret.and_then(|secret| secret.name);
        Some(Self { metadata: metadata.ok()?, issuer_ref: gist.issuer_ref, secret_name, status })
    }

    fn namespace(&self) -> &str {
        self.metadata.namespace.as_deref().unwrap_or_default()
    }
}

/// What is taken of each object that names this issuer, past every cache.
pub async fn list<T>(
    ctx: &Context,
    key: &IssuerKey,
    take: impl Fn(Listed) -> Option<T>,
) -> Result<Vec<T>, ClusterError> {
    let what = "list the RegistryTokens";
    let request = collection::<RegistryToken>(&key.namespace).map_err(|error| classify(what, &error))?;
    let mut found = vec![];
    let each = |object: &[u8]| {
        let listed = Listed::parse(object);
        let names = |one: &Listed| IssuerKey::of(&one.issuer_ref, one.namespace()) == *key;
        found.extend(listed.filter(names).and_then(&take));
    };
    let page = |params: &ListParams| request.list(params);
    match pages(&ctx.client, what, ListParams::default(), page, each).await {
        // The kind was deleted, which ends when the last object has gone; nor does the cache know one.
        Err(ClusterError::NotFound(_)) if ctx.naming(key).is_empty() => Ok(vec![]),
        Err(error) => Err(error),
        Ok(()) => Ok(found),
    }
}

/// Reads a list page by page, and gives each of it.
pub async fn pages(
    client: &Client,
    what: &'static str,
    params: ListParams,
    request: impl Fn(&ListParams) -> Result<axum::http::Request<Vec<u8>>, kube::core::request::Error>,
    mut each: impl FnMut(&[u8]),
) -> Result<(), ClusterError> {
    let mut params = params.limit(PAGE);
    loop {
        let list = async { read(client, request(&params).map_err(Error::BuildRequest)?).await };
        let list = call(what, list).await?;
        let Some(page) = page(&list) else {
            return Err(ClusterError::Unavailable(what, "the answer is no list".to_owned()));
        };
        page.items.into_iter().for_each(&mut each);
        match page.next {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn listed(status: &Value) -> Listed {
        let object = json!({
            "metadata": {"name": "pull", "namespace": "team", "uid": "u", "finalizers": ["f"]},
            "spec": {"description": 5, "rotation": {"interval": "30m2h"}, "issuerRef": {"kind": "TokenIssuer", "name": "i"}},
            "status": status,
        });
        Listed::parse(object.to_string().as_bytes()).expect("parsed")
    }

    #[test]
    fn an_object_is_listed_whatever_else_it_holds() {
        let one = listed(&json!(null));
        assert_eq!((one.issuer_ref.name.as_str(), one.namespace(), one.secret_name.as_deref()), ("i", "team", None));
        assert_eq!(one.metadata.finalizers.as_deref(), Some(&["f".to_owned()][..]));
    }

    #[test]
    fn the_tokens_of_a_status_that_cannot_be_parsed_are_its_objects_all_the_same() {
        let far = "9999-12-31T23:59:59Z";
        let status = listed(&json!({
            "uid": "u", "nextRotationTime": far,
            "portal": {"type": "Thinkwise", "url": "https://p", "scope": "tcp", "user": "k8s"},
            "token": {"id": "1", "username": "a", "nonce": "n", "requestTime": far},
            "retiring": [{"id": "2", "username": "b", "revocationTime": far}],
        }))
        .status
        .expect("a status");
        assert!(status.portal.is_some(), "without it no token is proved");
        assert_eq!((status.uid.as_deref(), status.token.map(|token| token.id)), (Some("u"), Some("1".to_owned())));
        assert_eq!(status.retiring.first().map(|token| token.username.as_str()), Some("b"));
        assert!(listed(&json!({"token": 5})).status.is_none() && listed(&json!("text")).status.is_none());
    }
}
