//! Converts a resolved interface to the fields of an issuer's spec.

use super::interface::{Argument, ArgumentSource, BoundTo, IdSource, Interface, TaskCall, TokenTable};
use super::metadata::InvocationForm;
use crate::api::{
    BoundRow, EditTask, FixedKey, KeyColumn, KeySource, Outputs, Parameter, ParameterSource, RequestTask,
    ResolvedPortal, RevokeTask, Table, TableColumns, TaskForm, Tasks,
};
use crate::portal::thinkwise::odata::literal::Literal;

/// The allowed values of `descriptionMaxLength`.
const DESCRIPTION_LENGTHS: std::ops::RangeInclusive<usize> = 40..=100_000;

impl Interface {
    /// Names and form, for an issuer's status.
    pub(crate) fn resolved_names(&self, has_list: bool) -> ResolvedPortal {
        ResolvedPortal {
            table: self.table.as_ref().filter(|_| has_list).map(|table| table.name.clone()),
            request: self.request.name.clone(),
            form: form(&self.request),
            edit_description: self.edit.name.clone(),
            revoke: self.revoke.name.clone(),
        }
    }

    /// A spec that sets all names explicitly: with it, the same interface is resolved again.
    #[must_use]
    pub fn as_spec(&self) -> (Option<Table>, Tasks) {
        let table = self.table.as_ref().map(|table| Table {
            name: Some(table.name.clone()),
            key: Some(key(table)),
            columns: Some(TableColumns {
                username: Some(table.username.clone()),
                description: Some(table.description.clone()),
            }),
            description_max_length: self.description_max_length(),
        });
        (table, self.tasks())
    }

    fn description_max_length(&self) -> Option<i32> {
        self.description_max.filter(|most| DESCRIPTION_LENGTHS.contains(most)).and_then(|most| i32::try_from(most).ok())
    }

    fn tasks(&self) -> Tasks {
        let outputs = Outputs {
            username: Some(self.outputs.username.clone()),
            secret: Some(self.outputs.secret.clone()),
            id: match &self.outputs.id {
                IdSource::Output(name) => Some(name.clone()),
                IdSource::Username | IdSource::LookUp => None,
            },
        };
        let task = &self.request;
        let request = RequestTask {
            name: Some(task.name.clone()),
            form: form(task),
            bound_to: bound_to(task),
            parameters: parameters(task),
            outputs: Some(outputs),
        };
        let task = &self.edit;
        let edit = EditTask { name: Some(task.name.clone()), form: form(task), parameters: parameters(task) };
        let task = &self.revoke;
        let revoke = RevokeTask { name: Some(task.name.clone()), form: form(task), parameters: parameters(task) };
        Tasks { request: Some(request), edit_description: Some(edit), revoke: Some(revoke) }
    }
}

fn key(table: &TokenTable) -> Vec<KeyColumn> {
    let fixed = |(column, value): &(String, Literal)| KeyColumn {
        column: column.clone(),
        from: None,
        value: Some(value.to_text()),
    };
    let id = KeyColumn { column: table.id.name.clone(), from: Some(KeySource::TokenID), value: None };
    table.fixed.iter().map(fixed).chain([id]).collect()
}

const fn form(task: &TaskCall) -> TaskForm {
    match (task.form, &task.row) {
        (InvocationForm::Unbound, _) => TaskForm::Unbound,
        (InvocationForm::Bound, _) => TaskForm::Bound,
        (InvocationForm::Staged, None) => TaskForm::UnboundStaged,
        (InvocationForm::Staged, Some(_)) => TaskForm::BoundStaged,
    }
}

fn bound_to(task: &TaskCall) -> Option<BoundRow> {
    let Some(BoundTo::Fixed { table, key }) = &task.row else { return None };
    let part = |(column, value): &(String, Literal)| FixedKey { column: column.clone(), value: value.to_text() };
    Some(BoundRow { table: table.clone(), key: key.iter().map(part).collect() })
}

#[allow(clippy::unnecessary_wraps, reason = "like the spec's field: an empty list differs from an absent one")]
fn parameters(task: &TaskCall) -> Option<Vec<Parameter>> {
    Some(task.arguments.iter().map(parameter).collect())
}

fn parameter(argument: &Argument) -> Parameter {
    let (from, value) = match &argument.source {
        ArgumentSource::Description => (Some(ParameterSource::Description), None),
        ArgumentSource::TokenId => (Some(ParameterSource::TokenID), None),
        ArgumentSource::Username => (Some(ParameterSource::Username), None),
        ArgumentSource::Fixed(literal) => (None, Some(literal.to_text())),
    };
    Parameter { name: argument.name.clone(), from, value }
}
