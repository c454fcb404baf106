//! The body of a task, and the outputs in the response to a request.

use crate::api::Reason;
use crate::domain::model::token::TokenRef;
use crate::portal::thinkwise::discovery::interface::{Argument, ArgumentSource, IdSource, OutputNames};
use crate::portal::thinkwise::odata::ids;
use crate::portal::thinkwise::odata::json_fields::{Scalar, read_fields};
use crate::portal::thinkwise::odata::literal::Literal;
use crate::portal::thinkwise::odata::value_kind::ValueKind;
use crate::portal::thinkwise::{Delivery, IssuedToken, PortalError};
use crate::portal::token_name::{InvalidTokenName, TokenName};
use reqwest::StatusCode;
use secrecy::{ExposeSecret as _, SecretString};

/// The values available for a task's parameters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TaskValues<'a> {
    pub description: Option<&'a str>,
    pub token: Option<&'a TokenRef>,
}

/// Builds the body of a task: a flat object with exactly the declared fields, because a missing or an extra field can
/// break the call with a general error (said by Thinkwise's staff, seen in public client code).
///
/// The arguments stay in the order of their declaration: Indicium applies them in the order of the JSON (said by
/// Thinkwise's staff), so a sorted or hashed map would be wrong.
pub(crate) fn task_body(arguments: &[Argument], values: &TaskValues<'_>) -> Result<Vec<u8>, PortalError> {
    let member = |argument: &Argument| {
        let name = serde_json::Value::from(argument.name.as_str());
        Ok(format!("{name}:{}", value(argument, values)?.to_json()))
    };
    let members = arguments.iter().map(member).collect::<Result<Vec<_>, PortalError>>()?;
    Ok(format!("{{{}}}", members.join(",")).into_bytes())
}

fn value(argument: &Argument, values: &TaskValues<'_>) -> Result<Literal, PortalError> {
    let name = &argument.name;
    let text = match &argument.source {
        ArgumentSource::Fixed(literal) => return Ok(literal.clone()),
        ArgumentSource::Description => values.description,
        ArgumentSource::TokenId => values.token.map(|token| token.id.as_str()),
        ArgumentSource::Username => values.token.map(|token| token.username.as_str()),
    };
    let text = text
        .filter(|text| !text.is_empty() || argument.source == ArgumentSource::Description)
        .ok_or_else(|| invalid_argument(&format!("the parameter {name} needs a value that this task does not have")))?;
    // An id that an earlier version recorded may not be in the normalized form of its type.
    let id = (argument.source == ArgumentSource::TokenId).then(|| ids::normalize_id(argument.kind, text)).flatten();
    Literal::parse(argument.kind, id.as_deref().unwrap_or(text))
        .map_err(|error| invalid_argument(&format!("the parameter {name} {error}")))
}

fn invalid_argument(message: &str) -> PortalError {
    PortalError::new(Delivery::NotSent, Reason::RequestRejected, message)
}

/// Collects the outputs of one request: a process flow may return them in several responses.
pub(crate) struct OutputCollector<'a> {
    names: &'a OutputNames,
    id_kind: ValueKind,
    id: Option<String>,
    username: Option<String>,
    secret: Option<SecretString>,
    /// At least one response was an object.
    has_object: bool,
}

/// The maximum length, in bytes, of an id or username by which an error identifies an unusable token: no portal has
/// longer ones, and they would be sent to a task.
const MAX_UNUSABLE_NAME_BYTES: usize = 1024;

impl<'a> OutputCollector<'a> {
    /// Creates an empty collector; the token's id is of this kind.
    pub(crate) const fn new(names: &'a OutputNames, id_kind: ValueKind) -> Self {
        Self { names, id_kind, id: None, username: None, secret: None, has_object: false }
    }

    /// Whether all required outputs are present. The id is optional.
    pub(crate) const fn is_complete(&self) -> bool {
        self.username.is_some() && self.secret.is_some()
    }

