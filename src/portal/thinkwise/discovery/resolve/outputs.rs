//! The outputs of a request that contain the token.

use super::{Resolver, id_of};
use crate::api::Outputs;
use crate::portal::thinkwise::discovery::heuristics::{Concept, FieldMatch, match_id_output, match_text, suggest};
use crate::portal::thinkwise::discovery::interface::{Argument, IdSource, OutputNames, TokenTable};
use crate::portal::thinkwise::discovery::metadata::{FieldInfo, Invocation, InvocationForm, TaskInfo};
use crate::portal::thinkwise::discovery::mismatch::{did_you_mean, join_names};
use crate::portal::thinkwise::odata::value_kind::ValueKind;
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
        // The inputs are echoed beside the outputs (documented).
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

    /// Whether the output that the spec sets can be the token's id. A possible mistake only causes a warning: the
    /// first token's row shows whether it is one.
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
        if let Some(other) = other_meaning(&input_names(invocation), table, name).filter(|_| !is_column) {
            let message = format!(
                "{name} of {} is {other}, not the token's id: omit it to look up the id in the list, or specify the output that contains it",
                task.name
            );
            self.add_mismatch(field, message);
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
        let message = match pinned {
            // If no outputs are declared, the name cannot be checked.
            Some(name) if invocation.outputs.is_empty() || names().any(|declared| declared == name) => {
                return Some(name);
            }
            Some(name) => {
                format!("the task {} has no output {name}{}", task.name, did_you_mean(&suggest(&name, names())))
            }
            None => match find() {
                FieldMatch::One(found) => return Some(found.name.clone()),
                FieldMatch::Ambiguous(names) => {
                    format!("the {what} may be {} of {}: specify which one", join_names(&names, " or "), task.name)
                }
                FieldMatch::Missing => {
                    let declared = names().take(8).collect::<Vec<_>>().join(", ");
                    let declared = if declared.is_empty() { "none".to_owned() } else { declared };
                    format!(
                        "no output of {} is clearly the {what}: specify it; $metadata declares {declared}",
                        task.name
                    )
                }
            },
        };
        self.add_mismatch(field, message);
        None
    }
}

/// The names of the inputs, if they are separate from the outputs: a staged task has both in one type.
fn input_names(invocation: &Invocation) -> HashSet<&str> {
    invocation
        .inputs
        .iter()
        .filter(|_| invocation.form != InvocationForm::Staged)
        .map(|input| input.name.as_str())
        .collect()
}

/// What an output of this name is, if it is not the token's own: an echoed input, or a column of the table's key that
/// is not the id.
fn other_meaning(inputs: &HashSet<&str>, table: Option<&TokenTable>, name: &str) -> Option<&'static str> {
    let is_key = table.is_some_and(|table| {
        table.fixed.iter().any(|(column, _)| column == name)
            || table.row_columns.iter().any(|column| column.name == name)
    });
    match (is_key, inputs.contains(name)) {
        (true, _) => Some("another column of the table's key"),
        (false, true) => Some("a parameter, which the response repeats"),
        (false, false) => None,
    }
}

/// The text that matches the concept; or, if one of two texts is taken, the other one.
fn match_output_text<'f>(candidates: &[&'f FieldInfo], concept: Concept, taken: &[&str]) -> FieldMatch<'f> {
    let found = match_text(candidates.iter().copied(), concept, taken);
    let texts: Vec<&'f FieldInfo> = candidates.iter().copied().filter(|field| field.kind == ValueKind::Text).collect();
    match (&found, &texts[..]) {
        (FieldMatch::Missing, [one, other]) if taken.contains(&one.name.as_str()) => FieldMatch::One(other),
        (FieldMatch::Missing, [one, other]) if taken.contains(&other.name.as_str()) => FieldMatch::One(one),
        _ => found,
    }
}
