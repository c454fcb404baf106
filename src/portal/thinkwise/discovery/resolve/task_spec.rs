//! The fields of a task in the spec.

use crate::api::{BoundRow, Parameter, TaskForm, Thinkwise};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TaskKind {
    Request,
    Edit,
    Revoke,
}

/// The fields of a task in the spec, all of which are optional.
#[derive(Clone, Copy)]
pub(crate) struct TaskSpec<'a> {
    pub kind: TaskKind,
    pub name: Option<&'a str>,
    pub form: TaskForm,
    pub bound_to: Option<&'a BoundRow>,
    pub parameters: Option<&'a [Parameter]>,
}

impl TaskKind {
    /// The path of one of the task's fields in the issuer.
    pub(crate) fn field(self, name: &str) -> String {
        let task = match self {
            Self::Request => "request",
            Self::Edit => "editDescription",
            Self::Revoke => "revoke",
        };
        format!("spec.thinkwise.tasks.{task}.{name}")
    }

    pub(crate) const fn purpose(self) -> &'static str {
        match self {
            Self::Request => "requests a token",
            Self::Edit => "edits a token's description",
            Self::Revoke => "revokes a token",
        }
    }
}

impl<'a> TaskSpec<'a> {
    const fn unspecified(kind: TaskKind) -> Self {
        Self { kind, name: None, form: TaskForm::Auto, bound_to: None, parameters: None }
    }

    pub(crate) fn request(spec: &'a Thinkwise) -> Self {
        let Some(task) = spec.tasks.as_ref().and_then(|tasks| tasks.request.as_ref()) else {
            return Self::unspecified(TaskKind::Request);
        };
        let (name, parameters) = (task.name.as_deref(), task.parameters.as_deref());
        Self { kind: TaskKind::Request, name, form: task.form, bound_to: task.bound_to.as_ref(), parameters }
    }

    pub(crate) fn edit(spec: &'a Thinkwise) -> Self {
        let Some(task) = spec.tasks.as_ref().and_then(|tasks| tasks.edit_description.as_ref()) else {
            return Self::unspecified(TaskKind::Edit);
        };
        let (name, parameters) = (task.name.as_deref(), task.parameters.as_deref());
        Self { name, form: task.form, parameters, ..Self::unspecified(TaskKind::Edit) }
    }

    pub(crate) fn revocation(spec: &'a Thinkwise) -> Self {
        let Some(task) = spec.tasks.as_ref().and_then(|tasks| tasks.revoke.as_ref()) else {
            return Self::unspecified(TaskKind::Revoke);
        };
        let (name, parameters) = (task.name.as_deref(), task.parameters.as_deref());
        Self { name, form: task.form, parameters, ..Self::unspecified(TaskKind::Revoke) }
    }
}