    /// Collects the outputs of a response. They are flat fields of its root, beside the echoed inputs (documented).
    pub(crate) fn collect(&mut self, body: &[u8]) {
        let names = self.names;
        let mut wanted = vec![names.username.as_str(), names.secret.as_str()];
        if let IdSource::Output(name) = &names.id {
            wanted.push(name);
        }
        let Some(found) = read_fields(&wanted, body) else { return };
        self.has_object = true;
        let mut found = found.into_iter();
        if let Some(username) = found.next().as_ref().and_then(Scalar::as_str) {
            self.username.get_or_insert_with(|| username.to_owned());
        }
        if let Some(Scalar::Text(secret)) = found.next().filter(|secret| secret.as_str().is_some()) {
            self.secret.get_or_insert_with(|| SecretString::from(secret.as_str()));
        }
        if let Some(id) = found.next().as_ref().and_then(Scalar::as_written) {
            self.id.get_or_insert_with(|| id.to_owned());
        }
    }

    /// What identifies the token, as the response writes it: id and username, as far as they are known.
    pub(crate) fn identity(&self) -> (Option<String>, Option<String>) {
        let id = if self.names.id == IdSource::Username { &self.username } else { &self.id };
        let within_limit = |name: &Option<String>| name.clone().filter(|name| name.len() <= MAX_UNUSABLE_NAME_BYTES);
        (within_limit(id), within_limit(&self.username))
    }

    /// Returns the token. If an output is missing or cannot be recorded, the portal has created a token nevertheless,
    /// so no error here is a rejection.
    pub(crate) fn into_token(self, status: StatusCode) -> Result<IssuedToken, PortalError> {
        if !self.has_object {
            return Err(malformed_response(no_token(status)));
        }
        let names = self.names;
        let username = self.username.ok_or_else(|| missing_output("username", &names.username))?;
        let secret = self.secret.ok_or_else(|| missing_output("secret", &names.secret))?;
        let username: String =
            TokenName::parse(&username).map_err(|error| invalid_output("username", &names.username, error))?.into();
        if secret.expose_secret().contains(['\0', '\r', '\n']) {
            return Err(unusable_output("secret", &names.secret, "contains a NUL or a line break"));
        }
        let id = match &names.id {
            IdSource::Username => Some(username.clone()),
            IdSource::Output(name) => self.id.map(|id| recordable_id(self.id_kind, &id, name)).transpose()?,
            IdSource::LookUp => None,
        };
        Ok(IssuedToken { id, username, secret, expiration_time: None })
    }
}

/// Validates and normalizes an id.
fn recordable_id(kind: ValueKind, id: &str, field: &str) -> Result<String, PortalError> {
    TokenName::parse(id).map_err(|error| invalid_output("id", field, error))?;
    let id = ids::normalize_id(kind, id);
    id.ok_or_else(|| unusable_output("id", field, "is not of the type that the table's key column has"))
}

fn no_token(status: StatusCode) -> &'static str {
    match status {
        // A task that begins a process flow responds like this (documented).
        StatusCode::CREATED => {
            "the portal's response contains no token: its process flow is waiting (HTTP 201) and shows no outputs"
        }
        StatusCode::NO_CONTENT => {
            "the portal's response is empty: its process flow completed without outputs (HTTP 204)"
        }
        _ => "the portal's response to the request is not a JSON object",
    }
}

pub(crate) fn missing_output(what: &str, field: &str) -> PortalError {
    malformed_response(&format!(
        "the portal's response to the request has no {what} in {field}: check tasks.request.outputs"
    ))
}

fn invalid_output(what: &str, field: &str, error: InvalidTokenName) -> PortalError {
    unusable_output(what, field, &error.to_string())
}

/// The error for an output that cannot be recorded. It never contains the value.
fn unusable_output(what: &str, field: &str, problem: &str) -> PortalError {
    malformed_response(&format!(
        "the {what} in the portal's response to the request ({field}) {problem}: check tasks.request.outputs"
    ))
}

fn malformed_response(message: &str) -> PortalError {
    PortalError::new(Delivery::Unknown, Reason::InvalidResponse, message)
}

#[cfg(test)]
#[path = "outputs_tests.rs"]
mod tests;
