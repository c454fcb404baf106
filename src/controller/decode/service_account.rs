//! Decodes a `ServiceAccount` as far as it is used.

use super::{json, metadata};
use k8s_openapi::api::core::v1::{LocalObjectReference, ServiceAccount};

/// The metadata and `imagePullSecrets`.
pub fn service_account(object: &[u8]) -> Option<ServiceAccount> {
    let secrets = json::field(object, "imagePullSecrets").unwrap_or(b"null");
    let secrets: Option<Vec<LocalObjectReference>> = serde_json::from_slice(secrets).ok()?;
    Some(ServiceAccount {
        metadata: metadata::<ServiceAccount>(object).ok()?,
        image_pull_secrets: secrets,
        ..ServiceAccount::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_used_is_parsed() {
        let odd =
            r#"{"metadata":{"name":"ci","namespace":"n","creationTimestamp":"9999-12-31T23:59:59Z"},"secrets":7,"#;
        let names = |rest: &str| -> Option<Vec<String>> {
            let account = service_account(format!("{odd}{rest}").as_bytes())?;
            assert_eq!(account.metadata.name.as_deref(), Some("ci"));
            Some(account.image_pull_secrets.unwrap_or_default().into_iter().map(|secret| secret.name).collect())
        };
        assert_eq!(names(r#""imagePullSecrets":[{"name":"b"},{"name":"a"},{}]}"#).expect("parsed"), ["b", "a", ""]);
        assert!(names(r#""imagePullSecrets":null}"#).expect("parsed").is_empty());
        assert!(names(r#""kind":"ServiceAccount"}"#).expect("parsed").is_empty());
        assert!(names(r#""imagePullSecrets":{"name":"a"}}"#).is_none() && service_account(b"hm").is_none());
    }
}
