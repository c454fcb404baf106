//! Reading the table: filters, pages, metadata.

use super::{Bench, bench, message};
use crate::fake_portal::{Config, NextLink};
use serde_json::Value;
use std::collections::BTreeSet;

#[tokio::test]
async fn filters_find_what_they_say() {
    let bench = bench().await;
    let ledger = bench.portal.ledger();
    for description in [Some("it's a"), Some("b [x1]"), Some("B [x2]"), None] {
        ledger.add_as_colleague(description);
    }
    let cases: [(&str, &[i64]); 12] = [
        ("description eq 'it''s a'", &[1]),
        ("container_token_id eq 2", &[2]),
        ("contains(description,'[x')", &[2, 3]),
        ("contains( description , '[x1]' )", &[2]),
        ("startswith(description,'it')", &[1]),
        ("endswith(description,']')", &[2, 3]),
        ("startswith(description,'b') and contains(description,'x1')", &[2]),
        ("container_token_id eq 1 or container_token_id eq 3", &[1, 3]),
        ("container_token_id eq 1 or container_token_id eq 2 and username eq 'tw-3'", &[1]),
        ("(container_token_id eq 1 or container_token_id eq 2) and username eq 'tw-2'", &[2]),
        ("description eq null", &[4]),
        ("username eq 'tw-9'", &[]),
    ];
    for (filter, expected) in cases {
        let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("$filter", filter).finish();
        assert_eq!(ids(&bench.rows(&query).await), expected, "{filter}");
    }
    for wrong in ["description", "description eq", "nothing eq 'x'", "container_token_id eq 'x'", "(description eq 'x'"]
    {
        let answer = bench.get("container_token").query(&[("$filter", wrong)]).send().await.unwrap();
        assert_eq!(answer.status(), 400, "{wrong}");
        assert_eq!(message(&answer)["MessageType"], "IndiciumMessage");
    }
    let rows = bench.rows("$orderby=description%20desc&$select=description&$top=1").await;
    assert_eq!(rows, [serde_json::json!({"description": "it's a"})]);
    assert!(bench.rows("$skip=3").await[0].get("description").is_none(), "null is left out");
    bench.portal.configure(|config| config.ignore_case = true);
    assert_eq!(ids(&bench.rows("$filter=startswith(description,'b')").await), [2, 3]);
}

fn ids(rows: &[Value]) -> Vec<i64> {
    rows.iter().map(|row| row["container_token_id"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn rows_come_page_by_page() {
    for (relative_next_link, next_link) in [(false, NextLink::SkipToken), (true, NextLink::Skip)] {
        let bench = Bench::new(Config { next_link, relative_next_link, ..Config::default() }).await;
        for number in 0..2500 {
            bench.portal.ledger().add_as_colleague(Some(&format!("number {number}")));
        }
        let (sizes, found) = pages(&bench, "container_token?$count=true").await;
        assert_eq!(sizes, [1000, 1000, 500]);
        assert_eq!(found.len(), 2500);
        let (sizes, _) = pages(&bench, "container_token?$top=1200").await;
        assert_eq!(sizes, [1000, 200]);
        let (sizes, _) = pages(&bench, "container_token?$filter=contains(description,'number%201')").await;
        assert_eq!(sizes, [1000, 111], "1, 10-19, 100-199, 1000-1999");
    }
}

/// Follows the links to the end: the number of rows of each page, and all ids.
async fn pages(bench: &Bench, resource: &str) -> (Vec<usize>, BTreeSet<i64>) {
    let base = url::Url::parse(&bench.address("")).unwrap();
    let (mut sizes, mut found) = (Vec::new(), BTreeSet::new());
    let mut next = Some(resource.to_owned());
    while let Some(link) = next {
        let request = bench.http.get(base.join(&link).unwrap()).basic_auth("k8s", Some("portal-password"));
        let page: Value = request.send().await.unwrap().json().await.unwrap();
        let rows = page["value"].as_array().unwrap();
        sizes.push(rows.len());
        found.extend(ids(rows));
        next = page["@odata.nextLink"].as_str().map(str::to_owned);
        assert!(resource.find("$count").is_none() || page["@odata.count"] == 2500);
    }
    (sizes, found)
}

#[tokio::test]
async fn rows_and_metadata_can_be_read() {
    let bench = Bench::new(Config { description_max_length: Some(200), ..Config::default() }).await;
    bench.portal.ledger().add_as_colleague(Some("a"));
    let row: Value = bench.get("container_token(1)").send().await.unwrap().json().await.unwrap();
    assert_eq!(row["username"], "tw-1");
    assert_eq!(bench.get("container_token(2)").send().await.unwrap().status(), 404);
    let metadata = bench.get("$metadata").send().await.unwrap().text().await.unwrap();
    for part in [
        r#"<PropertyRef Name="container_token_id"/>"#,
        r#"<Property Name="description" Type="Edm.String" MaxLength="200"/>"#,
        r#"<ActionImport Name="request_token" Action="tcp.request_token"/>"#,
        r#"<EntitySet Name="container_token" EntityType="tcp.container_token"/>"#,
    ] {
        assert!(metadata.contains(part), "{part} in {metadata}");
    }
}
