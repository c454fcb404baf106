//! What a token may access, within what its issuer allows.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// What the token may access. It only narrows what the issuer allows, at a portal whose tokens can be limited; see
/// `docs/portals.md`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct TokenScope {
    /// Projects that the token may access, at most 64. The issuer must allow each of them. In a template of a
    /// `ClusterRegistryToken`, `$(NAMESPACE)` stands for the name of the namespace.
    #[schemars(
        length(min = 1, max = 64),
        inner(length(min = 1, max = 255), regex(pattern = r"^([a-z0-9._-]|\$\(NAMESPACE\))+$"))
    )]
    #[x_kube(merge_strategy = kube::core::ListMerge::Set)]
    pub projects: Vec<String>,
}
