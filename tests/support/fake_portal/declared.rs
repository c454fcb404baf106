//! How the portal declares its three tasks: parameters in order, outputs, and the values that come from the row that a
//! task is bound to.

use super::columns::key_columns;
use super::config::Config;
use super::forms::TaskForm;
use super::keys::Kind;
use super::requests::Operation;
use serde_json::Value;

/// One of the three tasks.
pub(super) struct Declared<'a> {
    pub(super) task: Operation,
    pub(super) name: &'a str,
    pub(super) form: &'a TaskForm,
    /// All of them, in order.
    pub(super) parameters: Vec<Parameter>,
    pub(super) outputs: Vec<(String, Kind)>,
    config: &'a Config,
}

/// A parameter of a task.
#[derive(Clone, Debug)]
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) meaning: Meaning,
}

/// The purpose of a parameter.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Meaning {
    /// The token's key.
    Id,
    /// The token's username.
    Username,
    Description,
    /// Must be true.
    Confirm,
    /// Must have this value.
    Fixed(Value),
}

/// A table to which tasks are bound, with the columns of its key.
pub(super) struct Bound {
    pub(super) table: String,
    pub(super) key: Vec<(String, Kind)>,
}

pub(super) const TASKS: [Operation; 3] = [Operation::Request, Operation::Edit, Operation::Revoke];

impl<'a> Declared<'a> {
    pub(super) fn of(config: &'a Config, task: Operation) -> Self {
        let (names, form) = (&config.names, config.forms.of(task));
        let (name, own, outputs) = match task {
            Operation::Edit => (&names.edit.task, edit(config), vec![]),
            Operation::Revoke => (&names.revoke.task, revoke(config), vec![]),
            _ => (&names.request.task, request(config), outputs(config)),
        };
        let fixed = form.fixed.iter().map(|part| Parameter {
            name: part.column.clone(),
            kind: Kind::of(&part.value),
            meaning: Meaning::Fixed(part.value.clone()),
        });
        Self { task, name, form, parameters: fixed.chain(own).collect(), outputs, config }
    }

    /// All three.
    pub(super) fn all(config: &'a Config) -> Vec<Self> {
        TASKS.map(|task| Self::of(config, task)).into()
    }

    /// The table to which it is bound.
    pub(super) fn bound(&self) -> Bound {
        if self.task == Operation::Request {
            let to = &self.config.forms.bound_to;
            let key = to.key.iter().map(|part| (part.column.clone(), Kind::of(&part.value))).collect();
            return Bound { table: to.table.clone(), key };
        }
        Bound { table: self.config.names.table.clone(), key: key_columns(self.config) }
    }

    /// The parameters that a request with all parameters must have.
    pub(super) fn wanted(&self) -> Vec<&Parameter> {
        self.parameters.iter().filter(|parameter| !self.is_given_by_row(parameter)).collect()
    }

    /// Whether the row to which the task is bound provides the value of a parameter: its own key and username, and
    /// every column of its key with the parameter's name. Such a parameter is not a parameter of the action, and cannot
    /// be changed in a staged task (inferred).
    pub(super) fn is_given_by_row(&self, parameter: &Parameter) -> bool {
        if !self.form.form.is_bound() {
            return false;
        }
        match parameter.meaning {
            Meaning::Id | Meaning::Username => true,
            Meaning::Fixed(_) => self.bound().key.iter().any(|(column, _)| *column == parameter.name),
            Meaning::Description | Meaning::Confirm => false,
        }
    }
}

fn parameter(name: &str, kind: Kind, meaning: Meaning) -> Parameter {
    Parameter { name: name.to_owned(), kind, meaning }
}

fn identity(config: &Config, name: &str, by_username: bool) -> Parameter {
    if by_username {
        parameter(name, Kind::Text, Meaning::Username)
    } else {
        parameter(name, config.key.kind.kind(), Meaning::Id)
    }
}

fn request(config: &Config) -> Vec<Parameter> {
    vec![parameter(&config.names.request.description, Kind::Text, Meaning::Description)]
}

fn outputs(config: &Config) -> Vec<(String, Kind)> {
    let names = &config.names.request;
    let mut outputs = vec![(names.username.clone(), Kind::Text), (names.secret.clone(), Kind::Text)];
    outputs.extend(names.id.clone().map(|id| (id, config.key.kind.kind())));
    outputs
}

fn edit(config: &Config) -> Vec<Parameter> {
    let names = &config.names.edit;
    let description = parameter(&names.description, Kind::Text, Meaning::Description);
    vec![identity(config, &names.id, names.by_username), description]
}

fn revoke(config: &Config) -> Vec<Parameter> {
    let names = &config.names.revoke;
    let mut parameters = vec![identity(config, &names.id, names.by_username)];
    parameters.extend(names.confirm.as_ref().map(|flag| parameter(flag, Kind::Flag, Meaning::Confirm)));
    parameters
}
