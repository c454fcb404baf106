//! Reads of single documents, which change nothing.

use super::client::{Method, RestClient};
use super::errors::{Refusal, invalid_response};
use crate::portal::PortalError;
use reqwest::header::HeaderMap;
use serde::de::DeserializeOwned;
use url::Url;

/// Larger than any document or page that is read here.
const MAX_BYTES: usize = 4 << 20;

/// A document with the headers of its response.
pub struct Document<T> {
    pub headers: HeaderMap,
    pub content: T,
}

impl RestClient {
    /// Reads a document. `Ok(None)` if the server responds with one of the statuses `absent`, as older versions do.
    pub async fn read<T: DeserializeOwned>(
        &self,
        url: Url,
        absent: &[u16],
        explain: impl FnOnce(&Refusal) -> PortalError,
    ) -> Result<Option<Document<T>>, PortalError> {
        let mut is_absent = false;
        let note = |refusal: &Refusal| {
            is_absent = absent.contains(&refusal.code);
            explain(refusal)
        };
        let what = url.path().to_owned();
        match self.send((Method::GET, url, None), MAX_BYTES, note).await {
            Err(_) if is_absent => Ok(None),
            Err(failure) => Err(failure),
            Ok(answer) => {
                let content = serde_json::from_slice(&answer.body).map_err(|error| {
                    invalid_response(format!(
                        "the response to GET {what} cannot be read ({:?} error)",
                        error.classify()
                    ))
                })?;
                Ok(Some(Document { headers: answer.headers, content }))
            }
        }
    }
}
