//! The portal's list as OData: addresses, literals and pages.

use super::fields::{Fields, Scalar, read};
use super::wire::as_number;
use super::{Failure, PortalRow, Rows, Sent};
use crate::api::{Reason, Table, Thinkwise};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt::{self, Write as _};
use url::Url;

/// `<url>/iam/<application>` (documented).
pub(super) fn service_root(spec: &Thinkwise) -> Result<Url, Failure> {
    let mut url = parse(&spec.url, "spec.thinkwise.url", spec.allow_insecure_http)?;
    extend(&mut url, &["iam", &spec.application])?;
    Ok(url)
}

/// Reads an address that credentials go to.
pub(super) fn parse(text: &str, field: &str, insecure: bool) -> Result<Url, Failure> {
    let url = Url::parse(text).map_err(|_| unusable(&format!("{field} is not a URL")))?;
    match url.scheme() {
        "https" => Ok(url),
        "http" if insecure => Ok(url),
        _ => Err(unusable(&format!("{field} is not https: credentials and tokens would travel in the clear"))),
    }
}

/// The address of a table or a task.
pub(super) fn resource(root: &Url, name: &str) -> Result<Url, Failure> {
    let mut url = root.clone();
    extend(&mut url, &[name])?;
    Ok(url)
}

pub(super) fn extend(url: &mut Url, segments: &[&str]) -> Result<(), Failure> {
    let mut path = url.path_segments_mut().map_err(|()| unusable("spec.thinkwise.url cannot hold a path"))?;
    path.pop_if_empty().extend(segments);
    Ok(())
}

fn unusable(message: &str) -> Failure {
    Failure::new(Sent::No, Reason::Unreachable, message)
}

fn malformed(message: &str) -> Failure {
    Failure::new(Sent::Perhaps, Reason::AnswerMalformed, message)
}

fn key_column(table: &Table) -> Result<&str, Failure> {
    let first = table.key.first().ok_or_else(|| unusable("spec.thinkwise.table.key names no column"))?;
    Ok(&first.column)
}

/// The address of the first page. Ordered by key, so that pages neither overlap nor leave gaps.
pub(super) fn query(root: &Url, table: &Table, rows: Rows<'_>) -> Result<Url, Failure> {
    let key = key_column(table)?;
    let (username, description) = (&table.columns.username, &table.columns.description);
    let mut columns = vec![key];
    for column in [username.as_str(), description.as_str()] {
        if !columns.contains(&column) {
            columns.push(column);
        }
    }
    let mut query = format!("$select={}&$orderby={key}", columns.join(","));
    match rows {
        Rows::All => {}
        Rows::Probe => query.push_str("&$top=1"),
        Rows::WithId(id) => push_filter(&mut query, &format!("{key} eq {}", literal(id))),
        Rows::Containing(text) => push_filter(&mut query, &format!("contains({description},{})", quoted(text))),
    }
    let mut url = resource(root, &table.name)?;
    url.set_query(Some(&query));
    Ok(url)
}

fn push_filter(query: &mut String, filter: &str) {
    query.push_str("&$filter=");
    for byte in filter.bytes() {
        // Not as in forms: OData reads a plus as a plus, and a space is %20.
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'(' | b')' | b',' => {
                query.push(char::from(byte));
            }
            // Writing to a String cannot fail.
            _ => drop(write!(query, "%{byte:02X}")),
        }
    }
}

/// A key as OData writes it: whole numbers bare, everything else as a text.
fn literal(id: &str) -> String {
    if as_number(id).is_some() { id.to_owned() } else { quoted(id) }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Where the next page is. It gets our credentials, so it must be on the same server.
pub(super) fn next_page(current: &Url, link: &str) -> Result<Url, Failure> {
    let mut next = current.join(link).map_err(|_| malformed("the portal's link to the next page is not an address"))?;
    next.set_fragment(None);
    if next.origin() != current.origin() || !next.username().is_empty() || next.password().is_some() {
        return Err(malformed("the portal's link to the next page leads to another server; it is not followed"));
    }
    Ok(next)
}

/// Reads a page into `found`; gives the link to the next one.
pub(super) fn read_page(body: &[u8], table: &Table, found: &mut Vec<PortalRow>) -> Result<Option<String>, Failure> {
    let names = [key_column(table)?, &table.columns.username, &table.columns.description];
    let page = read(Page(Fields(names)), body).flatten();
    let (rows, next) = page.ok_or_else(|| malformed("the portal's list is not an OData page of rows"))?;
    for row in rows {
        found.push(portal_row(&row).map_err(|column| {
            malformed(&format!(
                "the portal's list has a row without a usable {}: check spec.thinkwise.table",
                names[column]
            ))
        })?);
    }
    Ok(next)
}

/// The row, or the number of the column that is at fault.
fn portal_row([id, username, description]: &[Scalar; 3]) -> Result<PortalRow, usize> {
    let id = id.as_str().ok_or(0_usize)?.to_owned();
    let username = username.as_str().ok_or(1_usize)?.to_owned();
    if matches!(description, Scalar::Other) {
        return Err(2);
    }
    // Null, or left out, where there is none.
    Ok(PortalRow { id, username, description: description.as_str().unwrap_or_default().to_owned() })
}

type Row = [Scalar; 3];

/// `{"value": [...], "@odata.nextLink": "..."}`; `None` without a `value`.
struct Page<'a>(Fields<'a, 3>);

