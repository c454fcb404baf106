//! Cleans what the API server answers before anything parses it. Some of an object's bytes are written by
//! its users, are read by nobody here, and can be refused by a parser that the API server's own is not:
//! `managedFields` may be nested hundreds of levels deep, or have a time in the year 9999. They become `null`,
//! and so does each value that is nested too deep for a recursive parser. No object can then fail a list or a
//! watch that holds others too.

use axum::BoxError;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, Response};
use futures::StreamExt;

/// Values are nested no deeper than this when they are parsed; `serde_json` takes 127 levels.
const DEPTH: usize = 96;

/// Cleans the body of an answer on its way, where it is JSON.
pub fn clean<B>(response: Response<B>) -> Response<Body>
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let (mut parts, body) = response.into_parts();
    if !is_json(&parts.headers) {
        return Response::from_parts(parts, Body::new(body));
    }
    parts.headers.remove(CONTENT_LENGTH);
    let mut filter = Filter::default();
    let chunks = Body::new(body).into_data_stream();
    let cleaned = chunks.map(move |chunk| chunk.map(|chunk| Bytes::from(filter.push(&chunk))));
    Response::from_parts(parts, Body::from_stream(cleaned))
}

fn is_json(headers: &HeaderMap) -> bool {
    let named = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    named.starts_with("application/json")
}

/// An object or array that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    Array,
    Object,
    /// The value of a field `metadata`.
    Metadata,
}

/// What the next value belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Field {
    #[default]
    Other,
    Metadata,
    ManagedFields,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Between strings.
    #[default]
    Outside,
    /// In a string, with a backslash before the next byte or not.
    Text { escaped: bool },
    /// In a value that is left out.
    Dropping { depth: usize, text: bool, escaped: bool },
}

/// Takes a stream of JSON values in pieces of any size. It keeps nothing back.
#[derive(Debug, Default)]
struct Filter {
    open: Vec<Open>,
    state: State,
    /// The next string is a key.
    at_key: bool,
    in_key: bool,
    key: Vec<u8>,
    field: Field,
}

/// Longer keys are none of those that matter.
const LONGEST_KEY: usize = "managedFields".len();

impl Filter {
    fn push(&mut self, chunk: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(chunk.len());
        for &byte in chunk {
            match self.state {
                State::Outside => self.outside(byte, &mut out),
                State::Text { escaped } => {
                    out.push(byte);
                    self.text(byte, escaped);
                }
                State::Dropping { depth, text, escaped } => self.state = dropping(byte, depth, text, escaped),
            }
        }
        out
    }

    fn outside(&mut self, byte: u8, out: &mut Vec<u8>) {
        match byte {
            b'"' => {
                self.in_key = std::mem::take(&mut self.at_key);
                self.key.clear();
                self.state = State::Text { escaped: false };
            }
            b'{' | b'[' => {
                let field = std::mem::take(&mut self.field);
                if self.open.len() >= DEPTH || self.is_managed(field) {
                    out.extend_from_slice(b"null");
                    self.state = State::Dropping { depth: 1, text: false, escaped: false };
                    return;
                }
                self.open.push(match (byte, field) {
                    (b'[', _) => Open::Array,
                    (_, Field::Metadata) => Open::Metadata,
                    _ => Open::Object,
                });
                self.at_key = byte == b'{';
            }
            b'}' | b']' => {
                self.open.pop();
                self.at_key = false;
                self.field = Field::Other;
            }
            b',' => {
                self.at_key = matches!(self.open.last(), Some(Open::Object | Open::Metadata));
                self.field = Field::Other;
            }
            _ => {}
        }
        out.push(byte);
    }

    fn is_managed(&self, field: Field) -> bool {
        field == Field::ManagedFields && self.open.last() == Some(&Open::Metadata)
    }

