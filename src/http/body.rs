//! Response bodies, limited in size and time.

use super::body_memory::MemoryPermit;
use crate::sanitize::sanitize;
use reqwest::Response;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};
use zeroize::{Zeroize as _, Zeroizing};

/// How much of an unneeded body is read, and for how long, so that its connection can be reused.
const DRAIN_LIMIT: usize = 64 << 10;
const DRAIN_TIME: Duration = Duration::from_secs(1);

/// Why there is no body.
#[derive(Debug)]
pub(crate) enum BodyError {
    /// It is larger than allowed.
    TooLarge,
    /// It was not complete in time.
    TimedOut,
    /// The connection broke.
    Interrupted(reqwest::Error),
    /// It is compressed, or encoded otherwise, although [`super::Client`] requests `identity`; with the encoding.
    Encoded(String),
}

/// Reads a body up to a limit, without a leading byte-order mark. It is zeroized when dropped, because it may contain
/// a secret.
pub(crate) async fn read(response: Response, limit: usize, deadline: Instant) -> Result<Zeroizing<Vec<u8>>, BodyError> {
    read_large(response, limit, deadline).await.map(|(body, _)| body)
}

/// Reads a body that may be large: keep the memory permit as long as the body.
pub(crate) async fn read_large(
    mut response: Response,
    limit: usize,
    deadline: Instant,
) -> Result<(Zeroizing<Vec<u8>>, MemoryPermit), BodyError> {
    let encoding = encoding(response.headers());
    let declared = usize::try_from(response.content_length().unwrap_or(0)).unwrap_or(usize::MAX);
    if declared > limit {
        return Err(BodyError::TooLarge);
    }
    let mut permit = MemoryPermit::default();
    if !permit.grow_to(declared, limit, deadline).await {
        return Err(BodyError::TimedOut);
    }
    let mut body = Zeroizing::new(Vec::with_capacity(declared));
    loop {
        let chunk = timeout_at(permit.deadline(deadline), response.chunk()).await.map_err(|_| BodyError::TimedOut)?;
        let Some(chunk) = chunk.map_err(BodyError::Interrupted)? else { break };
        let length = body.len() + chunk.len();
        if length > limit {
            return Err(BodyError::TooLarge);
        }
        if !permit.grow_to(length, limit, deadline).await {
            return Err(BodyError::TimedOut);
        }
        append(&mut body, &chunk, limit);
    }
    // Some servers send the header with empty responses too, where it means nothing.
    if let Some(encoding) = encoding.filter(|_| !body.is_empty()) {
        return Err(BodyError::Encoded(encoding));
    }
    if body.starts_with(BYTE_ORDER_MARK) {
        body.drain(..BYTE_ORDER_MARK.len());
    }
    Ok((body, permit))
}

/// The byte-order mark of UTF-8. .NET writes it if the encoding is requested by name; JSON forbids it (RFC 8259,
/// 8.1).
pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The encodings of a body, unless it is sent unencoded.
fn encoding(headers: &HeaderMap) -> Option<String> {
    let values = headers.get_all(CONTENT_ENCODING).iter();
    let names: Vec<String> = values.map(|value| sanitize(&String::from_utf8_lossy(value.as_bytes()))).collect();
    let encodings = names.join(", ");
    let is_identity = |name: &str| name.trim().is_empty() || name.trim().eq_ignore_ascii_case("identity");
    (!encodings.split(',').all(is_identity)).then_some(encodings)
}

/// Whether a response is declared as an HTML page. Some servers declare all their responses as HTML.
pub(crate) fn is_declared_html(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let name = content_type.split(';').next().unwrap_or_default().trim();
    ["text/html", "application/xhtml+xml"].iter().any(|html| name.eq_ignore_ascii_case(html))
}

/// How many bytes are inspected to recognize an HTML page.
const SNIFFED_BYTES: usize = 4096;

/// Elements with which an HTML page without a document type may start.
const HTML_ELEMENTS: [&str; 28] = [
    "html", "head", "body", "title", "script", "style", "meta", "link", "base", "form", "div", "span", "p", "h1", "h2",
    "h3", "center", "table", "br", "hr", "b", "font", "img", "a", "iframe", "noscript", "main", "header",
];

