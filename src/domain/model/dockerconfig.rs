//! The content of a Secret of type `kubernetes.io/dockerconfigjson`.

use super::hash::hash;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// Type of a pull secret.
pub const SECRET_TYPE: &str = "kubernetes.io/dockerconfigjson";
/// Key of the content in the Secret's data.
pub const DATA_KEY: &str = ".dockerconfigjson";
/// Content of a Secret that stores no token.
pub const EMPTY: &[u8] = br#"{"auths":{}}"#;

/// One login, the same for every registry.
pub struct DockerLogin {
    pub username: String,
    pub password: Zeroizing<String>,
    /// The registries, sorted.
    pub hosts: Vec<String>,
}

/// Encodes the content: username, password and both combined as `auth`, for every registry.
///
/// # Errors
/// Fails only if a text cannot be written as JSON.
pub fn encode(hosts: &[String], username: &str, secret: &str) -> Result<Zeroizing<Vec<u8>>, serde_json::Error> {
    #[derive(serde::Serialize)]
    struct Entry<'a> {
        username: &'a str,
        password: &'a str,
        auth: &'a str,
    }
    let pair = Zeroizing::new(format!("{username}:{secret}"));
    let auth = Zeroizing::new(STANDARD.encode(pair.as_bytes()));
    let auths: BTreeMap<&str, Entry<'_>> =
        hosts.iter().map(|host| (host.as_str(), Entry { username, password: secret, auth: &auth })).collect();
    serde_json::to_vec(&BTreeMap::from([("auths", auths)])).map(Zeroizing::new)
}

/// The login for one registry, as it is in the content. Clients set username and password, or `auth`, or all three.
#[derive(Deserialize)]
pub(super) struct Entry {
    #[serde(default)]
    pub(super) username: String,
    #[serde(default)]
    pub(super) password: Zeroizing<String>,
    #[serde(default)]
    pub(super) auth: Zeroizing<String>,
}

/// The content: an entry for each registry.
#[derive(Deserialize)]
pub(super) struct Config {
    pub(super) auths: BTreeMap<String, Entry>,
}

/// Parses a content with one login, the same for every registry, whose `auth` matches its username and password.
/// Returns `None` for any other content.
#[must_use]
pub fn parse_login(content: &[u8]) -> Option<DockerLogin> {
    let config: Config = serde_json::from_slice(content).ok()?;
    let first = config.auths.values().next()?;
    if first.username.is_empty() || first.password.is_empty() {
        return None;
    }
    let pair = Zeroizing::new(format!("{}:{}", first.username, *first.password));
    let auth = Zeroizing::new(STANDARD.encode(pair.as_bytes()));
    let same = config
        .auths
        .values()
        .all(|entry| entry.username == first.username && entry.password == first.password && *entry.auth == *auth);
    same.then(|| DockerLogin {
        username: first.username.clone(),
        password: first.password.clone(),
        hosts: config.auths.keys().cloned().collect(),
    })
}

/// Hash of the registries. The Secret's metadata contains it, to detect whether the content was written for other
/// registries.
#[must_use]
pub fn registries_hash(hosts: &[String]) -> String {
    let mut sorted: Vec<&str> = hosts.iter().map(String::as_str).collect();
    sorted.sort_unstable();
    hash(&sorted, 12)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts() -> Vec<String> {
        vec!["b.example:5000".into(), "a.example".into()]
    }

    #[test]
    fn what_is_written_is_parsed_again() {
        let content = encode(&hosts(), "tw-1", "p\"w\\$+/").expect("written");
        let login = parse_login(&content).expect("a login");
        assert_eq!((login.username.as_str(), login.password.as_str()), ("tw-1", "p\"w\\$+/"));
        assert_eq!(login.hosts, ["a.example", "b.example:5000"]);
    }

    #[test]
    fn broken_content_is_no_login() {
        let good = String::from_utf8(encode(&hosts(), "tw-1", "secret").expect("written").to_vec()).expect("text");
        for broken in ["", "{}", "{\"auths\":{}}", &good.replacen("secret", "other", 1), &good.replacen("tw-1", "", 1)]
        {
            assert!(parse_login(broken.as_bytes()).is_none(), "{broken}");
        }
        assert!(parse_login(EMPTY).is_none());
    }

    #[test]
    fn the_hash_ignores_the_order() {
        let mut reversed = hosts();
        reversed.reverse();
        assert_eq!(registries_hash(&hosts()), registries_hash(&reversed));
        assert_ne!(registries_hash(&hosts()), registries_hash(&hosts()[..1]));
    }
}
