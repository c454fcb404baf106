//! What is watched, and the requests for it.

use super::error::WatchError;
use crate::controller::decode::Decoded;
use crate::health::watch_health::{Phase, WatchHealth};
use crate::kube_client::objects::Request;
use kube::Client;
use kube::api::{ListParams, WatchParams};
use std::sync::Arc;

/// Objects per page of a list.
const PAGE_SIZE: u32 = 500;

/// The configuration of a watch.
pub struct Watch<K> {
    pub client: Client,
    /// Requests for all objects of the kind, in all namespaces or in one.
    pub request: Request,
    /// Only objects with this label.
    pub label: Option<&'static str>,
    /// Whether only the metadata of each object are sent.
    pub metadata_only: bool,
    pub decode: fn(&[u8]) -> Decoded<K>,
    /// Where the health of the watch is recorded.
    pub health: Arc<WatchHealth>,
}

impl<K> Watch<K> {
    /// The request for a page of a list.
    pub fn list_request(&self, next: Option<&str>) -> Result<axum::http::Request<Vec<u8>>, WatchError> {
        let mut params = ListParams { label_selector: self.label.map(str::to_owned), ..ListParams::default() };
        params = params.limit(PAGE_SIZE);
        params.continue_token = next.map(str::to_owned);
        let request = &self.request;
        let built = if self.metadata_only { request.list_metadata(&params) } else { request.list(&params) };
        built.map_err(|error| WatchError::Failed(Phase::Pending, error.to_string()))
    }

    /// The request for a watch from this version, or for one that begins with a list.
    pub fn watch_request(&self, since: Option<&str>) -> Result<axum::http::Request<Vec<u8>>, WatchError> {
        let params = WatchParams {
            label_selector: self.label.map(str::to_owned),
            send_initial_events: since.is_none(),
            ..WatchParams::default()
        };
        let (request, since) = (&self.request, since.unwrap_or("0"));
        let built =
            if self.metadata_only { request.watch_metadata(&params, since) } else { request.watch(&params, since) };
        built.map_err(|error| WatchError::Failed(Phase::Pending, error.to_string()))
    }
}
