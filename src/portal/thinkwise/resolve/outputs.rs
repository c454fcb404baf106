//! Where the answer to a request holds the token.

use super::problem::{listed, nearest as hint};
use super::{Resolver, id_of};
use crate::api::Outputs;
use crate::portal::thinkwise::find::{Meaning, Pick, id_output, nearest, pick};
use crate::portal::thinkwise::interface::{Argument, IdSource, OutputNames, TokenTable};
use crate::portal::thinkwise::metadata::{Field, Kind, TaskInfo, Way, WayForm};
use std::collections::HashSet;

impl Resolver<'_> {
    pub(super) fn outputs(
        &mut self,
        task: &TaskInfo,
        way: &Way,
        sent: Option<&[Argument]>,
        table: Option<&TokenTable>,
    ) -> Option<OutputNames> {
        let request = self.spec.tasks.as_ref().and_then(|tasks| tasks.request.as_ref());
        let pinned = request.and_then(|request| request.outputs.clone()).unwrap_or_default();
        let Outputs { username, secret, id } = pinned;
        // Inputs are echoed beside the outputs (documented).
        let echoed: HashSet<&str> = sent.unwrap_or_default().iter().map(|argument| argument.name.as_str()).collect();
        let given: Vec<&Field> = way.outputs.iter().filter(|field| !echoed.contains(field.name.as_str())).collect();
        let taken: Vec<&str> = username.as_deref().into_iter().collect();
        let secret = self.output(task, way, secret, "secret", || text(&given, Meaning::Secret, &taken));
        let taken: Vec<&str> = secret.as_deref().into_iter().collect();
        let username = self.output(task, way, username, "username", || text(&given, Meaning::Username, &taken));
        let (username, secret) = (username?, secret?);
        let id = match id {
            Some(name) => {
                let name = self.output(task, way, Some(name), "id", || Pick::Missing)?;
                self.judge_id(task, way, table, &name)?;
                IdSource::Output(name)
            }
            None if table.is_some_and(TokenTable::is_named_by_username) => IdSource::Username,
            None => {
                let taken = [username.as_str(), secret.as_str()];
                let inputs = inputs(way);
                let free = given.iter().copied().filter(|field| of_another(&inputs, table, &field.name).is_none());
                let found = id_output(free, id_of(table), &taken).one();
                found.map_or(IdSource::LookUp, |field| IdSource::Output(field.name.clone()))
            }
        };
        Some(OutputNames { username, secret, id })
    }

    /// Whether the output that the spec pins can be the token's id. What only may be a mistake is noted: the first
    /// token's row shows it.
    fn judge_id(&mut self, task: &TaskInfo, way: &Way, table: Option<&TokenTable>, name: &str) -> Option<()> {
        let field = "spec.thinkwise.tasks.request.outputs.id";
        let column = id_of(table);
        let is_column = column.is_some_and(|(column, _)| column == name);
        if let Some(what) = of_another(&inputs(way), table, name).filter(|_| !is_column) {
            let says = format!(
                "{name} of {} is {what}, not the token's id: leave it out, and the id is looked up in the list, or name the output that holds it",
                task.name
            );
            self.problem(field, says);
            return None;
        }
        let output = way.outputs.iter().find(|output| output.name == name);
        if let Some((column, kind)) = column
            && (!is_column || output.is_some_and(|output| output.kind != kind))
        {
            self.notes.push(format!(
                "{field}: {name} differs from the key column {column} in name or type, so it may not be the token's id: the first token is compared with the list"
            ));
        }
        Some(())
    }

    fn output<'f>(
        &mut self,
        task: &TaskInfo,
        way: &Way,
        pinned: Option<String>,
        what: &str,
        find: impl FnOnce() -> Pick<'f>,
    ) -> Option<String> {
        let field = format!("spec.thinkwise.tasks.request.outputs.{what}");
        let names = || way.outputs.iter().map(|output| output.name.as_str());
        let says = match pinned {
            // Where none are declared there is nothing to hold it against.
            Some(name) if way.outputs.is_empty() || names().any(|known| known == name) => return Some(name),
            Some(name) => format!("the task {} has no output {name}{}", task.name, hint(&nearest(&name, names()))),
            None => match find() {
                Pick::One(found) => return Some(found.name.clone()),
                Pick::Several(alike) => {
                    format!("the {what} may be {} of {}: name the one that is meant", listed(&alike, " or "), task.name)
                }
                Pick::Missing => {
                    let known = names().take(8).collect::<Vec<_>>().join(", ");
                    let known = if known.is_empty() { "none".to_owned() } else { known };
                    format!("no output of {} is clearly the {what}: name it; $metadata declares {known}", task.name)
                }
            },
        };
        self.problem(field, says);
        None
    }
}

/// The names of the inputs, where they are not outputs too: what is staged has both in one.
fn inputs(way: &Way) -> HashSet<&str> {
    way.inputs.iter().filter(|_| way.form != WayForm::Staged).map(|input| input.name.as_str()).collect()
}

/// What an output of this name is, where it is not one of the token's own: an input that is echoed, or a part of
/// the table's key that is not the id.
fn of_another(inputs: &HashSet<&str>, table: Option<&TokenTable>, name: &str) -> Option<&'static str> {
    let is_key = table.is_some_and(|table| {
        table.fixed.iter().any(|(column, _)| column == name) || table.others.iter().any(|column| column.name == name)
    });
    match (is_key, inputs.contains(name)) {
        (true, _) => Some("another column of the table's key"),
        (false, true) => Some("a parameter, which the answer repeats"),
        (false, false) => None,
    }
}

/// The text that says this; or the only one of two that is left when the other is taken.
fn text<'f>(given: &[&'f Field], meaning: Meaning, taken: &[&str]) -> Pick<'f> {
    let found = pick(given.iter().copied(), meaning, taken);
    let texts: Vec<&'f Field> = given.iter().copied().filter(|field| field.kind == Kind::Text).collect();
    match (&found, &texts[..]) {
        (Pick::Missing, [one, other]) if taken.contains(&one.name.as_str()) => Pick::One(other),
        (Pick::Missing, [one, other]) if taken.contains(&other.name.as_str()) => Pick::One(one),
        _ => found,
    }
}
