//! The table of tokens.

use super::shape::{CUSTOMER, Shape};
use super::{Ledger, Reply};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use url::Url;

pub fn json_reply(status: u16, body: &Value) -> Reply {
    Reply { body: body.to_string(), ..Reply::empty(status) }.with("Content-Type", "application/json")
}

/// Whether a row matches. The filter must be written exactly as OData specifies.
fn matches_filter(shape: &Shape, filter: &str, number: i64, (username, description): &(String, String)) -> bool {
    filter.split(" and ").filter(|part| !part.is_empty()).all(|part| match part.split_once(" eq ") {
        Some(("klant_id", value)) => value == CUSTOMER.to_string(),
        Some(("token_id", value)) => value == shape.literal(number),
        // Compared as by SQL Server.
        Some(("username", value)) => value == format!("'{}'", username.trim_end_matches(' ')),
        _ => {
            let text = part.strip_prefix("contains(description,'").and_then(|rest| rest.strip_suffix("')"));
            text.is_some_and(|text| description.contains(&text.replace("''", "'")))
        }
    })
}

pub fn list(url: &Url, ledger: &mut Ledger) -> Reply {
    ledger.queries.push(url.query().unwrap_or_default().to_owned());
    let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
    let filter = query.get("$filter").filter(|_| !ledger.ignores_filter).map(String::as_str).unwrap_or_default();
    let number = |name: &str| query.get(name).and_then(|text| text.parse::<usize>().ok());
    let skip = number("$skip").unwrap_or(0);
    let size = number("$top").unwrap_or(ledger.page_size);
    let shape = ledger.shape.clone();
    if ledger.is_list_endless {
        return endless_page(&shape, skip);
    }
    let shown = ledger.tokens.iter().filter(|_| !ledger.is_list_delayed);
    let wanted = shown.filter(|(number, token)| matches_filter(&shape, filter, **number, token));
    // One more than the page has, to see whether there is a next page.
    let some: Vec<(&i64, &(String, String))> = wanted.skip(skip).take(size + 1).collect();
    let rows = some.iter().take(size).map(|(number, (username, description))| {
        let mut row = json!({"token_id": shape.id(**number), "username": username, "description": description});
        if shape.composite {
            row["klant_id"] = json!(CUSTOMER);
        }
        row
    });
    let mut page = json!({"@odata.context": "$metadata#container_token", "value": rows.collect::<Vec<_>>()});
    if let Some(link) = &ledger.next_link {
        page["@odata.nextLink"] = json!(link);
    } else if some.len() > size && !query.contains_key("$top") {
        // Relative on one page and absolute on the next: OData allows both.
        let mut next = url.clone();
        next.set_query(Some(&format!("$skip={}", skip + size)));
        let relative = format!("container_token?$skip={}", skip + size);
        page["@odata.nextLink"] = json!(if skip == 0 { relative } else { next.to_string() });
    }
    json_reply(200, &page)
}

fn endless_page(shape: &Shape, skip: usize) -> Reply {
    const ROWS: usize = 1000;
    let rows = (0..ROWS).map(|index| {
        let number = i64::try_from(skip + index).expect("a number");
        json!({"token_id": shape.id(number), "username": format!("endless-{number}"), "description": "x".repeat(100)})
    });
    let next = format!("container_token?$skip={}", skip + ROWS);
    json_reply(200, &json!({"value": rows.collect::<Vec<_>>(), "@odata.nextLink": next}))
}

/// The table of customers.
pub fn customers(url: &Url, ledger: &Ledger) -> Reply {
    let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
    let filter = query.get("$filter").map(String::as_str).unwrap_or_default();
    let wanted = |id: &&i64| filter.is_empty() || filter == format!("klant_id eq {id}");
    let rows: Vec<Value> = ledger.customers.iter().filter(wanted).map(|id| json!({"klant_id": id})).collect();
    json_reply(200, &json!({"value": rows}))
}
