//! The pull secret as the spec of a `RegistryToken` describes it.

use super::argocd_repository::ArgoCDRepository;
use super::object_name::ObjectName;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The pull secret: a Secret of type `kubernetes.io/dockerconfigjson` that pods name in `imagePullSecrets`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct SecretTemplate {
    /// Name of the Secret. Defaults to the name of this object. Cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<ObjectName>")]
    pub name: Option<String>,

    /// Labels of the Secret, at most 16. Labels of this object are not inherited.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16, "additionalProperties" = {"type": "string", "maxLength": 63}))]
    #[x_kube(validation = Rule::new("self.all(k, k.matches('^([a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([-._A-Za-z0-9]{0,61}[A-Za-z0-9])?$') && k.split('/')[0].size() <= 253)").message("a label's key is a name of at most 63 letters, digits, '-', '_' and '.', optionally prefixed with a DNS name and a slash, such as app or example.com/app"))]
    #[x_kube(validation = Rule::new("self.all(k, !k.startsWith('registry-token.dev/'))").message("labels must not use the prefix registry-token.dev/, which is reserved for the operator"))]
    #[x_kube(validation = Rule::new("!('argocd.argoproj.io/secret-type' in self)").message("labels must not contain argocd.argoproj.io/secret-type, with which Argo CD reads a Secret as a cluster or a repository: set argocdRepository instead"))]
    pub labels: BTreeMap<String, String>,

    /// Annotations of the Secret, at most 16 with 4 KiB in total. Annotations of this object are not inherited.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16, "additionalProperties" = {"type": "string", "maxLength": 4096}))]
    #[x_kube(validation = Rule::new("self.all(k, k.matches('^([A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?([.][A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?)*/)?[A-Za-z0-9]([-._A-Za-z0-9]{0,61}[A-Za-z0-9])?$') && k.split('/')[0].size() <= 253)").message("an annotation's key is a name of at most 63 letters, digits, '-', '_' and '.', optionally prefixed with a DNS name and a slash, such as note or example.com/note"))]
    #[x_kube(validation = Rule::new("self.map(k, bytes(k).size() + bytes(self[k]).size()).sum() <= 4096").message("annotations must have at most 4096 bytes in total, keys and values: store larger text elsewhere and refer to it here"))]
    #[x_kube(validation = Rule::new("self.all(k, !k.startsWith('registry-token.dev/'))").message("annotations must not use the prefix registry-token.dev/, which is reserved for the operator"))]
    pub annotations: BTreeMap<String, String>,

    /// A second Secret in this namespace, with the same login in the form that Argo CD reads: charts in the issuer's
    /// registries. It follows the pull secret, and is deleted with this field or with this object. For objects in the
    /// namespace of Argo CD, which reads no other namespace. Defaults to none.
    #[serde(rename = "argocdRepository", default, skip_serializing_if = "Option::is_none")]
    pub argocd_repository: Option<ArgoCDRepository>,
}
