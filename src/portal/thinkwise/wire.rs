//! What is sent to a task, and what the request's answer holds.

use super::fields::{Fields, Scalar, read};
use super::{Failure, IssuedToken, Sent, TokenRef};
use crate::api::{Outputs, Parameter, ParameterSource, Reason};
use reqwest::StatusCode;
use secrecy::SecretString;
use serde::{Serialize, Serializer, ser::SerializeMap as _};

/// What a task's parameters can be filled with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Values<'a> {
    pub description: Option<&'a str>,
    pub token: Option<TokenRef<'a>>,
}

enum Argument<'a> {
    Text(&'a str),
    Number(i64),
    Flag(bool),
}

/// The arguments in the order of their declaration: Indicium applies them in the order of the JSON
/// (said by Thinkwise's staff), so a sorted or hashed map would not do.
struct Arguments<'a>(Vec<(&'a str, Argument<'a>)>);

impl Serialize for Arguments<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, argument) in &self.0 {
            match argument {
                Argument::Text(text) => map.serialize_entry(name, text)?,
                Argument::Number(number) => map.serialize_entry(name, number)?,
                Argument::Flag(flag) => map.serialize_entry(name, flag)?,
            }
        }
        map.end()
    }
}

/// A whole number exactly as a number is printed, so that `007` stays a text.
pub(super) fn as_number(id: &str) -> Option<i64> {
    id.parse::<i64>().ok().filter(|number| number.to_string() == id)
}

/// The body of a task: a flat object, no field missing and none too many, as either can break the
/// call with a general error (said by Thinkwise's staff, seen in public client code).
pub(super) fn body(parameters: &[Parameter], values: &Values<'_>) -> Result<Vec<u8>, Failure> {
    let arguments: Result<Vec<_>, Failure> =
        parameters.iter().map(|parameter| Ok((parameter.name.as_str(), argument(parameter, values)?))).collect();
    serde_json::to_vec(&Arguments(arguments?))
        .map_err(|_| unsendable("the task's parameters cannot be written as JSON"))
}

fn argument<'a>(parameter: &'a Parameter, values: &Values<'a>) -> Result<Argument<'a>, Failure> {
    let found = match (parameter.from, &parameter.value) {
        (Some(ParameterSource::Description), _) => values.description.map(Argument::Text),
        (Some(ParameterSource::Username), _) => values.token.map(|token| Argument::Text(token.username)),
        (Some(ParameterSource::TokenID), _) => {
            values.token.map(|token| as_number(token.id).map_or(Argument::Text(token.id), Argument::Number))
        }
        // A confirmation is a boolean in the task's signature (inferred: the portal asks "are you sure").
        (None, Some(value)) => Some(value.parse().map_or(Argument::Text(value), Argument::Flag)),
        (None, None) => None,
    };
    let name = &parameter.name;
    found.ok_or_else(|| unsendable(&format!("the parameter {name} asks for something that this task does not have")))
}

fn unsendable(message: &str) -> Failure {
    Failure::new(Sent::No, Reason::RequestRefused, message)
}

/// Reads the token from the answer, whose outputs lie flat in the root beside the echoed inputs (documented).
///
/// Whatever is wrong with it, the portal has made a token: a broken answer is never a refusal.
pub(super) fn issued(body: &[u8], outputs: &Outputs, status: StatusCode) -> Result<IssuedToken, Failure> {
    let id = outputs.id.as_deref();
    // Without an output for the id its name is one that no field has: the username's, whose value is not used.
    let names = Fields([&outputs.username, &outputs.secret, id.unwrap_or(&outputs.username)]);
    let Some([username, secret, found_id]) = read(names, body) else {
        return Err(malformed(no_token(status)));
    };
    let username = username.as_str().ok_or_else(|| lacks("username", &outputs.username))?.to_owned();
    let Scalar::Text(secret) = secret else { return Err(lacks("secret", &outputs.secret)) };
    if secret.is_empty() {
        return Err(lacks("secret", &outputs.secret));
    }
    let secret = SecretString::from(secret.as_str());
    // An id that is not there is no loss: it is looked up by the marker.
    let id = id.and_then(|_| found_id.as_str()).map(str::to_owned);
    Ok(IssuedToken { id, username, secret })
}

