//! The effects of the three tasks, in whatever form they are called.

use super::answer::Answer;
use super::body::Inputs;
use super::config::Config;
use super::declared::{Declared, Meaning, Parameter};
use super::keys::key_value;
use super::ledger::{Ledger, Token};
use super::messages;
use super::requests::Operation;
use serde_json::{Map, Value, json};

/// One run of a task.
pub(super) struct Run<'a> {
    pub(super) config: &'a Config,
    pub(super) ledger: &'a Ledger,
    pub(super) declared: &'a Declared<'a>,
    pub(super) inputs: &'a Inputs,
    /// The token to whose row it is bound.
    pub(super) row: Option<&'a Token>,
    pub(super) by: &'a str,
}

/// Outputs, or a rejection.
pub(super) type Outcome = Result<Map<String, Value>, Answer>;

impl Run<'_> {
    /// Runs it now. `twice`: as a request that a proxy repeats.
    pub(super) fn run(&self, twice: bool) -> Outcome {
        self.fixed()?;
        if twice {
            let _ = self.once();
        }
        self.once()
    }

    fn once(&self) -> Outcome {
        match self.declared.task {
            Operation::Edit => self.edit(),
            Operation::Revoke => self.revoke(),
            _ => self.request(),
        }
    }

    fn request(&self) -> Outcome {
        if self.config.max_tokens.is_some_and(|max| self.ledger.live().len() >= max) {
            return Err(messages::rejection(self.config, "token_limit_reached", &[]));
        }
        let description = self.description()?.filter(|_| !self.config.habits.drops_description);
        let token = self.ledger.add(description, self.by);
        let names = &self.config.names.request;
        let mut outputs = Map::new();
        outputs.insert(names.username.clone(), json!(token.username));
        outputs.insert(names.secret.clone(), json!(token.secret));
        if let Some(id) = &names.id {
            outputs.insert(id.clone(), key_value(self.config, &token));
        }
        Ok(outputs)
    }

    fn edit(&self) -> Outcome {
        let description = self.description()?;
        let id = self.token()?;
        self.found(self.ledger.edit(id, description, self.by))
    }

    fn revoke(&self) -> Outcome {
        let confirmed = |flag: &Parameter| self.inputs.get(&flag.name) == Some(&Value::Bool(true));
        if self.meaning(&Meaning::Confirm).is_some_and(|flag| !confirmed(flag)) {
            return Err(messages::rejection(self.config, "not_confirmed", &[]));
        }
        let id = self.token()?;
        self.found(self.ledger.revoke(id, self.by))
    }

    fn found(&self, found: bool) -> Outcome {
        if found { Ok(Map::new()) } else { Err(messages::rejection(self.config, "token_not_found", &[])) }
    }

    fn meaning(&self, meaning: &Meaning) -> Option<&Parameter> {
        self.declared.parameters.iter().find(|parameter| parameter.meaning == *meaning)
    }

    fn input(&self, meaning: &Meaning) -> Option<&Value> {
        self.inputs.get(&self.meaning(meaning)?.name)
    }

    /// Whether the fixed parameters have their required values.
    fn fixed(&self) -> Result<(), Answer> {
        for parameter in self.declared.wanted() {
            let Meaning::Fixed(value) = &parameter.meaning else { continue };
            if self.inputs.get(&parameter.name) != Some(value) {
                return Err(messages::rejection(self.config, "not_yours", &[("parameter", &parameter.name)]));
            }
        }
        Ok(())
    }

    /// The number of the token; 0 belongs to no token.
    fn token(&self) -> Result<i64, Answer> {
        if let Some(token) = self.row {
            return Ok(token.id);
        }
        let (id, username) = (self.input(&Meaning::Id), self.input(&Meaning::Username));
        let is_meant = |token: &&Token| {
            id.is_some_and(|id| key_value(self.config, token) == *id)
                || username.is_some_and(|username| username.as_str() == Some(&token.username))
        };
        let found = self.ledger.read(|tokens| tokens.values().find(is_meant).map(|token| token.id));
        found.ok_or_else(|| messages::rejection(self.config, "token_not_found", &[]))
    }

    /// The description as stored.
    fn description(&self) -> Result<Option<String>, Answer> {
        let text = self.input(&Meaning::Description).and_then(Value::as_str).unwrap_or_default();
        let text = self.config.stored(text);
        if text.is_empty() {
            return Err(messages::rejection(self.config, "description_required", &[]));
        }
        match self.config.description_max_length {
            Some(most) if text.chars().count() > most => {
                Err(messages::rejection(self.config, "description_too_long", &[("max", &most.to_string())]))
            }
            _ => Ok(Some(text)),
        }
    }
}

/// The value of a parameter that a row provides.
pub(super) fn of_row(config: &Config, parameter: &Parameter, token: &Token) -> Value {
    match &parameter.meaning {
        Meaning::Id => key_value(config, token),
        Meaning::Username => json!(token.username),
        Meaning::Description => json!(token.description),
        Meaning::Fixed(value) => value.clone(),
        Meaning::Confirm => Value::Null,
    }
}
