//! The portal's list as OData: queries and pages.

use super::address::{below, encoded};
use super::fields::{Fields, Scalar, read};
use super::interface::TokenTable;
use super::literal::{Literal, quoted};
use super::{Failure, PortalRow, Rows, Sent};
use crate::api::Reason;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;
use url::Url;

/// Which rows are read: of the whole list, or by the caller's wish.
#[derive(Clone, Copy)]
pub(super) enum Wanted<'a> {
    All,
    Some(Rows<'a>),
}

/// What is done with each row; a failure ends the reading.
pub(super) type Each<'a> = &'a mut (dyn FnMut(&[Scalar]) -> Result<(), Failure> + Send);

/// The columns of a token that everybody wants to know: id, username, description.
pub(super) fn columns(table: &TokenTable) -> [&str; 3] {
    [&table.id.name, &table.username, &table.description]
}

/// The address of the first page. Ordered by key, so that pages neither overlap nor leave gaps.
pub(super) fn query(root: &Url, table: &TokenTable, columns: &[&str], wanted: Wanted<'_>) -> Result<Url, Failure> {
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
        table.fixed.iter().map(|(column, value)| format!("{column} eq {}", value.in_address())).collect();
    match wanted {
        Wanted::All => {}
        Wanted::Some(Rows::Probe) => query.push_str("&$top=1"),
        Wanted::Some(Rows::WithId(id)) => {
            filters.push(format!("{} eq {}", table.id.name, id_literal(table, id)?.in_address()));
        }
        Wanted::Some(Rows::OfUser(username)) => {
            filters.push(format!("{} eq {}", table.username, quoted(username)));
        }
        Wanted::Some(Rows::Containing(text)) => {
            filters.push(format!("contains({},{})", table.description, quoted(text)));
        }
    }
    if !filters.is_empty() {
        query.push_str("&$filter=");
        query.push_str(&encoded(&filters.join(" and ")));
    }
    let mut url = below(root, &table.name)?;
    url.set_query(Some(&query));
    Ok(url)
}

/// The address of the first rows of any table, with these columns, that have these values.
pub(super) fn first_rows(
    root: &Url,
    table: &str,
    columns: &[&str],
    fixed: &[(String, Literal)],
    most: usize,
) -> Result<Url, Failure> {
    let columns = columns.join(",");
    let mut query = format!("$select={columns}&$orderby={columns}&$top={most}");
    let filters: Vec<String> =
        fixed.iter().map(|(column, value)| format!("{column} eq {}", value.in_address())).collect();
    if !filters.is_empty() {
        query.push_str("&$filter=");
        query.push_str(&encoded(&filters.join(" and ")));
    }
    let mut url = below(root, table)?;
    url.set_query(Some(&query));
    Ok(url)
}

/// A token's id as its column holds it.
pub(super) fn id_literal(table: &TokenTable, id: &str) -> Result<Literal, Failure> {
    Literal::parse(table.id.kind, id).map_err(|error| {
        let message = format!("the token's id {error}, for the portal's column {} holds such", table.id.name);
        Failure::new(Sent::No, Reason::RequestRefused, message)
    })
}

fn malformed(message: &str) -> Failure {
    Failure::new(Sent::Perhaps, Reason::AnswerMalformed, message)
}

/// Reads a page, row by row, without keeping any; gives the link to the next one.
///
/// Rows that were given before a failure are not to be believed.
pub(super) fn read_page(body: &[u8], columns: &[&str], each: Each<'_>) -> Result<Option<String>, Failure> {
    let mut failure = None;
    let page = read(Page { columns, each, failure: &mut failure }, body).flatten();
    match (page, failure) {
        (_, Some(failure)) => Err(failure),
        (Some(next), None) => Ok(next),
        (None, None) => Err(malformed("the portal's list is not an OData page of rows")),
    }
}

/// The row of a token.
pub(super) fn portal_row(table: &TokenTable, row: &[Scalar]) -> Result<PortalRow, Failure> {
    let unusable = |column: &str| {
        malformed(&format!("the portal's list has a row without a usable {column}: check spec.thinkwise.table"))
    };
    let [id, username, description] = row else { return Err(unusable(&table.id.name)) };
    let text = |scalar: &Scalar, column: &str| scalar.as_str().map(str::to_owned).ok_or_else(|| unusable(column));
    let (id, username) = (text(id, &table.id.name)?, text(username, &table.username)?);
    if matches!(description, Scalar::Other) {
        return Err(unusable(&table.description));
    }
    // Null, or left out, where there is none.
    Ok(PortalRow { id, username, description: description.as_str().unwrap_or_default().to_owned() })
}

/// `{"value": [...], "@odata.nextLink": "..."}`; `None` without a `value`.
struct Page<'a> {
    columns: &'a [&'a str],
    each: Each<'a>,
    failure: &'a mut Option<Failure>,
}

impl<'de> DeserializeSeed<'de> for Page<'_> {
    type Value = Option<Option<String>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Page<'_> {
    type Value = Option<Option<String>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a page")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let Self { columns, each, failure } = self;
        let (mut has_rows, mut next) = (false, None);
        while let Some(key) = entries.next_key::<String>()? {
            match key.as_str() {
                "value" => {
                    entries.next_value_seed(PageRows(Page { columns, each: &mut *each, failure: &mut *failure }))?;
                    has_rows = true;
                }
                "@odata.nextLink" => next = entries.next_value::<Option<String>>()?,
                _ => drop(entries.next_value::<IgnoredAny>()?),
            }
        }
        Ok(has_rows.then_some(next))
    }
}

struct PageRows<'a>(Page<'a>);

impl<'de> DeserializeSeed<'de> for PageRows<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for PageRows<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Page { columns, each, failure } = self.0;
        while let Some(row) = items.next_element_seed(Fields(columns))? {
            if let Err(error) = each(&row) {
                *failure = Some(error);
                return Err(A::Error::custom("a row is not usable"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "odata_tests.rs"]
mod tests;
