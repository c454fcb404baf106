//! Responses: those of the portal, and those that the proxy sends instead.

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Response, StatusCode, header};
use std::io;

/// A response of the proxy.
#[derive(Clone, Debug)]
pub struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
    /// How many MiB of blanks come before the body.
    blanks: usize,
}

impl Reply {
    pub fn new(status: u16, body: impl Into<String>) -> Self {
        Self { status, headers: vec![], body: body.into(), blanks: 0 }
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// A body of this many MiB, which is never in memory all at once.
    pub fn blanks(mebibytes: usize) -> Self {
        Self { blanks: mebibytes, ..Self::new(200, "[]") }
    }

    pub(super) fn into_response(self) -> Response<Body> {
        let blanks = std::iter::repeat_n(Bytes::from(vec![b' '; 1 << 20]), self.blanks);
        let chunks = blanks.chain([Bytes::from(self.body)]).map(Ok::<_, io::Error>);
        let mut response = Response::new(Body::from_stream(futures::stream::iter(chunks)));
        *response.status_mut() = StatusCode::from_u16(self.status).expect("a status");
        for (name, value) in self.headers {
            response.headers_mut().insert(name, value.parse().expect("a value"));
        }
        response
    }
}

/// A response of the portal.
#[derive(Clone)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    fn into_response(self, body: Body) -> Response<Body> {
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }

    pub(super) fn whole(self) -> Response<Body> {
        let body = Body::from(self.body.clone());
        self.into_response(body)
    }

    /// The connection breaks in the middle of the body.
    pub(super) fn cut(mut self) -> io::Result<Response<Body>> {
        if self.body.is_empty() {
            return Err(closed());
        }
        self.headers.insert(header::CONTENT_LENGTH, self.body.len().into());
        let half = self.body.slice(..self.body.len() / 2);
        let body = Body::from_stream(futures::stream::iter([Ok(half), Err(closed())]));
        Ok(self.into_response(body))
    }
}

pub(super) fn closed() -> io::Error {
    io::Error::other("closed by the test")
}