fn no_token(status: StatusCode) -> &'static str {
    match status {
        // A task that begins a process flow answers so (documented).
        StatusCode::CREATED => "the portal's answer is not a token: its process flow waits for input (HTTP 201)",
        StatusCode::NO_CONTENT => "the portal's answer is empty: its process flow ran without outputs (HTTP 204)",
        _ => "the portal's answer to the request is not a JSON object",
    }
}

fn lacks(what: &str, field: &str) -> Failure {
    malformed(&format!("the portal's answer to the request has no {what} in {field}: check tasks.request.outputs"))
}

fn malformed(message: &str) -> Failure {
    Failure::new(Sent::Perhaps, Reason::AnswerMalformed, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret as _;

    fn from(name: &str, from: ParameterSource) -> Parameter {
        Parameter { name: name.to_owned(), from: Some(from), value: None }
    }

    fn fixed(name: &str, value: &str) -> Parameter {
        Parameter { name: name.to_owned(), from: None, value: Some(value.to_owned()) }
    }

    fn text(parameters: &[Parameter], values: &Values<'_>) -> String {
        String::from_utf8(body(parameters, values).expect("a body")).expect("UTF-8")
    }

    fn outputs(id: Option<&str>) -> Outputs {
        Outputs { username: "username".into(), secret: "secret".into(), id: id.map(str::to_owned) }
    }

    #[test]
    fn parameters_keep_their_order() {
        let parameters = [
            fixed("z_confirm", "true"),
            from("token_id", ParameterSource::TokenID),
            fixed("b", ""),
            from("a_description", ParameterSource::Description),
            from("m_user", ParameterSource::Username),
        ];
        let token = TokenRef { id: "17", username: "robot$x" };
        let values = Values { description: Some("say \"hi\""), token: Some(token) };
        assert_eq!(
            text(&parameters, &values),
            r#"{"z_confirm":true,"token_id":17,"b":"","a_description":"say \"hi\"","m_user":"robot$x"}"#
        );
    }

    #[test]
    fn only_an_id_that_is_printed_like_a_number_is_one() {
        for (id, sent) in
            [("17", "17"), ("-3", "-3"), ("0", "0"), ("017", "\"017\""), ("+1", "\"+1\""), ("a1", "\"a1\"")]
        {
            let values = Values { description: None, token: Some(TokenRef { id, username: "u" }) };
            assert_eq!(text(&[from("i", ParameterSource::TokenID)], &values), format!("{{\"i\":{sent}}}"));
        }
    }

    #[test]
    fn what_a_task_does_not_have_is_not_sent() {
        let values = Values { description: Some("d"), token: None };
        let failure = body(&[from("i", ParameterSource::TokenID)], &values).expect_err("a new token has no id");
        assert_eq!(failure.sent, Sent::No);
    }

    #[test]
    fn ids_are_numbers_or_texts_or_left_for_later() {
        for (answer, id) in [
            (r#"{"description":"d","username":"u","secret":"s","id":17}"#, Some("17")),
            (r#"{"username":"u","secret":"s","id":"x-1"}"#, Some("x-1")),
            (r#"{"username":"u","secret":"s","id":null}"#, None),
            (r#"{"username":"u","secret":"s"}"#, None),
        ] {
            let token = issued(answer.as_bytes(), &outputs(Some("id")), StatusCode::OK).expect(answer);
            assert_eq!((token.id.as_deref(), token.username.as_str()), (id, "u"), "{answer}");
            assert_eq!(token.secret.expose_secret(), "s");
        }
        let answer = br#"{"username":"u","secret":"s","id":17}"#;
        assert_eq!(issued(answer, &outputs(None), StatusCode::OK).expect("a token").id, None);
    }

    #[test]
    fn a_broken_answer_may_have_made_a_token_and_is_never_quoted() {
        for answer in [
            "",
            "[]",
            r#"{"username":"u","secret":"hush""#,
            r#"{"username":"u","secret":""}"#,
            r#"{"username":"","secret":"hush"}"#,
            r#"{"secret":"hush"}"#,
            r#"{"username":"u","secret":{"hush":1}}"#,
            r#"{"username":"u","secret":42}"#,
        ] {
            let failure = issued(answer.as_bytes(), &outputs(None), StatusCode::OK).expect_err(answer);
            assert_eq!((failure.sent, failure.reason), (Sent::Perhaps, Reason::AnswerMalformed), "{answer}");
            assert!(!failure.message.contains("hush"), "{}", failure.message);
        }
    }
}
