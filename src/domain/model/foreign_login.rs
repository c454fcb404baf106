//! The login in a Secret of type `kubernetes.io/dockerconfigjson` that another client wrote.

use super::dockerconfig::{Config, DockerLogin, Entry};
use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

/// The most registries that a message names.
const MAX_NAMED: usize = 3;

/// Why a content has no login that can be imported.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum UnusableLogin {
    /// It has no login, or is not valid.
    None,
    /// It has several logins, for these registries.
    Several(Vec<String>),
    /// It also has a login for these registries, which are not the issuer's.
    OtherRegistries(Vec<String>),
}

impl Entry {
    /// Like docker and the kubelet, it accepts username and password as fields, or combined as `auth`, or both.
    fn login(&self) -> Option<(String, Zeroizing<String>)> {
        let (username, password) = if self.auth.is_empty() {
            (self.username.clone(), self.password.clone())
        } else {
            let decoded = Zeroizing::new(STANDARD.decode(self.auth.as_bytes()).ok()?);
            let (username, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
            (username.to_owned(), Zeroizing::new(password.to_owned()))
        };
        let agrees = |field: &str, decoded: &str| field.is_empty() || field == decoded;
        let one = agrees(&self.username, &username) && agrees(&self.password, &password);
        // HTTP Basic, and `auth`, end the username at the first colon.
        let usable = !username.is_empty() && !username.contains(':') && !password.is_empty();
        (one && usable).then_some((username, password))
    }
}

/// Parses a content with one login, which is the same for all its registries.
///
/// # Errors
/// Why the login cannot be imported: an import writes the content again, for the issuer's registries alone, so that any other
/// login would be lost.
pub fn parse(content: &[u8], registries: &[String]) -> Result<DockerLogin, UnusableLogin> {
    let config: Config = serde_json::from_slice(content).map_err(|_| UnusableLogin::None)?;
    let is_other = |key: &&String| !registries.iter().any(|registry| names_registry(key, registry));
    let others: Vec<String> = config.auths.keys().filter(is_other).cloned().collect();
    if !others.is_empty() {
        return Err(UnusableLogin::OtherRegistries(others));
    }
    let logins: Option<Vec<_>> = config.auths.values().map(Entry::login).collect();
    let mut logins = logins.ok_or(UnusableLogin::None)?.into_iter();
    let (username, password) = logins.next().ok_or(UnusableLogin::None)?;
    let same = logins.all(|other| other.0 == username && *other.1 == *password);
    let hosts: Vec<String> = config.auths.into_keys().collect();
    if same { Ok(DockerLogin { username, password, hosts }) } else { Err(UnusableLogin::Several(hosts)) }
}

impl UnusableLogin {
    /// What is wrong, and what to do.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::None => "the Secret does not contain a login with username and password".to_owned(),
            Self::Several(registries) => {
                format!("the Secret contains different logins for {}: keep the one of the token", listed(registries))
            }
            Self::OtherRegistries(registries) => format!(
                "the Secret also contains {}, which is none of the issuer's registries, and an import would remove it: move it to another Secret",
                listed(registries)
            ),
        }
    }
}

/// Names a few registries. They are keys that another client wrote, so what could not be one is not repeated.
fn listed(registries: &[String]) -> String {
    let shown = |name: &String| {
        let kept = name.chars().filter(|c| c.is_ascii_alphanumeric() || ".-_:/[]*".contains(*c));
        kept.take(100).collect::<String>()
    };
    let mut text = registries.iter().take(MAX_NAMED).map(shown).collect::<Vec<_>>().join(", ");
    if registries.len() > MAX_NAMED {
        text.push_str(", …");
    }
    text
}

/// Whether a key of `auths` names this registry. Clients write it with a scheme, or with the path of an API version.
fn names_registry(key: &str, host: &str) -> bool {
    registry_of(key).eq_ignore_ascii_case(registry_of(host))
}

fn registry_of(key: &str) -> &str {
    let key = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let key = key.trim_end_matches('/');
    key.strip_suffix("/v1").or_else(|| key.strip_suffix("/v2")).unwrap_or(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_for(content: &str, registries: &[&str]) -> Result<(String, String), UnusableLogin> {
        let registries: Vec<String> = registries.iter().map(|name| (*name).to_owned()).collect();
        parse(content.as_bytes(), &registries).map(|login| (login.username, login.password.to_string()))
    }

    #[test]
    fn a_login_that_another_client_wrote_is_parsed_in_each_form() {
        let auth = STANDARD.encode("tw-1:se:cret");
        let forms = [
            r#"{"auths":{"a.example":{"username":"tw-1","password":"se:cret"}}}"#.to_owned(),
            format!(r#"{{"auths":{{"A.example":{{"auth":"{auth}"}}}},"credsStore":"x"}}"#),
            format!(
                r#"{{"auths":{{"https://a.example/v1/":{{"username":"tw-1","password":"se:cret","email":"x","auth":"{auth}"}}}}}}"#
            ),
            format!(
                r#"{{"auths":{{"a.example":{{"auth":"{auth}"}},"b:5000/x":{{"username":"tw-1","password":"se:cret"}}}}}}"#
            ),
        ];
        for form in forms {
            let login = parse_for(&form, &["a.example", "b:5000/x"]).expect("a login");
            assert_eq!(login, ("tw-1".to_owned(), "se:cret".to_owned()), "{form}");
        }
    }

    #[test]
    fn what_is_no_login_is_refused() {
        let auth = STANDARD.encode("tw-1:se:cret");
        let no_logins = [
            "{".to_owned(),
            r#"{"auths":{}}"#.to_owned(),
            r#"{"auths":{"a":{}}}"#.to_owned(),
            r#"{"auths":{"a":{"username":"tw-1"}}}"#.to_owned(),
            r#"{"auths":{"a":{"username":"tw:1","password":"x"}}}"#.to_owned(),
            r#"{"auths":{"a":{"auth":"?"}}}"#.to_owned(),
            format!(r#"{{"auths":{{"a":{{"auth":"{auth}","username":"tw-2"}}}}}}"#),
            format!(r#"{{"auths":{{"a":{{"auth":"{auth}"}},"b":{{}}}}}}"#),
        ];
        for none in no_logins {
            assert_eq!(parse_for(&none, &["a", "b"]), Err(UnusableLogin::None), "{none}");
        }
    }

    #[test]
    fn a_login_that_an_import_would_remove_is_refused_and_named() {
        let two = r#"{"auths":{"a":{"username":"tw-1","password":"x"},"b":{"username":"tw-1","password":"y"}}}"#;
        let several = parse_for(two, &["a", "b"]).expect_err("two logins");
        assert_eq!(several, UnusableLogin::Several(vec!["a".into(), "b".into()]));
        assert!(several.message().contains("for a, b:"));

        for other in ["docker.io", "a:5000", "a/team", ""] {
            let content = two.replace("\"b\":", &format!("\"{other}\":"));
            let found = parse_for(&content, &["a", "b"]).expect_err("another registry");
            assert_eq!(found, UnusableLogin::OtherRegistries(vec![other.to_owned()]));
            assert!(found.message().contains(&format!("contains {other},")));
        }
        let many: Vec<String> = (0..9).map(|number| format!("r{number} <b>\n{}", "x".repeat(200))).collect();
        let message = UnusableLogin::OtherRegistries(many).message();
        assert!(message.len() < 600 && message.contains("r2b") && !message.contains("r3") && !message.contains('\n'));
    }
}
