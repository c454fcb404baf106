//! Creates and deletes deploy tokens.

use super::errors::Operation;
use crate::api::Reason;
use crate::domain::model::token::TokenRef;
use crate::portal::gitlab::{Delivery, GitLabPortal, IssuedToken, PortalError};
use crate::portal::rest::{Method, invalid_response, is_id, json, token_secret, validity};
use crate::portal::token_name::TokenName;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

/// The largest response to a request.
const MAX_RESPONSE_BYTES: usize = 64 << 10;

/// The parameters of `post ':id/deploy_tokens'` in `lib/api/deploy_tokens.rb`.
#[derive(Serialize)]
struct NewToken<'a> {
    name: &'a str,
    scopes: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
}

/// The part of `DeployTokenWithToken` in `lib/api/entities/deploy_token_with_token.rb` that is used.
#[derive(Deserialize)]
struct CreatedToken {
    id: i64,
    name: String,
    username: String,
    #[serde(deserialize_with = "token_secret")]
    token: SecretString,
    #[serde(default)]
    expires_at: Option<String>,
}

impl GitLabPortal {
    /// Creates a token with this name: one request.
    pub(super) async fn create_token(&self, name: &str) -> Result<IssuedToken, PortalError> {
        // GitLab counts no days itself. A clock that is wrong by minutes does not matter.
        let expires_at = validity(self.spec.duration)
            .map(|validity| Timestamp::now().saturating_add(validity).unwrap_or(Timestamp::MAX))
            .and_then(|time| Timestamp::from_second(time.as_second()).ok());
        let body = json(&NewToken { name, scopes: &self.spec.scopes, expires_at })?;
        let call = (Method::POST, self.address(None), Some(body));
        let answer = self.send(Operation::Request, call, MAX_RESPONSE_BYTES).await?;
        issued_token(&answer.body, name)
    }

    /// Deletes a token by its id.
    pub(super) async fn delete_token(&self, token: &TokenRef) -> Result<(), PortalError> {
        if !is_id(&token.id) {
            let message = "the id of the token is not a number, as GitLab's ids are";
            return Err(PortalError::new(Delivery::NotSent, Reason::RequestRejected, message));
        }
        let call = (Method::DELETE, self.address(Some(&token.id)), None);
        self.send(Operation::Revoke, call, MAX_RESPONSE_BYTES).await.map(drop)
    }
}

/// Reads the response to a request.
pub(super) fn issued_token(body: &[u8], name: &str) -> Result<IssuedToken, PortalError> {
    let invalid = |what: &str| invalid_response(format!("GitLab's response to the token request {what}"));
    // The error of the parser could quote a part of the secret.
    let created: CreatedToken =
        serde_json::from_slice(body).map_err(|_| invalid("lacks id, name, username or token, or is not JSON"))?;
    let secret = created.token.expose_secret();
    if created.id <= 0 || secret.is_empty() || secret.chars().any(char::is_control) {
        return Err(invalid("contains no usable id and token"));
    }
    if let Err(why) = TokenName::parse(&created.username) {
        return Err(invalid(&format!("contains a username that {why}")));
    }
    let (id, username) = (created.id.to_string(), created.username);
    if created.name != name {
        let message =
            "GitLab changed the name of the new token, by which the operator would find it: the token is not used";
        let token = Box::new(TokenRef { id, username });
        return Err(PortalError { unusable_token: Some(token), ..invalid_response(message.to_owned()) });
    }
    let expiration_time = created.expires_at.as_deref().and_then(expiration_time);
    Ok(IssuedToken { id: Some(id), username, secret: created.token, expiration_time })
}

/// When a token expires: a time such as `2030-01-01T00:00:00.000Z`, or only a date, of which nothing counts.
pub(super) fn expiration_time(text: &str) -> Option<Timestamp> {
    let of_date = || text.parse::<jiff::civil::Date>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok();
    text.parse().ok().or_else(|| of_date().map(|start| start.timestamp()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(body: &serde_json::Value) -> Result<IssuedToken, PortalError> {
        issued_token(body.to_string().as_bytes(), "prod [a/b]")
    }

    #[test]
    fn a_token_has_the_username_in_the_response() {
        let body = json!({"id": 17, "name": "prod [a/b]", "username": "gitlab+deploy-token-17", "token": "hush"});
        let token = read(&body).expect("a token");
        assert_eq!((token.id.as_deref(), token.username.as_str()), (Some("17"), "gitlab+deploy-token-17"));
        assert_eq!(token.secret.expose_secret(), "hush");
        assert_eq!(token.expiration_time, None);
    }

    #[test]
    fn a_token_expires_when_the_response_says_so() {
        let start: Timestamp = "2030-01-31T00:00:00Z".parse().expect("a time");
        for (text, expected) in [
            (json!("2030-01-31T00:00:00.000Z"), Some(start)),
            (json!("2030-01-31T01:00:00.000+01:00"), Some(start)),
            (json!("2030-01-31"), Some(start)),
            (json!("never"), None),
            (json!(null), None),
        ] {
            let body = json!({"id": 17, "name": "prod [a/b]", "username": "u", "token": "hush", "expires_at": text});
            assert_eq!(read(&body).expect("a token").expiration_time, expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_used_may_exist_and_its_secret_is_not_told() {
        for body in [
            json!({"id": 0, "name": "prod [a/b]", "username": "u", "token": "hush"}),
            json!({"id": "17", "name": "prod [a/b]", "username": "u", "token": "hush"}),
            json!({"id": 17, "name": "prod [a/b]", "username": "u", "token": ""}),
            json!({"id": 17, "name": "prod [a/b]", "username": "u", "token": "hush\n"}),
            json!({"id": 17, "name": "prod [a/b]", "username": "u:v", "token": "hush"}),
            json!({"id": 17, "name": "prod [a/b]", "username": "u"}),
            json!({"id": 17, "name": "prod [a/b]", "username": null, "token": "hush"}),
            json!(["hush"]),
        ] {
            let failure = read(&body).expect_err("unusable");
            assert_eq!((failure.delivery, failure.reason), (Delivery::Unknown, Reason::InvalidResponse), "{body}");
            assert!(failure.unusable_token.is_none() && !failure.message.contains("hush"), "{failure}");
        }
    }

    #[test]
    fn a_token_whose_name_was_changed_is_identified_by_its_id() {
        let failure = read(&json!({"id": 17, "name": "prod", "username": "u", "token": "hush"})).expect_err("unusable");
        assert_eq!(failure.unusable_token.map(|token| (token.id, token.username)), Some(("17".into(), "u".into())));
    }
}
