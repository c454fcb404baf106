//! What the deletion of a `ClusterRegistryToken` does.

use super::{MAX_ACTIONS, Ownership, TokenView};
use std::collections::BTreeMap;

/// What is done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletionPlan {
    /// Namespaces whose `RegistryToken` is deleted now.
    pub delete: Vec<String>,
    /// The number of `RegistryToken`s that exist.
    pub left: usize,
}

/// Plans the deletion. If the garbage collector detaches the `RegistryToken`s first (`--cascade=orphan`), nothing is
/// deleted: those that it detached do not belong to this object any more.
#[must_use]
pub fn plan_deletion(tokens: &BTreeMap<&str, TokenView>, is_orphaning: bool) -> DeletionPlan {
    let owned = || tokens.iter().filter(|(_, token)| token.ownership == Ownership::Owned);
    let delete = owned().filter(|(_, token)| !token.is_deleting && !is_orphaning).take(MAX_ACTIONS);
    DeletionPlan { delete: delete.map(|(namespace, _)| (*namespace).to_owned()).collect(), left: owned().count() }
}
