//! A call before it is sent.

use super::cookies::CookieJar;
use super::error_context::{ErrorContext, TaskStep};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HeaderValue};
use reqwest::{Body, Method, Request};
use url::Url;

pub(crate) struct Call<'a> {
    method: Method,
    pub url: Url,
    body: Option<Vec<u8>>,
    accept: &'static str,
    pub context: ErrorContext<'a>,
    /// The step of the task that this call is.
    pub step: TaskStep,
}

impl<'a> Call<'a> {
    /// Reads JSON.
    pub(crate) const fn get(url: Url, context: ErrorContext<'a>) -> Self {
        Self { method: Method::GET, url, body: None, accept: "application/json", context, step: TaskStep::Single }
    }

    pub(crate) const fn get_xml(url: Url, context: ErrorContext<'a>) -> Self {
        Self { method: Method::GET, url, body: None, accept: "application/xml", context, step: TaskStep::Single }
    }

    /// Sends a JSON object, or an empty body.
    pub(crate) const fn post(url: Url, body: Option<Vec<u8>>, context: ErrorContext<'a>) -> Self {
        Self { method: Method::POST, url, body, accept: "application/json", context, step: TaskStep::Single }
    }

    /// Sends changes.
    pub(crate) const fn patch(url: Url, body: Vec<u8>, context: ErrorContext<'a>) -> Self {
        Self {
            method: Method::PATCH,
            url,
            body: Some(body),
            accept: "application/json",
            context,
            step: TaskStep::Single,
        }
    }

    /// Cancels the resource at this address.
    pub(crate) const fn delete(url: Url, context: ErrorContext<'a>) -> Self {
        Self { method: Method::DELETE, url, body: None, accept: "application/json", context, step: TaskStep::Single }
    }

    /// The same call as this step of a staged task.
    pub(crate) fn with_step(self, step: TaskStep) -> Self {
        Self { step, ..self }
    }

    /// The request for this call, with this authentication and these cookies.
    pub(crate) fn request(&self, auth: &HeaderValue, cookies: &CookieJar) -> Request {
        let mut request = Request::new(self.method.clone(), self.url.clone());
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, auth.clone());
        headers.insert(ACCEPT, HeaderValue::from_static(self.accept));
        if let Some(cookies) = cookies.header(&self.url) {
            headers.insert(COOKIE, cookies);
        }
        if let Some(body) = &self.body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            *request.body_mut() = Some(Body::from(body.clone()));
        } else if self.method == Method::POST {
            // Set explicitly, because servers such as IIS answer a POST of unknown length with 411.
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        request
    }
}
