//! Reading the portal's list, page by page.

use super::address;
use super::ids;
use super::json_fields::Scalar;
use super::list_budget::{ListBudget, MatchBudget};
use super::literal::Literal;
use super::query;
use super::query::{ListScope, OnRow};
use crate::api::Reason;
use crate::portal::thinkwise::client::call::Call;
use crate::portal::thinkwise::client::http_client;
use crate::portal::thinkwise::discovery::cache::CachedInterface;
use crate::portal::thinkwise::discovery::interface::TokenTable;
use crate::portal::thinkwise::discovery::metadata::{TableInfo, ValueKind};
use crate::portal::thinkwise::tasks::username_id;
use crate::portal::thinkwise::{Delivery, PortalError, RowSink, Rows, ThinkwisePortal, TokenRef, TokenRow};
use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use tokio::time::Instant;
use url::Url;

/// A page is at most 1,000 rows of three columns (documented from platform 2026.1 on); older ones do not page.
const MAX_PAGE_BYTES: usize = 16 << 20;

/// A list that is being read.
struct ListReader<'a> {
    table: &'a TokenTable,
    columns: [&'a str; 3],
    scope: ListScope<'a>,
    url: Url,
    /// Of each page that was read only a hash: addresses may be long, and pages many.
    visited: HashSet<u64>,
    hasher: RandomState,
    budget: ListBudget,
}

/// What a page ends with.
pub(crate) struct PageSummary {
    /// The link to the next one.
    pub next_link: Option<String>,
    /// How large it was.
    pub bytes: usize,
}

impl<'a> ListReader<'a> {
    fn start(root: &Url, table: &'a TokenTable, scope: ListScope<'a>, budget: ListBudget) -> Result<Self, PortalError> {
        let columns = query::token_columns(table);
        let url = query::query_url(root, table, &columns, scope)?;
        Ok(Self { table, columns, scope, url, visited: HashSet::new(), hasher: RandomState::new(), budget })
    }

    /// Notes that the next page is read.
    fn mark_visited(&mut self) -> Result<(), PortalError> {
        if !self.visited.insert(self.hasher.hash_one(self.url.as_str())) {
            return Err(malformed_list("the portal's list leads back to a page that was read already"));
        }
        self.budget.spend_page()
    }
}

impl ThinkwisePortal {
    pub(crate) async fn list_rows(&self, rows: Rows<'_>) -> Result<Vec<TokenRow>, PortalError> {
        let cached = self.interface(self.http.deadline()).await?;
        let table = self.require_list(&cached)?;
        match rows {
            Rows::WithId(id) => {
                let found = self.query(table, rows).await;
                if table.is_named_by_username() || !is_not_found(&found) {
                    return found;
                }
                let of_user = username_id::rows_named(self.query(table, Rows::OfUser(id)).await?, id);
                if of_user.is_empty() { found } else { Ok(of_user) }
            }
            Rows::OfUser(username) => Ok(username_id::rows_named(self.query(table, rows).await?, username)),
            Rows::Containing(_) | Rows::Probe => self.query(table, rows).await,
        }
    }

    pub(crate) async fn query(&self, table: &TokenTable, rows: Rows<'_>) -> Result<Vec<TokenRow>, PortalError> {
        let mut found = Vec::new();
        let mut match_budget = MatchBudget::new();
        let mut on_row = |values: &[Scalar]| {
            let row = match query::parse_row(table, values) {
                Err(_) if rows == Rows::Probe && query::is_skippable_row(values) => return Ok(()),
                row => row?,
            };
            let is_probed = rows == Rows::Probe && !found.is_empty();
            if is_probed || !matches_query(table, rows, &row) {
                return Ok(());
            }
            match_budget.spend(&row)?;
            found.push(row);
            Ok(())
        };
        let budget = ListBudget::lookup(self.http.request_timeout() * 2);
        let mut list = ListReader::start(&self.base, table, ListScope::Some(rows), budget)?;
        while self.read_next_page(&mut list, &mut on_row).await? {}
        Ok(found)
    }

