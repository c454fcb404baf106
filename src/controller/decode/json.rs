//! Splits JSON without recursion and parses only what is requested: the API server accepts values that are nested
//! deeper than a recursive parser can follow.

/// The fields of an object, in order, as pairs of key and unparsed value. `None` if this is not an object. Keys are not
/// unescaped, so a key with an escape matches no name.
pub fn fields(json: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let mut at = expect(json, skip_whitespace(json, 0), b'{')?;
    let mut found = vec![];
    loop {
        at = skip_whitespace(json, at);
        match json.get(at)? {
            b'}' => return Some(found),
            b',' if !found.is_empty() => at += 1,
            b'"' => {
                let end = end_of_string(json, at)?;
                let key = json.get(at + 1..end - 1)?;
                let value = skip_whitespace(json, expect(json, skip_whitespace(json, end), b':')?);
                at = end_of_value(json, value)?;
                found.push((key, json.get(value..at)?));
            }
            _ => return None,
        }
    }
}

/// The value of one field of an object. If the name occurs more than once, the last value is returned, as parsers do.
pub fn field<'a>(json: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let all = fields(json)?;
    all.into_iter().rev().find(|(key, _)| *key == name.as_bytes()).map(|(_, value)| value)
}

/// The unparsed items of an array. `None` if this is not an array.
pub fn items(json: &[u8]) -> Option<Vec<&[u8]>> {
    let mut at = expect(json, skip_whitespace(json, 0), b'[')?;
    let mut found = vec![];
    loop {
        at = skip_whitespace(json, at);
        match json.get(at)? {
            b']' => return Some(found),
            b',' if !found.is_empty() => at += 1,
            _ => {
                let end = end_of_value(json, at)?;
                found.push(json.get(at..end)?);
                at = end;
            }
        }
    }
}

/// The value of a string field of an object. `None` if the field is absent or not a string.
pub fn text(json: &[u8], name: &str) -> Option<String> {
    serde_json::from_slice(field(json, name)?).ok()
}

fn expect(json: &[u8], at: usize, wanted: u8) -> Option<usize> {
    (*json.get(at)? == wanted).then_some(at + 1)
}

fn skip_whitespace(json: &[u8], mut at: usize) -> usize {
    while json.get(at).is_some_and(u8::is_ascii_whitespace) {
        at += 1;
    }
    at
}

/// The index after the end of the string that starts here.
fn end_of_string(json: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        match json.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// The index after the end of the value that starts here. Brackets are counted; whether they match is left to the
/// parser.
fn end_of_value(json: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    loop {
        match json.get(at)? {
            b'"' => at = end_of_string(json, at)?,
            b'{' | b'[' => {
                depth += 1;
                at += 1;
            }
            b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                at += 1;
            }
            b',' | b':' if depth > 0 => at += 1,
            byte if byte.is_ascii_whitespace() && depth > 0 => at += 1,
            _ => {
                let end = end_of_literal(json, at);
                if end == at {
                    return None;
                }
                at = end;
            }
        }
        if depth == 0 {
            return Some(at);
        }
    }
}

/// The index after the end of a number, `true`, `false` or `null`.
fn end_of_literal(json: &[u8], mut at: usize) -> usize {
    while json.get(at).is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')) {
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(found: Option<Vec<&[u8]>>) -> Option<Vec<String>> {
        found.map(|all| all.iter().map(|one| String::from_utf8_lossy(one).into_owned()).collect())
    }

    #[test]
    fn fields_and_items_are_found_for_all_kinds_of_values() {
        let json = br#" {"a": "x\"}", "b":[1,{"c":-1.5e+3}], "a":null,"d":{}} "#;
        assert_eq!(fields(json).expect("an object").len(), 4);
        assert_eq!(field(json, "a"), Some(&b"null"[..]), "the last one counts");
        assert_eq!(field(json, "b"), Some(&br#"[1,{"c":-1.5e+3}]"#[..]));
        assert_eq!(field(json, "c"), None, "only those of the object itself");
        assert_eq!(
            shown(items(br#"[1, "]", [2], {"a":[]}]"#)),
            Some(vec!["1".into(), "\"]\"".into(), "[2]".into(), "{\"a\":[]}".into()])
        );
        assert_eq!(shown(items(b"[]")), Some(vec![]));
        assert_eq!(text(br#"{"name":"a\u0062"}"#, "name").as_deref(), Some("ab"));
    }

    #[test]
    fn values_of_any_depth_are_skipped() {
        let deep = format!("{}{}", "[{\"a\":".repeat(100_000), "}]".repeat(100_000)).replace(":}", ":1}");
        let json = format!(r#"{{"deep":{deep},"name":"after"}}"#);
        assert_eq!(text(json.as_bytes(), "name").as_deref(), Some("after"));
    }

    #[test]
    fn incomplete_json_is_rejected() {
        for json in [
            "",
            "{",
            "[]",
            "null",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":\"",
            "{\"a\":[1}",
            "{\"a\":\"\\",
            "{a:1}",
            "{\"a\":[!]}",
        ] {
            assert!(fields(json.as_bytes()).is_none(), "{json}");
        }
        for json in ["", "{}", "[", "[1", "[\"", "[}"] {
            assert!(items(json.as_bytes()).is_none(), "{json}");
        }
    }
}
