//! Reads a page of a table, and parses its rows.

use crate::api::Reason;
use crate::domain::model::token::{TokenRef, TokenRow};
use crate::portal::thinkwise::client::call::Call;
use crate::portal::thinkwise::client::http_client;
use crate::portal::thinkwise::discovery::interface::TokenTable;
use crate::portal::thinkwise::odata::ids;
use crate::portal::thinkwise::odata::json::Json;
use crate::portal::thinkwise::odata::json_fields::{Scalar, pick_fields};
use crate::portal::thinkwise::{Delivery, PortalError, ThinkwisePortal};
use crate::portal::token_name::MAX_NAME_LENGTH;
use tokio::time::Instant;
use url::Url;

/// A page has at most 1,000 rows of three columns (documented from platform 2026.1 on); older platforms do not page.
pub(crate) const MAX_PAGE_BYTES: usize = 16 << 20;

/// Receives each row; an error ends the read.
pub(crate) type OnRow<'a> = &'a mut (dyn FnMut(&[Scalar]) -> Result<(), PortalError> + Send);

pub(crate) struct PageSummary {
    pub next_link: Option<String>,
    /// The size of the page.
    pub bytes: usize,
}

impl ThinkwisePortal {
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
        let (body, _memory) = http_client::read_large_body(response, MAX_PAGE_BYTES, deadline).await?;
        Ok(PageSummary { next_link: parse_page(&body, columns, on_row)?, bytes: body.len() })
    }
}

/// Parses a page row by row without storing rows; returns the link to the next page.
///
/// Rows that were passed on before an error must be discarded.
pub(crate) fn parse_page(body: &[u8], columns: &[&str], on_row: OnRow<'_>) -> Result<Option<String>, PortalError> {
    let not_a_page = || malformed_list("the portal's list is not an OData page of rows");
    let members = Json::validated(body).and_then(Json::members).ok_or_else(not_a_page)?;
    let (mut has_rows, mut next) = (false, None);
    for member in members {
        let (name, value) = member.ok_or_else(not_a_page)?;
        match name.as_str() {
            "value" => {
                for row in value.items().ok_or_else(not_a_page)? {
                    on_row(&pick_fields(row, columns).ok_or_else(not_a_page)?)?;
                }
                has_rows = true;
            }
            "@odata.nextLink" if value.is_null() => next = None,
            "@odata.nextLink" => next = Some(value.text().ok_or_else(not_a_page)?),
            _ => {}
        }
    }
    if has_rows { Ok(next) } else { Err(not_a_page()) }
}

/// Parses the row of a token.
///
/// Only padding is removed from a username: another user's may be arbitrary, and a token whose username the operator
/// would not record must still be found in order to revoke it.
pub(crate) fn parse_row(table: &TokenTable, row: &[Scalar]) -> Result<TokenRow, PortalError> {
    let unusable = |column: &str| {
        malformed_list(&format!("the portal's list has a row without a usable {column}: check spec.thinkwise.table"))
    };
    let [id, username, description] = row else { return Err(unusable(&table.id.name)) };
    // An id that is not of its column's type suggests that the type has changed: no task is called with it.
    let id = ids::parse_id(table.id.kind, id).or_else(|| id.as_str().map(str::to_owned));
    let id = id.filter(|id| id.chars().nth(MAX_NAME_LENGTH).is_none());
    let id = id.ok_or_else(|| unusable(&table.id.name))?;
    let username = username.as_str().map(ids::trim_padding).filter(|username| !username.is_empty());
    let username = username.ok_or_else(|| unusable(&table.username))?.to_owned();
    if is_invalid_description(description) {
        return Err(unusable(&table.description));
    }
    // Null or missing if there is none.
    let description = description.as_str().unwrap_or_default().to_owned();
    Ok(TokenRow { token: TokenRef { id, username }, description, expiration_time: None })
}

/// Whether an invalid row may be skipped because only this row is invalid: another user's, created manually or by
/// another program, which cannot be a token of the operator. A description of another type is an error of the column,
/// not of one row.
pub(crate) fn is_skippable_row(row: &[Scalar]) -> bool {
    matches!(row, [_, _, description] if !is_invalid_description(description))
}

fn is_invalid_description(value: &Scalar) -> bool {
    matches!(value, Scalar::Other | Scalar::Number(_))
}

pub(crate) fn malformed_list(message: &str) -> PortalError {
    PortalError::new(Delivery::Unknown, Reason::InvalidResponse, message)
}
