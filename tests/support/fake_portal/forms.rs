//! The form in which each task is published. Which one the real portal uses is not public: so all forms that Indicium
//! supports are available, each separately.

use super::keys::FixedPart;
use super::requests::Operation;
use serde::{Deserialize, Serialize};

/// The forms of the three tasks, and their common settings.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Forms {
    pub request: TaskForm,
    pub edit: TaskForm,
    pub revoke: TaskForm,
    /// The row to which the request is bound, if it is bound: it cannot be the token's own. Edit and revocation are
    /// bound to the token's.
    pub bound_to: BoundTo,
    /// The form of `Location`.
    pub location: Location,
    /// The response to the commit of a staged task.
    pub commit: CommitAnswer,
}

/// The form of one task.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TaskForm {
    /// How it is called.
    pub form: Form,
    /// Whether it starts a process flow.
    pub flow: Flow,
    /// Parameters that must have a certain value, such as the customer's id; they come first. If the row has a key
    /// column of that name, the row provides it.
    pub fixed: Vec<FixedPart>,
}

/// How a task is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// `POST <base>/<task>` with all parameters (documented).
    #[default]
    Unbound,
    /// `POST <base>/<table>(<key>)/task_<task>` with the parameters that the row does not provide (the one-request form
    /// of resource staging, documented).
    Bound,
    /// `POST <base>/<table>(<key>)/task_<task>/stage`, `PATCH` of the address in `Location`, `POST …/commit`
    /// (documented; the commit's body and status are not).
    BoundStaged,
    /// `POST <base>/<task>/stage`, and then as above; the task's own address accepts no request.
    UnboundStaged,
    /// Both forms at a row, as on a platform that allows both.
    BoundEither,
}

/// Whether a task starts a process flow (documented).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flow {
    /// It does not: the response contains the outputs.
    #[default]
    None,
    /// A flow that runs to its end: 204, and no outputs.
    Ends,
    /// A flow that waits for input: 201, and the outputs are in the resource in `Location`.
    Waits,
}

/// The row to which the request is bound.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoundTo {
    /// The table; one of the decoys.
    pub table: String,
    /// The row's key.
    pub key: Vec<FixedPart>,
}

/// The form of `Location`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Location {
    /// `https://host/indicium/iam/tcp/staged_x(…)`.
    Absolute,
    /// `/indicium/iam/tcp/staged_x(…)`.
    #[default]
    Rooted,
    /// `../../staged_x(…)`, to be resolved against the request's address (RFC 9110).
    Relative,
}

/// The response to the commit of a staged task. Not public, so both are inferred.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommitAnswer {
    /// 200, outputs and inputs flat, as with the other forms.
    #[default]
    Outputs,
    /// 204; the staged resource shows the outputs from then on.
    Empty,
}

impl Form {
    /// Whether it is bound to a row.
    #[must_use]
    pub fn is_bound(self) -> bool {
        !matches!(self, Self::Unbound | Self::UnboundStaged)
    }

    /// Whether one request with all parameters is accepted at the row.
    #[must_use]
    pub fn in_one_request(self) -> bool {
        matches!(self, Self::Bound | Self::BoundEither)
    }

    /// Whether it can be staged.
    #[must_use]
    pub fn is_staged(self) -> bool {
        matches!(self, Self::BoundStaged | Self::BoundEither | Self::UnboundStaged)
    }
}

impl Forms {
    /// All three tasks in the same form.
    #[must_use]
    pub fn all(form: Form) -> Self {
        let task = TaskForm { form, ..TaskForm::default() };
        Self { request: task.clone(), edit: task.clone(), revoke: task, ..Self::default() }
    }

    /// Adds a process flow after each task: the request's waits until a user has read the password, the other two run
    /// to their end.
    #[must_use]
    pub fn with_flows(mut self) -> Self {
        self.request.flow = Flow::Waits;
        self.edit.flow = Flow::Ends;
        self.revoke.flow = Flow::Ends;
        self
    }

    /// The form of one of the three tasks.
    #[must_use]
    pub fn of(&self, task: Operation) -> &TaskForm {
        match task {
            Operation::Edit => &self.edit,
            Operation::Revoke => &self.revoke,
            _ => &self.request,
        }
    }

    /// Which request returns the outputs of the request for a token.
    #[must_use]
    pub fn outputs_in(&self) -> Operation {
        let staged = matches!(self.request.form, Form::BoundStaged | Form::UnboundStaged);
        let reads_later = staged && self.commit == CommitAnswer::Empty;
        match self.request.flow {
            Flow::Waits => Operation::FlowRead,
            _ if reads_later => Operation::StagedRead,
            _ => Operation::Request,
        }
    }
}

impl Default for BoundTo {
    fn default() -> Self {
        Self { table: "klant".to_owned(), key: vec![FixedPart::new("klant_id", 42)] }
    }
}
