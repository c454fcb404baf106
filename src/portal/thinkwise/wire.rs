//! What is sent to a task, and what the request's answer holds.

use super::fields::{Fields, Scalar, read};
use super::interface::{Argument, IdSource, OutputNames, Source};
use super::literal::Literal;
use super::{Failure, IssuedToken, Sent, TokenRef};
use crate::api::Reason;
use reqwest::StatusCode;
use secrecy::SecretString;
use serde::{Serialize, Serializer, ser::SerializeMap as _};

/// What a task's parameters can be filled with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Values<'a> {
    pub description: Option<&'a str>,
    pub token: Option<TokenRef<'a>>,
}

/// The arguments in the order of their declaration: Indicium applies them in the order of the JSON
/// (said by Thinkwise's staff), so a sorted or hashed map would not do.
struct Body<'a>(Vec<(&'a str, Literal)>);

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// The body of a task: a flat object, no field missing and none too many, as either can break the
/// call with a general error (said by Thinkwise's staff, seen in public client code).
pub(super) fn body(arguments: &[Argument], values: &Values<'_>) -> Result<Vec<u8>, Failure> {
    let filled: Result<Vec<_>, Failure> =
        arguments.iter().map(|argument| Ok((argument.name.as_str(), value(argument, values)?))).collect();
    serde_json::to_vec(&Body(filled?)).map_err(|_| unsendable("the task's parameters cannot be written as JSON"))
}

fn value(argument: &Argument, values: &Values<'_>) -> Result<Literal, Failure> {
    let name = &argument.name;
    let text = match &argument.source {
        Source::Fixed(literal) => return Ok(literal.clone()),
        Source::Description => values.description,
        Source::TokenId => values.token.map(|token| token.id),
        Source::Username => values.token.map(|token| token.username),
    };
    let text = text
        .filter(|text| !text.is_empty() || argument.source == Source::Description)
        .ok_or_else(|| unsendable(&format!("the parameter {name} asks for something that this task does not have")))?;
    Literal::parse(argument.kind, text).map_err(|error| unsendable(&format!("the parameter {name} {error}")))
}

fn unsendable(message: &str) -> Failure {
    Failure::new(Sent::No, Reason::RequestRefused, message)
}

/// What the answers of one request have held so far: a process flow's outputs may come in parts.
pub(super) struct Gathered<'a> {
    names: &'a OutputNames,
    id: Option<String>,
    username: Option<String>,
    secret: Option<SecretString>,
    /// An answer was an object.
    read: bool,
}

impl<'a> Gathered<'a> {
    pub(super) const fn new(names: &'a OutputNames) -> Self {
        Self { names, id: None, username: None, secret: None, read: false }
    }

    /// Whether there is nothing left to look for. An id that is not there is no loss.
    pub(super) const fn is_whole(&self) -> bool {
        self.username.is_some() && self.secret.is_some()
    }

    /// Takes what an answer holds. Outputs lie flat in its root, beside the echoed inputs (documented).
    pub(super) fn take(&mut self, body: &[u8]) {
        let names = self.names;
        let mut wanted = vec![names.username.as_str(), names.secret.as_str()];
        if let IdSource::Output(name) = &names.id {
            wanted.push(name);
        }
        let Some(found) = read(Fields(&wanted), body) else { return };
        self.read = true;
        let mut found = found.into_iter();
        if let Some(username) = found.next().as_ref().and_then(Scalar::as_str) {
            self.username.get_or_insert_with(|| username.to_owned());
        }
        if let Some(Scalar::Text(secret)) = found.next().filter(|secret| secret.as_str().is_some()) {
            self.secret.get_or_insert_with(|| SecretString::from(secret.as_str()));
        }
        if let Some(id) = found.next().as_ref().and_then(Scalar::as_str) {
            self.id.get_or_insert_with(|| id.to_owned());
        }
    }

    /// What tells which token it is: id and username, as far as they are known.
    pub(super) fn which(&self) -> (Option<String>, Option<String>) {
        let id = if self.names.id == IdSource::Username { &self.username } else { &self.id };
        (id.clone(), self.username.clone())
    }

    /// The token. Whatever is missing, the portal has made one: this is never a refusal.
    pub(super) fn token(self, status: StatusCode) -> Result<IssuedToken, Failure> {
        if !self.read {
            return Err(malformed(no_token(status)));
        }
        let username = self.username.ok_or_else(|| lacks("username", &self.names.username))?;
        let secret = self.secret.ok_or_else(|| lacks("secret", &self.names.secret))?;
        let id = if self.names.id == IdSource::Username { Some(username.clone()) } else { self.id };
        Ok(IssuedToken { id, username, secret })
    }
}

fn no_token(status: StatusCode) -> &'static str {
    match status {
        // A task that begins a process flow answers so (documented).
        StatusCode::CREATED => {
            "the portal's answer holds no token: its process flow waits (HTTP 201) and shows no outputs"
        }
        StatusCode::NO_CONTENT => {
            "the portal's answer is empty: its process flow ran to its end without outputs (HTTP 204)"
        }
        _ => "the portal's answer to the request is not a JSON object",
    }
}

pub(super) fn lacks(what: &str, field: &str) -> Failure {
    malformed(&format!("the portal's answer to the request has no {what} in {field}: check tasks.request.outputs"))
}

fn malformed(message: &str) -> Failure {
    Failure::new(Sent::Perhaps, Reason::AnswerMalformed, message)
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
