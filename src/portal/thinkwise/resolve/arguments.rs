//! What is sent to a task.

use super::asked::{Asked, Owner};
use super::problem::{listed, nearest as hint};
use super::{Resolver, id_of};
use crate::api::{Parameter, ParameterSource};
use crate::portal::thinkwise::find::{Meaning, Pick, id_field, is_clear, is_confirmation, nearest, pick};
use crate::portal::thinkwise::interface::{Argument, Source, TokenTable};
use crate::portal::thinkwise::literal::Literal;
use crate::portal::thinkwise::metadata::{Field, Kind, TaskInfo, Way, WayForm};

/// The arguments in the order in which they are sent, and the longest description that they take.
type Arguments = (Vec<Argument>, Option<usize>);

impl Resolver<'_> {
    pub(super) fn arguments(
        &mut self,
        asked: &Asked<'_>,
        task: &TaskInfo,
        way: &Way,
        table: Option<&TokenTable>,
    ) -> Option<Arguments> {
        let before = self.problems.len();
        let arguments = match asked.parameters {
            Some(pinned) => self.pinned(asked.owner, task, way, pinned),
            None => self.found(asked.owner, task, way, table),
        };
        if self.problems.len() > before {
            return None;
        }
        let sends = |source: &Source| arguments.iter().any(|argument| argument.source == *source);
        let describes = asked.owner == Owner::Revoke || sends(&Source::Description);
        let names = way.form != WayForm::Unbound
            || asked.owner == Owner::Request
            || sends(&Source::TokenId)
            || sends(&Source::Username);
        if !describes {
            self.unfilled(asked.owner, task, way, "from: Description");
        }
        if !names {
            self.unfilled(asked.owner, task, way, "from: TokenID or Username");
        }
        let description = arguments.iter().find(|argument| argument.source == Source::Description);
        let longest = description.and_then(|sent| way.inputs.iter().find(|input| input.name == sent.name)?.max_length);
        (describes && names).then_some((arguments, longest))
    }

    fn unfilled(&mut self, owner: Owner, task: &TaskInfo, way: &Way, source: &str) {
        let names: Vec<&str> = way.inputs.iter().map(|input| input.name.as_str()).collect();
        let takes = if names.is_empty() { "none".to_owned() } else { listed(&names, ", ") };
        let says = format!("write the parameters of {}, one of them {source}: $metadata declares {takes}", task.name);
        self.problem(owner.field("parameters"), says);
    }

    /// Those of the spec, each of which the task must have.
    fn pinned(&mut self, owner: Owner, task: &TaskInfo, way: &Way, pinned: &[Parameter]) -> Vec<Argument> {
        for input in way.inputs.iter().filter(|input| input.required) {
            if !pinned.iter().any(|parameter| parameter.name == input.name) {
                self.notes.push(format!(
                    "the task {} declares the parameter {} as required, and {} leaves it out",
                    task.name,
                    input.name,
                    owner.field("parameters")
                ));
            }
        }
        pinned.iter().filter_map(|parameter| self.one(owner, task, way, parameter)).collect()
    }

    fn one(&mut self, owner: Owner, task: &TaskInfo, way: &Way, parameter: &Parameter) -> Option<Argument> {
        let name = &parameter.name;
        let Some(input) = way.inputs.iter().find(|input| input.name == *name) else {
            let near = hint(&nearest(name, way.inputs.iter().map(|input| input.name.as_str())));
            self.problem(
                owner.field("parameters"),
                format!("the task {} has no parameter {name}{near}; or the user's role does not include it", task.name),
            );
            return None;
        };
        let source = match (parameter.from, &parameter.value) {
            (Some(ParameterSource::Description), _) => Source::Description,
            (Some(ParameterSource::TokenID), _) => Source::TokenId,
            (Some(ParameterSource::Username), _) => Source::Username,
            (None, value) => {
                let literal = Literal::parse(input.kind, value.as_deref().unwrap_or_default());
                let says = |error| self.problem(owner.field("parameters"), format!("the value of {name} {error}"));
                Source::Fixed(literal.map_err(says).ok()?)
            }
        };
        Some(Argument { name: name.clone(), kind: input.kind, source })
    }

    /// Those that `$metadata` declares and that can be filled, in its order.
    fn found(&mut self, owner: Owner, task: &TaskInfo, way: &Way, table: Option<&TokenTable>) -> Vec<Argument> {
        let meant = Meant::of(owner, way, table);
        let mut arguments = Vec::new();
        for input in way.inputs.iter() {
            let source = meant.source(owner, input, way.form, table).or_else(|| self.valued(owner, way, input));
            match source {
                Some(source) => arguments.push(Argument { name: input.name.clone(), kind: input.kind, source }),
                // Left out: what may be left out is.
                None if !input.required => {}
                None => {
                    let says = format!(
                        "the task {} needs the parameter {}, and nothing tells its value: write the parameters, this one with a value",
                        task.name, input.name
                    );
                    self.problem(owner.field("parameters"), says);
                }
            }
        }
        arguments
    }
}

