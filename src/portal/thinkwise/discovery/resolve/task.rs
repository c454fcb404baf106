//! Selects a task and its form.

use super::Resolver;
use super::task_spec::{TaskKind, TaskSpec};
use crate::api::TaskForm;
use crate::portal::thinkwise::discovery::heuristics;
use crate::portal::thinkwise::discovery::heuristics::{Selection, select, suggest};
use crate::portal::thinkwise::discovery::interface::{
    Argument, ArgumentSource, BoundTo, OutputNames, TaskCall, TokenTable,
};
use crate::portal::thinkwise::discovery::metadata::{FieldInfo, Invocation, InvocationForm, TaskInfo};
use crate::portal::thinkwise::discovery::mismatch::{did_you_mean, join_names};
use std::collections::HashSet;

/// The selected invocation of a task.
struct ChosenInvocation {
    /// Its inputs and outputs; unbound if it is at the task's own address.
    invocation: Invocation,
    form: InvocationForm,
}

impl From<Invocation> for ChosenInvocation {
    fn from(invocation: Invocation) -> Self {
        let form = invocation.form;
        Self { invocation, form }
    }
}

impl<'a> Resolver<'a> {
    /// *Request token*: the call, its outputs, and the maximum length of a description.
    pub(crate) fn request(&mut self, table: Option<&TokenTable>) -> Option<(TaskCall, OutputNames, Option<usize>)> {
        let task_spec = TaskSpec::request(self.spec);
        let task = self.find_task(&task_spec, None)?;
        let chosen = self.choose_invocation(&task_spec, task, table)?;
        let ChosenInvocation { invocation, form } = chosen;
        let row = match (invocation.form, task_spec.bound_to) {
            (InvocationForm::Unbound, _) => Some(None),
            (_, Some(row)) => self.fixed_row(row).map(Some),
            (_, None) => {
                if let Some(row) = self.row_from_values(&invocation) {
                    self.fixed_row(&row).map(Some)
                } else {
                    self.add_mismatch(task_spec.kind.field("boundTo"), missing_row_message(task, &invocation));
                    None
                }
            }
        };
        let arguments = self.arguments(&task_spec, task, &invocation, table);
        let outputs =
            self.outputs(task, &invocation, arguments.as_ref().map(|(arguments, _)| arguments.as_slice()), table);
        let (arguments, max_length) = arguments?;
        let arguments = order_arguments(task_spec.parameters.is_some(), form, arguments);
        let call = TaskCall { name: task.name.clone(), form, row: row?, arguments };
        Some((call, outputs?, max_length))
    }

    /// A task for a token: the call, and the maximum length of a description.
    pub(crate) fn task(
        &mut self,
        task_spec: &TaskSpec<'a>,
        table: Option<&TokenTable>,
    ) -> Option<(TaskCall, Option<usize>)> {
        let task = self.find_task(task_spec, table)?;
        let ChosenInvocation { invocation, form } = self.choose_invocation(task_spec, task, table)?;
        let row = (invocation.form != InvocationForm::Unbound).then_some(BoundTo::Token);
        let (arguments, max_length) = self.arguments(task_spec, task, &invocation, table)?;
        let arguments = order_arguments(task_spec.parameters.is_some(), form, arguments);
        Some((TaskCall { name: task.name.clone(), form, row, arguments }, max_length))
    }

