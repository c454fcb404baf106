//! The portal's tasks.
//!
//! Names that the spec omits are discovered in the portal's `$metadata` and shown in `status.resolved`.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// The three tasks of the screen *Thinkwise containers*. Discovered in `$metadata` if omitted.
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
    /// As declared in `$metadata`: staged if a staged form is declared, otherwise in one request.
    #[default]
    Auto,
    /// One request to the unbound task.
    Unbound,
    /// The unbound task is staged, filled and committed: three requests.
    UnboundStaged,
    /// One request to the task of a row.
    Bound,
    /// The task of a row is staged, filled and committed: three requests.
    BoundStaged,
}

/// *Request token*.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(self.form in ['Unbound', 'UnboundStaged']) || !has(self.boundTo)").message("boundTo is the row of a bound task: remove it, or set form to Bound or BoundStaged"))]
#[x_kube(validation = Rule::new("!(self.form in ['Bound', 'BoundStaged']) || has(self.boundTo)").message("a bound request requires boundTo with the table and key of its row"))]
pub struct RequestTask {
    /// Name of the task, in lower case with underscores, without the prefix `task_`. Discovered in `$metadata` if
    /// omitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub name: Option<String>,
    /// `Auto` (default: as declared in `$metadata`), `Unbound`, `UnboundStaged`, `Bound` or `BoundStaged`.
    #[serde(default)]
    pub form: TaskForm,
    /// Row to which a bound request belongs. It need not be the token's row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound_to: Option<BoundRow>,
    /// Parameters, in the order in which they are sent: Indicium applies them in order. Discovered in `$metadata` if
    /// omitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = Rule::new("self.exists(p, has(p.from) && p.from == 'Description') && self.all(p, !has(p.from) || p.from == 'Description')").message("the request requires a parameter with from: Description, and allows no other from: a new token has no id or username yet"))]
    #[x_kube(validation = Rule::new("self.all(p, self.exists_one(q, q.name == p.name))").message("two parameters have the same name: list each once"))]
    pub parameters: Option<Vec<Parameter>>,
    /// Fields of the response that contain the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Outputs>,
}

/// *Edit token description*.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("!has(self.parameters) || (self.parameters.exists(p, has(p.from) && p.from == 'Description') && (!(self.form in ['Unbound', 'UnboundStaged']) || self.parameters.exists(p, has(p.from) && p.from in ['TokenID', 'Username'])))").message("the edit requires a parameter with from: Description and, unless it is bound to the token's row, one with from: TokenID or Username"))]
pub struct EditTask {
    /// Name of the task, in lower case with underscores, without the prefix `task_`. Discovered in `$metadata` if
    /// omitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub name: Option<String>,
    /// `Auto` (default: as declared in `$metadata`), `Unbound`, `UnboundStaged`, `Bound` or `BoundStaged`. A bound task
    /// is called on the token's own row.
    #[serde(default)]
    pub form: TaskForm,
    /// Parameters, in the order in which they are sent. Discovered in `$metadata` if omitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = Rule::new("self.all(p, self.exists_one(q, q.name == p.name))").message("two parameters have the same name: list each once"))]
    pub parameters: Option<Vec<Parameter>>,
}

/// *Revoke token*.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("!has(self.parameters) || !(self.form in ['Unbound', 'UnboundStaged']) || self.parameters.exists(p, has(p.from) && p.from in ['TokenID', 'Username'])").message("the revocation requires a parameter with from: TokenID or Username, unless it is bound to the token's row"))]
pub struct RevokeTask {
    /// Name of the task, in lower case with underscores, without the prefix `task_`. Discovered in `$metadata` if
    /// omitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub name: Option<String>,
    /// `Auto` (default: as declared in `$metadata`), `Unbound`, `UnboundStaged`, `Bound` or `BoundStaged`. A bound task
    /// is called on the token's own row.
    #[serde(default)]
    pub form: TaskForm,
    /// Parameters, in the order in which they are sent. A confirmation flag is written as `{name: confirm, value:
    /// "true"}`. Discovered in `$metadata` if omitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = Rule::new("self.all(p, !has(p.from) || p.from != 'Description')").message("a revocation has no description to send: use from: TokenID or Username, or a fixed value"))]
    #[x_kube(validation = Rule::new("self.all(p, self.exists_one(q, q.name == p.name))").message("two parameters have the same name: list each once"))]
    pub parameters: Option<Vec<Parameter>>,
}

/// The row that a task is bound to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct BoundRow {
    /// Name of the table.
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub table: String,
    /// Complete key of the row: each column with its value.
    #[schemars(length(min = 1, max = 8))]
    #[x_kube(validation = Rule::new("self.all(k, self.exists_one(l, l.column == k.column))").message("boundTo contains a column twice: list each once"))]
    pub key: Vec<FixedKey>,
}

/// A key column with its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct FixedKey {
    /// Name of the column.
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub column: String,
    /// Value of the column, written in the format of its type in `$metadata`: a number, a GUID or text.
    #[schemars(length(min = 1, max = 256))]
    pub value: String,
}

/// A parameter of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new("has(self.from) != has(self.value)").message("set from or value, not both"))]
pub struct Parameter {
    /// Name of the parameter.
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub name: String,
    /// Source of the value: `Description`, `TokenID` or `Username`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<ParameterSource>,
    /// Fixed value, written in the format of the parameter's type in `$metadata`: a number, a boolean, a GUID or text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub value: Option<String>,
}

/// Source of a parameter's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum ParameterSource {
    /// The token's description.
    Description,
    /// The token's id.
    TokenID,
    /// The token's username.
    Username,
}

/// Fields of the response that contain the token. Discovered in `$metadata` if omitted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Outputs {
    /// Field of the username.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub username: Option<String>,
    /// Field of the password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub secret: Option<String>,
    /// Field of the token id. If the response has none, the id is looked up by the marker, with one filtered read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub id: Option<String>,
}
