//! An answer before it is sent, so that a fault can still spoil it.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde_json::Value;

/// Status, headers and body.
pub(super) struct Answer {
    pub(super) status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Answer {
    /// An answer without a body.
    pub(super) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    /// An answer with a body of this kind.
    pub(super) fn body(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..Self::empty(status) }.with("content-type", content_type)
    }

    /// An answer in JSON.
    pub(super) fn json(status: u16, value: &Value) -> Self {
        Self::body(status, "application/json; charset=utf-8", value.to_string())
    }

    /// The same with one more header.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The same without one field of its JSON object.
    pub(super) fn without(mut self, field: &str) -> Self {
        if let Ok(Value::Object(mut object)) = serde_json::from_slice(&self.body) {
            object.remove(field);
            self.body = Value::Object(object).to_string().into_bytes();
        }
        self
    }

    /// The answer as it is sent.
    pub(super) fn into_response(self) -> Response {
        let length = self.body.len();
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = StatusCode::from_u16(self.status).expect("a status between 100 and 999");
        let headers = response.headers_mut();
        for (name, value) in self.headers {
            headers.insert(name, HeaderValue::try_from(value).expect("a header without control characters"));
        }
        if self.status >= 200 && self.status != 204 {
            headers.insert("content-length", HeaderValue::from(length));
        }
        response
    }
}
