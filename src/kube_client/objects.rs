//! The only place that puts names into the paths of API requests. Each name is validated first: with the name `?`, a
//! read of one Secret would become a list of all Secrets, and `../` would lead to another namespace.

use crate::api::{NamespaceName, ObjectName, ParseNameError};
use axum::http::HeaderValue;
use axum::http::header::ACCEPT;
use kube::api::{DeleteParams, GetParams, ListParams, Patch, PatchParams, PostParams, Preconditions};
pub(crate) use kube::core::Request;
use kube::core::{NamespaceResourceScope, ObjectList, PartialObjectMeta, request};
use kube::{Api, Client, Error, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;

/// Metadata only, as JSON.
const METADATA_AS_JSON: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
/// Metadata only, as YAML.
const METADATA_AS_YAML: &str = "application/yaml;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

/// Objects of one kind, in a namespace or in the cluster. Like [`kube::Api`], but rejects invalid names.
pub(crate) struct ObjectClient<K> {
    /// An error if the namespace is invalid: then no request is ever sent.
    api: Result<Api<K>, ParseNameError>,
    /// Parses responses; `None` for serde.
    parse: Option<ResponseParser<K>>,
}

/// Parses a response of the API server; returns `None` if that is not possible.
type ResponseParser<K> = fn(&[u8]) -> Option<K>;

/// Requests for all objects of a kind, in all namespaces.
pub(crate) fn all_namespaces<K: Resource<DynamicType = ()>>() -> Request {
    Request::new(K::url_path(&(), None))
}

/// Requests for all objects of a kind in a namespace that the operator watches.
pub(crate) fn in_watched_namespace<K: Resource<DynamicType = ()>>(namespace: &NamespaceName) -> Request {
    Request::new(K::url_path(&(), Some(namespace.as_str())))
}

/// Requests for all objects of a kind in this namespace or, if it is empty, in all namespaces.
pub(crate) fn in_namespace<K: Resource<DynamicType = ()>>(namespace: &str) -> Result<Request, Error> {
    if namespace.is_empty() {
        return Ok(all_namespaces::<K>());
    }
    let namespace: NamespaceName = namespace.parse().map_err(|error| invalid_name(&error))?;
    Ok(in_watched_namespace::<K>(&namespace))
}

/// A request that reads a namespaced object, for a response that is parsed elsewhere.
pub(crate) fn get_request<K>(namespace: &str, name: &str) -> Result<axum::http::Request<Vec<u8>>, Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    let namespace: NamespaceName = namespace.parse().map_err(|error| invalid_name(&error))?;
    let name: ObjectName = name.parse().map_err(|error| invalid_name(&error))?;
    let request = Request::new(K::url_path(&(), Some(namespace.as_str())));
    request.get(name.as_str(), &GetParams::default()).map_err(Error::BuildRequest)
}

fn invalid_name(error: &ParseNameError) -> Error {
    Error::BuildRequest(request::Error::Validation(error.to_string()))
}

impl<K: Resource> ObjectClient<K> {
    /// Cluster-scoped objects, or the objects of all namespaces.
    pub(crate) fn all(client: Client) -> Self
    where
        K::DynamicType: Default,
    {
        Self { api: Ok(Api::all(client)), parse: None }
    }

    /// The objects of a namespace.
    pub(crate) fn namespaced(client: Client, namespace: &str) -> Self
    where
        K: Resource<Scope = NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        let api = namespace.parse().map(|name: NamespaceName| Api::namespaced(client, name.as_str()));
        Self { api, parse: None }
    }
}

impl<K: Resource + Clone + DeserializeOwned + Debug> ObjectClient<K> {
    /// Reads the metadata of an object as YAML, including managed fields, without parsing them. In JSON responses
    /// managed fields are removed before anything reads them.
    pub(crate) async fn get_metadata_text(&self, name: &str) -> Result<String, Error> {
        let (api, name) = self.checked_name(name)?;
        let request = request::Request::new(api.resource_url());
        let mut request = request.get_metadata(name.as_str(), &GetParams::default()).map_err(Error::BuildRequest)?;
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static(METADATA_AS_YAML));
        api.clone().into_client().request_text(request).await
    }

    /// Reads a list. An object that cannot be parsed fails the whole list.
    pub(crate) async fn list(&self, params: &ListParams) -> Result<ObjectList<K>, Error> {
        self.api()?.list(params).await
    }

    /// Deletes an object. The response is not parsed.
    pub(crate) async fn delete(&self, name: &str) -> Result<(), Error> {
        let (api, name) = self.checked_name(name)?;
        let request = request::Request::new(api.resource_url());
        let request = request.delete(name.as_str(), &DeleteParams::default()).map_err(Error::BuildRequest)?;
        api.clone().into_client().request_text(request).await.map(drop)
    }
}

