//! Reading the portal's list, page by page.

use super::call::Call;
use super::fields::Scalar;
use super::ids;
use super::interface::TokenTable;
use super::known::Known;
use super::list_budget::{KeptRows, ListBudget};
use super::literal::Literal;
use super::metadata::{Kind, TableInfo};
use super::odata::{self, Each, Wanted};
use super::{Failure, Pages, PortalRow, Rows, Sent, ThinkwisePortal, TokenRef, address, by_username, client};
use crate::api::Reason;
use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use tokio::time::Instant;
use url::Url;

/// A page is at most 1,000 rows of three columns (documented from platform 2026.1 on); older ones do not page.
const PAGE_LIMIT: usize = 16 << 20;

/// A list that is being read.
struct List<'a> {
    table: &'a TokenTable,
    columns: [&'a str; 3],
    wanted: Wanted<'a>,
    url: Url,
    /// Of each page that was read only a hash: addresses may be long, and pages many.
    seen: HashSet<u64>,
    hasher: RandomState,
    budget: ListBudget,
}

/// What a page ends with.
pub(super) struct PageEnd {
    /// The link to the next one.
    pub next: Option<String>,
    /// How large it was.
    pub bytes: usize,
}

impl<'a> List<'a> {
    fn begin(root: &Url, table: &'a TokenTable, wanted: Wanted<'a>, budget: ListBudget) -> Result<Self, Failure> {
        let columns = odata::columns(table);
        let url = odata::query(root, table, &columns, wanted)?;
        Ok(Self { table, columns, wanted, url, seen: HashSet::new(), hasher: RandomState::new(), budget })
    }

    /// Notes that the next page is read.
    fn first_time(&mut self) -> Result<(), Failure> {
        if !self.seen.insert(self.hasher.hash_one(self.url.as_str())) {
            return Err(malformed("the portal's list leads back to a page that was read already"));
        }
        self.budget.page()
    }
}

impl ThinkwisePortal {
    pub(super) async fn rows(&self, rows: Rows<'_>) -> Result<Vec<PortalRow>, Failure> {
        let known = self.known(self.http.deadline()).await?;
        let table = self.visible(&known)?;
        match rows {
            Rows::WithId(id) => {
                let found = self.some(table, rows).await;
                if table.is_named_by_username() || !is_none(&found) {
                    return found;
                }
                let of_user = by_username::named_so(self.some(table, Rows::OfUser(id)).await?, id);
                if of_user.is_empty() { found } else { Ok(of_user) }
            }
            Rows::OfUser(username) => Ok(by_username::named_so(self.some(table, rows).await?, username)),
            Rows::Containing(_) | Rows::Probe => self.some(table, rows).await,
        }
    }

    pub(super) async fn some(&self, table: &TokenTable, rows: Rows<'_>) -> Result<Vec<PortalRow>, Failure> {
        let mut found = Vec::new();
        let mut kept = KeptRows::new();
        let mut each = |values: &[Scalar]| {
            let row = match odata::portal_row(table, values) {
                Err(_) if rows == Rows::Probe && odata::is_odd_row(values) => return Ok(()),
                row => row?,
            };
            let is_probed = rows == Rows::Probe && !found.is_empty();
            if is_probed || !is_wanted(table, rows, &row) {
                return Ok(());
            }
            kept.take(&row)?;
            found.push(row);
            Ok(())
        };
        let budget = ListBudget::lookup(self.http.total() * 2);
        let mut list = List::begin(&self.base, table, Wanted::Some(rows), budget)?;
        while self.read_on(&mut list, &mut each).await? {}
        Ok(found)
    }

