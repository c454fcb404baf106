//! The client of the API server: kubeconfig, proxy, and a filter that keeps answers out of library logs.

pub(crate) mod objects;
pub(crate) mod proxy;
pub(crate) mod response_filter;