impl<K: Resource + Clone + DeserializeOwned + Debug> ObjectClient<K> {
    /// Deletes this version of an object. The response is not parsed.
    pub(crate) async fn delete_version(&self, name: &str, uid: &str, version: &str) -> Result<(), Error> {
        let (api, name) = self.checked_name(name)?;
        let preconditions = Preconditions { uid: Some(uid.to_owned()), resource_version: Some(version.to_owned()) };
        let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
        let request = Request::new(api.resource_url()).delete(name.as_str(), &params).map_err(Error::BuildRequest)?;
        api.clone().into_client().request_text(request).await.map(drop)
    }

    fn api(&self) -> Result<&Api<K>, Error> {
        self.api.as_ref().map_err(invalid_name)
    }

    /// Parses responses with this function: other users may write values that serde rejects.
    pub(crate) fn with_parser(self, parse: ResponseParser<K>) -> Self {
        Self { parse: Some(parse), ..self }
    }

    async fn send(&self, request: axum::http::Request<Vec<u8>>) -> Result<K, Error> {
        let text = self.api()?.clone().into_client().request_text(request).await?;
        let Some(parse) = self.parse else { return serde_json::from_str(&text).map_err(Error::SerdeError) };
        parse(text.as_bytes()).ok_or_else(|| Error::SerdeError(serde::de::Error::custom("no such object")))
    }

    fn checked_name(&self, name: &str) -> Result<(&Api<K>, ObjectName), Error> {
        Ok((self.api()?, name.parse().map_err(|error| invalid_name(&error))?))
    }

    pub(crate) async fn get(&self, name: &str) -> Result<K, Error> {
        let (api, name) = self.checked_name(name)?;
        let request = Request::new(api.resource_url()).get(name.as_str(), &GetParams::default());
        self.send(request.map_err(Error::BuildRequest)?).await
    }

    /// Reads an object that may be absent.
    pub(crate) async fn get_opt(&self, name: &str) -> Result<Option<K>, Error> {
        match self.get(name).await {
            Err(Error::Api(status)) if status.is_not_found() => Ok(None),
            found => found.map(Some),
        }
    }

    /// Reads the metadata of an object that may be absent.
    pub(crate) async fn get_metadata_opt(&self, name: &str) -> Result<Option<PartialObjectMeta<K>>, Error> {
        let (api, name) = self.checked_name(name)?;
        api.get_metadata_opt(name.as_str()).await
    }

    pub(crate) async fn create(&self, params: &PostParams, object: &K) -> Result<K, Error>
    where
        K: Serialize,
    {
        self.api()?.create(params, object).await
    }