impl<'de> DeserializeSeed<'de> for Page<'_> {
    type Value = Option<(Vec<Row>, Option<String>)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Page<'_> {
    type Value = Option<(Vec<Row>, Option<String>)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a page")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let (mut rows, mut next) = (None, None);
        while let Some(key) = entries.next_key::<String>()? {
            match key.as_str() {
                "value" => rows = Some(entries.next_value_seed(PageRows(self.0))?),
                "@odata.nextLink" => next = entries.next_value::<Option<String>>()?,
                _ => drop(entries.next_value::<IgnoredAny>()?),
            }
        }
        Ok(rows.map(|rows| (rows, next)))
    }
}

struct PageRows<'a>(Fields<'a, 3>);

impl<'de> DeserializeSeed<'de> for PageRows<'_> {
    type Value = Vec<Row>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for PageRows<'_> {
    type Value = Vec<Row>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut rows = Vec::new();
        while let Some(row) = items.next_element_seed(self.0)? {
            rows.push(row);
        }
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{KeyColumn, KeySource, TableColumns};

    fn table() -> Table {
        Table {
            name: "container_token".into(),
            key: vec![KeyColumn { column: "token_id".into(), from: KeySource::TokenID }],
            columns: TableColumns { username: "username".into(), description: "description".into() },
            description_max_length: None,
        }
    }

    fn address(rows: Rows<'_>) -> String {
        let root = Url::parse("https://portal.example.com/indicium/iam/tcp").expect("a URL");
        query(&root, &table(), rows).expect("an address").to_string()
    }

    fn rows(body: &str) -> Result<(Vec<PortalRow>, Option<String>), Failure> {
        let mut found = Vec::new();
        let next = read_page(body.as_bytes(), &table(), &mut found)?;
        Ok((found, next))
    }

    #[test]
    fn a_query_selects_three_columns_in_the_order_of_the_key() {
        let all = "https://portal.example.com/indicium/iam/tcp/container_token\
                   ?$select=token_id,username,description&$orderby=token_id";
        assert_eq!(address(Rows::All), all);
        assert_eq!(address(Rows::Probe), format!("{all}&$top=1"));
    }

    #[test]
    fn numbers_are_bare_and_texts_are_quoted() {
        let ends = |rows, end: &str| assert!(address(rows).ends_with(end), "{} {end}", address(rows));
        ends(Rows::WithId("17"), "&$filter=token_id%20eq%2017");
        ends(Rows::WithId("017"), "&$filter=token_id%20eq%20%27017%27");
        ends(Rows::WithId("o'x"), "&$filter=token_id%20eq%20%27o%27%27x%27");
        ends(Rows::WithId("1 or 1 eq 1"), "%271%20or%201%20eq%201%27");
        ends(
            Rows::Containing("[a/b] 'c'&#+é"),
            "contains(description,%27%5Ba%2Fb%5D%20%27%27c%27%27%26%23%2B%C3%A9%27)",
        );
    }

    #[test]
    fn the_next_page_is_on_the_same_server() {
        let current = Url::parse("https://portal.example.com/indicium/iam/tcp/t?$top=1").expect("a URL");
        for (link, next) in [
            ("t?$skip=1", "https://portal.example.com/indicium/iam/tcp/t?$skip=1"),
            ("?$skip=1", "https://portal.example.com/indicium/iam/tcp/t?$skip=1"),
            ("/indicium/x?$skip=1#f", "https://portal.example.com/indicium/x?$skip=1"),
            ("https://portal.example.com:443/y", "https://portal.example.com/y"),
        ] {
            assert_eq!(next_page(&current, link).expect(link).as_str(), next);
        }
        for link in [
            "http://portal.example.com/t",
            "https://portal.example.com:8443/t",
            "https://other.example.com/t",
            "//other.example.com/t",
            "https://u:p@portal.example.com/t",
            "file:///etc/passwd",
            "https://[",
        ] {
            assert_eq!(next_page(&current, link).expect_err(link).reason, Reason::AnswerMalformed, "{link}");
        }
    }

    #[test]
    fn rows_are_read_with_what_may_be_left_out() {
        let body = r#"{"@odata.context":"x","value":[
            {"token_id":1,"username":"a","description":"d","other":{"x":[1]}},
            {"description":null,"username":"b","token_id":"k-2"},{"token_id":3,"username":"c"}],
            "@odata.nextLink":"t?$skip=3"}"#;
        let (found, next) = rows(body).expect("a page");
        let seen: Vec<_> = found.iter().map(|r| (r.id.as_str(), r.username.as_str(), r.description.as_str())).collect();
        assert_eq!(seen, [("1", "a", "d"), ("k-2", "b", ""), ("3", "c", "")]);
        assert_eq!(next.as_deref(), Some("t?$skip=3"));
        assert_eq!(rows(r#"{"value":[],"@odata.nextLink":null}"#).expect("a page"), (vec![], None));
    }

    #[test]
    fn what_is_no_list_is_malformed() {
        for body in [
            "",
            "{}",
            "[]",
            r#"{"value":{}}"#,
            r#"{"value":[{"username":"a"}]}"#,
            r#"{"value":[{"token_id":1}]}"#,
            r#"{"value":[{"token_id":1.5,"username":"a"}]}"#,
            r#"{"value":[{"token_id":1,"username":"a","description":{}}]}"#,
            r#"{"value":[{"token_id":1,"username":"a"}"#,
        ] {
            assert_eq!(rows(body).expect_err(body).reason, Reason::AnswerMalformed, "{body}");
        }
    }
}
