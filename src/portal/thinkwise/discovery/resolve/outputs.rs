//! Where the answer to a request holds the token.

use super::mismatch::{did_you_mean as hint, join_names};
use super::{Resolver, id_of};
use crate::api::Outputs;
use crate::portal::thinkwise::discovery::heuristics::{Concept, FieldMatch, match_id_output, match_text, suggest};
use crate::portal::thinkwise::discovery::interface::{Argument, IdSource, OutputNames, TokenTable};
use crate::portal::thinkwise::discovery::metadata::{FieldInfo, Invocation, InvocationForm, TaskInfo, ValueKind};
use std::collections::HashSet;

impl Resolver<'_> {
    pub(crate) fn outputs(
        &mut self,
        task: &TaskInfo,
        invocation: &Invocation,
        sent: Option<&[Argument]>,
        table: Option<&TokenTable>,
    ) -> Option<OutputNames> {
        let request = self.spec.tasks.as_ref().and_then(|tasks| tasks.request.as_ref());
        let pinned = request.and_then(|request| request.outputs.clone()).unwrap_or_default();
        let Outputs { username, secret, id } = pinned;
        // Inputs are echoed beside the outputs (documented).
        let echoed: HashSet<&str> = sent.unwrap_or_default().iter().map(|argument| argument.name.as_str()).collect();
        let candidates: Vec<&FieldInfo> =
            invocation.outputs.iter().filter(|field| !echoed.contains(field.name.as_str())).collect();
        let taken: Vec<&str> = username.as_deref().into_iter().collect();
        let secret =
            self.output(task, invocation, secret, "secret", || match_output_text(&candidates, Concept::Secret, &taken));
        let taken: Vec<&str> = secret.as_deref().into_iter().collect();
        let username = self.output(task, invocation, username, "username", || {
            match_output_text(&candidates, Concept::Username, &taken)
        });
        let (username, secret) = (username?, secret?);
        let id = match id {
            Some(name) => {
                let name = self.output(task, invocation, Some(name), "id", || FieldMatch::Missing)?;
                self.check_pinned_id(task, invocation, table, &name)?;
                IdSource::Output(name)
            }
            None if table.is_some_and(TokenTable::is_named_by_username) => IdSource::Username,
            None => {
                let taken = [username.as_str(), secret.as_str()];
                let inputs = input_names(invocation);
                let free =
                    candidates.iter().copied().filter(|field| other_meaning(&inputs, table, &field.name).is_none());
                let found = match_id_output(free, id_of(table), &taken).one();
                found.map_or(IdSource::LookUp, |field| IdSource::Output(field.name.clone()))
            }
        };
        Some(OutputNames { username, secret, id })
    }

    /// Whether the output that the spec pins can be the token's id. What only may be a mistake is noted: the first
    /// token's row shows it.
    fn check_pinned_id(
        &mut self,
        task: &TaskInfo,
        invocation: &Invocation,
        table: Option<&TokenTable>,
        name: &str,
    ) -> Option<()> {
        let field = "spec.thinkwise.tasks.request.outputs.id";
        let column = id_of(table);
        let is_column = column.is_some_and(|(column, _)| column == name);
        if let Some(what) = other_meaning(&input_names(invocation), table, name).filter(|_| !is_column) {
            let says = format!(
                "{name} of {} is {what}, not the token's id: leave it out, and the id is looked up in the list, or name the output that holds it",
                task.name
            );
            self.add_mismatch(field, says);
            return None;
        }
        let output = invocation.outputs.iter().find(|output| output.name == name);
        if let Some((column, kind)) = column
            && (!is_column || output.is_some_and(|output| output.kind != kind))
        {
            self.warnings.push(format!(
                "{field}: {name} differs from the key column {column} in name or type, so it may not be the token's id: the first token is compared with the list"
            ));
        }
        Some(())
    }

    fn output<'f>(
        &mut self,
        task: &TaskInfo,
        invocation: &Invocation,
        pinned: Option<String>,
        what: &str,
        find: impl FnOnce() -> FieldMatch<'f>,
    ) -> Option<String> {
        let field = format!("spec.thinkwise.tasks.request.outputs.{what}");
        let names = || invocation.outputs.iter().map(|output| output.name.as_str());
        let says = match pinned {
            // Where none are declared there is nothing to hold it against.
            Some(name) if invocation.outputs.is_empty() || names().any(|known| known == name) => return Some(name),
            Some(name) => format!("the task {} has no output {name}{}", task.name, hint(&suggest(&name, names()))),
            None => match find() {
                FieldMatch::One(found) => return Some(found.name.clone()),
                FieldMatch::Ambiguous(alike) => {
                    format!(
                        "the {what} may be {} of {}: name the one that is meant",
                        join_names(&alike, " or "),
                        task.name
                    )
                }
                FieldMatch::Missing => {
                    let known = names().take(8).collect::<Vec<_>>().join(", ");
                    let known = if known.is_empty() { "none".to_owned() } else { known };
                    format!("no output of {} is clearly the {what}: name it; $metadata declares {known}", task.name)
                }
            },
        };
        self.add_mismatch(field, says);
        None
    }
}

/// The names of the inputs, where they are not outputs too: what is staged has both in one.
fn input_names(invocation: &Invocation) -> HashSet<&str> {
    invocation
        .inputs
        .iter()
        .filter(|_| invocation.form != InvocationForm::Staged)
        .map(|input| input.name.as_str())
        .collect()
}

/// What an output of this name is, where it is not one of the token's own: an input that is echoed, or a part of
/// the table's key that is not the id.
fn other_meaning(inputs: &HashSet<&str>, table: Option<&TokenTable>, name: &str) -> Option<&'static str> {
    let is_key = table.is_some_and(|table| {
        table.fixed.iter().any(|(column, _)| column == name)
            || table.row_columns.iter().any(|column| column.name == name)
    });
    match (is_key, inputs.contains(name)) {
        (true, _) => Some("another column of the table's key"),
        (false, true) => Some("a parameter, which the answer repeats"),
        (false, false) => None,
    }
}

/// The text that says this; or the only one of two that is left when the other is taken.
fn match_output_text<'f>(candidates: &[&'f FieldInfo], concept: Concept, taken: &[&str]) -> FieldMatch<'f> {
    let found = match_text(candidates.iter().copied(), concept, taken);
    let texts: Vec<&'f FieldInfo> = candidates.iter().copied().filter(|field| field.kind == ValueKind::Text).collect();
    match (&found, &texts[..]) {
        (FieldMatch::Missing, [one, other]) if taken.contains(&one.name.as_str()) => FieldMatch::One(other),
        (FieldMatch::Missing, [one, other]) if taken.contains(&other.name.as_str()) => FieldMatch::One(one),
        _ => found,
    }
}
