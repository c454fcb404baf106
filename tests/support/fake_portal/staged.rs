//! Staged tasks: a resource that holds the parameters until it is committed (documented). How long one exists is not
//! public: here it never expires.

use super::body::Inputs;
use super::declared::{Declared, Meaning, Parameter};
use super::ledger::Token;
use super::random;
use super::requests::Operation;
use super::sync::lock;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Staged tasks, by id.
#[derive(Clone, Default)]
pub(super) struct StagedTasks(Arc<Mutex<BTreeMap<String, Staged>>>);

/// One staged task.
#[derive(Clone)]
pub(super) struct Staged {
    pub(super) task: Operation,
    /// The number of the token to whose row it is bound.
    pub(super) token: Option<i64>,
    /// The parameters with a value, in the order in which they were set.
    pub(super) inputs: Inputs,
    state: State,
}

/// The state of a staged task.
#[derive(Clone, PartialEq)]
enum State {
    /// It can be changed and committed.
    Open,
    /// Its commit is in progress.
    Busy,
    /// It is committed, with these outputs.
    Done(Map<String, Value>),
}

impl StagedTasks {
    /// Stages a task at a row, which provides values; returns the id.
    pub(super) fn stage(&self, declared: &Declared<'_>, row: Option<&Token>, given: Inputs) -> String {
        let id = random::guid();
        let token = row.map(|token| token.id);
        lock(&self.0).insert(id.clone(), Staged { task: declared.task, token, inputs: given, state: State::Open });
        id
    }

    /// A staged task that is not committed yet.
    pub(super) fn get(&self, task: Operation, id: &str) -> Option<Staged> {
        self.change(task, id, |staged| (staged.state == State::Open).then(|| staged.clone()))
    }

    /// The outputs of a committed one.
    pub(super) fn outputs(&self, task: Operation, id: &str) -> Option<Map<String, Value>> {
        self.change(task, id, |staged| match &staged.state {
            State::Done(outputs) => Some(outputs.clone()),
            _ => None,
        })
    }

    /// Changes parameters of one that is not committed yet.
    pub(super) fn patch(&self, task: Operation, id: &str, changes: Inputs) -> Option<Staged> {
        self.change(task, id, |staged| {
            (staged.state == State::Open).then(|| {
                staged.inputs.update(changes);
                staged.clone()
            })
        })
    }

    /// Starts the commit of one, which no other request can start then.
    pub(super) fn begin(&self, task: Operation, id: &str) -> Option<Staged> {
        self.change(task, id, |staged| {
            (staged.state == State::Open).then(|| {
                staged.state = State::Busy;
                staged.clone()
            })
        })
    }

    /// Records the result of a commit. `None`: it was rejected, and can be corrected (inferred).
    pub(super) fn end(&self, task: Operation, id: &str, outputs: Option<Map<String, Value>>) {
        self.change(task, id, |staged| {
            staged.state = outputs.map_or(State::Open, State::Done);
            Some(())
        });
    }

    /// Cancels one. False if none can be committed.
    pub(super) fn cancel(&self, task: Operation, id: &str) -> bool {
        self.get(task, id).is_some() && lock(&self.0).remove(&id.to_lowercase()).is_some()
    }

    fn change<R>(&self, task: Operation, id: &str, change: impl FnOnce(&mut Staged) -> Option<R>) -> Option<R> {
        let mut tasks = lock(&self.0);
        change(tasks.get_mut(&id.to_lowercase()).filter(|staged| staged.task == task)?)
    }

    pub(super) fn uncommitted(&self) -> usize {
        lock(&self.0).values().filter(|staged| !matches!(staged.state, State::Done(_))).count()
    }
}

/// The values that the row provides for a task that is staged at it: the parameters that cannot be changed, and the
/// token's current values.
pub(super) fn given(
    declared: &Declared<'_>,
    row: Option<&Token>,
    value: impl Fn(&Parameter, &Token) -> Value,
) -> Inputs {
    let of = |parameter: &Parameter| match (&parameter.meaning, row) {
        (Meaning::Fixed(fixed), _) => declared.is_given_by_row(parameter).then(|| fixed.clone()),
        (Meaning::Confirm, _) | (_, None) => None,
        (_, Some(token)) => Some(value(parameter, token)).filter(|value| !value.is_null()),
    };
    let filled = |parameter: &Parameter| Some((parameter.name.clone(), of(parameter)?));
    Inputs(declared.parameters.iter().filter_map(filled).collect())
}
