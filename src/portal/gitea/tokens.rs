//! Creates and deletes tokens.

use super::errors::Operation;
use crate::api::Reason;
use crate::domain::model::token::TokenRef;
use crate::portal::gitea::{Delivery, GiteaPortal, IssuedToken, PortalError};
use crate::portal::rest::{Method, invalid_response, is_id, json, token_secret};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

/// The largest response to a request: a name, a secret and scopes.
const MAX_RESPONSE_BYTES: usize = 64 << 10;

/// `CreateAccessTokenOption`.
#[derive(Serialize)]
struct NewToken<'a> {
    name: &'a str,
    scopes: &'a [String],
}

/// The part of `AccessToken` that is used. The secret has this name although it is no hash.
#[derive(Deserialize)]
struct CreatedToken {
    id: i64,
    name: String,
    #[serde(deserialize_with = "token_secret")]
    sha1: SecretString,
}

impl GiteaPortal {
    /// Creates a token with this name: one request.
    pub(super) async fn create_token(&self, name: &str) -> Result<IssuedToken, PortalError> {
        let body = json(&NewToken { name, scopes: &self.spec.scopes })?;
        let call = (Method::POST, self.tokens_address(), Some(body));
        let answer = self.send(Operation::Request, call, MAX_RESPONSE_BYTES).await?;
        issued_token(&answer.body, name, &self.spec.user)
    }

    /// Deletes a token by its id. Gitea takes any other text for the name of a token.
    pub(super) async fn delete_token(&self, token: &TokenRef) -> Result<(), PortalError> {
        if !is_id(&token.id) {
            let message = "the id of the token is not a number, as Gitea's ids are";
            return Err(PortalError::new(Delivery::NotSent, Reason::RequestRejected, message));
        }
        let url = self.client.address(&["api", "v1", "users", &self.spec.user, "tokens", &token.id]);
        self.send(Operation::Revoke, (Method::DELETE, url, None), MAX_RESPONSE_BYTES).await.map(drop)
    }
}

/// Reads the response to a request.
pub(super) fn issued_token(body: &[u8], name: &str, user: &str) -> Result<IssuedToken, PortalError> {
    // The error of the parser could quote a part of the secret.
    let created: CreatedToken = serde_json::from_slice(body).map_err(|_| {
        invalid_response("Gitea's response to the token request lacks id, name or sha1, or is not JSON".to_owned())
    })?;
    let secret = created.sha1.expose_secret();
    if created.id <= 0 || secret.is_empty() || secret.chars().any(char::is_control) {
        return Err(invalid_response(
            "Gitea's response to the token request contains no usable id and secret".to_owned(),
        ));
    }
    let (id, username) = (created.id.to_string(), user.to_owned());
    if created.name != name {
        let message =
            "Gitea changed the name of the new token, by which the operator would find it: the token is not used";
        let token = Box::new(TokenRef { id, username });
        return Err(PortalError { unusable_token: Some(token), ..invalid_response(message.to_owned()) });
    }
    Ok(IssuedToken { id: Some(id), username, secret: created.sha1, expiration_time: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(body: &serde_json::Value) -> Result<IssuedToken, PortalError> {
        issued_token(body.to_string().as_bytes(), "prod [a/b]", "bot")
    }

    #[test]
    fn a_token_has_the_name_of_its_user_as_username() {
        let token = read(&json!({"id": 17, "name": "prod [a/b]", "sha1": "hush", "scopes": []})).expect("a token");
        assert_eq!(
            (token.id.as_deref(), token.username.as_str(), token.secret.expose_secret()),
            (Some("17"), "bot", "hush")
        );
    }

    #[test]
    fn what_cannot_be_used_may_exist_and_its_secret_is_not_told() {
        for body in [
            json!({"id": 0, "name": "prod [a/b]", "sha1": "hush"}),
            json!({"id": "17", "name": "prod [a/b]", "sha1": "hush"}),
            json!({"id": 17, "name": "prod [a/b]", "sha1": ""}),
            json!({"id": 17, "name": "prod [a/b]", "sha1": "hush\n"}),
            json!({"id": 17, "name": "prod [a/b]"}),
            json!(["hush"]),
        ] {
            let failure = read(&body).expect_err("unusable");
            assert_eq!((failure.delivery, failure.reason), (Delivery::Unknown, Reason::InvalidResponse), "{body}");
            assert!(failure.unusable_token.is_none() && !failure.message.contains("hush"), "{failure}");
        }
    }

    #[test]
    fn a_token_whose_name_was_changed_is_identified_by_its_id() {
        let failure = read(&json!({"id": 17, "name": "prod [a", "sha1": "hush"})).expect_err("unusable");
        assert_eq!(failure.unusable_token.map(|token| (token.id, token.username)), Some(("17".into(), "bot".into())));
    }
}
