use super::page::*;
use super::query_url::*;
use crate::api::Reason;
use crate::domain::model::marker::{IssuerTag, Marker, Nonce};
use crate::domain::model::token::{RowQuery, TokenRow};
use crate::portal::thinkwise::discovery::interface::{Column, TokenTable};
use crate::portal::thinkwise::odata::json_fields::Scalar;
use crate::portal::thinkwise::odata::literal::Literal;
use crate::portal::thinkwise::odata::value_kind::ValueKind;
use crate::portal::thinkwise::{Delivery, PortalError};
use url::Url;

fn table() -> TokenTable {
    TokenTable {
        name: "container_token".into(),
        id: Column { name: "token_id".into(), kind: ValueKind::Integer },
        fixed: vec![],
        row_columns: vec![],
        key: vec!["token_id".into()],
        username: "username".into(),
        description: "description".into(),
    }
}

fn of_customer(kind: ValueKind) -> TokenTable {
    let fixed = vec![("klant_id".to_owned(), Literal::parse(ValueKind::Integer, "42").expect("a number"))];
    let id = Column { name: "token_id".into(), kind };
    TokenTable { fixed, id, key: vec!["klant_id".into(), "token_id".into()], ..table() }
}

fn marker() -> Marker {
    Marker::new(IssuerTag::of("issuer"), Nonce::parse("aaaaaaaaaaaa").expect("a nonce"))
}

fn address(table: &TokenTable, scope: ListScope<'_>) -> String {
    let root = Url::parse("https://portal.example.com/indicium/iam/tcp").expect("a URL");
    query_url(&root, table, &token_columns(table), scope).expect("an address").to_string()
}

fn rows(body: &str) -> Result<(Vec<TokenRow>, Option<String>), PortalError> {
    let (mut found, table) = (Vec::new(), table());
    let mut each = |row: &[Scalar]| parse_row(&table, row).map(|row| found.push(row));
    let next = parse_page(body.as_bytes(), &token_columns(&table), &mut each)?;
    Ok((found, next))
}

#[test]
fn a_query_selects_three_columns_in_the_order_of_the_key() {
    let all = "https://portal.example.com/indicium/iam/tcp/container_token\
               ?$select=token_id,username,description&$orderby=token_id";
    assert_eq!(address(&table(), ListScope::All), all);
    assert_eq!(address(&table(), ListScope::Some(&RowQuery::Probe)), format!("{all}&$top=1"));
}

#[test]
fn a_fixed_key_column_is_in_every_filter() {
    let table = of_customer(ValueKind::Integer);
    let assert_ends = |scope, end: &str| assert!(address(&table, scope).ends_with(end), "{}", address(&table, scope));
    assert_ends(ListScope::All, "&$orderby=klant_id,token_id&$filter=klant_id%20eq%2042");
    assert_ends(ListScope::Some(&RowQuery::Probe), "&$top=1&$filter=klant_id%20eq%2042");
    let with_id = RowQuery::WithId("17".to_owned());
    assert_ends(ListScope::Some(&with_id), "&$filter=klant_id%20eq%2042%20and%20token_id%20eq%2017");
    let marker = marker();
    let text = marker.to_string().replace('[', "%5B").replace('/', "%2F").replace(']', "%5D");
    let end = format!("klant_id%20eq%2042%20and%20contains(description,%27{text}%27)");
    let with_marker = RowQuery::WithMarker(marker);
    assert_ends(ListScope::Some(&with_marker), &end);
}

#[test]
fn literals_are_written_as_metadata_types_them() {
    let assert_ends = |kind, rows, end: &str| {
        let found =
            address(&TokenTable { id: Column { name: "token_id".into(), kind }, ..table() }, ListScope::Some(&rows));
        assert!(found.ends_with(end), "{found} {end}");
    };
    let guid = "0f8fad5b-d9cb-469f-a165-70867728950e";
    assert_ends(ValueKind::Integer, RowQuery::WithId("17".to_owned()), "&$filter=token_id%20eq%2017");
    assert_ends(ValueKind::Text, RowQuery::WithId("17".to_owned()), "&$filter=token_id%20eq%20%2717%27");
    assert_ends(ValueKind::Text, RowQuery::WithId("o'x".to_owned()), "&$filter=token_id%20eq%20%27o%27%27x%27");
    assert_ends(ValueKind::Text, RowQuery::WithId("1 or 1 eq 1".to_owned()), "%271%20or%201%20eq%201%27");
    assert_ends(ValueKind::Guid, RowQuery::WithId(guid.to_owned()), &format!("&$filter=token_id%20eq%20{guid}"));
    let hard = "&$filter=username%20eq%20%27%5Ba%2Fb%5D%20%27%27c%27%27%26%23%2B%C3%A9%27";
    assert_ends(ValueKind::Integer, RowQuery::WithUsername("[a/b] 'c'&#+é".to_owned()), hard);
}

