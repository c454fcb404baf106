//! The portal's list as OData: queries and pages.

use super::address::{child, percent_encode};
use super::ids;
use super::json::Json;
use super::json_fields::{Scalar, pick_fields};
use super::literal::{Literal, quote};
use crate::api::Reason;
use crate::portal::thinkwise::discovery::interface::TokenTable;
use crate::portal::thinkwise::{Delivery, PortalError, Rows, TokenRow};
use crate::portal::token_name::MAX_NAME_LENGTH;
use url::Url;

/// Which rows are read: of the whole list, or by the caller's wish.
#[derive(Clone, Copy)]
pub(crate) enum ListScope<'a> {
    All,
    Some(Rows<'a>),
}

/// What is done with each row; a failure ends the reading.
pub(crate) type OnRow<'a> = &'a mut (dyn FnMut(&[Scalar]) -> Result<(), PortalError> + Send);

/// The columns of a token that everybody wants to know: id, username, description.
pub(crate) fn token_columns(table: &TokenTable) -> [&str; 3] {
    [&table.id.name, &table.username, &table.description]
}

/// The address of the first page. Ordered by key, so that pages neither overlap nor leave gaps.
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
        ListScope::Some(Rows::Probe) => query.push_str("&$top=1"),
        ListScope::Some(Rows::WithId(id)) => {
            filters.push(format!("{} eq {}", table.id.name, id_literal(table, id)?.to_url_literal()));
        }
        ListScope::Some(Rows::OfUser(username)) => {
            filters.push(format!("{} eq {}", table.username, quote(ids::trim_padding(username))));
        }
        ListScope::Some(Rows::Containing(text)) => {
            filters.push(format!("contains({},{})", table.description, quote(text)));
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

/// The address of the first rows of any table, with these columns, that have these values.
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

/// A token's id as its column holds it.
pub(crate) fn id_literal(table: &TokenTable, id: &str) -> Result<Literal, PortalError> {
    let id = ids::normalize_id(table.id.kind, id).unwrap_or_else(|| id.to_owned());
    Literal::parse(table.id.kind, &id).map_err(|error| {
        let message = format!("the token's id {error}, for the portal's column {} holds such", table.id.name);
        PortalError::new(Delivery::NotSent, Reason::RequestRejected, message)
    })
}

fn malformed_list(message: &str) -> PortalError {
    PortalError::new(Delivery::Unknown, Reason::InvalidResponse, message)
}

/// Reads a page, row by row, without keeping any; gives the link to the next one.
///
/// Rows that were given before a failure are not to be believed.
pub(crate) fn read_page(body: &[u8], columns: &[&str], on_row: OnRow<'_>) -> Result<Option<String>, PortalError> {
    let is_no_page = || malformed_list("the portal's list is not an OData page of rows");
    let members = Json::validated(body).and_then(Json::members).ok_or_else(is_no_page)?;
    let (mut has_rows, mut next) = (false, None);
    for member in members {
        let (name, value) = member.ok_or_else(is_no_page)?;
        match name.as_str() {
            "value" => {
                for row in value.items().ok_or_else(is_no_page)? {
                    on_row(&pick_fields(row, columns).ok_or_else(is_no_page)?)?;
                }
                has_rows = true;
            }
            "@odata.nextLink" if value.is_null() => next = None,
            "@odata.nextLink" => next = Some(value.text().ok_or_else(is_no_page)?),
            _ => {}
        }
    }
    if has_rows { Ok(next) } else { Err(is_no_page()) }
}

/// The row of a token.
///
/// Of a username only padding is taken: a colleague's may be any, and a token whose username the operator would not
/// record must be found nevertheless, to revoke it.
pub(crate) fn parse_row(table: &TokenTable, row: &[Scalar]) -> Result<TokenRow, PortalError> {
    let unusable = |column: &str| {
        malformed_list(&format!("the portal's list has a row without a usable {column}: check spec.thinkwise.table"))
    };
    let [id, username, description] = row else { return Err(unusable(&table.id.name)) };
    // An id that does not fit its column's type hints at a type that was changed since: no task is called with it.
    let id = ids::parse_id(table.id.kind, id).or_else(|| id.as_str().map(str::to_owned));
    let id = id.filter(|id| id.chars().nth(MAX_NAME_LENGTH).is_none());
    let id = id.ok_or_else(|| unusable(&table.id.name))?;
    let username = username.as_str().map(ids::trim_padding).filter(|username| !username.is_empty());
    let username = username.ok_or_else(|| unusable(&table.username))?.to_owned();
    if is_invalid_description(description) {
        return Err(unusable(&table.description));
    }
    // Null, or left out, where there is none.
    Ok(TokenRow { id, username, description: description.as_str().unwrap_or_default().to_owned() })
}

/// Whether a failed row may be passed over, for it is odd by itself: a colleague's, made by hand or by another program,
/// that no token of the operator's can be. A description of another type is no single row's fault but the column's.
pub(crate) fn is_skippable_row(row: &[Scalar]) -> bool {
    matches!(row, [_, _, description] if !is_invalid_description(description))
}

fn is_invalid_description(value: &Scalar) -> bool {
    matches!(value, Scalar::Other | Scalar::Number(_))
}

#[cfg(test)]
#[path = "query_tests.rs"]
mod tests;
