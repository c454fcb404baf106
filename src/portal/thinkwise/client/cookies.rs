//! The cookies of one task.
//!
//! A staged task and a waiting process flow exist in one instance of Indicium. Installations with several use a load
//! balancer's affinity cookie (documented), so the cookies that are set during a task are sent back for the rest of
//! it, and discarded afterwards.

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::header::{HeaderMap, HeaderValue, SET_COOKIE};
use std::sync::{Mutex, PoisonError};
use url::Url;
use zeroize::Zeroizing;

/// Load balancers set one or two.
const MAX_COOKIES: usize = 16;
/// The maximum size of a cookie's name and value, in bytes. Browsers have the same limit.
const MAX_COOKIE_BYTES: usize = 4096;

/// The cookies that the responses of a task have set. No `Debug`: they may contain a session.
#[derive(Default)]
pub(crate) struct CookieJar(Mutex<Vec<Cookie>>);

struct Cookie {
    name: String,
    value: Zeroizing<String>,
    path: String,
    https_only: bool,
}

impl CookieJar {
    /// Stores the cookies that a response sets. All addresses of a task have one origin.
    pub(crate) fn store(&self, headers: &HeaderMap) {
        let mut cookies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for text in headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok()) {
            let Some((cookie, is_expired)) = parse(text) else { continue };
            cookies.retain(|stored| stored.name != cookie.name || stored.path != cookie.path);
            if !is_expired && cookies.len() < MAX_COOKIES {
                cookies.push(cookie);
            }
        }
    }

    /// The `Cookie` header of a request for this address, marked as sensitive.
    pub(crate) fn header(&self, url: &Url) -> Option<HeaderValue> {
        let cookies = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_applicable = |cookie: &&Cookie| {
            path_matches(url.path(), &cookie.path) && (!cookie.https_only || url.scheme() == "https")
        };
        let mut pairs = Zeroizing::new(String::new());
        for cookie in cookies.iter().filter(is_applicable) {
            if !pairs.is_empty() {
                pairs.push_str("; ");
            }
            pairs.push_str(&cookie.name);
            pairs.push('=');
            pairs.push_str(&cookie.value);
        }
        let mut header = HeaderValue::from_str(&pairs).ok().filter(|_| !pairs.is_empty())?;
        header.set_sensitive(true);
        Some(header)
    }
}

/// Parses a cookie, and whether the server deletes it (RFC 6265, 5.2). Its domain is ignored: it is never sent to
/// another host than the one that set it. Without a path it is sent to every path of that host, unlike in a browser:
/// a staged task has another address than the request that staged it, and some load balancers set no path.
fn parse(text: &str) -> Option<(Cookie, bool)> {
    let mut parts = text.split(';');
    let (name, value) = parts.next()?.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    if name.is_empty() || name.len() + value.len() > MAX_COOKIE_BYTES || !is_plain(name) || !is_plain(value) {
        return None;
    }
    let (mut path, mut max_age, mut expires, mut https_only) = ("/".to_owned(), None, None, false);
    for part in parts {
        let (key, value) = part.split_once('=').map_or((part.trim(), ""), |(key, value)| (key.trim(), value.trim()));
        match key.to_ascii_lowercase().as_str() {
            "path" if value.starts_with('/') => value.clone_into(&mut path),
            "max-age" => max_age = value.parse::<i64>().ok(),
            // The usual date formats; if a date cannot be parsed, the cookie is kept.
            "expires" => {
                expires = DateTimeParser::new().relaxed_weekday(true).parse_timestamp(value.replace('-', " ")).ok();
            }
            "secure" => https_only = true,
            _ => {}
        }
    }
    let is_expired = max_age.map_or_else(|| expires.is_some_and(|expiry| expiry <= Timestamp::now()), |age| age <= 0);
    let value = Zeroizing::new(value.to_owned());
    Some((Cookie { name: name.to_owned(), value, path, https_only }, is_expired))
}

fn path_matches(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| folder.ends_with('/') || rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).expect("a URL")
    }

    fn sent(set: &[&'static str], to: &str) -> Option<String> {
        let cookies = CookieJar::default();
        for value in set {
            let mut headers = HeaderMap::new();
            headers.append(SET_COOKIE, HeaderValue::from_static(value));
            cookies.store(&headers);
        }
        let header = cookies.header(&url(to))?;
        assert_eq!(format!("{header:?}"), "Sensitive");
        Some(header.to_str().expect("a text").to_owned())
    }

    #[test]
    fn load_balancer_cookies_are_sent_back_unmodified() {
        let azure = ["ARRAffinity=0a1b==;Path=/;HttpOnly;Secure;Domain=portal.example.com", "route=\"1.2\"; path=/"];
        let commit = "https://portal.example.com/indicium/iam/tcp/staged_t(1)/commit";
        assert_eq!(sent(&azure, commit).as_deref(), Some("ARRAffinity=0a1b==; route=\"1.2\""));
        assert_eq!(sent(&azure, &commit.replace("https", "http")).as_deref(), Some("route=\"1.2\""), "not without TLS");
    }

    #[test]
    fn the_newest_value_is_sent_and_an_expired_cookie_is_removed() {
        let commit = "https://portal.example.com/indicium/iam/tcp/x";
        assert_eq!(sent(&["a=1; Path=/", "a=2; Path=/"], commit).as_deref(), Some("a=2"));
        for end in
            ["a=; Max-Age=0; Path=/", "a=x; path=/; expires=Thu, 01-Jan-1970 00:00:00 GMT", "a=x; Path=/; max-age=-1"]
        {
            assert_eq!(sent(&["a=1; Path=/", end], commit), None, "{end}");
        }
        let later = "a=1; Path=/; Expires=Fri, 31 Dec 2199 23:59:59 GMT; Max-Age=60";
        assert_eq!(sent(&[later], commit).as_deref(), Some("a=1"));
    }

    #[test]
    fn a_cookie_is_sent_to_its_path_only() {
        let at = |path: &str| format!("https://portal.example.com{path}");
        assert_eq!(sent(&["a=1; Path=/indicium"], &at("/indicium/iam")).as_deref(), Some("a=1"));
        assert_eq!(sent(&["a=1; Path=/indicium"], &at("/indicium2")), None);
        assert_eq!(sent(&["a=1"], &at("/indicium/iam/tcp/staged(1)")).as_deref(), Some("a=1"), "without a path");
    }

    #[test]
    fn invalid_cookies_are_ignored_and_their_number_is_limited() {
        for invalid in ["", "=", "=x", "a", "; Path=/"] {
            assert_eq!(sent(&[invalid], "https://portal.example.com/"), None, "{invalid}");
        }
        let cookies = CookieJar::default();
        for number in 0..100 {
            let mut headers = HeaderMap::new();
            headers.append(SET_COOKIE, HeaderValue::from_str(&format!("c{number}=1")).expect("a header"));
            cookies.store(&headers);
        }
        assert_eq!(cookies.0.lock().expect("cookies").len(), MAX_COOKIES);
    }
}
