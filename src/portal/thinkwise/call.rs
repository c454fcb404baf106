//! One call, before it is sent.

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use reqwest::{Body, Method, Request};
use url::Url;

/// What a call is about, for the message when it fails.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    /// `task`, `table` or `document`.
    pub kind: &'static str,
    /// Its name.
    pub name: &'a str,
    /// The application that it is sought in.
    pub application: &'a str,
    /// Where the credentials come from.
    pub login: &'a str,
}

/// A call.
pub(super) struct Call<'a> {
    method: Method,
    url: Url,
    body: Option<Vec<u8>>,
    accept: &'static str,
    pub subject: Subject<'a>,
}

impl<'a> Call<'a> {
    /// Reads JSON.
    pub(super) const fn get(url: Url, subject: Subject<'a>) -> Self {
        Self { method: Method::GET, url, body: None, accept: "application/json", subject }
    }

    /// Reads XML.
    pub(super) const fn get_xml(url: Url, subject: Subject<'a>) -> Self {
        Self { method: Method::GET, url, body: None, accept: "application/xml", subject }
    }

    /// Sends an object, or nothing.
    pub(super) const fn post(url: Url, body: Option<Vec<u8>>, subject: Subject<'a>) -> Self {
        Self { method: Method::POST, url, body, accept: "application/json", subject }
    }

    /// Sends what changes.
    pub(super) const fn patch(url: Url, body: Vec<u8>, subject: Subject<'a>) -> Self {
        Self { method: Method::PATCH, url, body: Some(body), accept: "application/json", subject }
    }

    /// The request for this call with this login.
    pub(super) fn request(&self, login: &HeaderValue) -> Request {
        let mut request = Request::new(self.method.clone(), self.url.clone());
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, login.clone());
        headers.insert(ACCEPT, HeaderValue::from_static(self.accept));
        if let Some(body) = &self.body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *request.body_mut() = Some(Body::from(body.clone()));
        } else if self.method == Method::POST {
            // Said, for servers such as IIS answer a POST of unknown length with 411.
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        request
    }
}
