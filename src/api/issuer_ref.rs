//! How one object names another.

use super::object_name::ObjectName;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The kind of an issuer.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
pub enum IssuerKind {
    /// Cluster-scoped; its Secrets lie in the operator's namespace.
    #[default]
    ClusterTokenIssuer,
    /// In the namespace of the objects that use it, and so are its Secrets.
    TokenIssuer,
}

impl fmt::Display for IssuerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClusterTokenIssuer => "ClusterTokenIssuer",
            Self::TokenIssuer => "TokenIssuer",
        })
    }
}

/// The issuer that requests the token.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
pub struct IssuerRef {
    /// `ClusterTokenIssuer` (the default) or `TokenIssuer`, which lies in the object's own namespace.
    #[serde(default)]
    pub kind: IssuerKind,
    /// Name of the issuer; `default` unless given.
    #[serde(default = "default_issuer")]
    #[schemars(with = "ObjectName")]
    pub name: String,
}

fn default_issuer() -> String {
    "default".to_owned()
}

impl Default for IssuerRef {
    fn default() -> Self {
        Self { kind: IssuerKind::default(), name: default_issuer() }
    }
}

impl fmt::Display for IssuerRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}
