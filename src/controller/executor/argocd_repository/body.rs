//! Builds the second Secret, for Argo CD: labels, owner and data. A patch is guarded by the version that it is based on.

use crate::api::{ARGOCD_ROLE, OWNER_LABEL, ROLE_LABEL, RegistryToken};
use crate::domain::argocd_repository::{ARGOCD_LABEL, Desired, Facts, Found, LOGIN_KEYS, SECRET_TYPE, is_ours};
use crate::domain::model::dockerconfig::DockerLogin;
use base64::{Engine, engine::general_purpose::STANDARD};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::{Resource, ResourceExt};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use zeroize::Zeroize;

/// The Secret that an object wants.
#[derive(Clone, Copy)]
pub struct ArgoCDSecret<'a> {
    pub object: &'a RegistryToken,
    pub desired: &'a Desired,
}

impl ArgoCDSecret<'_> {
    /// The Secret with this login, to create.
    pub fn new_secret(&self, login: &DockerLogin) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Secret", "type": SECRET_TYPE,
            "metadata": {
                "name": self.desired.name, "namespace": self.object.namespace(),
                "labels": self.labels(), "ownerReferences": self.owner_references(&ObjectMeta::default()),
            },
            "data": self.data(login),
        })
    }

    /// The patch of a Secret as read. Keys of others in its data are removed, because Argo CD would use them; labels,
    /// annotations and owners of others stay.
    pub fn patch(&self, ReadSecret(found): &ReadSecret, login: &DockerLogin) -> Value {
        let mut data = self.data(login);
        for key in found.data.iter().flat_map(BTreeMap::keys) {
            data.entry(key.clone()).or_insert(Value::Null);
        }
        let mut body = guarded(&found.metadata);
        body["metadata"]["labels"] = json!(self.labels());
        body["metadata"]["ownerReferences"] = self.owner_references(&found.metadata);
        body["data"] = Value::Object(data);
        body
    }

    /// Whether a Secret as read is as the object wants it, with this login.
    pub fn matches(&self, ReadSecret(found): &ReadSecret, login: &DockerLogin) -> bool {
        let text = |key: &str| found.data.as_ref().and_then(|data| data.get(key)).map(|value| value.0.as_slice());
        let [username, password] = LOGIN_KEYS;
        let wanted = self.desired.settings.len() + LOGIN_KEYS.len();
        let has_settings = self.desired.settings.iter().all(|(key, value)| text(key) == Some(value.as_bytes()));
        let has_login = text(username) == Some(login.username.as_bytes());
        let has_login = has_login && text(password) == Some(login.password.as_bytes());
        let labels = found.metadata.labels.as_ref();
        let is_labeled = self.labels().iter().all(|(key, value)| labels.and_then(|all| all.get(key)) == Some(value));
        let uid = self.object.uid();
        let is_owned = controller(&found.metadata).is_some_and(|owner| Some(&owner.uid) == uid.as_ref());
        has_settings && has_login && found.data.as_ref().map_or(0, BTreeMap::len) == wanted && is_labeled && is_owned
    }

    fn labels(&self) -> BTreeMap<String, String> {
        let uid = self.object.uid().unwrap_or_default();
        [(OWNER_LABEL, uid.as_str()), (ROLE_LABEL, ARGOCD_ROLE), (ARGOCD_LABEL, self.desired.argocd_type)]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into()
    }

    fn data(&self, login: &DockerLogin) -> Map<String, Value> {
        let settings = self.desired.settings.iter().map(|(key, value)| (*key, value.as_str()));
        let values = LOGIN_KEYS.into_iter().zip([login.username.as_str(), login.password.as_str()]);
        settings.chain(values).map(|(key, value)| (key.to_owned(), Value::String(STANDARD.encode(value)))).collect()
    }

    /// Our controller reference, in addition to other owners.
    fn owner_references(&self, meta: &ObjectMeta) -> Value {
        json!(
            other_owners(self.object, meta)
                .into_iter()
                .chain(self.object.controller_owner_ref(&()))
                .collect::<Vec<_>>()
        )
    }
}

/// The patch that leaves a Secret to its user: without our labels and owner reference. Argo CD still reads it.
pub fn release(object: &RegistryToken, meta: &ObjectMeta) -> Value {
    let mut body = guarded(meta);
    body["metadata"]["labels"] = json!({(OWNER_LABEL): null, (ROLE_LABEL): null});
    body["metadata"]["ownerReferences"] = json!(other_owners(object, meta));
    body
}

/// Wipes the login of a body after it was sent.
pub fn wipe(mut body: Value) {
    for key in LOGIN_KEYS {
        if let Some(Value::String(value)) = body.get_mut("data").and_then(|data| data.get_mut(key)) {
            value.zeroize();
        }
    }
}

/// A Secret that was read. Its data are wiped when it is dropped.
pub struct ReadSecret(pub Secret);

impl Drop for ReadSecret {
    fn drop(&mut self) {
        self.0.data.iter_mut().flat_map(BTreeMap::values_mut).for_each(|value| value.0.zeroize());
    }
}

/// Whose Secret it is. `matches` says whether one of this object is as it wants it.
pub fn classify(
    object: &RegistryToken,
    found: Option<&ReadSecret>,
    label_names_other_object: bool,
    matches: impl Fn(&ReadSecret) -> bool,
) -> Found {
    let Some(found) = found else { return Found::NotFound };
    let secret = &found.0;
    let empty = BTreeMap::new();
    let owner = controller(&secret.metadata);
    let facts = Facts {
        is_opaque: secret.type_.as_deref() == Some(SECRET_TYPE),
        controller_uid: owner.map(|owner| owner.uid.as_str()),
        labels: secret.metadata.labels.as_ref().unwrap_or(&empty),
        label_names_other_object,
    };
    if is_ours(&object.uid().unwrap_or_default(), facts) {
        return Found::Ours { matches: matches(found) };
    }
    Found::Foreign(owner.map(|owner| format!("the {} {:?}", owner.kind, owner.name)))
}

fn controller(meta: &ObjectMeta) -> Option<&OwnerReference> {
    meta.owner_references.iter().flatten().find(|owner| owner.controller == Some(true))
}

fn other_owners(object: &RegistryToken, meta: &ObjectMeta) -> Vec<OwnerReference> {
    let uid = object.uid();
    meta.owner_references.iter().flatten().filter(|owner| Some(&owner.uid) != uid.as_ref()).cloned().collect()
}

fn guarded(meta: &ObjectMeta) -> Value {
    json!({"metadata": {"uid": meta.uid, "resourceVersion": meta.resource_version}})
}

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;
