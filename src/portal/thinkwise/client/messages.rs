//! Indicium's error messages in the response header `TSFMessages` (documented by Thinkwise's staff and users). The
//! body is usually empty, and is never quoted.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use reqwest::header::HeaderMap;
use serde::Deserialize;

pub(crate) use crate::sanitize::sanitize;

use crate::http::BYTE_ORDER_MARK;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[derive(Deserialize)]
#[serde(untagged)]
enum Messages {
    One(Message),
    Many(Vec<Message>),
}

#[derive(Deserialize)]
struct Message {
    #[serde(rename = "RawMessage")]
    raw: Option<String>,
    /// Newer versions add it.
    #[serde(rename = "TranslatedMessage")]
    translated: Option<String>,
    #[serde(rename = "NamedParameters")]
    parameters: Option<Vec<NamedParameter>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NamedParameter {
    key: String,
    /// A string, as far as is known.
    value: Option<serde_json::Value>,
}

/// The messages of a response, sanitized and shortened; `None` if there are none that can be parsed.
pub(crate) fn tsf_messages(headers: &HeaderMap) -> Option<String> {
    let json = BASE64.decode(headers.get("TSFMessages")?.as_bytes().trim_ascii()).ok()?;
    let json = json.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&json);
    let messages = match serde_json::from_slice(json).ok()? {
        Messages::One(message) => vec![message],
        Messages::Many(messages) => messages,
    };
    let texts: Vec<String> = messages.iter().filter_map(Message::text).collect();
    let text = sanitize(&texts.join("; "));
    (!text.is_empty()).then_some(text)
}

impl Message {
    fn text(&self) -> Option<String> {
        let texts = [self.translated.as_deref(), self.raw.as_deref()];
        let text = texts.into_iter().flatten().map(strip_tags).find(|text| !text.trim().is_empty())?;
        let parameters: Vec<String> = self.parameters.iter().flatten().filter_map(NamedParameter::text).collect();
        if parameters.is_empty() { Some(text) } else { Some(format!("{text} ({})", parameters.join(", "))) }
    }
}

impl NamedParameter {
    fn text(&self) -> Option<String> {
        let value = self.value.as_ref().filter(|value| !value.is_null())?;
        Some(value.as_str().map_or_else(|| format!("{}: {value}", self.key), |text| format!("{}: {text}", self.key)))
    }
}

/// Removes tags but keeps their `id`: a database's message is XML such as `<msg id="x"></msg>`, where the id is the
/// only content.
fn strip_tags(text: &str) -> String {
    let mut stripped = String::new();
    let mut rest = text;
    while let Some((before, tag, after)) = next_tag(rest) {
        stripped.push_str(before);
        stripped.push(' ');
        stripped.push_str(id_of(tag));
        stripped.push(' ');
        rest = after;
    }
    stripped.push_str(rest);
    if stripped.len() == text.len() { stripped } else { unescape(&stripped) }
}

/// The next `<…>` that is a tag and not a comparison, with the text before and after it.
fn next_tag(text: &str) -> Option<(&str, &str, &str)> {
    let starts = text.match_indices('<').map(|(at, _)| at);
    for start in starts {
        let (before, tag) = (text.get(..start)?, text.get(start + 1..)?);
        if tag.starts_with(|first: char| first.is_ascii_alphabetic() || matches!(first, '/' | '?' | '!')) {
            let (tag, after) = tag.split_once('>')?;
            return Some((before, tag, after));
        }
    }
    None
}

fn id_of(tag: &str) -> &str {
    let Some((_, value)) = tag.split_once(" id=") else { return "" };
    match value.chars().next() {
        Some(quote @ ('"' | '\'')) => value.split(quote).nth(1).unwrap_or(""),
        _ => "",
    }
}

fn unescape(text: &str) -> String {
    let plain = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'");
    plain.replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
    use reqwest::header::HeaderValue;

    fn header(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("TSFMessages", HeaderValue::from_str(value).expect("a header"));
        headers
    }

    fn read(json: &str) -> Option<String> {
        let padded = tsf_messages(&header(&STANDARD.encode(json)));
        assert_eq!(padded, tsf_messages(&header(&STANDARD_NO_PAD.encode(json))));
        padded
    }

    #[test]
    fn one_object_and_a_list() {
        let one = r#"{"MessageType":"IndiciumMessage","RawMessage":"No access","NamedParameters":[{"Key":"Task","Value":"t"}]}"#;
        assert_eq!(read(one).as_deref(), Some("No access (Task: t)"));
        assert_eq!(read(&format!("\u{feff}{one}")).as_deref(), Some("No access (Task: t)"), "with a byte-order mark");
        let many = r#"[{"RawMessage":"a","TranslatedMessage":"A"},{"RawMessage":"b","TranslatedMessage":""},{}]"#;
        assert_eq!(read(many).as_deref(), Some("A; b"));
    }

    #[test]
    fn each_type_of_message_is_read() {
        for (kind, raw, text) in [
            ("IndiciumMessage", "No access", "No access"),
            ("ApplicationDbMessage", r#"<msg id=\"too_many_tokens\"><param>3<\/param><\/msg>"#, "too_many_tokens 3"),
            ("TechnicalDbMessage", "Deadlock, error 1205", "Deadlock, error 1205"),
        ] {
            let json =
                format!(r#"{{"MessageType":"{kind}","RawMessage":"{raw}","MessageID":null,"NamedParameters":null}}"#);
            assert_eq!(read(&json).as_deref(), Some(text));
            assert_eq!(read(&format!("[{json}]")).as_deref(), Some(text), "in a list");
        }
    }

    #[test]
    fn xml_is_read_for_its_id_and_text() {
        for (raw, text) in [
            (r#"<msg id=\"description_in_use\"></msg>"#, "description_in_use"),
            (r"<msg id='x'>a &lt; b &amp;c</msg>", "x a < b &c"),
            ("a < b & c > d", "a < b & c > d"),
            ("half <msg id", "half <msg id"),
        ] {
            let json = format!(r#"{{"MessageType":"ApplicationDbMessage","RawMessage":"{raw}"}}"#);
            assert_eq!(read(&json).as_deref(), Some(text));
        }
    }

    #[test]
    fn a_message_is_one_short_line_without_control_characters() {
        let json = r#"{"RawMessage":"a\u0000\r\n\u001b[31mb\u202ec"}"#;
        assert_eq!(read(json).as_deref(), Some("a [31mb c"));
        let long = read(&format!(r#"{{"RawMessage":"{}"}}"#, "é".repeat(1000))).expect("a message");
        assert_eq!(long.chars().count(), 256);
        assert!(long.ends_with('…'));
    }

    #[test]
    fn garbage_is_no_message() {
        assert_eq!(tsf_messages(&HeaderMap::new()), None);
        for value in ["", "%%%", "bm90IGpzb24=", "MTc=", "bnVsbA==", "e30=", "W10="] {
            assert_eq!(tsf_messages(&header(value)), None, "{value}");
        }
    }
}
