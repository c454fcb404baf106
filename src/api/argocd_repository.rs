//! The second Secret, in the form in which Argo CD reads the credentials of a Helm repository in an OCI registry.

use super::object_name::ObjectName;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Appended to the name of the pull secret if the spec names no other.
const NAME_SUFFIX: &str = "-argocd";

/// A second Secret with the same login, for Argo CD, which does not read pull secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("(has(self.name) ? self.name : '') == (has(oldSelf.name) ? oldSelf.name : '')")
    .message("argocdRepository.name cannot be changed. Remove argocdRepository, which deletes the Secret, and add it again with the other name"))]
#[x_kube(validation = Rule::new("self.type != 'RepoCreds' || self.url.contains('/')")
    .message("a url of type RepoCreds has a path, or ends with a slash, such as registry.example.com/: Argo CD sends the login to every address that begins with the url, also to registry.example.com.example.net"))]
#[x_kube(validation = Rule::new("self.type != 'Repository' || !self.url.endsWith('/')")
    .message("a url of type Repository does not end with a slash, because Argo CD compares it with repoURL of an Application"))]
#[x_kube(validation = Rule::new("self.type != 'RepoCreds' || !has(self.project)")
    .message("project belongs to the type Repository: credential templates of Argo CD have no project"))]
pub struct ArgoCDRepository {
    /// Name of the Secret. Defaults to the name of the pull secret with `-argocd` at its end. Cannot be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<ObjectName>,

    /// Repository of the charts as in `repoURL` of an Argo CD `Application`, without `oci://`, such as
    /// `registry.example.com/charts`. It must be in one of the issuer's registries.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("!self.contains('://')").message("write the url without oci:// or https://, such as registry.example.com/charts: Argo CD expects the url of a Helm repository in an OCI registry in this form"))]
    #[x_kube(validation = Rule::new("self.contains('://') || self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?(:[0-9]{1,5})?(/[a-z0-9._-]+)*/?$')").message("a url is host[:port][/path] in lower case, such as registry.example.com/charts"))]
    pub url: String,

    /// `Repository` (default): the login of exactly this repository. `RepoCreds`: a credential template, the login of
    /// every repository whose address begins with the url.
    #[serde(rename = "type", default)]
    pub kind: ArgoCDRepositoryType,

    /// Project of Argo CD to which the repository is restricted. Defaults to none: every project may use it. Only for the
    /// type `Repository`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<ObjectName>,
}

/// What Argo CD does with the Secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ArgoCDRepositoryType {
    /// One repository.
    #[default]
    Repository,
    /// A credential template.
    RepoCreds,
}

impl ArgoCDRepository {
    /// Name of the second Secret of the object with this pull secret.
    #[must_use]
    pub fn secret_name(&self, pull_secret: &str) -> String {
        self.name.as_ref().map_or_else(|| format!("{pull_secret}{NAME_SUFFIX}"), ToString::to_string)
    }
}

/// The second Secret as last written or read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecordedArgoCDRepository {
    /// Name of the Secret. It is recorded before the Secret is created, so that it is deleted in any case.
    pub name: String,
    /// `resourceVersion` of the Secret as last written or read. The content is read again when it changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_version: Option<String>,
    /// Portal id of the token whose login the Secret has. That token is revoked only after the Secret has another login, or
    /// an hour after it is due.
    #[serde(rename = "tokenID", default, skip_serializing_if = "Option::is_none")]
    pub token_id: Option<String>,
    /// Hash of the settings with which the Secret was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<String>,
}
