//! Addresses at the portal, with every literal percent-encoded (documented as needed).

use super::literal::Literal;
use crate::api::{Reason, Thinkwise};
use crate::portal::thinkwise::{Delivery, PortalError};
use std::fmt::Write as _;
use url::Url;

/// `<url>/iam/<application>` (documented).
pub(crate) fn service_root(spec: &Thinkwise) -> Result<Url, PortalError> {
    let mut url = parse(&spec.url, "spec.thinkwise.url", spec.allow_insecure_http)?;
    extend(&mut url, &["iam", &spec.application])?;
    Ok(url)
}

/// Parses a URL that credentials are sent to.
pub(crate) fn parse(text: &str, field: &str, allow_http: bool) -> Result<Url, PortalError> {
    let url = Url::parse(text).map_err(|_| invalid_url(&format!("{field} is not a URL")))?;
    match url.scheme() {
        "https" => Ok(url),
        "http" if allow_http => Ok(url),
        _ => Err(invalid_url(&format!("{field} is not https: credentials and tokens would be sent unencrypted"))),
    }
}

/// The URL of a child resource.
pub(crate) fn child(url: &Url, name: &str) -> Result<Url, PortalError> {
    let mut child = url.clone();
    child.set_query(None);
    extend(&mut child, &[name])?;
    Ok(child)
}

pub(crate) fn extend(url: &mut Url, segments: &[&str]) -> Result<(), PortalError> {
    let mut path = url.path_segments_mut().map_err(|()| invalid_url("spec.thinkwise.url cannot have a path"))?;
    path.pop_if_empty().extend(segments);
    Ok(())
}

/// The URL of a row: `table(17)`, or `table(a=1,b='x')` for a key of several columns (documented).
pub(crate) fn row_url(root: &Url, table: &str, key: &[(String, Literal)]) -> Result<Url, PortalError> {
    let key = match key {
        [(_, only)] => percent_encode(&only.to_url_literal()),
        parts => {
            let parts: Vec<String> = parts
                .iter()
                .map(|(name, value)| format!("{name}={}", percent_encode(&value.to_url_literal())))
                .collect();
            parts.join(",")
        }
    };
    let base = child(root, table)?;
    Url::parse(&format!("{base}({key})")).map_err(|_| invalid_url("the key of a row does not form a valid URL"))
}

/// Encodes every byte that is not unreserved. Not form encoding: OData reads a plus as a plus, and a space is %20.
pub(crate) fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'(' | b')' | b',' => {
                encoded.push(char::from(byte));
            }
            // Writing to a String cannot fail.
            _ => drop(write!(encoded, "%{byte:02X}")),
        }
    }
    encoded
}

/// Resolves a link of a response. It receives the operator's credentials, so only the portal itself is contacted.
///
/// Behind a proxy a portal may not know its own address and send a link that only it can reach. If the link's path is
/// below the service root, the origin of the service root is used.
pub(crate) fn resolve_link(root: &Url, current: &Url, link: &str, what: &str) -> Result<Url, PortalError> {
    let invalid = |problem: &str| {
        PortalError::new(Delivery::Unknown, Reason::InvalidResponse, format!("the portal's {what} {problem}"))
    };
    let mut next = current.join(link).map_err(|_| invalid("is not a valid URL"))?;
    next.set_fragment(None);
    if !next.username().is_empty() || next.password().is_some() {
        return Err(invalid("contains credentials and is not followed"));
    }
    if next.origin() == current.origin() {
        return Ok(next);
    }
    if is_below(root, &next) {
        Ok(with_own_origin(root, &next))
    } else {
        Err(invalid("points to another server and is not followed"))
    }
}

/// The name of the resource at an address directly below the service root: `staged_x` for `<root>/staged_x(…)`.
pub(crate) fn resource_name<'a>(root: &Url, at: &'a Url) -> Option<&'a str> {
    let rest = at.path().strip_prefix(root.path().trim_end_matches('/'))?.strip_prefix('/')?;
    let (name, _) = rest.split_once('(').filter(|_| !rest.contains('/'))?;
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (is_plain && !name.is_empty()).then_some(name)
}