#[test]
fn ids_are_compared_and_sent_as_metadata_types_them() {
    let guid = "0f8fad5b-d9cb-469f-a165-70867728950e";
    for (kind, json, id, filter) in [
        (ValueKind::Guid, format!("{:?}", guid.to_uppercase()), guid, guid),
        (ValueKind::Decimal, "9007199254740993.0".into(), "9007199254740993", "9007199254740993"),
        (ValueKind::Decimal, r#""9007199254740993""#.into(), "9007199254740993", "9007199254740993"),
        (ValueKind::Integer, r#""9007199254740993""#.into(), "9007199254740993", "9007199254740993"),
        (ValueKind::Text, r#""007 ""#.into(), "007", "%27007%27"),
    ] {
        let table = TokenTable { id: Column { name: "token_id".into(), kind }, ..table() };
        let mut found = vec![];
        let mut each = |row: &[Scalar]| parse_row(&table, row).map(|row| found.push(row.token.id));
        let body = format!(r#"{{"value":[{{"token_id":{json},"username":"a"}}]}}"#);
        parse_page(body.as_bytes(), &token_columns(&table), &mut each).expect("a page");
        assert_eq!(found, [id], "{kind:?} {json}");
        // An id that an earlier version recorded is sent in the same form.
        let recorded = json.trim_matches('"');
        let sent = address(&table, ListScope::Some(&RowQuery::WithId(recorded.to_owned())));
        assert!(sent.ends_with(&format!("token_id%20eq%20{filter}")), "{sent}");
    }
}

#[test]
fn an_id_that_does_not_fit_its_column_is_not_sent() {
    let root = Url::parse("https://portal.example.com").expect("a URL");
    let table = table();
    let failure =
        query_url(&root, &table, &token_columns(&table), ListScope::Some(&RowQuery::WithId("1 or 1 eq 1".to_owned())))
            .expect_err("no number");
    assert_eq!(failure.delivery, Delivery::NotSent);
}

#[test]
fn rows_are_read_with_optional_fields_missing() {
    let body = r#"{"@odata.context":"x","value":[
        {"token_id":1,"username":"a","description":"d","other":{"x":[1]}},
        {"description":null,"username":"b   ","token_id":"k-2"},{"token_id":3,"username":"c"}],
        "@odata.nextLink":"t?$skip=3"}"#;
    let (found, next) = rows(body).expect("a page");
    let actual: Vec<_> =
        found.iter().map(|r| (r.token.id.as_str(), r.token.username.as_str(), r.description.as_str())).collect();
    assert_eq!(actual, [("1", "a", "d"), ("k-2", "b", ""), ("3", "c", "")]);
    assert_eq!(next.as_deref(), Some("t?$skip=3"));
    assert_eq!(rows(r#"{"@odata.nextLink":null,"value":[]}"#).expect("a page"), (vec![], None));
}

#[test]
fn anything_but_a_list_of_rows_is_invalid() {
    for body in [
        "",
        "{}",
        "[]",
        r#"{"value":{}}"#,
        r#"{"value":[{"username":"a"}]}"#,
        r#"{"value":[{"token_id":1}]}"#,
        r#"{"value":[{"token_id":1.5,"username":"a"}]}"#,
        r#"{"value":[{"token_id":1,"username":"  "}]}"#,
        r#"{"value":[[1,"a"]]}"#,
        r#"{"value":[],"@odata.nextLink":1}"#,
        r#"{"value":[{"token_id":1,"username":"a","description":{}}]}"#,
        r#"{"value":[{"token_id":1,"username":"a"}"#,
    ] {
        assert_eq!(rows(body).expect_err(body).reason, Reason::InvalidResponse, "{body}");
    }
}
