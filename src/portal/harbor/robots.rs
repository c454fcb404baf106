//! Creates, edits and deletes robot accounts.

use super::errors::{Operation, explain, is_robot_login};
use crate::api::{HarborPermission, Reason};
use crate::domain::model::marker::Marker;
use crate::domain::model::token::TokenRef;
use crate::portal::harbor::{Delivery, HarborPortal, IssuedToken, PortalError};
use crate::portal::rest::{Method, invalid_response, is_id, json, token_secret};
use crate::portal::token_name::TokenName;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The largest response to a request.
const MAX_RESPONSE_BYTES: usize = 64 << 10;
/// The largest robot account that is edited: its permissions are sent back.
const MAX_ROBOT_BYTES: usize = 4 << 20;
/// The number of days of a robot account that does not expire (`isValidDuration`).
const NEVER: i64 = -1;

/// `RobotCreate` in `api/v2.0/swagger.yaml`. Harbor chooses the secret.
#[derive(Serialize)]
struct NewRobot<'a> {
    name: &'a str,
    description: &'a str,
    level: &'static str,
    duration: i64,
    disable: bool,
    permissions: Vec<Permissions<'a>>,
}

/// `RobotPermission`: what is allowed in a project.
#[derive(Serialize)]
struct Permissions<'a> {
    kind: &'static str,
    namespace: &'a str,
    access: &'a [HarborPermission],
}

/// The part of `RobotCreated` that is used.
#[derive(Deserialize)]
struct CreatedRobot {
    id: i64,
    name: String,
    #[serde(deserialize_with = "token_secret")]
    secret: SecretString,
    #[serde(default)]
    expires_at: i64,
}

impl HarborPortal {
    /// Creates a robot account with this description, limited to these projects if any are named: one request. Its name is
    /// made of the marker in the description.
    pub(super) async fn create_robot(
        &self,
        description: &str,
        projects: &[String],
    ) -> Result<IssuedToken, PortalError> {
        let allowed = self.allowed_projects();
        if projects.iter().any(|project| !allowed.allows(project)) {
            let message = "the scope names a project that the issuer does not allow";
            return Err(PortalError::new(Delivery::NotSent, Reason::ScopeNotAllowed, message));
        }
        let Some(marker) = Marker::at_end_of(description) else {
            let message = "the description of a new token does not end with a marker";
            return Err(PortalError::new(Delivery::NotSent, Reason::RequestRejected, message));
        };
        let name = marker.token_name();
        let (level, namespaces) = match self.project() {
            Some(project) => ("project", vec![project]),
            None if projects.is_empty() => {
                ("system", self.spec.projects.iter().flatten().map(String::as_str).collect())
            }
            None => ("system", projects.iter().map(String::as_str).collect()),
        };
        let access = &self.spec.permissions;
        let permissions =
            namespaces.into_iter().map(|namespace| Permissions { kind: "project", namespace, access }).collect();
        let duration = self.spec.duration.map_or(NEVER, i64::from);
        let robot = NewRobot { name: &name, description, level, duration, disable: false, permissions };
        let call = (Method::POST, self.address(&["robots"]), Some(json(&robot)?));
        let answer = self.send(Operation::Request, call, MAX_RESPONSE_BYTES).await?;
        issued_token(&answer.body, &name)
    }

    /// Edits the description. Harbor replaces the whole robot account, so it is read first and sent back (`updateV2Robot`).
    pub(super) async fn describe_robot(&self, token: &TokenRef, description: &str) -> Result<(), PortalError> {
        let url = self.robot_address(token)?;
        let answer = self.send(Operation::Edit, (Method::GET, url.clone(), None), MAX_ROBOT_BYTES).await?;
        let robot = edited_robot(&answer.body, token, description)?;
        let call = (Method::PUT, url, Some(json(&robot)?));
        self.send(Operation::Edit, call, MAX_RESPONSE_BYTES).await.map(drop)
    }

    /// Deletes a robot account by its id.
    pub(super) async fn delete_robot(&self, token: &TokenRef) -> Result<(), PortalError> {
        let call = (Method::DELETE, self.robot_address(token)?, None);
        self.send(Operation::Revoke, call, MAX_RESPONSE_BYTES).await.map(drop)
    }

    /// Whether the login is a user, who may edit robot accounts. To a robot account Harbor grants no permission to do so
    /// (`NolimitProvider` in `src/common/rbac/const.go`), and responds with a 412 (`GetCurrentUserInfo` in
    /// `src/server/v2.0/handler/user.go`).
    pub(super) async fn is_user(&self) -> Result<bool, PortalError> {
        let url = self.address(&["users", "current"]);
        let mut is_robot = false;
        let context = self.error_context();
        let note = |refusal: &_| {
            is_robot = is_robot_login(refusal);
            explain(refusal, Operation::List, context)
        };
        match self.client.send((Method::GET, url, None), MAX_RESPONSE_BYTES, note).await {
            Err(_) if is_robot => Ok(false),
            result => result.map(|_| true),
        }
    }

    fn robot_address(&self, token: &TokenRef) -> Result<url::Url, PortalError> {
        if is_id(&token.id) {
            return Ok(self.address(&["robots", &token.id]));
        }
        let message = "the id of the token is not a number, as Harbor's ids are";
        Err(PortalError::new(Delivery::NotSent, Reason::RequestRejected, message))
    }
}

