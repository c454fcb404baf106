//! OData queries of the portal's list, and the parsing of its pages.

use super::address::{child, percent_encode};
use super::ids;
use super::json::Json;
use super::json_fields::{Scalar, pick_fields};
use super::literal::{Literal, quote};
use crate::api::Reason;
use crate::domain::model::token::{RowQuery, TokenRef, TokenRow};
use crate::portal::thinkwise::discovery::interface::TokenTable;
use crate::portal::thinkwise::{Delivery, PortalError};
use crate::portal::token_name::MAX_NAME_LENGTH;
use url::Url;

/// Which rows are read: the whole list, or a selection.
#[derive(Clone, Copy)]
pub(crate) enum ListScope<'a> {
    All,
    Some(&'a RowQuery),
}

/// Receives each row; an error ends the read.
pub(crate) type OnRow<'a> = &'a mut (dyn FnMut(&[Scalar]) -> Result<(), PortalError> + Send);

/// The columns that every query of tokens needs: id, username, description.
pub(crate) fn token_columns(table: &TokenTable) -> [&str; 3] {
    [&table.id.name, &table.username, &table.description]
}

/// The URL of the first page. Ordered by key, so that pages neither overlap nor leave gaps.
pub(crate) fn query_url(
    root: &Url,
    table: &TokenTable,
    columns: &[&str],
    scope: ListScope<'_>,
) -> Result<Url, PortalError> {
    let mut select: Vec<&str> = Vec::new();
    for column in columns {
        if !select.contains(column) {
            select.push(column);
        }
    }
    let mut order: Vec<&str> = table.key.iter().map(String::as_str).collect();
    if !order.contains(&table.id.name.as_str()) {
        order.push(&table.id.name);
    }
    let mut query = format!("$select={}&$orderby={}", select.join(","), order.join(","));
    let mut filters: Vec<String> =
        table.fixed.iter().map(|(column, value)| format!("{column} eq {}", value.to_url_literal())).collect();
    match scope {
        ListScope::All => {}
        ListScope::Some(RowQuery::Probe) => query.push_str("&$top=1"),
        ListScope::Some(RowQuery::WithId(id)) => {
            filters.push(format!("{} eq {}", table.id.name, id_literal(table, id)?.to_url_literal()));
        }
        ListScope::Some(RowQuery::WithUsername(username)) => {
            filters.push(format!("{} eq {}", table.username, quote(ids::trim_padding(username))));
        }
        ListScope::Some(RowQuery::WithMarker(marker)) => {
            filters.push(format!("contains({},{})", table.description, quote(&marker.to_string())));
        }
    }
    if !filters.is_empty() {
        query.push_str("&$filter=");
        query.push_str(&percent_encode(&filters.join(" and ")));
    }
    let mut url = child(root, &table.name)?;
    url.set_query(Some(&query));
    Ok(url)
}

/// The URL of the first rows of any table, with these columns, that have these values.
pub(crate) fn first_rows_url(
    root: &Url,
    table: &str,
    columns: &[&str],
    fixed: &[(String, Literal)],
    limit: usize,
) -> Result<Url, PortalError> {
    let columns = columns.join(",");
    let mut query = format!("$select={columns}&$orderby={columns}&$top={limit}");
    let filters: Vec<String> =
        fixed.iter().map(|(column, value)| format!("{column} eq {}", value.to_url_literal())).collect();
    if !filters.is_empty() {
        query.push_str("&$filter=");
        query.push_str(&percent_encode(&filters.join(" and ")));
    }
    let mut url = child(root, table)?;
    url.set_query(Some(&query));
    Ok(url)
}

/// A token's id as a literal of its column's type.
pub(crate) fn id_literal(table: &TokenTable, id: &str) -> Result<Literal, PortalError> {
    let id = ids::normalize_id(table.id.kind, id).unwrap_or_else(|| id.to_owned());
    Literal::parse(table.id.kind, &id).map_err(|error| {
        let message = format!("the token's id {error}, to match the type of the portal's column {}", table.id.name);
        PortalError::new(Delivery::NotSent, Reason::RequestRejected, message)
    })
}

fn malformed_list(message: &str) -> PortalError {
    PortalError::new(Delivery::Unknown, Reason::InvalidResponse, message)
}

/// Parses a page row by row without storing rows; returns the link to the next page.
///
/// Rows that were passed on before an error must be discarded.
pub(crate) fn read_page(body: &[u8], columns: &[&str], on_row: OnRow<'_>) -> Result<Option<String>, PortalError> {
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
    Ok(TokenRow { token: TokenRef { id, username }, description })
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

#[cfg(test)]
#[path = "query_tests.rs"]
mod tests;