    fn text(&mut self, byte: u8, escaped: bool) {
        if byte == b'"' && !escaped {
            self.state = State::Outside;
            if std::mem::take(&mut self.in_key) {
                self.field = match self.key.as_slice() {
                    b"metadata" => Field::Metadata,
                    b"managedFields" => Field::ManagedFields,
                    _ => Field::Other,
                };
            }
            return;
        }
        self.state = State::Text { escaped: byte == b'\\' && !escaped };
        if self.in_key && self.key.len() <= LONGEST_KEY {
            self.key.push(byte);
        }
    }
}

fn dropping(byte: u8, depth: usize, text: bool, escaped: bool) -> State {
    if text {
        let ends = byte == b'"' && !escaped;
        return State::Dropping { depth, text: !ends, escaped: byte == b'\\' && !escaped };
    }
    match byte {
        b'{' | b'[' => State::Dropping { depth: depth + 1, text, escaped },
        b'}' | b']' if depth == 1 => State::Outside,
        b'}' | b']' => State::Dropping { depth: depth - 1, text, escaped },
        b'"' => State::Dropping { depth, text: true, escaped: false },
        _ => State::Dropping { depth, text, escaped },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// The same whatever the pieces are in which it comes.
    fn cleaned(text: &str) -> String {
        let whole = String::from_utf8(Filter::default().push(text.as_bytes())).expect("text");
        for size in [1, 2, 3, 7, 1000] {
            let mut filter = Filter::default();
            let pieces: Vec<u8> = text.as_bytes().chunks(size).flat_map(|piece| filter.push(piece)).collect();
            assert_eq!(String::from_utf8(pieces).expect("text"), whole, "in pieces of {size}");
        }
        whole
    }

    fn nested(levels: usize) -> String {
        format!("{}1{}", "{\"f:a\":".repeat(levels), "}".repeat(levels))
    }

    #[test]
    fn managed_fields_of_objects_lists_and_events_become_null_and_nothing_else_changes() {
        let managed = format!(r#"[{{"time":"9999-12-31T23:59:59Z","x":"]}}\"","fieldsV1":{}}}]"#, nested(300));
        for (before, after) in [("", ""), (r#"{"items":["#, "]}"), (r#"{"type":"ADDED","object":"#, "}\n")] {
            let object = |fields: &str| {
                format!(
                    r#"{before}{{"metadata":{{"name":"a\"managedFields","managedFields":{fields},"labels":{{"b":"c"}}}},"x":{{"managedFields":["kept"]}}}}{after}"#
                )
            };
            assert_eq!(cleaned(&object(&managed)), object("null"));
        }
        let kept = r#"{"metadata":{"annotations":{"managedFields":{"a":1},"metadata":{"managedFields":"text"}},"managedFields":null}}"#;
        assert_eq!(cleaned(kept), kept);
    }

    #[test]
    fn bytes_that_are_no_text_go_with_the_managed_fields_that_hold_them() {
        let json = b"{\"metadata\":{\"managedFields\":[{\"fieldsV1\":{\"f:\xff\":{}}}],\"name\":\"a\"}}";
        assert_eq!(Filter::default().push(json), br#"{"metadata":{"managedFields":null,"name":"a"}}"#);
    }

    #[test]
    fn whatever_the_depth_is_it_can_be_parsed() {
        for levels in [1, DEPTH - 3, DEPTH, 127, 128, 300, 100_000] {
            let json = format!(
                r#"{{"spec":{{"deep":{},"after":"x"}},"list":[{}]}}"#,
                nested(levels),
                "[".repeat(levels) + &"]".repeat(levels)
            );
            let value: Value =
                serde_json::from_str(&cleaned(&json)).unwrap_or_else(|error| panic!("{levels}: {error}"));
            assert_eq!(value["spec"]["after"], json!("x"), "{levels}");
            if levels < DEPTH - 2 {
                assert_eq!(cleaned(&json), json, "{levels}");
            }
        }
    }

    #[test]
    fn one_value_after_another_is_cleaned_alike() {
        let line = r#"{"object":{"metadata":{"managedFields":[{}]}}}"#;
        assert_eq!(cleaned(&format!("{line}\n{line}\n")).matches(":null").count(), 2);
    }
}
