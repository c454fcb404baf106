//! Filters the API server's responses before anything parses them. Some bytes of an object are written by its users and
//! never read here, but may be rejected by a parser other than the API server's: `managedFields` may be nested hundreds
//! of levels deep, or contain a time in the year 9999. They become `null`, and so does each value that is nested too
//! deep for a recursive parser. Therefore no object can fail a list or a watch that contains others.

use axum::BoxError;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, Response};
use futures::StreamExt;

/// Maximum depth of values that are parsed; `serde_json` supports 127 levels.
const MAX_DEPTH: usize = 96;

/// Filters the body of a JSON response as it arrives.
pub fn filter_response<B>(response: Response<B>) -> Response<Body>
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let (mut parts, body) = response.into_parts();
    if !is_json(&parts.headers) {
        return Response::from_parts(parts, Body::new(body));
    }
    parts.headers.remove(CONTENT_LENGTH);
    let mut filter = ResponseFilter::default();
    let chunks = Body::new(body).into_data_stream();
    let filtered = chunks.map(move |chunk| chunk.map(|chunk| Bytes::from(filter.push(&chunk))));
    Response::from_parts(parts, Body::from_stream(filtered))
}

fn is_json(headers: &HeaderMap) -> bool {
    let named = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    named.starts_with("application/json")
}

/// An open object or array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Container {
    Array,
    Object,
    /// The value of a field `metadata`.
    Metadata,
}

/// The field to which the next value belongs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum PendingField {
    #[default]
    Other,
    Metadata,
    ManagedFields,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum FilterState {
    /// Outside of strings.
    #[default]
    Outside,
    /// In a string; `escaped` if the previous byte is a backslash.
    InString { escaped: bool },
    /// In a value that is removed.
    Skipping { depth: usize, text: bool, escaped: bool },
}

/// Filters a stream of JSON values in chunks of any size, without buffering.
#[derive(Debug, Default)]
struct ResponseFilter {
    containers: Vec<Container>,
    state: FilterState,
    /// Whether the next string is a key.
    expects_key: bool,
    in_key: bool,
    key: Vec<u8>,
    field: PendingField,
}

/// Longer keys do not matter.
const MAX_KEY_BYTES: usize = "managedFields".len();

impl ResponseFilter {
    fn push(&mut self, chunk: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(chunk.len());
        for &byte in chunk {
            match self.state {
                FilterState::Outside => self.outside_string(byte, &mut out),
                FilterState::InString { escaped } => {
                    out.push(byte);
                    self.in_string(byte, escaped);
                }
                FilterState::Skipping { depth, text, escaped } => self.state = skip(byte, depth, text, escaped),
            }
        }
        out
    }

    fn outside_string(&mut self, byte: u8, out: &mut Vec<u8>) {
        match byte {
            b'"' => {
                self.in_key = std::mem::take(&mut self.expects_key);
                self.key.clear();
                self.state = FilterState::InString { escaped: false };
            }
            b'{' | b'[' => {
                let field = std::mem::take(&mut self.field);
                if self.containers.len() >= MAX_DEPTH || self.is_managed_fields(field) {
                    out.extend_from_slice(b"null");
                    self.state = FilterState::Skipping { depth: 1, text: false, escaped: false };
                    return;
                }
                self.containers.push(match (byte, field) {
                    (b'[', _) => Container::Array,
                    (_, PendingField::Metadata) => Container::Metadata,
                    _ => Container::Object,
                });
                self.expects_key = byte == b'{';
            }
            b'}' | b']' => {
                self.containers.pop();
                self.expects_key = false;
                self.field = PendingField::Other;
            }
            b',' => {
                self.expects_key = matches!(self.containers.last(), Some(Container::Object | Container::Metadata));
                self.field = PendingField::Other;
            }
            _ => {}
        }
        out.push(byte);
    }

    fn is_managed_fields(&self, field: PendingField) -> bool {
        field == PendingField::ManagedFields && self.containers.last() == Some(&Container::Metadata)
    }

    fn in_string(&mut self, byte: u8, escaped: bool) {
        if byte == b'"' && !escaped {
            self.state = FilterState::Outside;
            if std::mem::take(&mut self.in_key) {
                self.field = match self.key.as_slice() {
                    b"metadata" => PendingField::Metadata,
                    b"managedFields" => PendingField::ManagedFields,
                    _ => PendingField::Other,
                };
            }
            return;
        }
        self.state = FilterState::InString { escaped: byte == b'\\' && !escaped };
        if self.in_key && self.key.len() <= MAX_KEY_BYTES {
            self.key.push(byte);
        }
    }
}

fn skip(byte: u8, depth: usize, text: bool, escaped: bool) -> FilterState {
    if text {
        let ends = byte == b'"' && !escaped;
        return FilterState::Skipping { depth, text: !ends, escaped: byte == b'\\' && !escaped };
    }
    match byte {
        b'{' | b'[' => FilterState::Skipping { depth: depth + 1, text, escaped },
        b'}' | b']' if depth == 1 => FilterState::Outside,
        b'}' | b']' => FilterState::Skipping { depth: depth - 1, text, escaped },
        b'"' => FilterState::Skipping { depth, text: true, escaped: false },
        _ => FilterState::Skipping { depth, text, escaped },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// Filters a text, and checks that the result does not depend on the chunks.
    fn filtered(text: &str) -> String {
        let whole = String::from_utf8(ResponseFilter::default().push(text.as_bytes())).expect("text");
        for size in [1, 2, 3, 7, 1000] {
            let mut filter = ResponseFilter::default();
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
            assert_eq!(filtered(&object(&managed)), object("null"));
        }
        let kept = r#"{"metadata":{"annotations":{"managedFields":{"a":1},"metadata":{"managedFields":"text"}},"managedFields":null}}"#;
        assert_eq!(filtered(kept), kept);
    }

    #[test]
    fn invalid_utf8_in_managed_fields_is_removed_with_them() {
        let json = b"{\"metadata\":{\"managedFields\":[{\"fieldsV1\":{\"f:\xff\":{}}}],\"name\":\"a\"}}";
        assert_eq!(ResponseFilter::default().push(json), br#"{"metadata":{"managedFields":null,"name":"a"}}"#);
    }

    #[test]
    fn json_of_any_depth_can_be_parsed() {
        for levels in [1, MAX_DEPTH - 3, MAX_DEPTH, 127, 128, 300, 100_000] {
            let json = format!(
                r#"{{"spec":{{"deep":{},"after":"x"}},"list":[{}]}}"#,
                nested(levels),
                "[".repeat(levels) + &"]".repeat(levels)
            );
            let value: Value =
                serde_json::from_str(&filtered(&json)).unwrap_or_else(|error| panic!("{levels}: {error}"));
            assert_eq!(value["spec"]["after"], json!("x"), "{levels}");
            if levels < MAX_DEPTH - 2 {
                assert_eq!(filtered(&json), json, "{levels}");
            }
        }
    }

    #[test]
    fn consecutive_values_are_filtered_alike() {
        let line = r#"{"object":{"metadata":{"managedFields":[{}]}}}"#;
        assert_eq!(filtered(&format!("{line}\n{line}\n")).matches(":null").count(), 2);
    }
}
