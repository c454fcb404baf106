//! The portal's tasks, as the issuer's spec names them.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// The three tasks of the screen *Thinkwise containers*.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tasks {
    /// *Request token*.
    pub request: RequestTask,
    /// *Edit token description*.
    pub edit_description: EditTask,
    /// *Revoke token*.
    pub revoke: RevokeTask,
}

/// *Request token*.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct RequestTask {
    /// Its name; in lower case with underscores.
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub name: String,
    /// What is sent, in this order: Indicium applies it in order.
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(validation = Rule::new("self.exists(p, has(p.from) && p.from == 'Description') && self.all(p, !has(p.from) || p.from == 'Description')").message("the request needs one parameter from: Description; a token has no id or username yet"))]
    pub parameters: Vec<Parameter>,
    /// Where the answer holds the token.
    pub outputs: Outputs,
}

/// *Edit token description*.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct EditTask {
    /// Its name; in lower case with underscores.
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub name: String,
    /// What is sent, in this order.
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(validation = Rule::new("self.exists(p, has(p.from) && p.from == 'Description') && self.exists(p, has(p.from) && p.from in ['TokenID', 'Username'])").message("the edit needs a parameter from: Description and one from: TokenID or Username"))]
    pub parameters: Vec<Parameter>,
}

/// *Revoke token*.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
pub struct RevokeTask {
    /// Its name; in lower case with underscores.
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub name: String,
    /// What is sent, in this order. A flag for the confirmation would be `{name: confirm, value: "true"}`.
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(validation = Rule::new("self.exists(p, has(p.from) && p.from in ['TokenID', 'Username'])").message("the revocation needs a parameter from: TokenID or Username"))]
    pub parameters: Vec<Parameter>,
}

/// A parameter of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("has(self.from) != has(self.value)").message("give from or value, not both"))]
pub struct Parameter {
    /// Its name.
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub name: String,
    /// What to send: `Description`, `TokenID` or `Username`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<ParameterSource>,
    /// A fixed text to send; `true` and `false` go as booleans.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub value: Option<String>,
}

/// What a parameter holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum ParameterSource {
    /// The token's description.
    Description,
    /// The token's id.
    TokenID,
    /// The token's username.
    Username,
}

/// Where the answer to a request holds the token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Outputs {
    /// The username.
    #[schemars(length(min = 1, max = 128))]
    pub username: String,
    /// The secret.
    #[schemars(length(min = 1, max = 128))]
    pub secret: String,
    /// The token's id; looked up by the marker, one filtered read, unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub id: Option<String>,
}
