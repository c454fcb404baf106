//! A response before it is sent, so that a fault can still alter it.

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use futures::{StreamExt, stream};
use serde_json::Value;
use std::io;
use std::time::Duration;
use tokio::time::sleep;

/// Status, headers and body.
pub(super) struct Answer {
    pub(super) status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    end: End,
}

/// How the body ends.
#[derive(Clone, Copy)]
enum End {
    /// As announced.
    Whole,
    /// After this many extra blanks, which change nothing in JSON or XML. The length may be announced.
    Padded { blanks: u64, announced: bool },
    /// Never: a blank is sent now and then.
    Never { every: Duration },
    /// In the middle, where the connection is closed.
    BrokenOff,
}

/// Blanks are sent in chunks of this size.
const PIECE: &[u8] = &[b' '; 64 << 10];

impl Answer {
    /// A response without a body.
    pub(super) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), end: End::Whole }
    }

    /// A response with a body of this type.
    pub(super) fn body(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..Self::empty(status) }.with("content-type", content_type)
    }

    /// A JSON response.
    pub(super) fn json(status: u16, value: &Value) -> Self {
        Self::body(status, "application/json; charset=utf-8", value.to_string())
    }

    /// Sets this header, replacing one of the same name.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.retain(|(other, _)| *other != name);
        self.headers.push((name, value.into()));
        self
    }

    /// Inserts these bytes before the body, if there is one.
    pub(super) fn after(mut self, bytes: &[u8]) -> Self {
        if !self.body.is_empty() {
            self.body.splice(..0, bytes.iter().copied());
        }
        self
    }

    /// Removes one field of the JSON object.
    pub(super) fn without(self, field: &str) -> Self {
        self.changed(|object| {
            object.remove(field);
        })
    }

    /// Adds or replaces one field of the body, if it is a JSON object.
    pub(super) fn having(self, field: &str, value: Value) -> Self {
        self.changed(|object| {
            object.insert(field.to_owned(), value);
        })
    }

    fn changed(mut self, change: impl FnOnce(&mut serde_json::Map<String, Value>)) -> Self {
        if let Ok(Value::Object(mut object)) = serde_json::from_slice(&self.body) {
            change(&mut object);
            self.body = Value::Object(object).to_string().into_bytes();
        }
        self
    }

    /// Keeps only the first half of the body, as if that were all.
    pub(super) fn truncated(mut self) -> Self {
        self.body.truncate(self.body.len() / 2);
        self
    }

    /// Appends many blanks.
    pub(super) fn padded(self, blanks: u64, announced: bool) -> Self {
        self.ending(End::Padded { blanks, announced })
    }

    /// Appends blanks without end.
    pub(super) fn endless(self, every: Duration) -> Self {
        self.ending(End::Never { every })
    }

    /// Sends the first half, then closes the connection.
    pub(super) fn broken_off(self) -> Self {
        self.ending(End::BrokenOff)
    }

    /// A response without a body cannot continue with one.
    fn ending(mut self, end: End) -> Self {
        if self.status == 204 {
            self.status = 200;
        }
        Self { end, ..self }
    }

    /// The response as it is sent.
    pub(super) fn into_response(self) -> Response {
        let length = self.length();
        let has_body = self.status >= 200 && self.status != 204;
        let mut response = Response::new(stream(self.body, self.end));
        *response.status_mut() = StatusCode::from_u16(self.status).expect("a status between 100 and 999");
        let headers = response.headers_mut();
        for (name, value) in self.headers {
            headers.insert(name, HeaderValue::try_from(value).expect("a header without control characters"));
        }
        if let Some(length) = length.filter(|_| has_body) {
            headers.insert("content-length", HeaderValue::from(length));
        }
        response
    }

    /// The length, if it is announced.
    fn length(&self) -> Option<u64> {
        let body = self.body.len() as u64;
        match self.end {
            End::Whole | End::BrokenOff => Some(body),
            End::Padded { blanks, announced } => announced.then_some(body + blanks),
            End::Never { .. } => None,
        }
    }
}

/// The body, of which at most one chunk is in memory at a time.
fn stream(body: Vec<u8>, end: End) -> Body {
    let first = |bytes: Vec<u8>| stream::iter([Ok::<_, io::Error>(Bytes::from(bytes))]);
    match end {
        End::Whole => Body::from(body),
        End::Padded { blanks, .. } => Body::from_stream(first(body).chain(stream::unfold(blanks, padding))),
        End::Never { every } => {
            let drops = stream::unfold((), move |()| async move {
                sleep(every).await;
                Some((Ok(Bytes::from_static(b" ")), ()))
            });
            Body::from_stream(first(body).chain(drops))
        }
        End::BrokenOff => {
            let half = body[..body.len() / 2].to_vec();
            let broken = stream::once(async {
                // So that the first half is sent.
                sleep(Duration::from_millis(50)).await;
                Err(io::Error::from(io::ErrorKind::ConnectionReset))
            });
            Body::from_stream(first(half).chain(broken))
        }
    }
}

async fn padding(left: u64) -> Option<(io::Result<Bytes>, u64)> {
    let size = usize::try_from(left).unwrap_or(usize::MAX).min(PIECE.len());
    (size > 0).then(|| (Ok(Bytes::from_static(&PIECE[..size])), left - size as u64))
}
