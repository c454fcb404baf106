//! The API server client: kubeconfig, connections, proxy, and a filter that keeps responses out of library logs.

pub(crate) mod connections;
pub(crate) mod objects;
pub(crate) mod observe;
pub(crate) mod proxy;
pub(crate) mod response_filter;
pub mod scope;

/// Why no client can be built: a kubeconfig or proxy setting that cannot be used.
pub(crate) type ClientError = Box<dyn std::error::Error + Send + Sync>;
