//! `Authorization` headers. They are marked as sensitive: neither printed nor compressed with other headers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderValue;
use zeroize::Zeroizing;

/// HTTP Basic; `None` for a username with a colon, which HTTP Basic does not allow.
pub(crate) fn basic(username: &str, password: &str) -> Option<HeaderValue> {
    if username.contains(':') {
        return None;
    }
    let pair = Zeroizing::new(format!("{username}:{password}"));
    let encoded = Zeroizing::new(STANDARD.encode(pair.as_bytes()));
    authorization("Basic", &encoded)
}

/// `Authorization: <scheme> <secret>`; `None` for a secret with characters that are not allowed in a header.
pub(crate) fn authorization(scheme: &str, secret: &str) -> Option<HeaderValue> {
    let text = Zeroizing::new(format!("{scheme} {secret}"));
    let mut header = HeaderValue::from_str(&text).ok()?;
    header.set_sensitive(true);
    Some(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_sent_and_not_printed() {
        let header = basic("tw$1", "pä:ss").expect("a header");
        assert_eq!(header.as_bytes(), b"Basic dHckMTpww6Q6c3M=");
        assert_eq!(format!("{header:?}"), "Sensitive");
        assert!(basic("a:b", "c").is_none());
        assert!(authorization("Bearer", "a\nb").is_none());
    }
}
