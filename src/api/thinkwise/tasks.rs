//! The portal's tasks, as the issuer's spec names them.
//!
//! Whatever is left out is found in the portal's `$metadata` and shown in `status.resolved`.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// The three tasks of the screen *Thinkwise containers*; found in `$metadata` unless given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tasks {
    /// *Request token*.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestTask>,
    /// *Edit token description*.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edit_description: Option<EditTask>,
    /// *Revoke token*.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoke: Option<RevokeTask>,
}

/// How a task is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum TaskForm {
    /// As `$metadata` declares it: staged where that is declared, else in one request.
    #[default]
    Auto,
    /// One request to the task itself.
    Unbound,
    /// The task itself is staged, filled and committed: three requests.
    UnboundStaged,
    /// One request to the task of a row.
    Bound,
    /// The task of a row is staged, filled and committed: three requests.
    BoundStaged,
}

/// *Request token*.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(self.form in ['Unbound', 'UnboundStaged']) || !has(self.boundTo)").message("boundTo is the row of a bound task: leave it out with form: Unbound or UnboundStaged, or write form: Bound or BoundStaged"))]
#[x_kube(validation = Rule::new("!(self.form in ['Bound', 'BoundStaged']) || has(self.boundTo)").message("a bound request needs boundTo with table and key of the row that it is bound to"))]
pub struct RequestTask {
    /// Its name; in lower case with underscores, without `task_` before it. Found in `$metadata` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub name: Option<String>,
    /// `Auto` (the default: as `$metadata` declares it), `Unbound`, `UnboundStaged`, `Bound` or `BoundStaged`.
    #[serde(default)]
    pub form: TaskForm,
    /// The row that a bound request belongs to; it need not be the token's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound_to: Option<BoundRow>,
    /// What is sent, in this order: Indicium applies it in order. Found in `$metadata` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = Rule::new("self.exists(p, has(p.from) && p.from == 'Description') && self.all(p, !has(p.from) || p.from == 'Description')").message("the request needs one parameter from: Description; a token has no id or username yet"))]
    #[x_kube(validation = Rule::new("self.all(p, self.exists_one(q, q.name == p.name))").message("two parameters have the same name: write each once"))]
    pub parameters: Option<Vec<Parameter>>,
    /// Where the answer holds the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Outputs>,
}

/// *Edit token description*.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("!has(self.parameters) || (self.parameters.exists(p, has(p.from) && p.from == 'Description') && (!(self.form in ['Unbound', 'UnboundStaged']) || self.parameters.exists(p, has(p.from) && p.from in ['TokenID', 'Username'])))").message("the edit needs a parameter from: Description, and unless it is bound to the token's row one from: TokenID or Username"))]
pub struct EditTask {
    /// Its name; in lower case with underscores, without `task_` before it. Found in `$metadata` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub name: Option<String>,
    /// `Auto` (the default: as `$metadata` declares it), `Unbound`, `UnboundStaged`, `Bound` or `BoundStaged`; where it is bound,
    /// its row is the token's own.
    #[serde(default)]
    pub form: TaskForm,
    /// What is sent, in this order. Found in `$metadata` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = Rule::new("self.all(p, self.exists_one(q, q.name == p.name))").message("two parameters have the same name: write each once"))]
    pub parameters: Option<Vec<Parameter>>,
}

/// *Revoke token*.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("!has(self.parameters) || !(self.form in ['Unbound', 'UnboundStaged']) || self.parameters.exists(p, has(p.from) && p.from in ['TokenID', 'Username'])").message("the revocation needs a parameter from: TokenID or Username unless it is bound to the token's row"))]
pub struct RevokeTask {
    /// Its name; in lower case with underscores, without `task_` before it. Found in `$metadata` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub name: Option<String>,
    /// `Auto` (the default: as `$metadata` declares it), `Unbound`, `UnboundStaged`, `Bound` or `BoundStaged`; where it is bound,
    /// its row is the token's own.
    #[serde(default)]
    pub form: TaskForm,
    /// What is sent, in this order. A flag for the confirmation would be `{name: confirm, value: "true"}`.
    /// Found in `$metadata` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = Rule::new("self.all(p, !has(p.from) || p.from != 'Description')").message("a revocation has no description to send: use from: TokenID or Username, or a fixed value"))]
    #[x_kube(validation = Rule::new("self.all(p, self.exists_one(q, q.name == p.name))").message("two parameters have the same name: write each once"))]
    pub parameters: Option<Vec<Parameter>>,
}

/// The row that a task is bound to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct BoundRow {
    /// Its table.
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub table: String,
    /// Its key, whole: each column with its value.
    #[schemars(length(min = 1, max = 8))]
    #[x_kube(validation = Rule::new("self.all(k, self.exists_one(l, l.column == k.column))").message("boundTo names a column twice: write each once"))]
    pub key: Vec<FixedKey>,
}

/// A column of a key with its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct FixedKey {
    /// Its name.
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub column: String,
    /// Its value; written as `$metadata` types the column: a number, a GUID or a text.
    #[schemars(length(min = 1, max = 256))]
    pub value: String,
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
    /// A fixed value to send; written as `$metadata` types the parameter: a number, a boolean, a GUID or a text.
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

/// Where the answer to a request holds the token; found in `$metadata` unless given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Outputs {
    /// The username.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub username: Option<String>,
    /// The secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub secret: Option<String>,
    /// The token's id. Where the answer has none it is looked up by the marker, one filtered read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub id: Option<String>,
}
