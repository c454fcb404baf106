//! Bodies of answers, bounded in size and time.

use super::memory::Share;
use crate::text::clean;
use reqwest::Response;
use reqwest::header::{CONTENT_ENCODING, HeaderMap};
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
    Late,
    /// It broke off.
    Broken(reqwest::Error),
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
) -> Result<(Zeroizing<Vec<u8>>, Share), BodyError> {
    let encoding = encoding(response.headers());
    let announced = usize::try_from(response.content_length().unwrap_or(0)).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(BodyError::TooLarge);
    }
    let mut share = Share::default();
    if !share.cover(announced, limit, deadline).await {
        return Err(BodyError::Late);
    }
    let mut body = Zeroizing::new(Vec::with_capacity(announced));
    loop {
        let chunk = timeout_at(share.deadline(deadline), response.chunk()).await.map_err(|_| BodyError::Late)?;
        let Some(chunk) = chunk.map_err(BodyError::Broken)? else { break };
        let length = body.len() + chunk.len();
        if length > limit {
            return Err(BodyError::TooLarge);
        }
        if !share.cover(length, limit, deadline).await {
            return Err(BodyError::Late);
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
    let names: Vec<String> = values.map(|value| clean(&String::from_utf8_lossy(value.as_bytes()))).collect();
    let all = names.join(", ");
    let is_plain = |name: &str| name.trim().is_empty() || name.trim().eq_ignore_ascii_case("identity");
    (!all.split(',').all(is_plain)).then_some(all)
}

/// Whether a body is a page for people: what a login page, a proxy or a load balancer sends in place of the
/// answer. Judged by its beginning, for such pages come with any content type.
pub(crate) fn is_html(body: &[u8]) -> bool {
    const BEGINNINGS: [&str; 6] = ["<!doctype html", "<html", "<head", "<body", "<title", "<script"];
    let start = body.get(..body.len().min(2048)).unwrap_or_default();
    let text = String::from_utf8_lossy(start).to_ascii_lowercase();
    let mut rest = text.trim_start_matches('\u{feff}').trim_start();
    // XHTML may begin with a declaration, and any page with comments.
    while let Some((_, after)) = rest
        .strip_prefix("<?xml")
        .and_then(|rest| rest.split_once("?>"))
        .or_else(|| rest.strip_prefix("<!--").and_then(|rest| rest.split_once("-->")))
    {
        rest = after.trim_start();
    }
    BEGINNINGS.iter().any(|beginning| rest.starts_with(beginning))
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

/// Takes in the rest of an answer, whose outcome is known already, so that the connection can be used again.
pub(crate) async fn drain(mut response: Response) {
    let read = async {
        let mut left = DRAIN_LIMIT;
        while let Ok(Some(chunk)) = response.chunk().await {
            let Some(rest) = left.checked_sub(chunk.len()) else { return };
            left = rest;
        }
    };
    // Late or broken: then the connection is closed, and nothing else is lost.
    let _ = timeout(DRAIN_TIME, read).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    #[test]
    fn a_page_for_people_is_told_from_data() {
        for page in [
            "<!DOCTYPE html><html>",
            "\u{feff}\r\n  <HTML lang=nl>",
            "<?xml version=\"1.0\"?>\n<!DOCTYPE html PUBLIC",
            "<!-- proxy --><!-- more -->\n<head>",
            "<title>Sign in</title>",
        ] {
            assert!(is_html(page.as_bytes()), "{page}");
        }
        for data in [
            "",
            "{\"value\":[]}",
            "\"<html>\"",
            "<?xml version=\"1.0\"?><edmx:Edmx>",
            "<!-- html --><edmx:Edmx>",
            "<Schema>",
            "<!-- <html>",
        ] {
            assert!(!is_html(data.as_bytes()), "{data}");
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
