//! Errors as the portal tells them: the body is empty, the details are in the response header
//! `TSFMessages`, which is JSON in base64 with one of three message types.

use super::answer::Answer;
use super::config::Config;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// The header.
const HEADER: &str = "tsfmessages";

/// Status, and a message of the service tier itself.
pub(super) fn service(config: &Config, status: u16, text: &str) -> Answer {
    Answer::empty(status).with(HEADER, header(config, "IndiciumMessage", text, "indicium", &[]))
}

/// A refusal by a rule of the application: the message is XML that names the rule.
pub(super) fn refusal(config: &Config, id: &str, parameters: &[(&str, &str)]) -> Answer {
    let mut raw = format!("<msg id=\"{id}\">");
    for (key, value) in parameters {
        raw.extend(["<", key, ">", value, "</", key, ">"]);
    }
    raw.push_str("</msg>");
    Answer::empty(config.refusal_status).with(HEADER, header(config, "ApplicationDbMessage", &raw, id, parameters))
}

/// A failure, as a service tier tells one of its database; below 500 without a message, as from a proxy.
pub(super) fn failure(config: &Config, status: u16) -> Answer {
    if status == 500 {
        let text = "Transaction was deadlocked on lock resources and has been chosen as the victim.";
        Answer::empty(status).with(HEADER, header(config, "TechnicalDbMessage", text, "1205", &[]))
    } else {
        Answer::empty(status)
    }
}

/// No such application, or none that this user may see: the portal does not tell which.
pub(super) fn no_application(config: &Config) -> Answer {
    service(config, 404, "Application not found")
}

fn header(config: &Config, kind: &str, raw: &str, id: &str, parameters: &[(&str, &str)]) -> String {
    let named: Vec<Value> = parameters.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect();
    let message = json!({"MessageType": kind, "RawMessage": raw, "MessageID": id, "NamedParameters": named});
    let value = if config.messages_as_array { json!([message]) } else { message };
    STANDARD.encode(value.to_string())
}
