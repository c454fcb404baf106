//! The arguments of a task.

use super::task_spec::{TaskKind, TaskSpec};
use super::{Resolver, id_of};
use crate::api::{Parameter, ParameterSource};
use crate::portal::thinkwise::discovery::heuristics::{
    Concept, FieldMatch, is_confirmation, is_strong_match, match_id_field, match_text, suggest,
};
use crate::portal::thinkwise::discovery::interface::{Argument, ArgumentSource, TokenTable};
use crate::portal::thinkwise::discovery::metadata::{FieldInfo, Invocation, InvocationForm, TaskInfo};
use crate::portal::thinkwise::discovery::mismatch::{did_you_mean, join_names};
use crate::portal::thinkwise::odata::literal::Literal;
use crate::portal::thinkwise::odata::value_kind::ValueKind;

/// The arguments in the order in which they are sent, and the maximum length of a description.
type Arguments = (Vec<Argument>, Option<usize>);

impl Resolver<'_> {
    pub(crate) fn arguments(
        &mut self,
        task_spec: &TaskSpec<'_>,
        task: &TaskInfo,
        invocation: &Invocation,
        table: Option<&TokenTable>,
    ) -> Option<Arguments> {
        let before = self.mismatches.len();
        let arguments = match task_spec.parameters {
            Some(pinned) => self.pinned_arguments(task_spec.kind, task, invocation, pinned),
            None => self.discovered_arguments(task_spec.kind, task, invocation, table),
        };
        if self.mismatches.len() > before {
            return None;
        }
        let has_argument = |source: &ArgumentSource| arguments.iter().any(|argument| argument.source == *source);
        let has_description = task_spec.kind == TaskKind::Revoke || has_argument(&ArgumentSource::Description);
        let identifies_token = invocation.form != InvocationForm::Unbound
            || task_spec.kind == TaskKind::Request
            || has_argument(&ArgumentSource::TokenId)
            || has_argument(&ArgumentSource::Username);
        if !has_description {
            self.report_unfilled(task_spec.kind, task, invocation, "from: Description");
        }
        if !identifies_token {
            self.report_unfilled(task_spec.kind, task, invocation, "from: TokenID or Username");
        }
        let description = arguments.iter().find(|argument| argument.source == ArgumentSource::Description);
        let max_length =
            description.and_then(|sent| invocation.inputs.iter().find(|input| input.name == sent.name)?.max_length);
        (has_description && identifies_token).then_some((arguments, max_length))
    }

    fn report_unfilled(&mut self, kind: TaskKind, task: &TaskInfo, invocation: &Invocation, source: &str) {
        let names: Vec<&str> = invocation.inputs.iter().map(|input| input.name.as_str()).collect();
        let declared = if names.is_empty() { "none".to_owned() } else { join_names(&names, ", ") };
        let message =
            format!("set the parameters of {}, one of them {source}: $metadata declares {declared}", task.name);
        self.add_mismatch(kind.field("parameters"), message);
    }

    /// The arguments that the spec sets, each of which the task must have.
    fn pinned_arguments(
        &mut self,
        kind: TaskKind,
        task: &TaskInfo,
        invocation: &Invocation,
        pinned: &[Parameter],
    ) -> Vec<Argument> {
        for input in invocation.inputs.iter().filter(|input| input.required) {
            if !pinned.iter().any(|parameter| parameter.name == input.name) {
                self.warnings.push(format!(
                    "the task {} declares the parameter {} as required, but {} omits it",
                    task.name,
                    input.name,
                    kind.field("parameters")
                ));
            }
        }
        pinned.iter().filter_map(|parameter| self.pinned_argument(kind, task, invocation, parameter)).collect()
    }

    fn pinned_argument(
        &mut self,
        kind: TaskKind,
        task: &TaskInfo,
        invocation: &Invocation,
        parameter: &Parameter,
    ) -> Option<Argument> {
        let name = &parameter.name;
        let Some(input) = invocation.inputs.iter().find(|input| input.name == *name) else {
            let suggestion = did_you_mean(&suggest(name, invocation.inputs.iter().map(|input| input.name.as_str())));
            self.add_mismatch(
                kind.field("parameters"),
                format!(
                    "the task {} has no parameter {name}{suggestion}; or the user's role does not include it",
                    task.name
                ),
            );
            return None;
        };
        let source = match (parameter.from, &parameter.value) {
            (Some(ParameterSource::Description), _) => ArgumentSource::Description,
            (Some(ParameterSource::TokenID), _) => ArgumentSource::TokenId,
            (Some(ParameterSource::Username), _) => ArgumentSource::Username,
            (None, value) => {
                let literal = Literal::parse(input.kind, value.as_deref().unwrap_or_default());
                let report =
                    |error| self.add_mismatch(kind.field("parameters"), format!("the value of {name} {error}"));
                ArgumentSource::Fixed(literal.map_err(report).ok()?)
            }
        };
        Some(Argument { name: name.clone(), kind: input.kind, source })
    }

    /// The arguments that `$metadata` declares and whose values are known, in declared order.
    fn discovered_arguments(
        &mut self,
        kind: TaskKind,
        task: &TaskInfo,
        invocation: &Invocation,
        table: Option<&TokenTable>,
    ) -> Vec<Argument> {
        let roles = InputRoles::new(kind, invocation, table);
        let mut arguments = Vec::new();
        for input in invocation.inputs.iter() {
            let source = roles
                .source(kind, input, invocation.form, table)
                .or_else(|| self.fixed_source(kind, invocation, input));
            match source {
                Some(source) => arguments.push(Argument { name: input.name.clone(), kind: input.kind, source }),
                // Omitted, because it is optional.
                None if !input.required => {}
                None => {
                    let message = format!(
                        "the task {} needs the parameter {}, whose value is unknown: set the parameters, this one with a value",
                        task.name, input.name
                    );
                    self.add_mismatch(kind.field("parameters"), message);
                }
            }
        }
        arguments
    }
}

