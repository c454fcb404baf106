//! The three tasks, published unbound: one POST with a flat JSON object; the answer is flat too,
//! with inputs echoed beside outputs. A missing or superfluous parameter breaks the call with a
//! generic error.

use super::answer::Answer;
use super::config::Config;
use super::messages;
use super::requests::{Operation, Visit};
use super::shared::Shared;
use serde_json::{Map, Value, json};

/// Type of a parameter, which a value has to be of.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Number,
    Flag,
}

/// Runs a task now.
pub(super) fn run(shared: &Shared, task: Operation, body: &[u8], by: &str, visit: &Visit) -> Answer {
    let config = shared.config();
    let Some(inputs) = inputs(&config, task, body) else {
        return messages::service(&config, 400, "The request is invalid.");
    };
    let outcome = match task {
        Operation::Request => request(shared, &config, &inputs, by),
        Operation::Edit => edit(shared, &config, &inputs, by),
        _ => revoke(shared, &config, &inputs, by),
    };
    match outcome {
        Ok(outputs) => {
            visit.applied();
            let mut answer = inputs;
            answer.extend(outputs);
            Answer::json(200, &Value::Object(answer))
        }
        Err(refusal) => refusal,
    }
}

type Outcome = Result<Map<String, Value>, Answer>;

fn request(shared: &Shared, config: &Config, inputs: &Map<String, Value>, by: &str) -> Outcome {
    let names = &config.names.request;
    let description = description(config, inputs, &names.description)?;
    let token = shared.ledger.add(description, &config.username_prefix, by);
    let mut outputs = Map::new();
    outputs.insert(names.username.clone(), json!(token.username));
    outputs.insert(names.secret.clone(), json!(token.secret));
    if let Some(id) = &names.id {
        outputs.insert(id.clone(), json!(token.id));
    }
    Ok(outputs)
}

fn edit(shared: &Shared, config: &Config, inputs: &Map<String, Value>, by: &str) -> Outcome {
    let names = &config.names.edit;
    let description = description(config, inputs, &names.description)?;
    found(config, shared.ledger.edit(id(inputs, &names.id), description, by))
}

fn revoke(shared: &Shared, config: &Config, inputs: &Map<String, Value>, by: &str) -> Outcome {
    let names = &config.names.revoke;
    let confirmed = names.confirm.as_ref().is_none_or(|flag| inputs.get(flag) == Some(&Value::Bool(true)));
    if !confirmed {
        return Err(messages::refusal(config, "not_confirmed", &[]));
    }
    found(config, shared.ledger.revoke(id(inputs, &names.id), by))
}

fn found(config: &Config, found: bool) -> Outcome {
    if found { Ok(Map::new()) } else { Err(messages::refusal(config, "token_not_found", &[])) }
}

fn id(inputs: &Map<String, Value>, name: &str) -> i64 {
    inputs.get(name).and_then(Value::as_i64).unwrap_or_default()
}

/// The description as it is stored.
fn description(config: &Config, inputs: &Map<String, Value>, name: &str) -> Result<Option<String>, Answer> {
    let text = inputs.get(name).and_then(Value::as_str).unwrap_or_default();
    let text = if config.trim_descriptions { text.trim() } else { text };
    if text.is_empty() {
        return Err(messages::refusal(config, "description_required", &[]));
    }
    match config.description_max_length {
        Some(most) if text.chars().count() > most => {
            Err(messages::refusal(config, "description_too_long", &[("max", &most.to_string())]))
        }
        _ => Ok(Some(text.to_owned())),
    }
}

/// The parameters, if they are exactly those of the task and of the right types.
fn inputs(config: &Config, task: Operation, body: &[u8]) -> Option<Map<String, Value>> {
    let inputs: Map<String, Value> = serde_json::from_slice(body).ok()?;
    let declared = declared(config, task);
    let complete = inputs.len() == declared.len();
    let fit = |(name, kind): &(&String, Kind)| inputs.get(*name).is_some_and(|value| kind.fits(value));
    (complete && declared.iter().all(fit)).then_some(inputs)
}

fn declared(config: &Config, task: Operation) -> Vec<(&String, Kind)> {
    let names = &config.names;
    match task {
        Operation::Request => vec![(&names.request.description, Kind::Text)],
        Operation::Edit => vec![(&names.edit.id, Kind::Number), (&names.edit.description, Kind::Text)],
        _ => {
            let mut declared = vec![(&names.revoke.id, Kind::Number)];
            declared.extend(names.revoke.confirm.as_ref().map(|flag| (flag, Kind::Flag)));
            declared
        }
    }
}

impl Kind {
    fn fits(self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_string() || value.is_null(),
            Self::Number => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
            Self::Flag => value.is_boolean(),
        }
    }
}
