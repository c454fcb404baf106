//! Objects as they are listed past every cache: who they are, which issuer and Secret they name, and
//! what status records. Nothing else of a spec is parsed, so that one which this version cannot read
//! neither stops the list nor hides its token.

use super::cluster::{ClusterError, call};
use super::context::Context;
use super::issuers::IssuerKey;
use crate::api::{IssuerRef, RegistryToken, RegistryTokenStatus};
use crate::kube_api::Objects;
use kube::ResourceExt;
use kube::api::{ApiResource, ListParams};
use kube::core::{Object, ObjectList};
use serde::Deserialize;

/// Objects in one answer of the API server.
const PAGE: u32 = 500;

/// What is parsed of a spec.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gist {
    /// The issuer that it names.
    #[serde(default)]
    pub issuer_ref: IssuerRef,
    /// The Secret, as far as it is named.
    pub secret: Option<NamedSecret>,
}

/// What is parsed of `spec.secret`.
#[derive(Clone, Debug, Deserialize)]
pub struct NamedSecret {
    /// Its name.
    pub name: Option<String>,
}

/// An object that was listed.
pub type Listed = Object<Gist, RegistryTokenStatus>;

/// What is taken of each object that names this issuer, past every cache.
pub async fn list<T>(
    ctx: &Context,
    key: &IssuerKey,
    take: impl Fn(Listed) -> Option<T>,
) -> Result<Vec<T>, ClusterError> {
    let kind = ApiResource::erase::<RegistryToken>(&());
    let api: Objects<Listed> = match key.namespace.as_str() {
        "" => Objects::all_with(ctx.client.clone(), &kind),
        namespace => Objects::namespaced_with(ctx.client.clone(), namespace, &kind),
    };
    let mut found = vec![];
    let read = |params| {
        let api = &api;
        async move { call("list the RegistryTokens", api.list(&params)).await }
    };
    let each = |one: Listed| {
        if IssuerKey::of(&one.spec.issuer_ref, &one.namespace().unwrap_or_default()) == *key {
            found.extend(take(one));
        }
    };
    match pages(ListParams::default(), read, each).await {
        // The kind was deleted, which ends when the last object has gone; nor does the cache know one.
        Err(ClusterError::NotFound(_)) if ctx.naming(key).is_empty() => Ok(vec![]),
        Err(error) => Err(error),
        Ok(()) => Ok(found),
    }
}

/// Reads a list page by page, and gives each of it.
pub async fn pages<K: Clone, F>(
    params: ListParams,
    read: impl Fn(ListParams) -> F,
    each: impl FnMut(K),
) -> Result<(), ClusterError>
where
    F: Future<Output = Result<ObjectList<K>, ClusterError>>,
{
    let (mut params, mut each) = (params.limit(PAGE), each);
    loop {
        let page = read(params.clone()).await?;
        page.items.into_iter().for_each(&mut each);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(()),
        }
    }
}
