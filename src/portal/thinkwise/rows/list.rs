//! Reads the portal's list page by page.

use super::list_budget::{ListBudget, MatchBudget};
use super::username_id;
use crate::api::Reason;
use crate::domain::model::token::{RowQuery, TokenRow};
use crate::portal::thinkwise::discovery::interface::TokenTable;
use crate::portal::thinkwise::interface_cache::CachedInterface;
use crate::portal::thinkwise::odata::json_fields::Scalar;
use crate::portal::thinkwise::odata::{address, ids};
use crate::portal::thinkwise::query::page::{self, OnRow, malformed_list};
use crate::portal::thinkwise::query::query_url::{self, ListScope};
use crate::portal::thinkwise::{Delivery, PortalError, RowSink, ThinkwisePortal};
use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use tokio::time::Instant;
use url::Url;

/// The state of a list read.
struct ListReader<'a> {
    table: &'a TokenTable,
    columns: [&'a str; 3],
    scope: ListScope<'a>,
    url: Url,
    /// Only a hash of each page's URL: URLs may be long, and pages many.
    visited: HashSet<u64>,
    hasher: RandomState,
    budget: ListBudget,
}

impl<'a> ListReader<'a> {
    fn start(root: &Url, table: &'a TokenTable, scope: ListScope<'a>, budget: ListBudget) -> Result<Self, PortalError> {
        let columns = query_url::token_columns(table);
        let url = query_url::query_url(root, table, &columns, scope)?;
        Ok(Self { table, columns, scope, url, visited: HashSet::new(), hasher: RandomState::new(), budget })
    }

    /// Records that the next page is read.
    fn mark_visited(&mut self) -> Result<(), PortalError> {
        if !self.visited.insert(self.hasher.hash_one(self.url.as_str())) {
            return Err(malformed_list("the portal's list links back to a page that was already read"));
        }
        self.budget.spend_page()
    }
}

impl ThinkwisePortal {
    pub(crate) async fn list_rows(&self, rows: &RowQuery) -> Result<Vec<TokenRow>, PortalError> {
        let cached = self.interface(self.http.deadline()).await?;
        let table = self.require_list(&cached)?;
        match rows {
            RowQuery::WithId(id) => {
                let found = self.query(table, rows).await;
                if table.is_named_by_username() || !is_not_found(&found) {
                    return found;
                }
                let of_user = self.query(table, &RowQuery::WithUsername(id.clone())).await?;
                let of_user = username_id::rows_named(of_user, id);
                if of_user.is_empty() { found } else { Ok(of_user) }
            }
            RowQuery::WithUsername(username) => Ok(username_id::rows_named(self.query(table, rows).await?, username)),
            RowQuery::WithMarker(_) | RowQuery::Probe => self.query(table, rows).await,
        }
    }

    pub(crate) async fn query(&self, table: &TokenTable, rows: &RowQuery) -> Result<Vec<TokenRow>, PortalError> {
        let mut found = Vec::new();
        let mut match_budget = MatchBudget::new();
        let mut on_row = |values: &[Scalar]| {
            let row = match page::parse_row(table, values) {
                Err(_) if *rows == RowQuery::Probe && page::is_skippable_row(values) => return Ok(()),
                row => row?,
            };
            let is_probed = *rows == RowQuery::Probe && !found.is_empty();
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
        let (mut has_usable_row, mut first_error) = (false, None);
        let mut skipped = 0_usize;
        loop {
            sink.before_page().await;
            let mut each = |values: &[Scalar]| {
                match page::parse_row(table, values) {
                    Ok(row) => {
                        has_usable_row = true;
                        sink.push(row);
                    }
                    Err(failure) if page::is_skippable_row(values) => {
                        skipped += 1;
                        first_error.get_or_insert(failure);
                    }
                    Err(failure) => return Err(failure),
                }
                Ok(())
            };
            if !self.read_next_page(&mut list, &mut each).await? {
                break;
            }
        }
        match first_error {
            // If no row is usable, the columns are wrong.
            Some(failure) if !has_usable_row => Err(failure),
            Some(failure) => {
                tracing::warn!(table = table.name, skipped, first = %failure, "skipped invalid rows of the portal's list");
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// The table, if the portal user may read it. A denial is re-checked from time to time.
    fn require_list<'k>(&self, cached: &'k CachedInterface) -> Result<&'k TokenTable, PortalError> {
        let cause =
            cached.list_denied.as_deref().unwrap_or("$metadata does not contain a token table for the portal user");
        cached.interface.table.as_ref().filter(|_| cached.list_denied.is_none()).ok_or_else(|| {
            let message = format!("the portal user cannot read the list of tokens: {cause}");
            let failure = PortalError::new(Delivery::NotSent, Reason::AccessDenied, message);
            self.mark_stale_after(&failure);
            failure
        })
    }

    /// Reads the next page of a list; `false` if it was the last one.
    async fn read_next_page(&self, list: &mut ListReader<'_>, on_row: OnRow<'_>) -> Result<bool, PortalError> {
        list.mark_visited()?;
        let ListReader { table, columns, scope, url, budget, .. } = list;
        let mut on_counted_row = |row: &[Scalar]| {
            budget.spend_row()?;
            on_row(row)
        };
        let started = Instant::now();
        let result = self.read_page(table, url, &columns[..], &mut on_counted_row, self.http.deadline()).await;
        let page = result.inspect_err(|failure| self.mark_stale_after(failure))?;
        // For a probe the first row is sufficient.
        let Some(link) = page.next_link.filter(|_| !matches!(scope, ListScope::Some(RowQuery::Probe))) else {
            return Ok(false);
        };
        budget.spend(page.bytes, started.elapsed())?;
        *url = address::resolve_link(&self.base, url, &link, "link to the next page")?;
        Ok(true)
    }
}

/// Whether a row matches the query: a portal may ignore the filter or the letter case, or interpret characters of the
/// marker.
fn matches_query(table: &TokenTable, rows: &RowQuery, row: &TokenRow) -> bool {
    match rows {
        RowQuery::WithId(id) => ids::normalize_id(table.id.kind, id).is_some_and(|id| id == row.token.id),
        RowQuery::WithUsername(username) => ids::same_username(&row.token.username, username),
        RowQuery::WithMarker(marker) => marker.is_in(&row.description),
        RowQuery::Probe => true,
    }
}

/// No row, or an id that is invalid for this table.
fn is_not_found(found: &Result<Vec<TokenRow>, PortalError>) -> bool {
    match found {
        Ok(rows) => rows.is_empty(),
        Err(failure) => failure.delivery == Delivery::NotSent && failure.reason == Reason::RequestRejected,
    }
}