    pub(super) async fn all(&self, pages: &mut dyn Pages) -> Result<(), Failure> {
        let known = self.known(self.http.deadline()).await?;
        let table = self.visible(&known)?;
        let mut list = List::begin(&self.base, table, Wanted::All, ListBudget::scan())?;
        let (mut is_usable, mut odd) = (false, None);
        let mut count = 0_usize;
        loop {
            pages.before_page().await;
            let mut each = |values: &[Scalar]| {
                match odata::portal_row(table, values) {
                    Ok(row) => {
                        is_usable = true;
                        pages.row(row);
                    }
                    Err(failure) if odata::is_odd_row(values) => {
                        count += 1;
                        odd.get_or_insert(failure);
                    }
                    Err(failure) => return Err(failure),
                }
                Ok(())
            };
            if !self.read_on(&mut list, &mut each).await? {
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
    fn visible<'k>(&self, known: &'k Known) -> Result<&'k TokenTable, Failure> {
        let why = known.hidden.as_deref().unwrap_or("$metadata shows our user no table of tokens");
        known.interface.table.as_ref().filter(|_| known.hidden.is_none()).ok_or_else(|| {
            let message = format!("the list of tokens is not visible to our user: {why}");
            let failure = Failure::new(Sent::No, Reason::NoAccess, message);
            self.doubt(&failure);
            failure
        })
    }

    /// Reads the next page of a list; false where it was the last one.
    async fn read_on(&self, list: &mut List<'_>, each: Each<'_>) -> Result<bool, Failure> {
        list.first_time()?;
        let List { table, columns, wanted, url, budget, .. } = list;
        let mut counted = |row: &[Scalar]| {
            budget.row()?;
            each(row)
        };
        let begun = Instant::now();
        let page = self.page(table, url, &columns[..], &mut counted, self.http.deadline()).await;
        let end = page.inspect_err(|failure| self.doubt(failure))?;
        // For a probe the first row is enough, whatever comes after it.
        let Some(link) = end.next.filter(|_| !matches!(wanted, Wanted::Some(Rows::Probe))) else {
            return Ok(false);
        };
        budget.spend(end.bytes, begun.elapsed())?;
        *url = address::own(&self.base, url, &link, "link to the next page")?;
        Ok(true)
    }

    /// Reads one page.
    pub(super) async fn page(
        &self,
        table: &TokenTable,
        url: &Url,
        columns: &[&str],
        each: Each<'_>,
        deadline: Instant,
    ) -> Result<PageEnd, Failure> {
        let call = Call::get(url.clone(), self.subject("table", &table.name));
        let response = self.send(&call, deadline).await?;
        let (body, _share) = client::large_body(response, PAGE_LIMIT, deadline).await?;
        Ok(PageEnd { next: odata::read_page(&body, columns, each)?, bytes: body.len() })
    }

    /// The key of a token's own row. What of it neither the id nor the spec tells is read from the row:
    /// one filtered read.
    pub(super) async fn own_key(
        &self,
        table: &TokenTable,
        token: TokenRef<'_>,
        deadline: Instant,
    ) -> Result<Vec<(String, Literal)>, Failure> {
        let mut known = table.fixed.clone();
        known.push((table.id.name.clone(), odata::id_literal(table, token.id)?));
        if !table.others.is_empty() {
            known.extend(self.read_others(table, token, deadline).await?);
        }
        let value = |name: &String| known.iter().find(|(column, _)| column == name).cloned();
        Ok(table.key.iter().filter_map(value).collect())
    }

    async fn read_others(
        &self,
        table: &TokenTable,
        token: TokenRef<'_>,
        deadline: Instant,
    ) -> Result<Vec<(String, Literal)>, Failure> {
        let mut columns = vec![table.id.name.as_str(), table.username.as_str()];
        columns.extend(table.others.iter().map(|column| column.name.as_str()));
        let url = odata::query(&self.base, table, &columns, Wanted::Some(Rows::WithId(token.id)))?;
        let id = ids::id_of_text(table.id.kind, token.id);
        let mut found = None;
        let mut each = |row: &[Scalar]| {
            let is_id = row.first().is_some_and(|value| ids::id(table.id.kind, value) == id);
            let username = row.get(1).and_then(Scalar::as_str);
            if is_id && username.is_some_and(|username| ids::same_username(username, token.username)) {
                found = Some(others(table, row.get(2..).unwrap_or_default())?);
            }
            Ok(())
        };
        let read = self.page(table, &url, &columns, &mut each, deadline).await;
        if let Err(failure) = read {
            self.doubt(&failure);
            // A failed read did nothing.
            return Err(Failure { sent: Sent::No, ..failure });
        }
        found.ok_or_else(|| {
            let message =
                format!("the portal's list has no row of the token {} under the id {}", token.username, token.id);
            Failure::new(Sent::No, Reason::RequestRefused, message)
        })
    }
}

/// Whether a row is one that was asked for: a portal may ignore the filter. A portal may also compare without regard
/// to letter case, which for a description is left to the caller.
fn is_wanted(table: &TokenTable, rows: Rows<'_>, row: &PortalRow) -> bool {
    match rows {
        Rows::WithId(id) => ids::id_of_text(table.id.kind, id).is_some_and(|id| id == row.id),
        Rows::OfUser(username) => ids::same_username(&row.username, username),
        Rows::Containing(text) => row.description.to_lowercase().contains(&text.to_lowercase()),
        Rows::Probe => true,
    }
}

/// No row, or an id that is none of this table's.
fn is_none(found: &Result<Vec<PortalRow>, Failure>) -> bool {
    match found {
        Ok(rows) => rows.is_empty(),
        Err(failure) => failure.sent == Sent::No && failure.reason == Reason::RequestRefused,
    }
}

/// The keys of some rows of a table.
pub type Keys = Vec<Vec<(String, Literal)>>;

impl ThinkwisePortal {
    /// Reads the keys of some rows, at most `most`, of those that have these values. Changes nothing.
    ///
    /// # Errors
    /// When the table cannot be read, or its rows lack a part of their key.
    pub async fn keys(&self, table: &TableInfo, fixed: &[(String, Literal)], most: usize) -> Result<Keys, Failure> {
        let names: Vec<&str> = table.key.iter().map(|column| column.name.as_str()).collect();
        let url = odata::first_rows(&self.base, &table.name, &names, fixed, most)?;
        let mut found = Vec::new();
        let mut each = |row: &[Scalar]| {
            if found.len() == most {
                return Ok(());
            }
            let key = table.key.iter().zip(row).map(|(column, value)| part(&column.name, column.kind, value));
            found.push(key.collect::<Result<Vec<_>, Failure>>()?);
            Ok(())
        };
        let call = Call::get(url, self.subject("table", &table.name));
        let deadline = self.http.deadline();
        let response = self.send(&call, deadline).await?;
        let (body, _share) = client::large_body(response, PAGE_LIMIT, deadline).await?;
        odata::read_page(&body, &names, &mut each)?;
        Ok(found)
    }
}

fn others(table: &TokenTable, values: &[Scalar]) -> Result<Vec<(String, Literal)>, Failure> {
    let pairs = table.others.iter().zip(values);
    pairs.map(|(column, value)| part(&column.name, column.kind, value)).collect()
}

fn part(name: &str, kind: Kind, value: &Scalar) -> Result<(String, Literal), Failure> {
    let literal = ids::id(kind, value).and_then(|text| Literal::parse(kind, &text).ok());
    let literal = literal.ok_or_else(|| malformed(&format!("the portal's list has a row without a usable {name}")))?;
    Ok((name.to_owned(), literal))
}

fn malformed(message: &str) -> Failure {
    Failure::new(Sent::Perhaps, Reason::AnswerMalformed, message)
}
