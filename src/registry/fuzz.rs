//! Fuzz targets for registry responses, and for registries in a spec.

use super::challenge::{Challenge, select};
use super::check::version_check_url;
use crate::fuzz_support::{Mutations, choose, mutate, mutate_text};
use reqwest::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use url::Url;

const CHALLENGES: [&str; 6] = [
    r#"Bearer realm="https://auth.example.com/token",service="registry.example.com",scope="repository:a/b:pull""#,
    r#"Basic realm="a \"quoted\" name, and a comma", Bearer realm="https://a.example/t?x=1""#,
    "Negotiate, NTLM , Basic realm=simple",
    r#"Bearer realm="http://a.example/t", Bearer realm="https://b.example/""#,
    r#"Digest nonce=x, qop="auth,auth-int", Basic"#,
    r#"bearer  Realm = "https://u:p@a.example/", error=x"#,
];

fn headers(values: &[Vec<u8>]) -> HeaderMap {
    let values = values.iter().filter_map(|value| HeaderValue::from_bytes(value).ok());
    values.map(|value| (WWW_AUTHENTICATE, value)).collect()
}

#[test]
fn credentials_are_sent_only_to_allowed_urls() {
    bolero::check!().with_type::<(Vec<(u8, Mutations)>, bool)>().for_each(|(texts, plain_http)| {
        let values: Vec<_> =
            texts.iter().take(3).map(|(seed, changes)| mutate(choose(&CHALLENGES, *seed), changes)).collect();
        if let Ok(Challenge::Bearer(url)) = select(&headers(&values), *plain_http) {
            assert!(url.scheme() == "https" || (*plain_http && url.scheme() == "http"), "{url}");
            assert!(url.has_host() && url.username().is_empty() && url.password().is_none(), "{url}");
            assert_eq!(url.fragment(), None);
            assert_eq!(Url::parse(url.as_str()), Ok(url.clone()), "the requested URL is the checked one");
        }
    });
}

#[test]
fn a_quoted_service_is_parsed_back() {
    bolero::check!().with_type::<(Vec<u8>, u8, bool)>().for_each(|(service, other, first)| {
        let visible = |byte: &u8| char::from(b' ' + byte % 95);
        let service: String = service.iter().map(visible).collect();
        let quoted = service.replace('\\', "\\\\").replace('"', "\\\"");
        let bearer = format!("Bearer realm=\"https://a.example/t\",service=\"{quoted}\"");
        let other = choose(&["Basic realm=x", "Negotiate", "Digest nonce=\"a, b\""], *other);
        let text = if *first { format!("{bearer}, {other}") } else { format!("{other}, {bearer}") };
        let Ok(Challenge::Bearer(url)) = select(&headers(&[text.clone().into_bytes()]), false) else {
            unreachable!("{text}")
        };
        let pairs: Vec<_> = url.query_pairs().into_owned().collect();
        assert_eq!(pairs, [("service".to_owned(), service)], "{text}");
    });
}

#[test]
fn only_the_version_check_of_the_registrys_host_is_called() {
    const REGISTRIES: [&str; 4] =
        ["registry.example.com", "registry.example.com:5000/team/images", "https://a.example/v2", "[::1]:5000"];
    bolero::check!().with_type::<(u8, Mutations, bool)>().for_each(|(seed, changes, plain_http)| {
        let registry = mutate_text(choose(&REGISTRIES, *seed), changes);
        if let Ok(url) = version_check_url(&registry, *plain_http) {
            assert_eq!(url.path(), "/v2/", "{registry:?}");
            assert!(url.has_host() && url.username().is_empty() && url.password().is_none(), "{registry:?}");
            assert!(url.query().is_none() && url.fragment().is_none(), "{registry:?}");
            assert_eq!(url.scheme(), if *plain_http { "http" } else { "https" });
        }
    });
}
