//! TLS trust: the CA certificates for a portal or a registry.

use super::object_name::{DataKey, ObjectName};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// TLS trust.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(has(self.caConfigMapRef) && has(self.caBundle))").message("set caConfigMapRef or caBundle, not both"))]
pub struct Tls {
    /// ConfigMap with CA certificates in PEM format, in the same namespace as the issuer's Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_config_map_ref: Option<ConfigMapKeyRef>,
    /// CA certificates in PEM format.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 65_536))]
    #[x_kube(validation = Rule::new("self.contains('-----BEGIN CERTIFICATE-----')").message("caBundle must be PEM: it begins with -----BEGIN CERTIFICATE-----"))]
    pub ca_bundle: Option<String>,
}

/// A key of a ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct ConfigMapKeyRef {
    /// Name of the ConfigMap. It is in the operator's namespace or, for a `TokenIssuer`, in the issuer's own namespace.
    pub name: ObjectName,
    /// Key of the CA certificates. Defaults to `ca.crt`.
    #[serde(default = "default_ca_key")]
    pub key: DataKey,
}

fn default_ca_key() -> DataKey {
    DataKey::from_static("ca.crt")
}