    /// Creates an object, given as JSON, and returns its metadata.
    pub(crate) async fn create_metadata(
        &self,
        params: &PostParams,
        object: Vec<u8>,
    ) -> Result<PartialObjectMeta<K>, Error> {
        let api = self.api()?;
        let mut request = Request::new(api.resource_url()).create(params, object).map_err(Error::BuildRequest)?;
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static(METADATA_AS_JSON));
        api.clone().into_client().request(request).await
    }

    /// Replaces an object with the version that this one names.
    pub(crate) async fn replace(&self, name: &str, params: &PostParams, object: &K) -> Result<K, Error>
    where
        K: Serialize,
    {
        let (api, name) = self.checked_name(name)?;
        api.replace(name.as_str(), params, object).await
    }

    pub(crate) async fn patch<P: Serialize + Debug + Sync>(
        &self,
        name: &str,
        params: &PatchParams,
        patch: &Patch<P>,
    ) -> Result<K, Error> {
        let (api, name) = self.checked_name(name)?;
        let request = Request::new(api.resource_url()).patch(name.as_str(), params, patch);
        self.send(request.map_err(Error::BuildRequest)?).await
    }

    /// Patches an object and returns its metadata.
    pub(crate) async fn patch_metadata<P: Serialize + Debug + Sync>(
        &self,
        name: &str,
        params: &PatchParams,
        patch: &Patch<P>,
    ) -> Result<PartialObjectMeta<K>, Error> {
        let (api, name) = self.checked_name(name)?;
        api.patch_metadata(name.as_str(), params, patch).await
    }

    pub(crate) async fn patch_status<P: Serialize + Debug + Sync>(
        &self,
        name: &str,
        params: &PatchParams,
        patch: &Patch<P>,
    ) -> Result<K, Error> {
        let (api, name) = self.checked_name(name)?;
        let request = Request::new(api.resource_url()).patch_subresource("status", name.as_str(), params, patch);
        self.send(request.map_err(Error::BuildRequest)?).await
    }

    pub(crate) async fn replace_status(&self, name: &str, params: &PostParams, object: &K) -> Result<K, Error>
    where
        K: Serialize,
    {
        let (api, name) = self.checked_name(name)?;
        let body = serde_json::to_vec(object).map_err(Error::SerdeError)?;
        let request = Request::new(api.resource_url()).replace_subresource("status", name.as_str(), params, body);
        self.send(request.map_err(Error::BuildRequest)?).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::Secret;
    use std::convert::Infallible;
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A client that counts its requests.
    fn counting() -> (Client, Arc<AtomicUsize>) {
        let sent = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&sent);
        let service = tower::service_fn(move |_: axum::http::Request<kube::client::Body>| {
            count.fetch_add(1, Ordering::SeqCst);
            async {
                let body = r#"{"metadata": {"name": "x"}}"#.as_bytes().to_vec();
                Ok::<_, Infallible>(axum::http::Response::new(kube::client::Body::from(body)))
            }
        });
        (Client::new(service, "default"), sent)
    }

    #[tokio::test]
    async fn an_invalid_name_is_never_sent() {
        let (client, sent) = counting();
        let patch = Patch::Merge(serde_json::json!({}));
        let (params, post) = (PatchParams::default(), PostParams::default());
        for name in ["?", "", "..", "../../victim/secrets/x", "x?watch=1", "x/status", "x#y", "%2e%2e", "X"] {
            let secrets = ObjectClient::<Secret>::namespaced(client.clone(), "team-a");
            assert!(secrets.get(name).await.is_err(), "{name}");
            assert!(secrets.get_opt(name).await.is_err(), "{name}");
            assert!(secrets.get_metadata_opt(name).await.is_err(), "{name}");
            assert!(secrets.patch(name, &params, &patch).await.is_err(), "{name}");
            assert!(secrets.patch_metadata(name, &params, &patch).await.is_err(), "{name}");
            assert!(secrets.patch_status(name, &params, &patch).await.is_err(), "{name}");
            assert!(secrets.replace(name, &post, &Secret::default()).await.is_err(), "{name}");
            assert!(secrets.replace_status(name, &post, &Secret::default()).await.is_err(), "{name}");
            let elsewhere = ObjectClient::<Secret>::namespaced(client.clone(), name);
            assert!(name == "x" || elsewhere.get("x").await.is_err(), "{name}");
            assert!(name.is_empty() || in_namespace::<Secret>(name).is_err(), "{name}");
            assert!(get_request::<Secret>("team-a", name).is_err(), "{name}");
            assert!(get_request::<Secret>(name, "x").is_err(), "{name}");
        }
        assert_eq!(sent.load(Ordering::SeqCst), 0);
        let read = ObjectClient::<Secret>::namespaced(client, "team-a").get_opt("x").await;
        assert!(read.is_ok_and(|found| found.is_some()));
        assert_eq!(sent.load(Ordering::SeqCst), 1);
    }

    /// In other files `kube::Api` may only list or watch all objects, which needs no name.
    #[test]
    fn no_other_file_builds_the_path_of_an_object() {
        let mut pending = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
        let mut seen = 0;
        while let Some(path) = pending.pop() {
            if path.is_dir() {
                pending
                    .extend(std::fs::read_dir(&path).expect("a folder").map(|entry| entry.expect("an entry").path()));
                continue;
            }
            if path.extension().is_none_or(|ending| ending != "rs") || path.ends_with("src/kube_client/objects.rs") {
                continue;
            }
            seen += 1;
            let text = std::fs::read_to_string(&path).expect("a file");
            for (number, line) in text.lines().enumerate() {
                let builds = ["Api::namespaced", "Api::default_namespaced", "Api::<", "url_path("];
                let built = builds.iter().any(|word| line.contains(word) && !line.contains(">::all("));
                assert!(!built, "{}:{}: use ObjectClient: {line}", path.display(), number + 1);
            }
        }
        assert!(seen > 100, "{seen}");
    }
}
