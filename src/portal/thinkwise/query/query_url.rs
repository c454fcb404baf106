//! The URLs of OData queries.

use crate::api::Reason;
use crate::domain::model::token::RowQuery;
use crate::portal::thinkwise::discovery::interface::TokenTable;
use crate::portal::thinkwise::odata::address::{child, percent_encode};
use crate::portal::thinkwise::odata::ids;
use crate::portal::thinkwise::odata::literal::{Literal, quote};
use crate::portal::thinkwise::{Delivery, PortalError};
use url::Url;

/// Which rows are read: the whole list, or a selection.
#[derive(Clone, Copy)]
pub(crate) enum ListScope<'a> {
    All,
    Some(&'a RowQuery),
}

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
