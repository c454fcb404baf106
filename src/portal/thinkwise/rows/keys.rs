//! Reads the keys of rows.

use crate::api::Reason;
use crate::domain::model::token::{RowQuery, TokenRef};
use crate::portal::thinkwise::client::call::Call;
use crate::portal::thinkwise::client::http_client;
use crate::portal::thinkwise::discovery::interface::TokenTable;
use crate::portal::thinkwise::discovery::metadata::TableInfo;
use crate::portal::thinkwise::odata::ids;
use crate::portal::thinkwise::odata::json_fields::Scalar;
use crate::portal::thinkwise::odata::literal::Literal;
use crate::portal::thinkwise::odata::value_kind::ValueKind;
use crate::portal::thinkwise::query::page::{self, MAX_PAGE_BYTES, malformed_list};
use crate::portal::thinkwise::query::query_url::{self, ListScope};
use crate::portal::thinkwise::{Delivery, PortalError, ThinkwisePortal};
use tokio::time::Instant;

/// The keys of some rows of a table.
pub type RowKeys = Vec<Vec<(String, Literal)>>;

impl ThinkwisePortal {
    /// The key of a token's own row. Columns that neither the id nor the spec contains are read from the row with one
    /// filtered read.
    pub(crate) async fn token_key(
        &self,
        table: &TokenTable,
        token: &TokenRef,
        deadline: Instant,
    ) -> Result<Vec<(String, Literal)>, PortalError> {
        let mut columns = table.fixed.clone();
        columns.push((table.id.name.clone(), query_url::id_literal(table, &token.id)?));
        if !table.row_columns.is_empty() {
            columns.extend(self.read_key_columns(table, token, deadline).await?);
        }
        let value = |name: &String| columns.iter().find(|(column, _)| column == name).cloned();
        Ok(table.key.iter().filter_map(value).collect())
    }

    async fn read_key_columns(
        &self,
        table: &TokenTable,
        token: &TokenRef,
        deadline: Instant,
    ) -> Result<Vec<(String, Literal)>, PortalError> {
        let mut columns = vec![table.id.name.as_str(), table.username.as_str()];
        columns.extend(table.row_columns.iter().map(|column| column.name.as_str()));
        let query = RowQuery::WithId(token.id.clone());
        let url = query_url::query_url(&self.base, table, &columns, ListScope::Some(&query))?;
        let id = ids::normalize_id(table.id.kind, &token.id);
        let mut found = None;
        let mut each = |row: &[Scalar]| {
            let is_id = row.first().is_some_and(|value| ids::parse_id(table.id.kind, value) == id);
            let username = row.get(1).and_then(Scalar::as_str);
            if is_id && username.is_some_and(|username| ids::same_username(username, &token.username)) {
                found = Some(key_columns(table, row.get(2..).unwrap_or_default())?);
            }
            Ok(())
        };
        let read = self.read_page(table, &url, &columns, &mut each, deadline).await;
        if let Err(failure) = read {
            self.mark_stale_after(&failure);
            // A failed read changed nothing.
            return Err(PortalError { delivery: Delivery::NotSent, ..failure });
        }
        found.ok_or_else(|| {
            let message =
                format!("the portal's list has no row of the token {} under the id {}", token.username, token.id);
            PortalError::new(Delivery::NotSent, Reason::RequestRejected, message)
        })
    }

    /// Reads the keys of at most `limit` rows that have these values. Changes nothing.
    ///
    /// # Errors
    /// If the table cannot be read, or its rows lack a part of their key.
    pub async fn read_keys(
        &self,
        table: &TableInfo,
        fixed: &[(String, Literal)],
        limit: usize,
    ) -> Result<RowKeys, PortalError> {
        let names: Vec<&str> = table.key.iter().map(|column| column.name.as_str()).collect();
        let url = query_url::first_rows_url(&self.base, &table.name, &names, fixed, limit)?;
        let mut found = Vec::new();
        let mut each = |row: &[Scalar]| {
            if found.len() == limit {
                return Ok(());
            }
            let key = table.key.iter().zip(row).map(|(column, value)| key_part(&column.name, column.kind, value));
            found.push(key.collect::<Result<Vec<_>, PortalError>>()?);
            Ok(())
        };
        let call = Call::get(url, self.error_context("table", &table.name));
        let deadline = self.http.deadline();
        let response = self.send(&call, deadline).await?;
        let (body, _memory) = http_client::read_large_body(response, MAX_PAGE_BYTES, deadline).await?;
        page::parse_page(&body, &names, &mut each)?;
        Ok(found)
    }
}

fn key_columns(table: &TokenTable, values: &[Scalar]) -> Result<Vec<(String, Literal)>, PortalError> {
    let pairs = table.row_columns.iter().zip(values);
    pairs.map(|(column, value)| key_part(&column.name, column.kind, value)).collect()
}

fn key_part(name: &str, kind: ValueKind, value: &Scalar) -> Result<(String, Literal), PortalError> {
    let literal = ids::parse_id(kind, value).and_then(|text| Literal::parse(kind, &text).ok());
    let literal =
        literal.ok_or_else(|| malformed_list(&format!("the portal's list has a row without a usable {name}")))?;
    Ok((name.to_owned(), literal))
}
