//! Parses a registry's authentication challenge: the header `WWW-Authenticate` (RFC 9110).

use http_auth::ChallengeRef;
use http_auth::parser::ChallengeParser;
use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};
use url::Url;

/// A supported authentication scheme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// The credentials are sent to the registry itself.
    Basic,
    /// The credentials are sent to this URL, which returns an access token.
    Bearer(Url),
}

/// Why none of a registry's schemes can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ChallengeError {
    /// It sends no supported scheme.
    #[error("requires a login with an unsupported scheme (no Basic or Bearer in WWW-Authenticate)")]
    NoSupportedScheme,
    /// The token endpoint is not a valid URL.
    #[error("has no valid token endpoint (the realm in WWW-Authenticate)")]
    InvalidRealm,
    /// The token endpoint is not https.
    #[error("has a token endpoint that is not https: the credentials would be sent unencrypted")]
    InsecureRealm,
}

/// Selects a scheme: Bearer if it is offered, which clients prefer, otherwise Basic.
///
/// The token endpoint may be on another host (documented: Docker Hub's is). The owner of the registry's certificate
/// determines it, and receives the credentials anyway. It must use https, unless the registry itself does not.
pub(super) fn select(headers: &HeaderMap, plain_http: bool) -> Result<Challenge, ChallengeError> {
    let texts = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
    // Challenges before a syntax error count: some servers combine schemes that no parser supports.
    let challenges: Vec<_> = texts.flat_map(|text| ChallengeParser::new(text).map_while(Result::ok)).collect();
    let mut problem = ChallengeError::NoSupportedScheme;
    for bearer in challenges.iter().filter(|found| found.scheme.eq_ignore_ascii_case("Bearer")) {
        match token_endpoint(bearer, plain_http) {
            Ok(url) => return Ok(Challenge::Bearer(url)),
            Err(error) => problem = error,
        }
    }
    let has_basic = challenges.iter().any(|found| found.scheme.eq_ignore_ascii_case("Basic"));
    if has_basic { Ok(Challenge::Basic) } else { Err(problem) }
}

/// The URL for the access token: the realm with the service's name, and without a scope, which is sufficient for a
/// login.
fn token_endpoint(challenge: &ChallengeRef<'_>, plain_http: bool) -> Result<Url, ChallengeError> {
    let mut url =
        parameter(challenge, "realm").and_then(|realm| Url::parse(&realm).ok()).ok_or(ChallengeError::InvalidRealm)?;
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
    if let Some(service) = parameter(challenge, "service") {
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

    fn select_from(values: &[&str], plain_http: bool) -> Result<Challenge, ChallengeError> {
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
    fn bearer_is_preferred_in_every_position_and_notation() {
        let expected = bearer("https://auth.example.com/token?service=registry.example.com");
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
            assert_eq!(select_from(values, false).as_ref(), Ok(&expected), "{values:?}");
        }
    }

    #[test]
    fn the_query_of_a_realm_is_kept_and_the_service_is_encoded() {
        let value = r#"Bearer realm="https://a.example/t?x=1#f",service="Docker Registry & \"more\"""#;
        let expected = bearer("https://a.example/t?x=1&service=Docker+Registry+%26+%22more%22");
        assert_eq!(select_from(&[value], false), Ok(expected));
        assert_eq!(select_from(&[r#"Bearer realm="https://a.example/t""#], false), Ok(bearer("https://a.example/t")));
    }

    #[test]
    fn basic_is_selected_if_bearer_is_missing_or_invalid() {
        for values in [&["Basic realm=x"][..], &["basic"], &["Bearer realm=nonsense", "Digest nonce=x, Basic realm=x"]]
        {
            assert_eq!(select_from(values, false), Ok(Challenge::Basic), "{values:?}");
        }
    }

    #[test]
    fn credentials_are_sent_unencrypted_only_if_the_registry_is_plain_http() {
        let value = r#"Bearer realm="http://a.example/t""#;
        assert_eq!(select_from(&[value], false), Err(ChallengeError::InsecureRealm));
        assert_eq!(select_from(&[value], true), Ok(bearer("http://a.example/t")));
    }

    #[test]
    fn unusable_challenges_are_rejected() {
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
            assert_eq!(select_from(&[value], false), Err(problem), "{value}");
        }
        assert_eq!(select_from(&[], false), Err(ChallengeError::NoSupportedScheme));
    }
}
