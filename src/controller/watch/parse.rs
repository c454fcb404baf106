//! Splits the responses of watches and lists, so that each object is parsed on its own.

use crate::controller::decode::json;
use serde::Deserialize;

/// One line of a watch.
#[derive(Debug)]
pub enum WatchEvent<'a> {
    /// An object that was added or changed.
    Applied(&'a [u8]),
    /// An object that was deleted.
    Deleted(&'a [u8]),
    /// The progress of the watch, and whether the initial list is complete.
    Bookmark { version: Option<String>, end_of_initial: bool },
    /// The API server reports an error and ends the watch.
    Error { code: u16, message: String },
    /// An unknown or incomplete line.
    Unknown,
}

#[derive(Deserialize)]
struct ErrorStatus {
    #[serde(default)]
    code: u16,
    #[serde(default)]
    message: String,
}

/// Parses one line of a watch.
pub fn parse_event(line: &[u8]) -> WatchEvent<'_> {
    let (Some(kind), Some(object)) = (json::text(line, "type"), json::field(line, "object")) else {
        return WatchEvent::Unknown;
    };
    match kind.as_str() {
        "ADDED" | "MODIFIED" => WatchEvent::Applied(object),
        "DELETED" => WatchEvent::Deleted(object),
        "BOOKMARK" => {
            let meta = json::field(object, "metadata").unwrap_or_default();
            let annotations = json::field(meta, "annotations").unwrap_or_default();
            let end_of_initial = json::text(annotations, "k8s.io/initial-events-end").as_deref() == Some("true");
            WatchEvent::Bookmark { version: resource_version(object), end_of_initial }
        }
        "ERROR" => match serde_json::from_slice::<ErrorStatus>(object) {
            Ok(status) => WatchEvent::Error { code: status.code, message: status.message },
            Err(_) => WatchEvent::Error { code: 0, message: "an error without a status".to_owned() },
        },
        _ => WatchEvent::Unknown,
    }
}

/// The version of an object, or of a list.
pub fn resource_version(object: &[u8]) -> Option<String> {
    let version = json::text(json::field(object, "metadata")?, "resourceVersion")?;
    (!version.is_empty()).then_some(version)
}

/// One page of a list.
#[derive(Debug)]
pub struct ListPage<'a> {
    pub items: Vec<&'a [u8]>,
    /// The resource version of the list.
    pub version: Option<String>,
    /// The continue token, unless this is the last page.
    pub continue_token: Option<String>,
}

/// Parses a page; `None` if this is not a list.
pub fn parse_list(list: &[u8]) -> Option<ListPage<'_>> {
    let meta = json::field(list, "metadata")?;
    // Go may encode an empty list as null.
    let items = match json::field(list, "items") {
        None | Some(b"null") => vec![],
        Some(items) => json::items(items)?,
    };
    let next = json::text(meta, "continue").filter(|token| !token.is_empty());
    Some(ListPage { items, version: resource_version(list), continue_token: next })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watch_lines_are_classified() {
        let object = br#"{"type":"ADDED","object":{"metadata":{"resourceVersion":"5"}}}"#;
        assert!(
            matches!(parse_event(object), WatchEvent::Applied(object) if resource_version(object).as_deref() == Some("5"))
        );
        assert!(matches!(parse_event(br#"{"type":"DELETED","object":{}}"#), WatchEvent::Deleted(b"{}")));
        let bookmark = br#"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"7","annotations":{"k8s.io/initial-events-end":"true"}}}}"#;
        assert!(
            matches!(parse_event(bookmark), WatchEvent::Bookmark { version: Some(v), end_of_initial: true } if v == "7")
        );
        let bookmark = br#"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"8","creationTimestamp":null}}}"#;
        assert!(
            matches!(parse_event(bookmark), WatchEvent::Bookmark { version: Some(v), end_of_initial: false } if v == "8")
        );
        let gone = br#"{"type":"ERROR","object":{"kind":"Status","code":410,"message":"too old"}}"#;
        assert!(matches!(parse_event(gone), WatchEvent::Error { code: 410, .. }));
        for odd in ["", "{", r#"{"type":"ADDED"}"#, r#"{"type":"NEW","object":{}}"#, r#"{"type":"ADDED","object":{"a""#]
        {
            assert!(matches!(parse_event(odd.as_bytes()), WatchEvent::Unknown), "{odd}");
        }
    }

    #[test]
    fn a_page_gives_its_items_and_where_the_next_one_begins() {
        let list = br#"{"kind":"List","metadata":{"resourceVersion":"9","continue":"abc"},"items":[{"a":1},{"b":[]}]}"#;
        let page_one = parse_list(list).expect("a list");
        assert_eq!(
            (page_one.items.len(), page_one.version.as_deref(), page_one.continue_token.as_deref()),
            (2, Some("9"), Some("abc"))
        );
        let end = parse_list(br#"{"metadata":{"continue":""},"items":null}"#).expect("a list");
        assert!(end.items.is_empty() && end.continue_token.is_none());
        assert!(parse_list(br#"{"metadata":{},"items":{}}"#).is_none() && parse_list(b"[]").is_none());
    }
}
