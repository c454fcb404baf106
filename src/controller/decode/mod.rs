//! Decodes objects from the API server's JSON, each on its own. An error names the object that cannot be parsed.

pub(crate) mod json;
pub(crate) mod partial_status;
pub(crate) mod prune;
pub(crate) mod service_account;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time};
use kube::Resource;
use kube::core::object::HasStatus;
use kube::core::{PartialObjectMeta, PartialObjectMetaExt};
use kube::runtime::reflector::{Lookup, ObjectRef};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// Longest parse error, in bytes: it may repeat what a user wrote.
const MAX_ERROR_BYTES: usize = 300;

/// An object, or the error that prevents parsing it.
pub type Decoded<K> = Result<K, Box<InvalidObject<K>>>;

/// An object that cannot be parsed.
#[derive(Clone, Debug)]
pub struct InvalidObject<K> {
    /// The object, as far as it could be identified.
    pub reference: ObjectReference,
    /// The parse error.
    pub error: String,
    /// The object with a partial status, if only its status is invalid.
    pub partial: Option<K>,
}

/// Whether an object that cannot be parsed still exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    Present,
    Deleted,
}

/// The metadata fields that are used. Only the times that matter are kept, as text.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct MinimalMeta {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    generation: Option<i64>,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
    owner_references: Option<Vec<OwnerReference>>,
    finalizers: Option<Vec<String>>,
    creation_timestamp: Option<String>,
    deletion_timestamp: Option<String>,
}

impl From<MinimalMeta> for ObjectMeta {
    fn from(minimal: MinimalMeta) -> Self {
        // An object is being deleted whatever its deletion timestamp contains.
        let time = |text: String| Time(text.parse().unwrap_or(Timestamp::UNIX_EPOCH));
        Self {
            name: minimal.name,
            namespace: minimal.namespace,
            uid: minimal.uid,
            resource_version: minimal.resource_version,
            generation: minimal.generation,
            labels: minimal.labels,
            annotations: minimal.annotations,
            owner_references: minimal.owner_references,
            finalizers: minimal.finalizers,
            creation_timestamp: minimal.creation_timestamp.and_then(|text| text.parse().ok()).map(Time),
            deletion_timestamp: minimal.deletion_timestamp.map(time),
            ..Self::default()
        }
    }
}

/// Decodes an object with the used part of its metadata.
pub fn object<K>(object: &[u8]) -> Decoded<K>
where
    K: Resource<DynamicType = ()> + DeserializeOwned,
{
    assemble(object, json::field(object, "status"))
}

/// Decodes an object. If its status cannot be parsed, or has more than `max_status_bytes`, `partial` reads what it can.
pub fn object_with_status<K>(
    object: &[u8],
    max_status_bytes: usize,
    partial: fn(&[u8]) -> Option<K::Status>,
) -> Decoded<K>
where
    K: Resource<DynamicType = ()> + DeserializeOwned + HasStatus,
{
    let size = json::field(object, "status").map_or(0, <[u8]>::len);
    let whole = if size > max_status_bytes {
        Err(invalid_object(object, format!("status: it has {size} bytes, more than {max_status_bytes}")))
    } else {
        self::object(object)
    };
    whole.map_err(|mut invalid: Box<InvalidObject<K>>| {
        invalid.partial = assemble::<K>(object, None).ok().and_then(|mut rest| {
            *rest.status_mut() = Some(partial(object)?);
            Some(rest)
        });
        invalid
    })
}

