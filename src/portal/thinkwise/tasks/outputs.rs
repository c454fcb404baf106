//! What is sent to a task, and what the request's answer holds.

use crate::api::Reason;
use crate::portal::thinkwise::discovery::interface::{Argument, ArgumentSource, IdSource, OutputNames};
use crate::portal::thinkwise::discovery::metadata::ValueKind;
use crate::portal::thinkwise::odata::ids;
use crate::portal::thinkwise::odata::json_fields::{Scalar, read_fields};
use crate::portal::thinkwise::odata::literal::Literal;
use crate::portal::thinkwise::{Delivery, IssuedToken, PortalError, TokenRef};
use crate::portal::token_name::{InvalidTokenName, TokenName};
use reqwest::StatusCode;
use secrecy::{ExposeSecret as _, SecretString};

/// What a task's parameters can be filled with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TaskValues<'a> {
    pub description: Option<&'a str>,
    pub token: Option<TokenRef<'a>>,
}

/// The body of a task: a flat object, no field missing and none too many, as either can break the
/// call with a general error (said by Thinkwise's staff, seen in public client code).
///
/// The arguments stand in the order of their declaration: Indicium applies them in the order of the JSON
/// (said by Thinkwise's staff), so a sorted or hashed map would not do.
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
        ArgumentSource::TokenId => values.token.map(|token| token.id),
        ArgumentSource::Username => values.token.map(|token| token.username),
    };
    let text =
        text.filter(|text| !text.is_empty() || argument.source == ArgumentSource::Description).ok_or_else(|| {
            invalid_argument(&format!("the parameter {name} asks for something that this task does not have"))
        })?;
    // An id that a former version recorded may be written otherwise than its type has it.
    let id = (argument.source == ArgumentSource::TokenId).then(|| ids::normalize_id(argument.kind, text)).flatten();
    Literal::parse(argument.kind, id.as_deref().unwrap_or(text))
        .map_err(|error| invalid_argument(&format!("the parameter {name} {error}")))
}

fn invalid_argument(message: &str) -> PortalError {
    PortalError::new(Delivery::NotSent, Reason::RequestRejected, message)
}

/// What the answers of one request have held so far: a process flow's outputs may come in parts.
pub(crate) struct OutputCollector<'a> {
    names: &'a OutputNames,
    id_kind: ValueKind,
    id: Option<String>,
    username: Option<String>,
    secret: Option<SecretString>,
    /// An answer was an object.
    has_object: bool,
}

/// A failure tells which token it may have made only where its names are not longer than this, in bytes: no portal
/// has such, and a task would be sent them.
const MAX_UNUSABLE_NAME_BYTES: usize = 1024;

impl<'a> OutputCollector<'a> {
    /// One that has nothing yet; the token's id is of this kind.
    pub(crate) const fn new(names: &'a OutputNames, id_kind: ValueKind) -> Self {
        Self { names, id_kind, id: None, username: None, secret: None, has_object: false }
    }

    /// Whether there is nothing left to look for. An id that is not there is no loss.
    pub(crate) const fn is_complete(&self) -> bool {
        self.username.is_some() && self.secret.is_some()
    }

    /// Takes what an answer holds. Outputs lie flat in its root, beside the echoed inputs (documented).
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

    /// What tells which token it is, as the answer writes it: id and username, as far as they are known.
    pub(crate) fn identity(&self) -> (Option<String>, Option<String>) {
        let id = if self.names.id == IdSource::Username { &self.username } else { &self.id };
        let short = |name: &Option<String>| name.clone().filter(|name| name.len() <= MAX_UNUSABLE_NAME_BYTES);
        (short(id), short(&self.username))
    }

    /// The token. Whatever is missing or cannot be recorded, the portal has made one: this is never a refusal.
    pub(crate) fn into_token(self, status: StatusCode) -> Result<IssuedToken, PortalError> {
        if !self.has_object {
            return Err(malformed_response(no_token(status)));
        }
        let names = self.names;
        let username = self.username.ok_or_else(|| missing_output("username", &names.username))?;
        let secret = self.secret.ok_or_else(|| missing_output("secret", &names.secret))?;
        let username: String =
            TokenName::parse(&username).map_err(|why| invalid_output("username", &names.username, why))?.into();
        if secret.expose_secret().contains(['\0', '\r', '\n']) {
            return Err(unusable_output("secret", &names.secret, "has a NUL or a line break"));
        }
        let id = match &names.id {
            IdSource::Username => Some(username.clone()),
            IdSource::Output(name) => self.id.map(|id| recordable_id(self.id_kind, &id, name)).transpose()?,
            IdSource::LookUp => None,
        };
        Ok(IssuedToken { id, username, secret })
    }
}

/// An id as it may be recorded.
fn recordable_id(kind: ValueKind, id: &str, field: &str) -> Result<String, PortalError> {
    TokenName::parse(id).map_err(|why| invalid_output("id", field, why))?;
    let id = ids::normalize_id(kind, id);
    id.ok_or_else(|| unusable_output("id", field, "is not of the type that the table's key column has"))
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

pub(crate) fn missing_output(what: &str, field: &str) -> PortalError {
    malformed_response(&format!(
        "the portal's answer to the request has no {what} in {field}: check tasks.request.outputs"
    ))
}

fn invalid_output(what: &str, field: &str, why: InvalidTokenName) -> PortalError {
    unusable_output(what, field, &why.to_string())
}

/// An output that is there and cannot be recorded. Its value is never told.
fn unusable_output(what: &str, field: &str, why: &str) -> PortalError {
    malformed_response(&format!(
        "the {what} in the portal's answer to the request ({field}) {why}: check tasks.request.outputs"
    ))
}

fn malformed_response(message: &str) -> PortalError {
    PortalError::new(Delivery::Unknown, Reason::InvalidResponse, message)
}

#[cfg(test)]
#[path = "outputs_tests.rs"]
mod tests;
