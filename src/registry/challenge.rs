//! How a registry wants to be asked: the header `WWW-Authenticate` (RFC 9110).

use http_auth::ChallengeRef;
use http_auth::parser::ChallengeParser;
use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};
use url::Url;

/// A way to log in that we know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// The credentials go to the registry itself.
    Basic,
    /// The credentials go to this address, which gives a bearer.
    Bearer(Url),
}

/// What is wrong with all of a registry's ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ChallengeError {
    /// It names none that we know.
    #[error("asks for a login without saying how (no Basic or Bearer in WWW-Authenticate)")]
    NoSupportedScheme,
    /// The token endpoint is not an address.
    #[error("names no usable token endpoint (the realm in WWW-Authenticate)")]
    InvalidRealm,
    /// The token endpoint is not https.
    #[error("names a token endpoint that is not https: the credentials would travel in the clear")]
    InsecureRealm,
}

/// The way to log in: a bearer where there is one, as clients prefer it, else Basic.
///
/// The token endpoint may lie on another host (documented: Docker Hub's does). Whoever holds the
/// registry's certificate says so, and gets the credentials anyway. It must be https, unless the
/// registry itself is not.
pub(super) fn select(headers: &HeaderMap, plain_http: bool) -> Result<Challenge, ChallengeError> {
    let texts = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
    // What stands before a mistake counts: some put schemes beside each other that no parser knows.
    let challenges: Vec<_> = texts.flat_map(|text| ChallengeParser::new(text).map_while(Result::ok)).collect();
    let mut problem = ChallengeError::NoSupportedScheme;
    for bearer in challenges.iter().filter(|found| found.scheme.eq_ignore_ascii_case("Bearer")) {
        match token_endpoint(bearer, plain_http) {
            Ok(url) => return Ok(Challenge::Bearer(url)),
            Err(error) => problem = error,
        }
    }
    let basic = challenges.iter().any(|found| found.scheme.eq_ignore_ascii_case("Basic"));
    if basic { Ok(Challenge::Basic) } else { Err(problem) }
}

/// Where the bearer is had: the realm with the service's name, and without a scope, for a login alone.
fn token_endpoint(bearer: &ChallengeRef<'_>, plain_http: bool) -> Result<Url, ChallengeError> {
    let mut url =
        parameter(bearer, "realm").and_then(|realm| Url::parse(&realm).ok()).ok_or(ChallengeError::InvalidRealm)?;
    match url.scheme() {
        "https" => {}
        "http" if plain_http => {}
        "http" => return Err(ChallengeError::InsecureRealm),
        _ => return Err(ChallengeError::InvalidRealm),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(ChallengeError::InvalidRealm);
    }
    url.set_fragment(None);
    if let Some(service) = parameter(bearer, "service") {
        url.query_pairs_mut().append_pair("service", &service);
    }
    Ok(url)
}

fn parameter(challenge: &ChallengeRef<'_>, name: &str) -> Option<String> {
    let found = challenge.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.to_unescaped())
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    fn choose_of(values: &[&str], plain_http: bool) -> Result<Challenge, ChallengeError> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_str(value).expect("a header"));
        }
        select(&headers, plain_http)
    }

    fn bearer(url: &str) -> Challenge {
        Challenge::Bearer(Url::parse(url).expect("a URL"))
    }

    #[test]
    fn a_bearer_is_preferred_wherever_it_stands_and_however_it_is_written() {
        let there = bearer("https://auth.example.com/token?service=registry.example.com");
        let plain = r#"Bearer realm="https://auth.example.com/token",service="registry.example.com""#;
        for values in [
            &[plain][..],
            &["Basic realm=\"x\"", plain],
            &[&format!("Basic realm=\"x, y=\\\"z\\\"\", {plain}")],
            &[&format!("{plain}, Basic realm=x")],
            &["bEARER  ", r#"bearer SERVICE=registry.example.com ,  Realm = "https://auth.example.com/\token""#],
            &[&format!("{plain},scope=\"repository:a/b:pull\",error=\"invalid_token\"")],
            &[&format!("{plain}, Negotiate oRQwEqADCgEBoQsG=, Basic realm=x")],
        ] {
            assert_eq!(choose_of(values, false).as_ref(), Ok(&there), "{values:?}");
        }
    }

    #[test]
    fn a_realm_keeps_its_own_query_and_a_service_is_encoded() {
        let value = r#"Bearer realm="https://a.example/t?x=1#f",service="Docker Registry & \"more\"""#;
        let there = bearer("https://a.example/t?x=1&service=Docker+Registry+%26+%22more%22");
        assert_eq!(choose_of(&[value], false), Ok(there));
        assert_eq!(choose_of(&[r#"Bearer realm="https://a.example/t""#], false), Ok(bearer("https://a.example/t")));
    }

    #[test]
    fn basic_is_taken_where_no_bearer_can_be_had() {
        for values in [&["Basic realm=x"][..], &["basic"], &["Bearer realm=nonsense", "Digest nonce=x, Basic realm=x"]]
        {
            assert_eq!(choose_of(values, false), Ok(Challenge::Basic), "{values:?}");
        }
    }

    #[test]
    fn credentials_go_nowhere_in_the_clear_unless_the_registry_is_asked_so_too() {
        let value = r#"Bearer realm="http://a.example/t""#;
        assert_eq!(choose_of(&[value], false), Err(ChallengeError::InsecureRealm));
        assert_eq!(choose_of(&[value], true), Ok(bearer("http://a.example/t")));
    }

    #[test]
    fn what_cannot_be_used_is_not() {
        for (value, problem) in [
            ("Digest realm=x", ChallengeError::NoSupportedScheme),
            ("", ChallengeError::NoSupportedScheme),
            (",,,", ChallengeError::NoSupportedScheme),
            ("\"", ChallengeError::NoSupportedScheme),
            ("Bearer", ChallengeError::InvalidRealm),
            ("Bearer service=x", ChallengeError::InvalidRealm),
            ("Bearer realm=\"\"", ChallengeError::InvalidRealm),
            ("Bearer realm=\"/token\"", ChallengeError::InvalidRealm),
            ("Bearer realm=\"ftp://a.example/\"", ChallengeError::InvalidRealm),
            ("Bearer realm=\"file:///etc/passwd\"", ChallengeError::InvalidRealm),
            ("Bearer realm=\"https://u:p@a.example/\"", ChallengeError::InvalidRealm),
        ] {
            assert_eq!(choose_of(&[value], false), Err(problem), "{value}");
        }
        assert_eq!(choose_of(&[], false), Err(ChallengeError::NoSupportedScheme));
    }
}