/// Whether an HTTP URL has a path below this one.
pub(crate) fn is_below(root: &Url, other: &Url) -> bool {
    let folder = root.path().trim_end_matches('/');
    let rest = other.path().strip_prefix(folder);
    matches!(other.scheme(), "http" | "https") && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The same path and query at this URL's origin.
pub(crate) fn with_own_origin(own: &Url, other: &Url) -> Url {
    let mut url = own.clone();
    url.set_path(other.path());
    url.set_query(other.query());
    url
}

fn invalid_url(message: &str) -> PortalError {
    PortalError::new(Delivery::NotSent, Reason::Unreachable, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::portal::thinkwise::odata::value_kind::ValueKind;

    fn literal(kind: ValueKind, text: &str) -> Literal {
        Literal::parse(kind, text).expect(text)
    }

    #[test]
    fn a_row_url_contains_its_key_with_encoded_literals() {
        let root = Url::parse("https://portal.example.com/indicium/iam/tcp").expect("a URL");
        let guid = "0f8fad5b-d9cb-469f-a165-70867728950e";
        for (key, address) in [
            (vec![("id", literal(ValueKind::Integer, "17"))], "(17)".to_owned()),
            (vec![("id", literal(ValueKind::Guid, guid))], format!("({guid})")),
            (
                vec![("id", literal(ValueKind::Text, "a/b'c é+%?#"))],
                "(%27a%2Fb%27%27c%20%C3%A9%2B%25%3F%23%27)".to_owned(),
            ),
            (
                vec![("klant_id", literal(ValueKind::Integer, "42")), ("code", literal(ValueKind::Text, ".."))],
                "(klant_id=42,code=%27..%27)".to_owned(),
            ),
        ] {
            let key: Vec<_> = key.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            let found = row_url(&root, "klant_token", &key).expect("an address");
            assert_eq!(found.as_str(), format!("{root}/klant_token{address}"));
            assert_eq!(child(&found, "task_x").expect("an address").as_str(), format!("{found}/task_x"));
        }
    }

    #[test]
    fn a_resource_name_is_found_directly_below_the_root_only() {
        let root = Url::parse("https://portal.example.com/indicium/iam/tcp").expect("a URL");
        for (path, name) in [
            ("/staged_request_token(0f8f)", Some("staged_request_token")),
            ("/klant(42)", Some("klant")),
            ("/klant(42)/tokens(17)", None),
            ("/klant", None),
            ("2/staged_x(1)", None),
            ("/kl%61nt(42)", None),
            ("/(42)", None),
        ] {
            let at = Url::parse(&format!("{root}{path}")).expect("a URL");
            assert_eq!(resource_name(&root, &at), name, "{path}");
        }
    }

    #[test]
    fn a_link_is_followed_on_the_portals_origin_only() {
        let root = Url::parse("https://portal.example.com/indicium/iam/tcp").expect("a URL");
        let current = Url::parse("https://portal.example.com/indicium/iam/tcp/t?$top=1").expect("a URL");
        for (link, next) in [
            ("t?$skip=1", "https://portal.example.com/indicium/iam/tcp/t?$skip=1"),
            ("?$skip=1", "https://portal.example.com/indicium/iam/tcp/t?$skip=1"),
            ("/indicium/x?$skip=1#f", "https://portal.example.com/indicium/x?$skip=1"),
            ("https://portal.example.com:443/y", "https://portal.example.com/y"),
            // A portal behind a proxy that does not know its public address writes links like these.
            (
                "http://portal.example.com/indicium/iam/tcp/t?a=%2F#f",
                "https://portal.example.com/indicium/iam/tcp/t?a=%2F",
            ),
            (
                "http://10.0.0.7:8080/indicium/iam/tcp/s(%27a%27)",
                "https://portal.example.com/indicium/iam/tcp/s(%27a%27)",
            ),
            ("//indicium.internal/indicium/iam/tcp/t", "https://portal.example.com/indicium/iam/tcp/t"),
            ("https://other.example.com/x/../indicium/iam/tcp/t", "https://portal.example.com/indicium/iam/tcp/t"),
        ] {
            let found = resolve_link(&root, &current, link, "link").expect(link);
            assert_eq!(found.as_str(), next);
            assert_eq!(found.origin(), root.origin());
        }
        for link in [
            "http://portal.example.com/t",
            "https://portal.example.com:8443/t",
            "https://other.example.com/t",
            "//other.example.com/t",
            "https://u:p@portal.example.com/t",
            "https://u:p@other.example.com/indicium/iam/tcp/t",
            "https://other.example.com/indicium/iam/tcp2/t",
            "https://other.example.com/indicium/iam/tcp/../other/t",
            "https://other.example.com/Indicium/iam/tcp/t",
            "ftp://other.example.com/indicium/iam/tcp/t",
            "file:///indicium/iam/tcp/t",
            "file:///etc/passwd",
            "https://[",
        ] {
            let failure = resolve_link(&root, &current, link, "link").expect_err(link);
            assert_eq!(failure.reason, Reason::InvalidResponse, "{link}");
        }
    }
}
