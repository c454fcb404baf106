//! What a `ClusterRegistryToken` compares of a cached `RegistryToken`, which needs no unpacking.

use crate::api::{
    CLUSTER_TOKEN_LABEL, COPIED_REQUESTS_ANNOTATION, ClusterRegistryToken, GROUP, LAST_APPLIED_KEYS_ANNOTATION,
    RegistryToken, UNMATCHED_SINCE_ANNOTATION,
};
use crate::domain::cluster_token::render::fingerprint_of;
use crate::domain::model::hash::hash64;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{Resource, ResourceExt};

/// Longest hash of copied requests that is kept; the operator writes shorter ones.
const MAX_HASH_BYTES: usize = 64;

/// Present on a `RegistryToken` that names a `ClusterRegistryToken` as its owner or in its label.
#[derive(Clone, Debug)]
pub struct TemplateFacts {
    pub uid: Box<str>,
    /// UID of its controller, of any kind.
    pub controller_uid: Option<Box<str>>,
    /// The value of the label.
    pub label: Option<Box<str>>,
    pub fingerprint: u64,
    pub copied_requests: Option<Box<str>>,
    pub unmatched_since: Option<Timestamp>,
    /// Hash of its version.
    pub version: u64,
}

impl TemplateFacts {
    pub(super) fn of(token: &RegistryToken) -> Option<Box<Self>> {
        let controller = controller_of(token);
        let label = token.labels().get(CLUSTER_TOKEN_LABEL);
        if label.is_none() && !controller.is_some_and(is_cluster_token) {
            return None;
        }
        let annotations = token.annotations();
        let text = |key: &str| annotations.get(key).map(String::as_str);
        let keys = text(LAST_APPLIED_KEYS_ANNOTATION).unwrap_or_default();
        Some(Box::new(Self {
            uid: token.metadata.uid.as_deref().unwrap_or_default().into(),
            controller_uid: controller.map(|controller| controller.uid.as_str().into()),
            label: label.map(|label| label.as_str().into()),
            fingerprint: fingerprint_of(token.labels(), annotations, keys, &token.spec),
            copied_requests: text(COPIED_REQUESTS_ANNOTATION)
                .filter(|hash| hash.len() <= MAX_HASH_BYTES)
                .map(Into::into),
            unmatched_since: text(UNMATCHED_SINCE_ANNOTATION).and_then(|time| time.parse().ok()),
            version: hash64(token.metadata.resource_version.as_deref().unwrap_or_default()),
        }))
    }
}

/// The controller of an object.
pub fn controller_of(token: &RegistryToken) -> Option<&OwnerReference> {
    token.owner_references().iter().find(|owner| owner.controller == Some(true))
}

fn is_cluster_token(owner: &OwnerReference) -> bool {
    let group = owner.api_version.split_once('/').map(|(group, _)| group);
    owner.kind == ClusterRegistryToken::kind(&()) && group == Some(GROUP)
}
