//! References to issuers.

use super::object_name::ObjectName;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The kind of an issuer.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
pub enum IssuerKind {
    /// Cluster-scoped. Its Secrets are in the operator's namespace.
    #[default]
    ClusterTokenIssuer,
    /// Namespaced. It serves the objects of its own namespace, which also contains its Secrets.
    TokenIssuer,
}

impl IssuerKind {
    /// The kind's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClusterTokenIssuer => "ClusterTokenIssuer",
            Self::TokenIssuer => "TokenIssuer",
        }
    }
}

impl fmt::Display for IssuerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A reference to the issuer that requests the token.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, KubeSchema)]
pub struct IssuerRef {
    /// `ClusterTokenIssuer` (default) or `TokenIssuer`, which must be in the same namespace.
    #[serde(default)]
    pub kind: IssuerKind,
    /// Name of the issuer. Defaults to `default`.
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
