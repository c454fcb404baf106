//! Reads a status that cannot be parsed as a whole, for example because of a time in the year 9999, or that is longer
//! than any that the operator writes. Otherwise, any user who may write a status could block the deletion of the object
//! and its issuer forever. Conditions are left out, so that the next pass writes the status again.

use super::json;
use super::{InvalidObject, parse};
use crate::api::{IssuerStatus, ObjectName, RecordedServiceAccount, RegistryTokenStatus, ShortDuration};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::Duration;

/// Longest field of such a status that is read, and longest list of tokens, in bytes.
const MAX_FIELD_BYTES: usize = 16 * 1024;
/// The keys that the operator writes into `handledAnnotations`.
const HANDLED_KEYS: [&str; 4] = ["rotate", "replace", "issuerRotate", "issuerReplace"];
/// Longest value that the operator writes into `handledAnnotations`, in bytes.
const MAX_VALUE_BYTES: usize = 256;
/// Maximum number of names of Secrets or `ConfigMaps` that are read. An issuer has one Secret and at most 17
/// `ConfigMaps`.
const MAX_NAMES: usize = 64;
/// How long a previous token stays valid if the spec does not say.
const DEFAULT_OVERLAP: Duration = Duration::from_mins(15);

/// The object, with a partial status if necessary.
pub fn ok_or_partial<K>(decoded: Result<K, Box<InvalidObject<K>>>) -> Option<K> {
    match decoded {
        Ok(object) => Some(object),
        Err(invalid) => invalid.partial,
    }
}

/// The tokens of an object, with everything that proves them. `None` if a token cannot be read.
pub fn token_status(object: &[u8]) -> Option<RegistryTokenStatus> {
    let status = json::field(object, "status").filter(|status| status.starts_with(b"{"))?;
    let now = Timestamp::now();
    let token = match non_null_field(status, "token") {
        Some(token) => Some(with_valid_times(token, now, now)?),
        None => None,
    };
    // No token is revoked early: an overlap with an invalid time starts now.
    let due = now.checked_add(rotation_overlap(object)).unwrap_or(now);
    let (mut retiring, mut left) = (vec![], MAX_FIELD_BYTES);
    for former in json::items(non_null_field(status, "retiring").unwrap_or(b"[]"))? {
        // The operator never writes more than that.
        if let Some(rest) = left.checked_sub(former.len()) {
            left = rest;
            retiring.push(with_valid_times(former, now, due)?);
        }
    }
    // Without these values the annotations would trigger their actions again.
    let handled = non_null_field(status, "handledAnnotations").unwrap_or(b"{}");
    let handled =
        HANDLED_KEYS.into_iter().filter_map(|key| Some((key.to_owned(), bounded_field::<String>(handled, key)?)));
    Some(RegistryTokenStatus {
        uid: bounded_field(status, "uid"),
        portal: bounded_field(status, "portal"),
        secret: bounded_field(status, "secret"),
        token,
        retiring,
        handled_annotations: handled.filter(|(_, value)| value.len() <= MAX_VALUE_BYTES).collect(),
        upstream_revocation: bounded_field(status, "upstreamRevocation"),
        service_accounts: service_accounts(status),
        argocd_repository: bounded_field(status, "argocdRepository"),
        ..RegistryTokenStatus::default()
    })
}

/// The accounts from which the Secret has to be removed. Each is read again.
fn service_accounts(status: &[u8]) -> Vec<RecordedServiceAccount> {
    let all = json::items(non_null_field(status, "serviceAccounts").unwrap_or(b"[]")).unwrap_or_default();
    let names = all.into_iter().filter_map(|record| json::text(record, "name")?.parse().ok());
    let record = |name| RecordedServiceAccount { name, uid: None, resource_version: None, overwritten: None };
    names.map(record).take(MAX_NAMES).collect()
}

/// What an issuer protects, and the portal of its tokens.
pub fn issuer_status(object: &[u8]) -> Option<IssuerStatus> {
    let status = json::field(object, "status")?;
    let names = |list: &str| {
        let all = json::items(non_null_field(status, list).unwrap_or(b"[]")).unwrap_or_default().into_iter();
        let names = all.filter_map(|name| serde_json::from_slice::<String>(name).ok());
        names.filter(|name| name.parse::<ObjectName>().is_ok()).take(MAX_NAMES).collect()
    };
    Some(IssuerStatus {
        portal: bounded_field(status, "portal"),
        resolved: bounded_field(status, "resolved"),
        tokens: bounded_field(status, "tokens"),
        credentials_secrets: names("credentialsSecrets"),
        ca_config_maps: names("caConfigMaps"),
        // Not `None`: otherwise no patch would replace it.
        last_audit_time: non_null_field(status, "lastAuditTime")
            .map(|time| serde_json::from_slice(time).unwrap_or(Time(Timestamp::UNIX_EPOCH))),
        ..IssuerStatus::default()
    })
}

fn non_null_field<'a>(object: &'a [u8], name: &str) -> Option<&'a [u8]> {
    json::field(object, name).filter(|value| *value != b"null")
}

/// A field that can be parsed and is not longer than [`MAX_FIELD_BYTES`].
fn bounded_field<T: DeserializeOwned>(object: &[u8], name: &str) -> Option<T> {
    parse(non_null_field(object, name).filter(|value| value.len() <= MAX_FIELD_BYTES)?).ok()
}

fn rotation_overlap(object: &[u8]) -> Duration {
    let rotation = json::field(object, "spec").and_then(|spec| json::field(spec, "rotation"));
    let overlap: Option<ShortDuration> = rotation.and_then(|rotation| bounded_field(rotation, "overlap"));
    overlap.map_or(DEFAULT_OVERLAP, |overlap| overlap.0)
}

/// A token with every invalid time replaced: the request time by `now`, and the revocation time by `due`.
fn with_valid_times<T: DeserializeOwned>(token: &[u8], now: Timestamp, due: Timestamp) -> Option<T> {
    if token.len() > MAX_FIELD_BYTES {
        return None;
    }
    let mut token: Value = serde_json::from_slice(token).ok()?;
    for (key, value) in token.as_object_mut()? {
        if key.ends_with("Time") && serde_json::from_value::<Option<Time>>(value.clone()).is_err() {
            *value = match key.as_str() {
                "requestTime" => Value::String(now.to_string()),
                "revocationTime" => Value::String(due.to_string()),
                _ => Value::Null,
            };
        }
    }
    serde_json::from_value(token).ok()
}

#[cfg(test)]
#[path = "partial_status_tests.rs"]
mod tests;