fn assemble<K>(object: &[u8], status: Option<&[u8]>) -> Decoded<K>
where
    K: Resource<DynamicType = ()> + DeserializeOwned,
{
    let meta = metadata::<K>(object).map_err(|error| invalid_object(object, error.error))?;
    let mut rest = br#"{"metadata":{},"spec":"#.to_vec();
    rest.extend_from_slice(json::field(object, "spec").unwrap_or(b"null"));
    if let Some(status) = status {
        rest.extend_from_slice(br#","status":"#);
        rest.extend_from_slice(status);
    }
    rest.push(b'}');
    let mut parsed: K = parse(&rest).map_err(|why| invalid_object(object, why))?;
    *parsed.meta_mut() = meta;
    Ok(parsed)
}

/// Decodes the metadata of an object of kind `K`.
pub fn metadata<K: Resource<DynamicType = ()>>(object: &[u8]) -> Decoded<ObjectMeta> {
    let meta = json::field(object, "metadata").unwrap_or(b"null");
    let minimal: MinimalMeta = parse(meta).map_err(|why| {
        let reference = object_reference::<K>(object);
        Box::new(InvalidObject { reference, error: format!("metadata: {why}"), partial: None })
    })?;
    Ok(minimal.into())
}

/// Decodes an object of kind `K` of which only the metadata are requested.
pub fn metadata_only<K: Resource<DynamicType = ()>>(object: &[u8]) -> Decoded<PartialObjectMeta<K>> {
    let meta = metadata::<K>(object);
    meta.map(PartialObjectMetaExt::into_response_partial).map_err(|error| invalid_object(object, error.error))
}

/// For the cache of such objects: an event of one that cannot be parsed changes nothing, unless it is deleted.
pub fn deleted_by_name<K>(about: &ObjectReference, observed: Presence) -> Option<PartialObjectMeta<K>>
where
    K: Resource<DynamicType = ()>,
{
    let meta = ObjectMeta { name: about.name.clone(), namespace: about.namespace.clone(), ..ObjectMeta::default() };
    (observed == Presence::Deleted).then(|| meta.into_response_partial())
}

/// The key of an object in its cache.
pub fn key_of<K: Lookup<DynamicType = ()>>(about: &ObjectReference) -> ObjectRef<K> {
    let key = ObjectRef::new(about.name.as_deref().unwrap_or_default());
    match &about.namespace {
        Some(namespace) => key.within(namespace),
        None => key,
    }
}

/// Parses what is nested no deeper than serde can follow; an error names the field.
pub fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, String> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let mut why = error.to_string();
        // Removes the position, which refers to a line that is not shown.
        if let Some(end) = why.rfind(" at line ") {
            why.truncate(end);
        }
        why.truncate(why.floor_char_boundary(MAX_ERROR_BYTES));
        why
    })
}

pub fn invalid_object<K: Resource<DynamicType = ()>>(object: &[u8], why: String) -> Box<InvalidObject<K>> {
    Box::new(InvalidObject { reference: object_reference::<K>(object), error: why, partial: None })
}

fn object_reference<K: Resource<DynamicType = ()>>(object: &[u8]) -> ObjectReference {
    let meta = json::field(object, "metadata").unwrap_or(b"null");
    let text = |name| json::text(meta, name);
    ObjectReference {
        api_version: Some(K::api_version(&()).into_owned()),
        kind: Some(K::kind(&()).into_owned()),
        name: text("name"),
        namespace: text("namespace"),
        uid: text("uid"),
        ..ObjectReference::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::RegistryToken;
    use k8s_openapi::api::core::v1::Secret;
    use serde_json::json;

    fn token(spec: &str, status: &str) -> Vec<u8> {
        format!(
            r#"{{"apiVersion":"registry-token.dev/v1alpha1","kind":"RegistryToken","metadata":{{"name":"pull",
            "namespace":"team","uid":"u","resourceVersion":"7","generation":2,"creationTimestamp":"no time",
            "deletionTimestamp":"9999-12-31T23:59:59Z","finalizers":["f"],"annotations":{{"a":"b"}}}},
            "spec":{spec},"status":{status}}}"#
        )
        .into_bytes()
    }

    #[test]
    fn an_object_with_invalid_times_and_unknown_fields_is_parsed() {
        let deep = "[".repeat(500) + &"]".repeat(500);
        let spec = format!(r#"{{"description":"d","unknown":{deep}}}"#);
        let token: RegistryToken = object(&token(&spec, r#"{"uid":"u"}"#)).expect("parsed");
        assert_eq!((token.spec.description.as_str(), token.metadata.generation), ("d", Some(2)));
        assert!(token.metadata.deletion_timestamp.is_some() && token.metadata.creation_timestamp.is_none());
        assert_eq!(token.status.expect("a status").uid.as_deref(), Some("u"));
    }

    #[test]
    fn an_invalid_object_is_named_with_its_field() {
        let time = r#"{"token":{"id":"1","username":"u","nonce":"n","requestTime":"9999-12-31T23:59:59Z"}}"#;
        let invalid = object::<RegistryToken>(&token(r#"{"description":"d"}"#, time)).expect_err("no time");
        assert!(invalid.error.starts_with("status.token.requestTime: "), "{}", invalid.error);
        assert_eq!(json!(invalid.reference)["name"], "pull");
        assert_eq!(json!(invalid.reference)["kind"], "RegistryToken");
        let long = format!(r#"{{"description":["{}"]}}"#, "é".repeat(1000));
        let invalid = object::<RegistryToken>(&token(&long, "null")).expect_err("no text");
        assert!(invalid.error.len() <= MAX_ERROR_BYTES && !invalid.error.contains(" at line "), "{}", invalid.error);
        let invalid =
            metadata::<Secret>(br#"{"metadata":{"name":"s","namespace":"n","labels":[]}}"#).expect_err("no map");
        assert_eq!(invalid.reference.name.as_deref(), Some("s"));
        assert!(metadata::<Secret>(b"no JSON").is_err() && object::<RegistryToken>(b"{}").is_err());
    }
}
