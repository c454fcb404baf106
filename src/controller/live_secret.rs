//! Reads whole Secrets. They are parsed here, because kube's own parser logs a response that it cannot parse, and
//! serde's errors repeat unexpected values.

use super::api_call::read_body;
use super::decode;
use super::decode::json;
use crate::kube_client::objects::get_request;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::{Client, Error};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::io;
use zeroize::Zeroize;

/// Reads a Secret live; `None` if it does not exist.
pub async fn get(client: &Client, namespace: &str, name: &str) -> kube::Result<Option<Secret>> {
    let mut body = match read_body(client, get_request::<Secret>(namespace, name)?).await {
        Ok(body) => body,
        Err(Error::Api(status)) if status.is_not_found() => return Ok(None),
        Err(error) => return Err(error),
    };
    let secret = parse(&body);
    body.zeroize();
    secret.map(Some).ok_or_else(|| Error::ReadEvents(io::Error::other("the response is not a Secret")))
}

fn parse(body: &[u8]) -> Option<Secret> {
    // An object without metadata is not a Secret.
    json::field(body, "metadata")?;
    Some(Secret {
        metadata: decode::metadata::<Secret>(body).ok()?,
        type_: optional_field(body, "type").ok()?,
        immutable: optional_field(body, "immutable").ok()?,
        data: optional_field::<BTreeMap<String, ByteString>>(body, "data").ok()?,
        string_data: None,
    })
}

/// A field that may be absent, or null.
fn optional_field<T: DeserializeOwned>(body: &[u8], name: &str) -> serde_json::Result<Option<T>> {
    json::field(body, name).map_or(Ok(None), serde_json::from_slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_parsed_and_other_json_is_rejected() {
        let body =
            br#"{"kind":"Secret","metadata":{"name":"a","resourceVersion":"4"},"type":"Opaque","data":{"k":"dg=="}}"#;
        let secret = parse(body).expect("a Secret");
        assert_eq!((secret.metadata.resource_version.as_deref(), secret.immutable), (Some("4"), None));
        assert_eq!(secret.data.expect("data")["k"].0, b"v");
        let odd =
            [r#"{"metadata":{},"data":"hush"}"#, r#"{"metadata":{},"data":{"k":"hush!"}}"#, r#"{"data":{}}"#, "hush"];
        for odd in odd {
            assert!(parse(odd.as_bytes()).is_none(), "{odd}");
        }
        assert!(parse(br#"{"metadata":{},"data":null}"#).expect("empty").data.is_none());
    }
}