    pub(crate) async fn list_all(&self, sink: &mut dyn RowSink) -> Result<(), PortalError> {
        let cached = self.interface(self.http.deadline()).await?;
        let table = self.require_list(&cached)?;
        let mut list = ListReader::start(&self.base, table, ListScope::All, ListBudget::scan())?;
        let (mut is_usable, mut odd) = (false, None);
        let mut count = 0_usize;
        loop {
            sink.before_page().await;
            let mut each = |values: &[Scalar]| {
                match query::parse_row(table, values) {
                    Ok(row) => {
                        is_usable = true;
                        sink.push(row);
                    }
                    Err(failure) if query::is_skippable_row(values) => {
                        count += 1;
                        odd.get_or_insert(failure);
                    }
                    Err(failure) => return Err(failure),
                }
                Ok(())
            };
            if !self.read_next_page(&mut list, &mut each).await? {
                break;
            }
        }
        match odd {
            // Where not one row is usable, the columns are not the right ones.
            Some(failure) if !is_usable => Err(failure),
            Some(failure) => {
                tracing::warn!(table = table.name, count, first = %failure, "rows of the portal's list were passed over");
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// The table, where our user may read it. That he may not is looked at again from time to time.
    fn require_list<'k>(&self, cached: &'k CachedInterface) -> Result<&'k TokenTable, PortalError> {
        let why = cached.list_denied.as_deref().unwrap_or("$metadata shows our user no table of tokens");
        cached.interface.table.as_ref().filter(|_| cached.list_denied.is_none()).ok_or_else(|| {
            let message = format!("the list of tokens is not visible to our user: {why}");
            let failure = PortalError::new(Delivery::NotSent, Reason::AccessDenied, message);
            self.mark_stale_after(&failure);
            failure
        })
    }

    /// Reads the next page of a list; false where it was the last one.
    async fn read_next_page(&self, list: &mut ListReader<'_>, on_row: OnRow<'_>) -> Result<bool, PortalError> {
        list.mark_visited()?;
        let ListReader { table, columns, scope: wanted, url, budget, .. } = list;
        let mut counted = |row: &[Scalar]| {
            budget.spend_row()?;
            on_row(row)
        };
        let begun = Instant::now();
        let page = self.read_page(table, url, &columns[..], &mut counted, self.http.deadline()).await;
        let end = page.inspect_err(|failure| self.mark_stale_after(failure))?;
        // For a probe the first row is enough, whatever comes after it.
        let Some(link) = end.next_link.filter(|_| !matches!(wanted, ListScope::Some(Rows::Probe))) else {
            return Ok(false);
        };
        budget.spend(end.bytes, begun.elapsed())?;
        *url = address::resolve_link(&self.base, url, &link, "link to the next page")?;
        Ok(true)
    }

    /// Reads one page.
    pub(crate) async fn read_page(
        &self,
        table: &TokenTable,
        url: &Url,
        columns: &[&str],
        on_row: OnRow<'_>,
        deadline: Instant,
    ) -> Result<PageSummary, PortalError> {
        let call = Call::get(url.clone(), self.error_context("table", &table.name));
        let response = self.send(&call, deadline).await?;
        let (body, _share) = http_client::read_large_body(response, MAX_PAGE_BYTES, deadline).await?;
        Ok(PageSummary { next_link: query::read_page(&body, columns, on_row)?, bytes: body.len() })
    }

    /// The key of a token's own row. What of it neither the id nor the spec tells is read from the row:
    /// one filtered read.
    pub(crate) async fn token_key(
        &self,
        table: &TokenTable,
        token: TokenRef<'_>,
        deadline: Instant,
    ) -> Result<Vec<(String, Literal)>, PortalError> {
        let mut columns = table.fixed.clone();
        columns.push((table.id.name.clone(), query::id_literal(table, token.id)?));
        if !table.row_columns.is_empty() {
            columns.extend(self.read_key_columns(table, token, deadline).await?);
        }
        let value = |name: &String| columns.iter().find(|(column, _)| column == name).cloned();
        Ok(table.key.iter().filter_map(value).collect())
    }

    async fn read_key_columns(
        &self,
        table: &TokenTable,
        token: TokenRef<'_>,
        deadline: Instant,
    ) -> Result<Vec<(String, Literal)>, PortalError> {
        let mut columns = vec![table.id.name.as_str(), table.username.as_str()];
        columns.extend(table.row_columns.iter().map(|column| column.name.as_str()));
        let url = query::query_url(&self.base, table, &columns, ListScope::Some(Rows::WithId(token.id)))?;
        let id = ids::normalize_id(table.id.kind, token.id);
        let mut found = None;
        let mut each = |row: &[Scalar]| {
            let is_id = row.first().is_some_and(|value| ids::parse_id(table.id.kind, value) == id);
            let username = row.get(1).and_then(Scalar::as_str);
            if is_id && username.is_some_and(|username| ids::same_username(username, token.username)) {
                found = Some(key_columns(table, row.get(2..).unwrap_or_default())?);
            }
            Ok(())
        };
        let read = self.read_page(table, &url, &columns, &mut each, deadline).await;
        if let Err(failure) = read {
            self.mark_stale_after(&failure);
            // A failed read did nothing.
            return Err(PortalError { delivery: Delivery::NotSent, ..failure });
        }
        found.ok_or_else(|| {
            let message =
                format!("the portal's list has no row of the token {} under the id {}", token.username, token.id);
            PortalError::new(Delivery::NotSent, Reason::RequestRejected, message)
        })
    }
}

/// Whether a row is one that was asked for: a portal may ignore the filter. A portal may also compare without regard
/// to letter case, which for a description is left to the caller.
fn matches_query(table: &TokenTable, rows: Rows<'_>, row: &TokenRow) -> bool {
    match rows {
        Rows::WithId(id) => ids::normalize_id(table.id.kind, id).is_some_and(|id| id == row.id),
        Rows::OfUser(username) => ids::same_username(&row.username, username),
        Rows::Containing(text) => row.description.to_lowercase().contains(&text.to_lowercase()),
        Rows::Probe => true,
    }
}

/// No row, or an id that is none of this table's.
fn is_not_found(found: &Result<Vec<TokenRow>, PortalError>) -> bool {
    match found {
        Ok(rows) => rows.is_empty(),
        Err(failure) => failure.delivery == Delivery::NotSent && failure.reason == Reason::RequestRejected,
    }
}

/// The keys of some rows of a table.
pub type RowKeys = Vec<Vec<(String, Literal)>>;

impl ThinkwisePortal {
    /// Reads the keys of some rows, at most `most`, of those that have these values. Changes nothing.
    ///
    /// # Errors
    /// When the table cannot be read, or its rows lack a part of their key.
    pub async fn read_keys(
        &self,
        table: &TableInfo,
        fixed: &[(String, Literal)],
        limit: usize,
    ) -> Result<RowKeys, PortalError> {
        let names: Vec<&str> = table.key.iter().map(|column| column.name.as_str()).collect();
        let url = query::first_rows_url(&self.base, &table.name, &names, fixed, limit)?;
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
        let (body, _share) = http_client::read_large_body(response, MAX_PAGE_BYTES, deadline).await?;
        query::read_page(&body, &names, &mut each)?;
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

fn malformed_list(message: &str) -> PortalError {
    PortalError::new(Delivery::Unknown, Reason::InvalidResponse, message)
}
