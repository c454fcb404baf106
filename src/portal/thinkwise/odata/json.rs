//! Reads parts of a JSON document without losing a digit.
//!
//! A general parser turns a number such as 9007199254740993.0 into a float, which has another value. Here a document
//! is first validated as JSON, and then split at its punctuation: every value stays as it is written.

use serde::de::IgnoredAny;

/// A value of a validated document, without surrounding whitespace.
#[derive(Clone, Copy)]
pub(crate) struct Json<'d>(&'d [u8]);

impl<'d> Json<'d> {
    /// The value of a document; `None` if it is not JSON.
    pub(crate) fn validated(document: &'d [u8]) -> Option<Self> {
        // The error is discarded: its text quotes the document.
        serde_json::from_slice::<IgnoredAny>(document).ok()?;
        Some(Self(document.trim_ascii()))
    }

    pub(crate) const fn raw(self) -> &'d [u8] {
        self.0
    }

    /// The members of an object in order.
    pub(crate) fn members(self) -> Option<Members<'d>> {
        Some(Members(Elements::between(self.0, b'{', b'}')?))
    }

    pub(crate) fn items(self) -> Option<impl Iterator<Item = Self>> {
        Some(Elements::between(self.0, b'[', b']')?.map(Self))
    }

    /// A string; `None` for anything else, and for a string that is not valid Unicode.
    pub(crate) fn text(self) -> Option<String> {
        serde_json::from_slice(self.0).ok()
    }

    pub(crate) fn is_null(self) -> bool {
        self.0 == b"null"
    }
}

/// The members of an object: names and values. `None` stands for a name that is not valid Unicode.
pub(crate) struct Members<'d>(Elements<'d>);

impl<'d> Iterator for Members<'d> {
    type Item = Option<(String, Json<'d>)>;

    fn next(&mut self) -> Option<Self::Item> {
        let (name, value) = (self.0.next()?, self.0.next()?);
        Some(Json(name).text().map(|name| (name, Json(value))))
    }
}

/// The values between two brackets, separated by commas or colons.
struct Elements<'d>(&'d [u8]);

impl<'d> Elements<'d> {
    fn between(value: &'d [u8], open: u8, close: u8) -> Option<Self> {
        value.strip_prefix(&[open])?.strip_suffix(&[close]).map(Self)
    }
}

impl<'d> Iterator for Elements<'d> {
    type Item = &'d [u8];

    fn next(&mut self) -> Option<&'d [u8]> {
        let left = self.0.trim_ascii_start();
        let (value, rest) = left.split_at_checked(value_length(left))?;
        let rest = rest.trim_ascii_start();
        self.0 = rest.strip_prefix(b",").or_else(|| rest.strip_prefix(b":")).unwrap_or(rest);
        Some(value).filter(|value| !value.is_empty())
    }
}

/// The length of the first value.
fn value_length(text: &[u8]) -> usize {
    let (mut depth, mut is_quoted, mut is_escaped) = (0_usize, false, false);
    for (at, byte) in text.iter().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => {
                is_quoted = !is_quoted;
                if !is_quoted && depth == 0 {
                    return at + 1;
                }
            }
            _ if is_quoted => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            b',' | b':' if depth == 0 => return at,
            _ if depth == 0 && byte.is_ascii_whitespace() => return at,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(document: &str) -> Vec<(String, String)> {
        let members = Json::validated(document.as_bytes()).and_then(Json::members).expect(document);
        let text = |json: Json<'_>| String::from_utf8(json.raw().to_vec()).expect("UTF-8");
        members.map(|member| member.map(|(name, value)| (name, text(value))).expect("Unicode")).collect()
    }

    #[test]
    fn values_stay_as_they_are_written() {
        let document =
            r#" { "a" : 9007199254740993.10 ,"b":[1,{"c":"]"}],"d\"e":"x,\"y}:" , "f":{ },"g":null,"h":-1e5} "#;
        let found = members(document);
        let found: Vec<(&str, &str)> = found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let expected = [
            ("a", "9007199254740993.10"),
            ("b", r#"[1,{"c":"]"}]"#),
            ("d\"e", r#""x,\"y}:""#),
            ("f", "{ }"),
            ("g", "null"),
            ("h", "-1e5"),
        ];
        assert_eq!(found, expected);
        assert!(members("{}").is_empty() && members("{\n}").is_empty());
        let items = Json::validated(b"[1, [2] ,\"\\\\\",{}]").and_then(|json| Some(json.items()?.count()));
        assert_eq!(items, Some(4));
    }

    #[test]
    fn invalid_json_is_rejected() {
        for document in ["", "{", "{} {}", "{a:1}", "<html>", "[1,]", "01"] {
            assert!(Json::validated(document.as_bytes()).is_none(), "{document}");
        }
        assert!(Json::validated(b"[]").and_then(Json::members).is_none());
        assert!(Json::validated(b"{}").and_then(|json| json.items().map(|_| ())).is_none());
        assert!(Json::validated(b"{\"\\ud800\":1}").and_then(Json::members).expect("members").all(|one| one.is_none()));
    }
}
