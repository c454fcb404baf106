//! A task: which one, and in which form.

use super::Resolver;
use super::asked::{Asked, Owner};
use super::problem::{listed, nearest as hint};
use crate::api::TaskForm;
use crate::portal::thinkwise::find::{self, Choice, choose, nearest};
use crate::portal::thinkwise::interface::{Argument, BoundTo, OutputNames, Source, TaskCall, TokenTable};
use crate::portal::thinkwise::metadata::{Field, TaskInfo, Way, WayForm};
use std::collections::HashSet;

/// The way to call a task.
struct Chosen {
    /// What it takes and gives; unbound where it is at the task's own address.
    way: Way,
    form: WayForm,
}

impl From<Way> for Chosen {
    fn from(way: Way) -> Self {
        let form = way.form;
        Self { way, form }
    }
}

impl<'a> Resolver<'a> {
    /// *Request token*: the call, where its answer holds the token, the longest description.
    pub(super) fn request(&mut self, table: Option<&TokenTable>) -> Option<(TaskCall, OutputNames, Option<usize>)> {
        let asked = Asked::request(self.spec);
        let task = self.find(&asked, None)?;
        let way = self.way(&asked, task, table)?;
        let Chosen { way, form } = way;
        let row = match (way.form, asked.bound_to) {
            (WayForm::Unbound, _) => Some(None),
            (_, Some(row)) => self.fixed_row(row).map(Some),
            (_, None) => {
                if let Some(row) = self.row_of_values(&way) {
                    self.fixed_row(&row).map(Some)
                } else {
                    self.problem(asked.owner.field("boundTo"), unbound_row(task, &way));
                    None
                }
            }
        };
        let arguments = self.arguments(&asked, task, &way, table);
        let outputs = self.outputs(task, &way, arguments.as_ref().map(|(arguments, _)| arguments.as_slice()), table);
        let (arguments, max_length) = arguments?;
        let arguments = in_order(asked.parameters.is_some(), form, arguments);
        let call = TaskCall { name: task.name.clone(), form, row: row?, arguments };
        Some((call, outputs?, max_length))
    }

    /// A task of a token: the call, and the longest description.
    pub(super) fn task(&mut self, asked: &Asked<'a>, table: Option<&TokenTable>) -> Option<(TaskCall, Option<usize>)> {
        let task = self.find(asked, table)?;
        let Chosen { way, form } = self.way(asked, task, table)?;
        let row = (way.form != WayForm::Unbound).then_some(BoundTo::Token);
        let (arguments, max_length) = self.arguments(asked, task, &way, table)?;
        let arguments = in_order(asked.parameters.is_some(), form, arguments);
        Some((TaskCall { name: task.name.clone(), form, row, arguments }, max_length))
    }

