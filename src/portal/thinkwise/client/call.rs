//! One call, before it is sent.

use super::cookies::CookieJar;
use super::errors::TaskStep;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HeaderValue};
use reqwest::{Body, Method, Request};
use url::Url;

/// What a call is about, for the message when it fails.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ErrorContext<'a> {
    /// `task`, `table` or `document`.
    pub kind: &'static str,
    /// Its name.
    pub name: &'a str,
    /// The application that it is sought in.
    pub application: &'a str,
    /// Where the credentials come from.
    pub credentials_source: &'a str,
}

/// A call.
pub(crate) struct Call<'a> {
    method: Method,
    pub url: Url,
    body: Option<Vec<u8>>,
    accept: &'static str,
    pub context: ErrorContext<'a>,
    /// What it is to its task.
    pub step: TaskStep,
}

impl<'a> Call<'a> {
    /// Reads JSON.
    pub(crate) const fn get(url: Url, subject: ErrorContext<'a>) -> Self {
        Self {
            method: Method::GET,
            url,
            body: None,
            accept: "application/json",
            context: subject,
            step: TaskStep::Single,
        }
    }

    /// Reads XML.
    pub(crate) const fn get_xml(url: Url, subject: ErrorContext<'a>) -> Self {
        Self {
            method: Method::GET,
            url,
            body: None,
            accept: "application/xml",
            context: subject,
            step: TaskStep::Single,
        }
    }

    /// Sends an object, or nothing.
    pub(crate) const fn post(url: Url, body: Option<Vec<u8>>, subject: ErrorContext<'a>) -> Self {
        Self { method: Method::POST, url, body, accept: "application/json", context: subject, step: TaskStep::Single }
    }

    /// Sends what changes.
    pub(crate) const fn patch(url: Url, body: Vec<u8>, subject: ErrorContext<'a>) -> Self {
        Self {
            method: Method::PATCH,
            url,
            body: Some(body),
            accept: "application/json",
            context: subject,
            step: TaskStep::Single,
        }
    }

    /// Gives up what is at this address.
    pub(crate) const fn delete(url: Url, subject: ErrorContext<'a>) -> Self {
        Self {
            method: Method::DELETE,
            url,
            body: None,
            accept: "application/json",
            context: subject,
            step: TaskStep::Single,
        }
    }

    /// The same as this step of a staged task.
    pub(crate) fn with_step(self, step: TaskStep) -> Self {
        Self { step, ..self }
    }

    /// The request for this call with this login and these cookies.
    pub(crate) fn request(&self, login: &HeaderValue, cookies: &CookieJar) -> Request {
        let mut request = Request::new(self.method.clone(), self.url.clone());
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, login.clone());
        headers.insert(ACCEPT, HeaderValue::from_static(self.accept));
        if let Some(cookies) = cookies.header(&self.url) {
            headers.insert(COOKIE, cookies);
        }
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