impl Resolver<'_> {
    /// The given value of a parameter of this name.
    fn fixed_source(&mut self, kind: TaskKind, invocation: &Invocation, input: &FieldInfo) -> Option<ArgumentSource> {
        let value = self.given_value(&input.name)?;
        // A staged task is initialized from its row.
        let row = invocation.table.as_deref().filter(|_| invocation.form == InvocationForm::Staged);
        if row.and_then(|name| self.catalog.table(name)?.column(&input.name)).is_some() {
            return None;
        }
        let literal = Literal::parse(input.kind, value);
        let report =
            |error| self.add_mismatch(kind.field("parameters"), format!("the value of {} {error}", input.name));
        literal.map_err(report).ok().map(ArgumentSource::Fixed)
    }
}

/// The inputs for description, id and username.
struct InputRoles<'a> {
    description: Option<&'a FieldInfo>,
    id: Option<&'a FieldInfo>,
    username: Option<&'a FieldInfo>,
}

impl<'a> InputRoles<'a> {
    fn new(kind: TaskKind, invocation: &'a Invocation, table: Option<&TokenTable>) -> Self {
        let (mut id, mut username) = (None, None);
        if kind != TaskKind::Request {
            id = match_id_field(&*invocation.inputs, id_of(table), &[]).one();
            let column = table.and_then(|table| invocation.inputs.iter().find(|input| input.name == table.username));
            let taken: Vec<&str> = id.iter().map(|field| field.name.as_str()).collect();
            // Beside an id, a name is the username only if it clearly means that: otherwise it may be the
            // description.
            let named = match_text(&*invocation.inputs, Concept::Username, &taken).one();
            username = column.or(named.filter(|field| id.is_none() || is_strong_match(&field.name, Concept::Username)));
        }
        let taken: Vec<&str> = [id, username].into_iter().flatten().map(|field| field.name.as_str()).collect();
        let description = match match_text(&*invocation.inputs, Concept::Description, &taken) {
            FieldMatch::One(field) => Some(field),
            // A single text can only be the description.
            FieldMatch::Missing => only(
                invocation
                    .inputs
                    .iter()
                    .filter(|input| input.kind == ValueKind::Text && !taken.contains(&input.name.as_str())),
            ),
            FieldMatch::Ambiguous(_) => None,
        };
        Self { description: description.filter(|_| kind != TaskKind::Revoke), id, username }
    }

    fn source(
        &self,
        kind: TaskKind,
        input: &FieldInfo,
        form: InvocationForm,
        table: Option<&TokenTable>,
    ) -> Option<ArgumentSource> {
        let is_input = |field: Option<&FieldInfo>| field.is_some_and(|field| field.name == input.name);
        if is_input(self.description) {
            return Some(ArgumentSource::Description);
        }
        // A task that is staged from the token's row needs no further identification of the token.
        if kind != TaskKind::Request && form != InvocationForm::Staged {
            if is_input(self.id) {
                return Some(ArgumentSource::TokenId);
            }
            if is_input(self.username) {
                return Some(ArgumentSource::Username);
            }
        }
        let fixed = table.and_then(|table| table.fixed.iter().find(|(column, _)| *column == input.name));
        if let Some((_, value)) = fixed.filter(|_| form != InvocationForm::Staged) {
            return Literal::parse(input.kind, &value.to_text()).ok().map(ArgumentSource::Fixed);
        }
        let is_confirmed = kind == TaskKind::Revoke && is_confirmation(input);
        is_confirmed.then(|| Literal::parse(ValueKind::Boolean, "true").ok().map(ArgumentSource::Fixed)).flatten()
    }
}

fn only<T>(mut items: impl Iterator<Item = T>) -> Option<T> {
    let first = items.next()?;
    items.next().is_none().then_some(first)
}
