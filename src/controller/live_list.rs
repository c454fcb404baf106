//! Lists objects live with a lenient parser: metadata, issuer, Secret name and status. Nothing else in the spec is
//! parsed, and each object is parsed on its own, so that an invalid object neither fails the list nor hides its token.

use super::api_call::{ApiError, call, read_body, to_api_error};
use super::context::Context;
use super::decode;
use super::decode::{json, partial_status};
use super::issuer_object::IssuerKey;
use super::watch::parse::parse_list;
use crate::api::{IssuerRef, RegistryToken, RegistryTokenStatus};
use crate::kube_client::objects::in_namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::ListParams;
use kube::{Client, Error};
use serde::Deserialize;

/// Objects per page of a list.
const PAGE_SIZE: u32 = 500;

/// The parsed part of a spec.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PartialSpec {
    issuer_ref: IssuerRef,
    secret: Option<PartialSecretSpec>,
}

/// The parsed part of `spec.secret`.
#[derive(Clone, Debug, Deserialize)]
struct PartialSecretSpec {
    name: Option<String>,
}

/// A listed object.
#[derive(Clone, Debug)]
pub struct PartialToken {
    pub metadata: ObjectMeta,
    /// The issuer that the spec names.
    pub issuer_ref: IssuerRef,
    /// The Secret that the spec names; `None` for the object's own name.
    pub secret_name: Option<String>,
    /// The status, or the valid part of one that cannot be parsed.
    pub status: Option<RegistryTokenStatus>,
}

impl PartialToken {
    fn parse(object: &[u8]) -> Option<Self> {
        let metadata = decode::metadata::<RegistryToken>(object);
        let metadata = metadata.inspect_err(|invalid| {
            tracing::warn!(name = invalid.reference.name, detail = invalid.error, "invalid object in a list skipped");
        });
        let spec: PartialSpec =
            json::field(object, "spec").and_then(|spec| decode::parse(spec).ok()).unwrap_or_default();
        let status = json::field(object, "status");
        let status =
            status.and_then(|status| decode::parse(status).ok().or_else(|| partial_status::token_status(object)));
        let secret_name = spec.secret.and_then(|secret| secret.name);
        Some(Self { metadata: metadata.ok()?, issuer_ref: spec.issuer_ref, secret_name, status })
    }

    fn namespace(&self) -> &str {
        self.metadata.namespace.as_deref().unwrap_or_default()
    }
}

/// Lists the objects of this issuer live, and returns what `take` makes of each.
pub async fn list_tokens<T>(
    ctx: &Context,
    key: &IssuerKey,
    take: impl Fn(PartialToken) -> Option<T>,
) -> Result<Vec<T>, ApiError> {
    let what = "list the RegistryTokens";
    let request = in_namespace::<RegistryToken>(&key.namespace).map_err(|error| to_api_error(what, &error))?;
    let mut found = vec![];
    let each = |object: &[u8]| {
        let listed = PartialToken::parse(object);
        let names = |one: &PartialToken| IssuerKey::of(&one.issuer_ref, one.namespace()) == *key;
        found.extend(listed.filter(names).and_then(&take));
    };
    let page = |params: &ListParams| request.list(params);
    match list_pages(&ctx.client, what, ListParams::default(), page, each).await {
        // The kind was deleted, which completes after its last object is deleted; the cache contains none either.
        Err(ApiError::NotFound(_)) if ctx.tokens_of(key).is_empty() => Ok(vec![]),
        Err(error) => Err(error),
        Ok(()) => Ok(found),
    }
}

/// Reads a list page by page and passes each item to `each`.
pub async fn list_pages(
    client: &Client,
    what: &'static str,
    params: ListParams,
    request: impl Fn(&ListParams) -> Result<axum::http::Request<Vec<u8>>, kube::core::request::Error>,
    mut each: impl FnMut(&[u8]),
) -> Result<(), ApiError> {
    let mut params = params.limit(PAGE_SIZE);
    loop {
        let list = async { read_body(client, request(&params).map_err(Error::BuildRequest)?).await };
        let list = call(what, list).await?;
        let Some(page) = parse_list(&list) else {
            return Err(ApiError::Unavailable(what, "the response is not a list".to_owned()));
        };
        page.items.into_iter().for_each(&mut each);
        match page.continue_token {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn listed(status: &Value) -> PartialToken {
        let object = json!({
            "metadata": {"name": "pull", "namespace": "team", "uid": "u", "finalizers": ["f"]},
            "spec": {"description": 5, "rotation": {"interval": "30m2h"}, "issuerRef": {"kind": "TokenIssuer", "name": "i"}},
            "status": status,
        });
        PartialToken::parse(object.to_string().as_bytes()).expect("parsed")
    }

    #[test]
    fn an_object_with_an_invalid_spec_is_listed() {
        let one = listed(&json!(null));
        assert_eq!((one.issuer_ref.name.as_str(), one.namespace(), one.secret_name.as_deref()), ("i", "team", None));
        assert_eq!(one.metadata.finalizers.as_deref(), Some(&["f".to_owned()][..]));
    }

    #[test]
    fn tokens_of_an_invalid_status_still_belong_to_their_object() {
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