/// Reads the response to a request.
pub(super) fn issued_token(body: &[u8], name: &str) -> Result<IssuedToken, PortalError> {
    let invalid = |what: &str| invalid_response(format!("Harbor's response to the token request {what}"));
    // The error of the parser could quote a part of the secret.
    let created: CreatedRobot =
        serde_json::from_slice(body).map_err(|_| invalid("lacks id, name or secret, or is not JSON"))?;
    let secret = created.secret.expose_secret();
    if created.id <= 0 || secret.is_empty() || secret.chars().any(char::is_control) {
        return Err(invalid("contains no usable id and secret"));
    }
    // Before it there are a prefix, which may be any text, and for a project its name.
    if !created.name.ends_with(name) {
        return Err(invalid("has another name than the request"));
    }
    if let Err(why) = TokenName::parse(&created.name) {
        return Err(invalid(&format!("contains a name that {why}: check the robot name prefix in Harbor's settings")));
    }
    let expiration_time = expiration_time(created.expires_at);
    Ok(IssuedToken {
        id: Some(created.id.to_string()),
        username: created.name,
        secret: created.secret,
        expiration_time,
    })
}

/// When a robot account expires: a number of seconds since 1970, or -1 (`Create` in `src/controller/robot/controller.go`).
pub(super) fn expiration_time(expires_at: i64) -> Option<Timestamp> {
    (expires_at > 0).then(|| Timestamp::from_second(expires_at).unwrap_or(Timestamp::MAX))
}

/// Returns the robot account with another description, if it is the one that is meant.
pub(super) fn edited_robot(
    body: &[u8],
    token: &TokenRef,
    description: &str,
) -> Result<Map<String, Value>, PortalError> {
    let mut robot: Map<String, Value> = serde_json::from_slice(body)
        .map_err(|_| invalid_response("Harbor's response is not a robot account".to_owned()))?;
    let id = robot.get("id").and_then(Value::as_i64).map(|id| id.to_string());
    let name = robot.get("name").and_then(Value::as_str);
    if id.as_deref() != Some(token.id.as_str()) || name != Some(token.username.as_str()) {
        let message = "the robot account with the token's id has another name, so it is not edited";
        return Err(PortalError::new(Delivery::Rejected, Reason::TokenNotFound, message));
    }
    robot.insert("description".to_owned(), Value::from(description));
    Ok(robot)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NAME: &str = "rtok-abcdefgh-abcdefghabcd";

    fn read(body: &Value) -> Result<IssuedToken, PortalError> {
        issued_token(body.to_string().as_bytes(), NAME)
    }

    #[test]
    fn the_username_is_the_one_in_the_response_whatever_its_prefix() {
        for prefix in ["robot$", "", "bot+é ", "robot$library+"] {
            let username = format!("{prefix}{NAME}");
            let token =
                read(&json!({"id": 17, "name": username, "secret": "hush", "expires_at": -1})).expect("a token");
            assert_eq!((token.id.as_deref(), token.username.as_str()), (Some("17"), username.as_str()));
            assert_eq!(token.secret.expose_secret(), "hush");
            assert_eq!(token.expiration_time, None);
        }
    }

    #[test]
    fn a_token_expires_when_the_response_says_so() {
        for (expires_at, expected) in [
            (json!(1_900_000_000), Timestamp::from_second(1_900_000_000).ok()),
            (json!(i64::MAX), Some(Timestamp::MAX)),
            (json!(-1), None),
            (json!(0), None),
        ] {
            let token =
                read(&json!({"id": 17, "name": NAME, "secret": "hush", "expires_at": expires_at})).expect("a token");
            assert_eq!(token.expiration_time, expected);
        }
    }

    #[test]
    fn what_cannot_be_used_may_exist_and_its_secret_is_not_told() {
        let name = format!("robot${NAME}");
        for body in [
            json!({"id": 0, "name": name, "secret": "hush"}),
            json!({"id": "17", "name": name, "secret": "hush"}),
            json!({"id": 17, "name": name, "secret": ""}),
            json!({"id": 17, "name": name, "secret": "hush\n"}),
            json!({"id": 17, "name": name}),
            json!({"id": 17, "name": "robot$other", "secret": "hush"}),
            json!({"id": 17, "name": format!("robot:{NAME}"), "secret": "hush"}),
            json!(["hush"]),
        ] {
            let failure = read(&body).expect_err("unusable");
            assert_eq!((failure.delivery, failure.reason), (Delivery::Unknown, Reason::InvalidResponse), "{body}");
            assert!(failure.unusable_token.is_none() && !failure.message.contains("hush"), "{failure}");
        }
    }

    #[test]
    fn everything_but_the_description_is_sent_back() {
        let token = TokenRef { id: "17".to_owned(), username: "robot$x".to_owned() };
        let robot =
            json!({"id": 17, "name": "robot$x", "description": "a", "permissions": [{"kind": "project"}], "new": 1});
        let edited = edited_robot(robot.to_string().as_bytes(), &token, "b").expect("edited");
        assert_eq!(
            Value::from(edited),
            json!({"id": 17, "name": "robot$x", "description": "b", "permissions": [{"kind": "project"}], "new": 1})
        );
        for other in [json!({"id": 18, "name": "robot$x"}), json!({"id": 17, "name": "robot$y"}), json!({})] {
            let failure = edited_robot(other.to_string().as_bytes(), &token, "b").expect_err("another one");
            assert_eq!((failure.delivery, failure.reason), (Delivery::Rejected, Reason::TokenNotFound));
        }
    }
}