    /// The task of this name, or the one that is clearly the best match.
    pub(crate) fn find_task(&mut self, task_spec: &TaskSpec<'a>, table: Option<&TokenTable>) -> Option<&'a TaskInfo> {
        let catalog = self.catalog;
        let field = task_spec.kind.field("name");
        if let Some(name) = task_spec.name {
            let found = catalog.task(name);
            if found.is_none() {
                let bare = name.strip_prefix("task_").unwrap_or(name);
                let suggestion = did_you_mean(&suggest(bare, catalog.tasks.iter().map(|task| task.name.as_str())));
                self.add_mismatch(field, format!("$metadata shows the portal user no task {name}{suggestion}. Correct the name; or the user's role does not include it: then grant the user the right to run it"));
            }
            return found;
        }
        let table = table.and_then(|table| catalog.table(&table.name));
        let candidates = match task_spec.kind {
            TaskKind::Request => heuristics::rank_request_tasks(catalog),
            TaskKind::Edit => heuristics::rank_edit_tasks(catalog, table),
            TaskKind::Revoke => heuristics::rank_revoke_tasks(catalog, table),
        };
        let purpose = task_spec.kind.purpose();
        match select(&candidates) {
            Selection::Best(best) => return catalog.task(&best.name),
            Selection::Tie(names) => {
                self.add_mismatch(
                    field,
                    format!("the task that {purpose} may be {}: specify which one", join_names(&names, " or ")),
                );
            }
            Selection::None => {
                let suggestion =
                    did_you_mean(&candidates.iter().take(3).map(|one| one.name.as_str()).collect::<Vec<_>>());
                self.add_mismatch(
                    field,
                    format!(
                        "no task in $metadata clearly {purpose}{suggestion}: specify it; or the user's role does not include it: then grant the user the right to run it"
                    ),
                );
            }
        }
        None
    }

    /// Selects the first invocation that matches the spec and the row.
    fn choose_invocation(
        &mut self,
        task_spec: &TaskSpec<'_>,
        task: &TaskInfo,
        tokens: Option<&TokenTable>,
    ) -> Option<ChosenInvocation> {
        let table = match task_spec.kind {
            TaskKind::Request => task_spec.bound_to.map(|row| row.table.as_str()),
            TaskKind::Edit | TaskKind::Revoke => tokens.map(|table| table.name.as_str()),
        };
        let is_applicable = |invocation: &&Invocation| {
            invocation.table.is_none()
                || table.is_none() && task_spec.kind == TaskKind::Request
                || invocation.table.as_deref() == table
        };
        let is_bound = |invocation: &&Invocation| invocation.form != InvocationForm::Unbound;
        let with_form = |form: InvocationForm| {
            task.invocations.iter().filter(is_applicable).find(|invocation| invocation.form == form).cloned()
        };
        let unbound = || unbound_invocation(task);
        let found = match task_spec.form {
            // A row in the spec implies a bound task.
            TaskForm::Auto if task_spec.bound_to.is_some() => {
                task.invocations.iter().filter(is_applicable).find(is_bound).cloned().map(ChosenInvocation::from)
            }
            TaskForm::Auto => unbound_staged_invocation(task, task_spec.kind, tokens)
                .or_else(|| task.invocations.iter().find(is_applicable).cloned().map(ChosenInvocation::from)),
            TaskForm::Unbound => unbound().map(ChosenInvocation::from),
            // Every task can be staged, and every staged task can be run in one request (documented), regardless of
            // what `$metadata` declares.
            TaskForm::UnboundStaged => {
                unbound().map(|invocation| ChosenInvocation { invocation, form: InvocationForm::Staged })
            }
            TaskForm::Bound => with_form(InvocationForm::Bound)
                .or_else(|| with_form(InvocationForm::Staged))
                .map(|invocation| Invocation { form: InvocationForm::Bound, ..invocation }.into()),
            TaskForm::BoundStaged => with_form(InvocationForm::Staged)
                .or_else(|| with_form(InvocationForm::Bound))
                .map(as_staged)
                .map(ChosenInvocation::from),
        };
        if found.is_none() {
            self.report_no_invocation(task_spec, task, table);
        }
        found
    }

    fn report_no_invocation(&mut self, task_spec: &TaskSpec<'_>, task: &TaskInfo, table: Option<&str>) {
        let name = &task.name;
        let declared: Vec<String> = task.invocations.iter().map(describe_invocation).collect();
        let declared: Vec<&str> = declared.iter().map(String::as_str).collect();
        let declared = join_names(&declared, " or ");
        let (field, message) = match (task_spec.kind, table) {
            (TaskKind::Request, Some(table)) if task_spec.bound_to.is_some() => (
                "boundTo",
                format!(
                    "the task {name} is {declared}, not bound to {table}: correct boundTo, or omit it if the task is unbound"
                ),
            ),
            (TaskKind::Request, _) => ("form", format!("the task {name} is {declared}: set that form, or omit form")),
            (_, None) => (
                "form",
                format!(
                    "the task {name} is {declared}, but the portal user sees no token table: grant the user access to it"
                ),
            ),
            (_, Some(table)) => (
                "name",
                format!(
                    "the task {name} is {declared}, but the tokens are in {table}: correct the task, its form or the table"
                ),
            ),
        };
        self.add_mismatch(task_spec.kind.field(field), message);
    }
}

fn missing_row_message(task: &TaskInfo, invocation: &Invocation) -> String {
    let table = invocation.table.as_deref().unwrap_or("a table");
    format!("the task {} is bound to a row of {table}: set boundTo to the table and key of that row", task.name)
}

/// A task at its own address: as it is declared, with the fields of its staged form.
fn unbound_invocation(task: &TaskInfo) -> Option<Invocation> {
    let unbound = task.invocations.iter().find(|invocation| invocation.form == InvocationForm::Unbound);
    let stage = task
        .invocations
        .iter()
        .find(|invocation| invocation.form == InvocationForm::Staged && invocation.table.is_none());
    match (unbound, stage) {
        (None, None) => None,
        (None, Some(stage)) => Some(Invocation { form: InvocationForm::Unbound, ..stage.clone() }),
        (Some(unbound), None) => Some(unbound.clone()),
        (Some(unbound), Some(stage)) => {
            let mut invocation = unbound.clone();
            if invocation.inputs.is_empty() {
                invocation.inputs.clone_from(&stage.inputs);
            }
            let names: HashSet<&str> = unbound.outputs.iter().map(|output| output.name.as_str()).collect();
            let missing = stage.outputs.iter().filter(|output| !names.contains(output.name.as_str()));
            invocation.outputs = unbound.outputs.iter().chain(missing).cloned().collect();
            Some(invocation)
        }
    }
}

/// A task that is staged at its own address: `$metadata` declares its staged form, and no row that it is bound to.
fn unbound_staged_invocation(task: &TaskInfo, kind: TaskKind, tokens: Option<&TokenTable>) -> Option<ChosenInvocation> {
    let stage = task.invocations.iter().find(|invocation| invocation.form == InvocationForm::Staged)?;
    if task.invocations.iter().any(|invocation| invocation.table.is_some()) {
        return None;
    }
    // Without an address of its own, an edit or revocation may also be bound to the token's row, unless it has an
    // input that identifies the token.
    let is_declared = task.invocations.iter().any(|invocation| invocation.form == InvocationForm::Unbound);
    let names_token = tokens.is_none_or(|table| {
        stage.inputs.iter().any(|input| input.name == table.id.name || input.name == table.username)
    });
    let is_unbound = is_declared || kind == TaskKind::Request || names_token;
    let invocation = unbound_invocation(task).filter(|_| is_unbound)?;
    Some(ChosenInvocation { invocation, form: InvocationForm::Staged })
}

/// Orders the arguments. A staged task accepts its parameters one by one, in any order; of several the last one may
/// be dropped silently (according to the vendor), so that must not be the description.
fn order_arguments(is_pinned: bool, form: InvocationForm, mut arguments: Vec<Argument>) -> Vec<Argument> {
    let last = arguments.len().saturating_sub(1);
    let is_description = arguments.last().is_some_and(|argument| argument.source == ArgumentSource::Description);
    if !is_pinned && form == InvocationForm::Staged && last > 0 && is_description {
        arguments.swap(last - 1, last);
    }
    arguments
}

fn describe_invocation(invocation: &Invocation) -> String {
    match (invocation.form, &invocation.table) {
        (InvocationForm::Unbound, _) => "unbound".to_owned(),
        (InvocationForm::Bound, Some(table)) => format!("bound to {table}"),
        (InvocationForm::Staged, Some(table)) => format!("staged from {table}"),
        (InvocationForm::Staged, None) => "staged".to_owned(),
        (_, None) => "bound".to_owned(),
    }
}

/// A staged task is initialized from its row: nothing is required.
fn as_staged(invocation: Invocation) -> Invocation {
    let inputs = invocation.inputs.iter().map(|input| FieldInfo { required: false, ..input.clone() }).collect();
    Invocation { form: InvocationForm::Staged, inputs, ..invocation }
}