/// Whether a body is an HTML page, which a login page, a proxy or a load balancer sends instead of the response. This
/// is determined from its start, because such pages come with any content type; a body that is declared as HTML is a
/// page unless it starts like data.
pub(crate) fn is_html(body: &[u8], is_declared: bool) -> bool {
    let start = body.get(..body.len().min(SNIFFED_BYTES)).unwrap_or_default();
    // For UTF-16, the byte-order mark and the NUL bytes are removed.
    let start = start.strip_prefix(b"\xff\xfe").or_else(|| start.strip_prefix(b"\xfe\xff")).unwrap_or(start);
    let start: Vec<u8> = start.iter().copied().filter(|byte| *byte != 0).collect();
    let text = String::from_utf8_lossy(&start).to_ascii_lowercase();
    let mut rest = text.trim_start_matches('\u{feff}').trim_start();
    // XHTML may start with a declaration, and any page with comments.
    while let Some((_, after)) = rest
        .strip_prefix("<?xml")
        .and_then(|rest| rest.split_once("?>"))
        .or_else(|| rest.strip_prefix("<!--").and_then(|rest| rest.split_once("-->")))
    {
        rest = after.trim_start();
    }
    let Some(tag) = rest.strip_prefix('<') else {
        return is_declared && !rest.is_empty() && !rest.starts_with(['{', '[', '"']) && rest != "null";
    };
    let name = tag.split(|c: char| c.is_whitespace() || matches!(c, '>' | '/')).next().unwrap_or_default();
    tag.starts_with("!doctype html")
        || HTML_ELEMENTS.contains(&name)
        || is_declared && !matches!(name, "edmx" | "edmx:edmx")
}

/// Grows into a new buffer and zeroizes the old one, which a plain `extend` would leave in memory.
fn append(body: &mut Zeroizing<Vec<u8>>, chunk: &[u8], limit: usize) {
    let needed = body.len() + chunk.len();
    if needed > body.capacity() {
        let mut larger = Vec::with_capacity(needed.max((body.capacity() * 2).min(limit)));
        larger.extend_from_slice(body);
        body.zeroize();
        **body = larger;
    }
    body.extend_from_slice(chunk);
}

/// Reads the rest of a response whose result is already known, so that the connection can be reused. Returns whether
/// it is an HTML page.
pub(crate) async fn drain(mut response: Response) -> bool {
    let is_declared = is_declared_html(response.headers());
    let mut start = Zeroizing::new(Vec::with_capacity(SNIFFED_BYTES));
    let read = async {
        let mut left = DRAIN_LIMIT;
        while let Ok(Some(chunk)) = response.chunk().await {
            let wanted = SNIFFED_BYTES - start.len();
            start.extend(chunk.iter().take(wanted));
            let Some(rest) = left.checked_sub(chunk.len()) else { return };
            left = rest;
        }
    };
    // If the body is slow or broken, the connection is closed, and nothing else is lost.
    let _ = timeout(DRAIN_TIME, read).await;
    is_html(&start, is_declared)
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    #[test]
    fn html_is_distinguished_from_data() {
        for page in [
            "<!DOCTYPE html><html>",
            "\u{feff}\r\n  <HTML lang=nl>",
            "<?xml version=\"1.0\"?>\n<!DOCTYPE html PUBLIC",
            "<!-- proxy --><!-- more -->\n<head>",
            "<title>Sign in</title>",
            "<h1>502 Bad Gateway</h1>",
            "<div class=x>",
            "<meta charset=utf-8>",
            "<FORM\nmethod=post>",
            "<style>",
            "<body>",
            "<br/>",
        ] {
            assert!(is_html(page.as_bytes(), false), "{page}");
            let (little, big): (Vec<u8>, Vec<u8>) = page
                .trim_start_matches('\u{feff}')
                .encode_utf16()
                .flat_map(|unit| unit.to_le_bytes().into_iter().zip(unit.to_be_bytes()))
                .unzip();
            for utf16 in [little.clone(), [&b"\xff\xfe"[..], &little].concat(), [&b"\xfe\xff"[..], &big].concat()] {
                assert!(is_html(&utf16, true) && is_html(&utf16, false), "{page}");
            }
        }
        for text in ["Please log in", "<x>Please log in</x>"] {
            assert!(is_html(text.as_bytes(), true) && !is_html(text.as_bytes(), false), "{text}");
        }
        for data in [
            "",
            "{\"value\":[]}",
            "\"<html>\"",
            "<?xml version=\"1.0\"?><edmx:Edmx>",
            "<!-- html --><edmx:Edmx>",
            "<Schema>",
            "<!-- <html>",
            "<headers>",
            "<m:error>",
        ] {
            assert!(!is_html(data.as_bytes(), false), "{data}");
        }
        for data in ["", "null", " {\"value\":[]}", "[]", "<?xml version=\"1.0\"?><edmx:Edmx>", "<Edmx>"] {
            assert!(!is_html(data.as_bytes(), true), "{data}");
        }
    }

    #[test]
    fn a_page_is_declared_by_its_content_type() {
        for (content_type, expected) in
            [("text/html", true), ("Text/HTML; charset=utf-16", true), ("application/json", false), ("", false)]
        {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
            assert_eq!(is_declared_html(&headers), expected, "{content_type}");
        }
    }

    #[test]
    fn only_encodings_other_than_identity_are_returned() {
        let of = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(CONTENT_ENCODING, HeaderValue::from_static(value));
            }
            encoding(&headers)
        };
        for plain in [&[][..], &["identity"], &["Identity, identity"], &[""]] {
            assert_eq!(of(plain), None, "{plain:?}");
        }
        assert_eq!(of(&["gzip"]).as_deref(), Some("gzip"));
        assert_eq!(of(&["identity", "br"]).as_deref(), Some("identity, br"));
    }
}
