//! Finds the row of an address.

use super::answer::Answer;
use super::columns::{Column, key_columns};
use super::config::Config;
use super::declared::Declared;
use super::keys::Kind;
use super::ledger::{Ledger, Token};
use super::literals::predicate;
use super::requests::Operation;
use super::{decoys, messages, query};
use serde_json::Value;

/// The token's row with this key, if the user sees it.
pub(super) fn token(
    config: &Config,
    ledger: &Ledger,
    key: &str,
    is_there: impl Fn(&Token) -> bool,
) -> Result<Token, Answer> {
    let wanted = values(config, key, &key_columns(config))?;
    let columns = Column::key(config);
    let has_key = |token: &&Token| {
        is_there(token) && columns.iter().zip(&wanted).all(|(column, value)| column.value(token, config) == *value)
    };
    let found = ledger.read(|tokens| tokens.values().find(has_key).cloned());
    found.ok_or_else(|| messages::not_found(config))
}

/// The row to which a task is bound: the token's, or none if the task is the request.
pub(super) fn bound(
    config: &Config,
    ledger: &Ledger,
    declared: &Declared<'_>,
    key: &str,
    user: &str,
) -> Result<Option<Token>, Answer> {
    if declared.task != Operation::Request {
        let is_there = |token: &Token| token.is_live() && query::is_visible(token, config, user);
        return token(config, ledger, key, is_there).map(Some);
    }
    let to = &config.forms.bound_to;
    let row = other(config, &to.table, key)?;
    if to.key.iter().all(|part| row.get(&part.column) == Some(&part.value)) {
        return Ok(None);
    }
    Err(messages::rejection(config, "no_tokens_here", &[]))
}

/// A row of another table.
pub(super) fn other(config: &Config, table: &str, key: &str) -> Result<Value, Answer> {
    let table = decoys::table(config, table).ok_or_else(|| messages::not_found(config))?;
    let wanted = values(config, key, &table.key)?;
    let has_key =
        |row: &Value| table.key.iter().zip(&wanted).all(|((column, _), value)| row.get(column) == Some(value));
    table.rows.into_iter().find(has_key).ok_or_else(|| messages::not_found(config))
}

fn values(config: &Config, key: &str, columns: &[(String, Kind)]) -> Result<Vec<Value>, Answer> {
    predicate(key, columns).ok_or_else(|| messages::service(config, 400, "The key is invalid."))
}
