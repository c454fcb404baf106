//! What Gitea says about a login.

use super::errors::{ErrorContext, NAMES, Operation, explain};
use crate::portal::PortalError;
use crate::portal::rest::{Document, Refusal, RestClient};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use url::Url;

/// How many of the login's own access tokens are read.
pub(super) const MAX_OWN_TOKENS: usize = 50;
/// How much of a token Gitea shows (`TokenLastEight` in `models/auth/access_token.go`).
const SHOWN_CHARS: usize = 8;

/// `ServerVersion` in `modules/structs/miscellaneous.go`.
#[derive(Deserialize)]
struct ServerVersion {
    version: String,
}

/// The part of `User` in `modules/structs/user.go` that is used.
#[derive(Debug, Deserialize)]
pub(super) struct User {
    pub login: String,
    #[serde(default)]
    pub is_admin: bool,
}

/// The part of `AccessToken` in `modules/structs/user_app.go` that is used. Gitea 1.19 and older have no scopes.
#[derive(Debug, Deserialize)]
pub(super) struct OwnToken {
    #[serde(default)]
    pub token_last_eight: String,
    #[serde(default)]
    pub scopes: Option<Vec<String>>,
}

/// How a login authenticates.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LoginMethod {
    /// With one of its access tokens; the scopes, if Gitea shows them.
    AccessToken(Option<Vec<String>>),
    /// With its password, or an access token that was not found.
    PasswordOrOther,
}

/// The login at one Gitea.
pub(super) struct Account<'a> {
    pub client: &'a RestClient,
    /// For messages.
    pub user: &'a str,
}

impl Account<'_> {
    /// The version, unless this is a fork that does not say it.
    pub async fn version(&self) -> Result<Option<String>, PortalError> {
        let found = self.read::<ServerVersion>(self.client.address(&["api", "v1", "version"]), &[403, 404]).await?;
        Ok(found.map(|document| document.content.version))
    }

    /// Who logs in. An access token decides it alone: Gitea then ignores the username (`Verify` in
    /// `services/auth/basic.go`). `None` if the access token lacks the scope `read:user`.
    pub async fn current_user(&self) -> Result<Option<User>, PortalError> {
        let found = self.read(self.client.address(&["api", "v1", "user"]), &[403]).await?;
        Ok(found.map(|document| document.content))
    }

    /// How the login authenticates: Gitea shows the last characters of each access token.
    pub async fn login_method(&self, login: &str, password: &SecretString) -> Result<LoginMethod, PortalError> {
        let mut url = self.client.address(&["api", "v1", "users", login, "tokens"]);
        url.query_pairs_mut().append_pair("limit", &MAX_OWN_TOKENS.to_string()).append_pair("page", "1");
        let found = self.read::<Vec<OwnToken>>(url, &[403, 404]).await?;
        Ok(method(found.map(|document| document.content).unwrap_or_default(), password))
    }

    async fn read<T: serde::de::DeserializeOwned>(
        &self,
        url: Url,
        absent: &[u16],
    ) -> Result<Option<Document<T>>, PortalError> {
        let context = ErrorContext { user: self.user, credentials_source: self.client.credentials_source() };
        let explain = |refusal: &Refusal| match refusal.code {
            // The user who logs in exists.
            404 => refusal.api_not_found(&NAMES),
            _ => explain(refusal, Operation::List, context),
        };
        self.client.read(url, absent, explain).await
    }
}

fn method(tokens: Vec<OwnToken>, password: &SecretString) -> LoginMethod {
    let password = password.expose_secret();
    let end = password.len().checked_sub(SHOWN_CHARS).and_then(|at| password.get(at..));
    let own = tokens.into_iter().find(|token| end.is_some_and(|end| token.token_last_eight == end));
    own.map_or(LoginMethod::PasswordOrOther, |token| LoginMethod::AccessToken(token.scopes))
}

/// Whether these scopes include another one: `all` includes every scope, and `write` includes `read`
/// (`models/auth/access_token_scope.go`).
pub(super) fn includes(scopes: &[String], wanted: &str) -> bool {
    let writing = wanted.replacen("read:", "write:", 1);
    scopes.iter().any(|scope| scope == "all" || scope == wanted || *scope == writing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_access_token_is_recognized_by_its_last_characters() {
        let tokens = || {
            ["11112222", "33334444", ""].map(|end| OwnToken {
                token_last_eight: end.to_owned(),
                scopes: (end == "33334444").then(|| vec!["write:user".to_owned()]),
            })
        };
        let of = |password: &str| method(tokens().into(), &SecretString::from(password));
        assert_eq!(of("aaaa33334444"), LoginMethod::AccessToken(Some(vec!["write:user".to_owned()])));
        assert_eq!(of("aaaa11112222"), LoginMethod::AccessToken(None), "an old version shows no scopes");
        for other in ["", "4444", "aaaa33334445", "é3334444", "ééééé"] {
            assert_eq!(of(other), LoginMethod::PasswordOrOther, "{other}");
        }
    }

    #[test]
    fn a_scope_includes_another_one() {
        let scopes = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        for (has, wanted, expected) in [
            (&["write:user"][..], "write:user", true),
            (&["write:user"], "read:user", true),
            (&["read:user"], "write:user", false),
            (&["all"], "write:package", true),
            (&["write:user", "write:package"], "read:package", true),
            (&["write:user"], "read:package", false),
            (&[], "read:package", false),
        ] {
            assert_eq!(includes(&scopes(has), wanted), expected, "{has:?} {wanted}");
        }
    }
}
