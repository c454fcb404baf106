//! One call, before it is sent.

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Body, Method, Request};
use url::Url;

/// What a call is about, for the message when it fails.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    /// `task` or `table`.
    pub kind: &'static str,
    /// Its name.
    pub name: &'a str,
    /// The application that it is sought in.
    pub application: &'a str,
    /// Where the credentials come from.
    pub login: &'a str,
}

/// A call: a POST with a body, or a GET without one.
pub(super) struct Call<'a> {
    pub url: Url,
    pub body: Option<Vec<u8>>,
    pub subject: Subject<'a>,
}

impl Call<'_> {
    /// The request for this call with this login.
    pub(super) fn request(&self, login: &HeaderValue) -> Request {
        let method = if self.body.is_some() { Method::POST } else { Method::GET };
        let mut request = Request::new(method, self.url.clone());
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, login.clone());
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(body) = &self.body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *request.body_mut() = Some(Body::from(body.clone()));
        }
        request
    }
}
