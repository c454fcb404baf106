//! Reads at the portal.

use super::answer::Answer;
use super::columns::row;
use super::config::Config;
use super::forms::CommitAnswer;
use super::keys::Kind;
use super::ledger::Token;
use super::requests::Operation;
use super::shared::Shared;
use super::target::Target;
use super::{calls, decoys, login, messages, metadata, query, rows};
use serde_json::{Value, json};

/// One read.
pub(super) struct Reading<'a> {
    pub(super) shared: &'a Shared,
    pub(super) config: &'a Config,
    pub(super) query: &'a str,
    pub(super) by: &'a str,
}

impl Reading<'_> {
    /// The requested content.
    pub(super) fn answer(&self, target: &Target) -> Answer {
        match target {
            Target::Discovery => login::discovery(self.config, &self.shared.named_origin()),
            Target::Metadata => Answer::body(200, "application/xml", metadata::document(self.config)),
            Target::Service => self.service_document(),
            Target::Table => self.page(),
            Target::Row(key) => self.row(key),
            Target::OtherTable(table, key) => self.other(table, key.as_deref()),
            Target::Staged(task, id) => self.staged(*task, id),
            Target::Flow(task, id) => self.flow(*task, id),
            Target::Unknown => messages::not_found(self.config),
            _ => Answer::empty(404),
        }
    }

    fn service_document(&self) -> Answer {
        let own = (!self.config.table_hidden).then(|| self.config.names.table.clone());
        let tables = own.into_iter().chain(decoys::tables(self.config).into_iter().map(|table| table.name));
        let sets: Vec<Value> = tables.map(|table| json!({"name": table, "kind": "EntitySet", "url": table})).collect();
        Answer::json(200, &json!({"value": sets}))
    }

    fn page(&self) -> Answer {
        let (config, table) = (self.config, &self.config.names.table);
        let address = if config.relative_next_link {
            table.clone()
        } else {
            format!("{}{}/iam/{}/{table}", self.shared.named_origin(), config.root, config.application)
        };
        match query::page(config, &self.shared.ledger, self.by, self.query, &address) {
            Some(page) => Answer::json(200, &page),
            None => messages::service(config, 400, "The query is invalid."),
        }
    }

    fn row(&self, key: &str) -> Answer {
        let is_listed = |token: &Token| query::is_listed(token, self.config, self.by);
        match rows::token(self.config, &self.shared.ledger, key, is_listed) {
            Ok(token) => Answer::json(200, &Value::Object(row(&token, None, self.config))),
            Err(rejection) => rejection,
        }
    }

    fn other(&self, table: &str, key: Option<&str>) -> Answer {
        let Some(key) = key else {
            let rows = decoys::table(self.config, table).map(|table| table.rows).unwrap_or_default();
            return Answer::json(200, &json!({"value": rows}));
        };
        rows::other(self.config, table, key).map_or_else(|rejection| rejection, |row| Answer::json(200, &row))
    }

    fn staged(&self, task: Operation, id: &str) -> Answer {
        let tasks = &self.shared.ledger.staged;
        let values = match tasks.get(task, id) {
            Some(staged) => Some(staged.inputs.object()),
            None if self.config.forms.commit == CommitAnswer::Empty => tasks.outputs(task, id),
            None => None,
        };
        self.resource(id, values)
    }

    fn flow(&self, task: Operation, id: &str) -> Answer {
        self.resource(id, self.shared.ledger.flows.outputs(task, id))
    }

    fn resource(&self, id: &str, values: Option<serde_json::Map<String, Value>>) -> Answer {
        match values {
            Some(values) if Kind::Guid.fits(&json!(id)) => Answer::json(200, &calls::shown(id, values)),
            _ => messages::not_found(self.config),
        }
    }
}
