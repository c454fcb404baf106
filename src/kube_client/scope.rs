//! Which namespaces the operator watches.

use super::objects::{all_namespaces, in_watched_namespace};
use crate::api::NamespaceName;
use kube::Resource;
use kube::core::Request;
use std::collections::BTreeSet;

/// Which namespaces the operator watches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum WatchScope {
    /// All namespaces, and cluster-scoped issuers.
    #[default]
    Cluster,
    /// Only these namespaces. Nothing is requested outside them and the operator's own namespace.
    Namespaces(BTreeSet<NamespaceName>),
}

/// More namespaces than one connection to the API server has streams for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "--namespaces lists {count} namespaces, and at most {} are possible: each needs up to five watches, which have a connection each. Run another operator for the others, or watch the whole cluster",
    WatchScope::MAX_NAMESPACES
)]
pub struct TooManyNamespaces {
    count: usize,
}

impl WatchScope {
    /// Each namespace has up to five watches, and each watch has a connection of its own.
    pub const MAX_NAMESPACES: usize = 16;

    /// The scope of these namespaces, each once; without any, the whole cluster.
    ///
    /// # Errors
    /// If there are too many.
    pub fn of(namespaces: impl IntoIterator<Item = NamespaceName>) -> Result<Self, TooManyNamespaces> {
        let namespaces: BTreeSet<NamespaceName> = namespaces.into_iter().collect();
        match namespaces.len() {
            0 => Ok(Self::Cluster),
            count if count > Self::MAX_NAMESPACES => Err(TooManyNamespaces { count }),
            _ => Ok(Self::Namespaces(namespaces)),
        }
    }

    /// Whether all namespaces and the cluster-scoped issuers are watched.
    #[must_use]
    pub const fn is_cluster_wide(&self) -> bool {
        matches!(self, Self::Cluster)
    }

    /// The namespaces that are watched one by one; `None` stands for all namespaces together.
    #[must_use]
    pub fn parts(&self) -> Vec<Option<NamespaceName>> {
        match self {
            Self::Cluster => vec![None],
            Self::Namespaces(namespaces) => namespaces.iter().cloned().map(Some).collect(),
        }
    }

    /// The requests that together cover all watched objects of a namespaced kind.
    pub(crate) fn requests<K: Resource<DynamicType = ()>>(&self) -> Vec<Request> {
        self.parts().iter().map(|part| request_for::<K>(part.as_ref())).collect()
    }
}

/// Requests for all objects of a kind in this namespace, or in all namespaces.
pub(crate) fn request_for<K: Resource<DynamicType = ()>>(namespace: Option<&NamespaceName>) -> Request {
    namespace.map_or_else(all_namespaces::<K>, in_watched_namespace::<K>)
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::Secret;
    use kube::api::ListParams;

    fn names(names: &[&str]) -> Vec<NamespaceName> {
        names.iter().map(|name| name.parse().expect("a namespace")).collect()
    }

    #[test]
    fn each_namespace_is_requested_once() {
        let paths = |scope: &WatchScope| -> Vec<String> {
            let list = |request: &Request| request.list(&ListParams::default()).expect("a request").uri().to_string();
            scope.requests::<Secret>().iter().map(list).collect()
        };
        assert_eq!(paths(&WatchScope::of([]).expect("a scope")), ["/api/v1/secrets?"]);
        let some = WatchScope::of(names(&["b", "a", "b"])).expect("a scope");
        assert_eq!(paths(&some), ["/api/v1/namespaces/a/secrets?", "/api/v1/namespaces/b/secrets?"]);
        assert!(!some.is_cluster_wide() && WatchScope::default().is_cluster_wide());
    }

    #[test]
    fn more_namespaces_than_streams_are_rejected() {
        let all = |count: usize| (0..count).map(|number| format!("n{number}").parse().expect("a namespace"));
        assert!(WatchScope::of(all(WatchScope::MAX_NAMESPACES)).is_ok());
        let refused = WatchScope::of(all(WatchScope::MAX_NAMESPACES + 1)).expect_err("too many");
        assert!(refused.to_string().contains("17 namespaces, and at most 16"), "{refused}");
    }
}