impl Resolver<'_> {
    /// The value that is given for a parameter of this name.
    fn valued(&mut self, owner: Owner, way: &Way, input: &Field) -> Option<Source> {
        let value = self.value(&input.name)?;
        // What is staged begins with what its row gives it.
        let row = way.table.as_deref().filter(|_| way.form == WayForm::Staged);
        if row.and_then(|name| self.catalog.table(name)?.column(&input.name)).is_some() {
            return None;
        }
        let literal = Literal::parse(input.kind, value);
        let says = |error| self.problem(owner.field("parameters"), format!("the value of {} {error}", input.name));
        literal.map_err(says).ok().map(Source::Fixed)
    }
}

/// Which inputs are description, id and username.
struct Meant<'a> {
    description: Option<&'a Field>,
    id: Option<&'a Field>,
    username: Option<&'a Field>,
}

impl<'a> Meant<'a> {
    fn of(owner: Owner, way: &'a Way, table: Option<&TokenTable>) -> Self {
        let (mut id, mut username) = (None, None);
        if owner != Owner::Request {
            id = id_field(&*way.inputs, id_of(table), &[]).one();
            let column = table.and_then(|table| way.inputs.iter().find(|input| input.name == table.username));
            let taken: Vec<&str> = id.iter().map(|field| field.name.as_str()).collect();
            // Beside an id a name is the username only if it says so: else it may be the description.
            let named = pick(&*way.inputs, Meaning::Username, &taken).one();
            username = column.or(named.filter(|field| id.is_none() || is_clear(&field.name, Meaning::Username)));
        }
        let taken: Vec<&str> = [id, username].into_iter().flatten().map(|field| field.name.as_str()).collect();
        let description = match pick(&*way.inputs, Meaning::Description, &taken) {
            Pick::One(field) => Some(field),
            // One text alone can be nothing else.
            Pick::Missing => only(
                way.inputs.iter().filter(|input| input.kind == Kind::Text && !taken.contains(&input.name.as_str())),
            ),
            Pick::Several(_) => None,
        };
        Self { description: description.filter(|_| owner != Owner::Revoke), id, username }
    }

    fn source(&self, owner: Owner, input: &Field, form: WayForm, table: Option<&TokenTable>) -> Option<Source> {
        let is = |field: Option<&Field>| field.is_some_and(|field| field.name == input.name);
        if is(self.description) {
            return Some(Source::Description);
        }
        // What is staged from the token's row knows its token.
        if owner != Owner::Request && form != WayForm::Staged {
            if is(self.id) {
                return Some(Source::TokenId);
            }
            if is(self.username) {
                return Some(Source::Username);
            }
        }
        let fixed = table.and_then(|table| table.fixed.iter().find(|(column, _)| *column == input.name));
        if let Some((_, value)) = fixed.filter(|_| form != WayForm::Staged) {
            return Literal::parse(input.kind, &value.as_text()).ok().map(Source::Fixed);
        }
        let confirms = owner == Owner::Revoke && is_confirmation(input);
        confirms.then(|| Literal::parse(Kind::Boolean, "true").ok().map(Source::Fixed)).flatten()
    }
}

fn only<T>(mut items: impl Iterator<Item = T>) -> Option<T> {
    let first = items.next()?;
    items.next().is_none().then_some(first)
}
