//! The portal's error format: the body is empty, the details are in the response header `TSFMessages`, which is JSON in
//! Base64 with one of three message types.

use super::answer::Answer;
use super::config::Config;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The header.
const HEADER: &str = "tsfmessages";

/// A shape of error details.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageShape {
    /// One object, from the service tier itself.
    Indicium,
    /// One object, from the application: XML that names a rule, with parameters.
    Application,
    /// One object, from the database.
    Technical,
    /// One object, with a `TranslatedMessage` as newer versions add.
    Translated,
    /// An array of one.
    Array,
    /// An array with one of each type.
    Several,
    /// An empty array.
    None,
    /// An object without known fields.
    Unknown,
    /// A message of many thousand characters.
    Long,
    /// A message with line breaks, control characters and bidirectional controls.
    Wild,
    /// Base64 of a text that is not JSON.
    NotJson,
    /// Not Base64.
    NotBase64,
    /// Base64 of bytes that are not UTF-8.
    NotText,
}

/// A status and a message of the service tier itself.
pub(super) fn service(config: &Config, status: u16, text: &str) -> Answer {
    let message = message(config, "IndiciumMessage", text, "indicium", &[]);
    Answer::empty(status).with(HEADER, header(config, message))
}

/// A rejection by a rule of the application: the message is XML that names the rule.
pub(super) fn rejection(config: &Config, id: &str, parameters: &[(&str, &str)]) -> Answer {
    let mut raw = format!("<msg id=\"{id}\">");
    for (key, value) in parameters {
        raw.extend(["<", key, ">", value, "</", key, ">"]);
    }
    raw.push_str("</msg>");
    let message = message(config, "ApplicationDbMessage", &raw, id, parameters);
    Answer::empty(config.refusal_status).with(HEADER, header(config, message))
}

/// A failure with the message of a service tier about its database; below 500 without a message, as from a proxy.
pub(super) fn failure(config: &Config, status: u16) -> Answer {
    if status == 500 {
        Answer::empty(status).with(HEADER, header(config, technical(config)))
    } else {
        Answer::empty(status)
    }
}

/// A status and a message in this shape.
pub(super) fn with_shape(config: &Config, status: u16, how: MessageShape) -> Answer {
    let indicium = |text: &str| message(config, "IndiciumMessage", text, "indicium", &[]);
    let application =
        || message(config, "ApplicationDbMessage", "<msg id=\"rule\"><max>3</max></msg>", "rule", &[("max", "3")]);
    let value = match how {
        MessageShape::Indicium => indicium("The request is invalid."),
        MessageShape::Application => application(),
        MessageShape::Technical => technical(config),
        MessageShape::Translated => translated(application()),
        MessageShape::Array => json!([indicium("The request is invalid.")]),
        MessageShape::Several => json!([indicium("The request is invalid."), application(), technical(config)]),
        MessageShape::None => json!([]),
        MessageShape::Unknown => json!({"Text": "an unknown shape", "Code": 1}),
        // As long as common servers and clients allow a header to be.
        MessageShape::Long => indicium(&"No, no and no. ".repeat(300)),
        MessageShape::Wild => indicium("one\r\ntwo\u{1b}[31m\u{0}three\u{202e}four <script>alert(1)</script>"),
        MessageShape::NotJson => return Answer::empty(status).with(HEADER, STANDARD.encode("{\"MessageType\":")),
        MessageShape::NotBase64 => return Answer::empty(status).with(HEADER, "%%% no base64 %%%"),
        MessageShape::NotText => return Answer::empty(status).with(HEADER, STANDARD.encode([0xff, 0xfe, 0x00])),
    };
    Answer::empty(status).with(HEADER, STANDARD.encode(value.to_string()))
}

/// The application does not exist, or this user may not see it: the portal does not distinguish.
pub(super) fn no_application(config: &Config) -> Answer {
    service(config, 404, "Application not found")
}

/// The table, row, task or staged resource does not exist, or this user may not see it.
pub(super) fn not_found(config: &Config) -> Answer {
    service(config, 404, "Entity not found")
}

/// The portal's response to an invalid body, whatever is wrong with it.
pub(super) fn invalid(config: &Config) -> Answer {
    service(config, 400, "The request is invalid.")
}

fn technical(config: &Config) -> Value {
    let text = "Transaction was deadlocked on lock resources and has been chosen as the victim.";
    message(config, "TechnicalDbMessage", text, "1205", &[])
}

fn message(config: &Config, kind: &str, raw: &str, id: &str, parameters: &[(&str, &str)]) -> Value {
    let named: Vec<Value> = parameters.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect();
    let message = json!({"MessageType": kind, "RawMessage": raw, "MessageID": id, "NamedParameters": named});
    if config.translated_messages { translated(message) } else { message }
}

fn translated(mut message: Value) -> Value {
    let text = format!("{} violates the rule {}.", message["MessageType"], message["MessageID"]);
    message["TranslatedMessage"] = json!(text.replace('"', ""));
    message
}

fn header(config: &Config, message: Value) -> String {
    let value = if config.messages_as_array { json!([message]) } else { message };
    STANDARD.encode(value.to_string())
}