    /// The task of this name, or the one that is clearly meant.
    pub(super) fn find(&mut self, asked: &Asked<'a>, table: Option<&TokenTable>) -> Option<&'a TaskInfo> {
        let catalog = self.catalog;
        let field = asked.owner.field("name");
        if let Some(name) = asked.name {
            let found = catalog.task(name);
            if found.is_none() {
                let bare = name.strip_prefix("task_").unwrap_or(name);
                let near = hint(&nearest(bare, catalog.tasks.iter().map(|task| task.name.as_str())));
                self.problem(field, format!("$metadata shows our user no task {name}{near}. Correct the name; or the user's role does not include it: then give the user the right to run it"));
            }
            return found;
        }
        let table = table.and_then(|table| catalog.table(&table.name));
        let candidates = match asked.owner {
            Owner::Request => find::requests(catalog),
            Owner::Edit => find::edits(catalog, table),
            Owner::Revoke => find::revocations(catalog, table),
        };
        let purpose = asked.owner.purpose();
        match choose(&candidates) {
            Choice::Clear(best) => return catalog.task(&best.name),
            Choice::Tie(names) => {
                self.problem(
                    field,
                    format!("the task that {purpose} may be {}: name the one that is meant", listed(&names, " or ")),
                );
            }
            Choice::None => {
                let near = hint(&candidates.iter().take(3).map(|one| one.name.as_str()).collect::<Vec<_>>());
                self.problem(
                    field,
                    format!(
                        "no task of $metadata clearly {purpose}{near}: name it; or the user's role does not include it: then give the user the right to run it"
                    ),
                );
            }
        }
        None
    }

    /// The way in which a task is called: the first that fits what the spec says and the row.
    fn way(&mut self, asked: &Asked<'_>, task: &TaskInfo, tokens: Option<&TokenTable>) -> Option<Chosen> {
        let table = match asked.owner {
            Owner::Request => asked.bound_to.map(|row| row.table.as_str()),
            Owner::Edit | Owner::Revoke => tokens.map(|table| table.name.as_str()),
        };
        let fits = |way: &&Way| {
            way.table.is_none() || table.is_none() && asked.owner == Owner::Request || way.table.as_deref() == table
        };
        let is_bound = |way: &&Way| way.form != WayForm::Unbound;
        let wanted = |form: WayForm| task.ways.iter().filter(fits).find(|way| way.form == form).cloned();
        let own = || own_address(task);
        let found = match asked.form {
            // Who names a row means a bound task.
            TaskForm::Auto if asked.bound_to.is_some() => {
                task.ways.iter().filter(fits).find(is_bound).cloned().map(Chosen::from)
            }
            TaskForm::Auto => {
                own_stage(task, asked.owner, tokens).or_else(|| task.ways.iter().find(fits).cloned().map(Chosen::from))
            }
            TaskForm::Unbound => own().map(Chosen::from),
            // Each task can be staged, and each that is staged can be run in one request (documented), whatever
            // $metadata declares.
            TaskForm::UnboundStaged => own().map(|way| Chosen { way, form: WayForm::Staged }),
            TaskForm::Bound => wanted(WayForm::Bound)
                .or_else(|| wanted(WayForm::Staged))
                .map(|way| Way { form: WayForm::Bound, ..way }.into()),
            TaskForm::BoundStaged => {
                wanted(WayForm::Staged).or_else(|| wanted(WayForm::Bound)).map(staged).map(Chosen::from)
            }
        };
        if found.is_none() {
            self.no_way(asked, task, table);
        }
        found
    }

    fn no_way(&mut self, asked: &Asked<'_>, task: &TaskInfo, table: Option<&str>) {
        let name = &task.name;
        let offered: Vec<String> = task.ways.iter().map(described).collect();
        let offered: Vec<&str> = offered.iter().map(String::as_str).collect();
        let offered = listed(&offered, " or ");
        let (field, says) = match (asked.owner, table) {
            (Owner::Request, Some(table)) if asked.bound_to.is_some() => (
                "boundTo",
                format!(
                    "the task {name} is {offered}, not bound to {table}: correct boundTo, or leave it out where the task is unbound"
                ),
            ),
            (Owner::Request, _) => {
                ("form", format!("the task {name} is {offered}: write that form, or leave form out"))
            }
            (_, None) => (
                "form",
                format!(
                    "the task {name} is {offered}, and our user sees no table of tokens: give the user the right to see it"
                ),
            ),
            (_, Some(table)) => (
                "name",
                format!(
                    "the task {name} is {offered}, and the tokens are in {table}: correct the task, its form or the table"
                ),
            ),
        };
        self.problem(asked.owner.field(field), says);
    }
}

fn unbound_row(task: &TaskInfo, way: &Way) -> String {
    let table = way.table.as_deref().unwrap_or("a table");
    format!("the task {} is bound to a row of {table}: write boundTo with table and key of that row", task.name)
}

/// A task at its own address: as it is declared, with what is staged of it.
fn own_address(task: &TaskInfo) -> Option<Way> {
    let unbound = task.ways.iter().find(|way| way.form == WayForm::Unbound);
    let stage = task.ways.iter().find(|way| way.form == WayForm::Staged && way.table.is_none());
    match (unbound, stage) {
        (None, None) => None,
        (None, Some(stage)) => Some(Way { form: WayForm::Unbound, ..stage.clone() }),
        (Some(unbound), None) => Some(unbound.clone()),
        (Some(unbound), Some(stage)) => {
            let mut way = unbound.clone();
            if way.inputs.is_empty() {
                way.inputs.clone_from(&stage.inputs);
            }
            let known: HashSet<&str> = unbound.outputs.iter().map(|output| output.name.as_str()).collect();
            let missing = stage.outputs.iter().filter(|output| !known.contains(output.name.as_str()));
            way.outputs = unbound.outputs.iter().chain(missing).cloned().collect();
            Some(way)
        }
    }
}

/// A task that is staged at its own address: `$metadata` declares what is staged, and no row that it is bound to.
fn own_stage(task: &TaskInfo, owner: Owner, tokens: Option<&TokenTable>) -> Option<Chosen> {
    let stage = task.ways.iter().find(|way| way.form == WayForm::Staged)?;
    if task.ways.iter().any(|way| way.table.is_some()) {
        return None;
    }
    // Without an address of its own, an edit or revocation may as well be bound to the token's row, unless it
    // takes what says which token is meant.
    let is_declared = task.ways.iter().any(|way| way.form == WayForm::Unbound);
    let names_token = tokens.is_none_or(|table| {
        stage.inputs.iter().any(|input| input.name == table.id.name || input.name == table.username)
    });
    let is_own = is_declared || owner == Owner::Request || names_token;
    let way = own_address(task).filter(|_| is_own)?;
    Some(Chosen { way, form: WayForm::Staged })
}

/// The arguments as they are sent. What is staged takes its parameters one by one, in any order; of several
/// the last one may be dropped silently (the vendor says), so that is not the description.
fn in_order(is_pinned: bool, form: WayForm, mut arguments: Vec<Argument>) -> Vec<Argument> {
    let last = arguments.len().saturating_sub(1);
    let is_description = arguments.last().is_some_and(|argument| argument.source == Source::Description);
    if !is_pinned && form == WayForm::Staged && last > 0 && is_description {
        arguments.swap(last - 1, last);
    }
    arguments
}

fn described(way: &Way) -> String {
    match (way.form, &way.table) {
        (WayForm::Unbound, _) => "unbound".to_owned(),
        (WayForm::Bound, Some(table)) => format!("bound to {table}"),
        (WayForm::Staged, Some(table)) => format!("staged from {table}"),
        (WayForm::Staged, None) => "staged".to_owned(),
        (_, None) => "bound".to_owned(),
    }
}

/// What is staged begins with what its row gives it: nothing is required.
fn staged(way: Way) -> Way {
    let inputs = way.inputs.iter().map(|input| Field { required: false, ..input.clone() }).collect();
    Way { form: WayForm::Staged, inputs, ..way }
}
