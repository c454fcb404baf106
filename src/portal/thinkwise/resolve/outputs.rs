//! Where the answer to a request holds the token.

use super::problem::nearest as hint;
use super::{Resolver, id_of};
use crate::api::Outputs;
use crate::portal::thinkwise::find::{Meaning, Pick, id_field, nearest, pick};
use crate::portal::thinkwise::interface::{Argument, IdSource, OutputNames, TokenTable};
use crate::portal::thinkwise::metadata::{Field, Kind, TaskInfo, Way};

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
        let echoed = |field: &&Field| sent.unwrap_or_default().iter().any(|argument| argument.name == field.name);
        let given: Vec<&Field> = way.outputs.iter().filter(|field| !echoed(field)).collect();
        let taken: Vec<&str> = username.as_deref().into_iter().collect();
        let secret = self.output(task, way, secret, "secret", || text(&given, Meaning::Secret, &taken));
        let taken: Vec<&str> = secret.as_deref().into_iter().collect();
        let username = self.output(task, way, username, "username", || text(&given, Meaning::Username, &taken));
        let (username, secret) = (username?, secret?);
        let id = match id {
            Some(name) => IdSource::Output(self.output(task, way, Some(name), "id", || Pick::Missing)?),
            None if table.is_some_and(TokenTable::is_named_by_username) => IdSource::Username,
            None => {
                let taken = [username.as_str(), secret.as_str()];
                let found = id_field(given.iter().copied(), id_of(table), &taken).one();
                found.map_or(IdSource::LookUp, |field| IdSource::Output(field.name.clone()))
            }
        };
        Some(OutputNames { username, secret, id })
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
                    format!("the {what} may be {} of {}: name the one that is meant", alike.join(" or "), task.name)
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
