//! Bodies of answers, bounded in size and time.

use super::body_memory::MemoryPermit;
use crate::sanitize::sanitize;
use reqwest::Response;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};
use zeroize::{Zeroize as _, Zeroizing};

/// How much of an answer that nobody reads is taken in, and for how long, so that its connection can be used again.
const DRAIN_LIMIT: usize = 64 << 10;
const DRAIN_TIME: Duration = Duration::from_secs(1);

/// Why there is no body.
#[derive(Debug)]
pub(crate) enum BodyError {
    /// It is larger than allowed.
    TooLarge,
    /// It did not end in time.
    TimedOut,
    /// It broke off.
    Interrupted(reqwest::Error),
    /// It is compressed, or encoded otherwise, although [`super::Client`] asks for `identity`: how.
    Encoded(String),
}

/// Reads a body, at most so much of it, without a byte-order mark before it. It is wiped when dropped, for it
/// may hold a secret.
pub(crate) async fn read(response: Response, limit: usize, deadline: Instant) -> Result<Zeroizing<Vec<u8>>, BodyError> {
    read_large(response, limit, deadline).await.map(|(body, _)| body)
}

/// The same of a body that may be large: keep its share of the common memory as long as the body.
pub(crate) async fn read_large(
    mut response: Response,
    limit: usize,
    deadline: Instant,
) -> Result<(Zeroizing<Vec<u8>>, MemoryPermit), BodyError> {
    let encoding = encoding(response.headers());
    let announced = usize::try_from(response.content_length().unwrap_or(0)).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(BodyError::TooLarge);
    }
    let mut share = MemoryPermit::default();
    if !share.grow_to(announced, limit, deadline).await {
        return Err(BodyError::TimedOut);
    }
    let mut body = Zeroizing::new(Vec::with_capacity(announced));
    loop {
        let chunk = timeout_at(share.deadline(deadline), response.chunk()).await.map_err(|_| BodyError::TimedOut)?;
        let Some(chunk) = chunk.map_err(BodyError::Interrupted)? else { break };
        let length = body.len() + chunk.len();
        if length > limit {
            return Err(BodyError::TooLarge);
        }
        if !share.grow_to(length, limit, deadline).await {
            return Err(BodyError::TimedOut);
        }
        append(&mut body, &chunk, limit);
    }
    // Some servers write the header on empty answers too, where it means nothing.
    if let Some(encoding) = encoding.filter(|_| !body.is_empty()) {
        return Err(BodyError::Encoded(encoding));
    }
    if body.starts_with(BYTE_ORDER_MARK) {
        body.drain(..BYTE_ORDER_MARK.len());
    }
    Ok((body, share))
}

/// UTF-8's. .NET writes it where it is asked for the encoding by name; JSON forbids it (RFC 8259, 8.1).
pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The encodings of a body, unless it is sent as it is.
fn encoding(headers: &HeaderMap) -> Option<String> {
    let values = headers.get_all(CONTENT_ENCODING).iter();
    let names: Vec<String> = values.map(|value| sanitize(&String::from_utf8_lossy(value.as_bytes()))).collect();
    let all = names.join(", ");
    let is_plain = |name: &str| name.trim().is_empty() || name.trim().eq_ignore_ascii_case("identity");
    (!all.split(',').all(is_plain)).then_some(all)
}

/// Whether an answer says that it is a page for people. Some servers say so of all that they send.
pub(crate) fn is_declared_html(headers: &HeaderMap) -> bool {
    let said = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let name = said.split(';').next().unwrap_or_default().trim();
    ["text/html", "application/xhtml+xml"].iter().any(|html| name.eq_ignore_ascii_case(html))
}

/// So much of a body tells whether it is a page.
const SNIFFED_BYTES: usize = 4096;

/// Elements with which a page begins, where it does not begin as it should.
const HTML_ELEMENTS: [&str; 28] = [
    "html", "head", "body", "title", "script", "style", "meta", "link", "base", "form", "div", "span", "p", "h1", "h2",
    "h3", "center", "table", "br", "hr", "b", "font", "img", "a", "iframe", "noscript", "main", "header",
];

/// Whether a body is a page for people: what a login page, a proxy or a load balancer sends in place of the
/// answer. Judged by its beginning, for such pages come with any content type; one that is said to be a page is one
/// unless it begins like data.
pub(crate) fn is_html(body: &[u8], is_declared: bool) -> bool {
    let start = body.get(..body.len().min(SNIFFED_BYTES)).unwrap_or_default();
    // Of UTF-16 the byte-order mark and every other byte are left out.
    let start = start.strip_prefix(b"\xff\xfe").or_else(|| start.strip_prefix(b"\xfe\xff")).unwrap_or(start);
    let start: Vec<u8> = start.iter().copied().filter(|byte| *byte != 0).collect();
    let text = String::from_utf8_lossy(&start).to_ascii_lowercase();
    let mut rest = text.trim_start_matches('\u{feff}').trim_start();
    // XHTML may begin with a declaration, and any page with comments.
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

/// Grows into a new buffer and wipes the old one, which a plain `extend` would leave in memory.
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

/// Takes in the rest of an answer, whose outcome is known already, so that the connection can be used again. Tells
/// whether it is a page for people.
pub(crate) async fn drain(mut response: Response) -> bool {
    let is_declared = is_declared_html(response.headers());
    let mut start = Zeroizing::new(Vec::with_capacity(SNIFFED_BYTES));
    let read = async {
        let mut left = DRAIN_LIMIT;
        while let Ok(Some(chunk)) = response.chunk().await {
            let room = SNIFFED_BYTES - start.len();
            start.extend(chunk.iter().take(room));
            let Some(rest) = left.checked_sub(chunk.len()) else { return };
            left = rest;
        }
    };
    // Late or broken: then the connection is closed, and nothing else is lost.
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
        for said in ["Please log in", "<x>Please log in</x>"] {
            assert!(is_html(said.as_bytes(), true) && !is_html(said.as_bytes(), false), "{said}");
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
    fn an_answer_says_that_it_is_a_page_by_its_type() {
        for (said, expected) in
            [("text/html", true), ("Text/HTML; charset=utf-16", true), ("application/json", false), ("", false)]
        {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(said))]);
            assert_eq!(is_declared_html(&headers), expected, "{said}");
        }
    }

    #[test]
    fn only_an_encoding_that_changes_the_body_is_named() {
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
