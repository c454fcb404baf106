//! The row that a bound request belongs to.

use crate::api::{BoundRow, FixedKey, Thinkwise};
use crate::portal::thinkwise::find::{Choice, choose, requests};
use crate::portal::thinkwise::metadata::{Catalog, TableInfo};
use crate::portal::thinkwise::{Literal, ThinkwisePortal};
use crate::run::Failure;

/// So many rows are named where there are several.
const SHOWN: usize = 5;

/// Reads `klant(klant_id=42)` or `klant_product(klant_id=42,product_id=7)`.
pub(super) fn parse(text: &str) -> Result<BoundRow, Failure> {
    let wrong = || format!("--bound-to {text:?} is no row: write it like klant(klant_id=42)");
    let (table, rest) = text.split_once('(').ok_or_else(wrong)?;
    let parts = rest.strip_suffix(')').ok_or_else(wrong)?.split(',');
    let key: Option<Vec<FixedKey>> = parts.map(part).collect();
    let key = key.filter(|_| !table.is_empty()).ok_or_else(wrong)?;
    Ok(BoundRow { table: table.trim().to_owned(), key })
}

fn part(text: &str) -> Option<FixedKey> {
    let (column, value) = text.split_once('=')?;
    let (column, value) = (column.trim().to_owned(), value.trim().to_owned());
    (!column.is_empty() && !value.is_empty()).then_some(FixedKey { column, value })
}

/// The only row that our user sees of the table to which the request is bound; several are named on standard error.
pub(super) async fn find(portal: &ThinkwisePortal, catalog: &Catalog, spec: &Thinkwise) -> Option<BoundRow> {
    let table = table(catalog, spec)?;
    let rows = match portal.keys(table, &[], SHOWN + 1).await {
        Ok(rows) => rows,
        Err(failure) => {
            eprintln!("\nThe rows of {} cannot be read: {failure}", table.name);
            return None;
        }
    };
    match &rows[..] {
        [] => eprintln!("\nThe request is bound to a row of {}, and our user sees none.", table.name),
        [only] => {
            eprintln!("\nThe request is bound to a row of {}; our user sees one: {}", table.name, written(table, only));
            return Some(BoundRow { table: table.name.clone(), key: only.iter().map(fixed).collect() });
        }
        several => {
            eprintln!("\nThe request is bound to a row of {}: give one with --bound-to, such as", table.name);
            for row in several.iter().take(SHOWN) {
                eprintln!("  --bound-to '{}'", written(table, row));
            }
            if several.len() > SHOWN {
                eprintln!("  and more");
            }
        }
    }
    None
}

/// The table to which the request is bound.
fn table<'a>(catalog: &'a Catalog, spec: &Thinkwise) -> Option<&'a TableInfo> {
    let candidates = requests(catalog);
    let pinned = spec.tasks.as_ref().and_then(|tasks| tasks.request.as_ref()).and_then(|task| task.name.as_deref());
    let name = match (pinned, choose(&candidates)) {
        (Some(name), _) => name,
        (None, Choice::Clear(best)) => &best.name,
        _ => return None,
    };
    let ways = &catalog.task(name)?.ways;
    catalog.table(ways.iter().find_map(|way| way.table.as_deref())?)
}

fn fixed((column, value): &(String, Literal)) -> FixedKey {
    FixedKey { column: column.clone(), value: value.as_text() }
}

fn written(table: &TableInfo, row: &[(String, Literal)]) -> String {
    let parts: Vec<String> = row.iter().map(|(column, value)| format!("{column}={}", value.as_text())).collect();
    // A value of the portal's: it is shown, never run.
    let parts = parts.join(",").replace(|c: char| c.is_control(), "?");
    format!("{}({parts})", table.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_written_like_a_call() {
        let row = parse("klant_product(klant_id=42, code=a b)").expect("a row");
        let key = |column: &str, value: &str| FixedKey { column: column.into(), value: value.into() };
        assert_eq!(
            row,
            BoundRow { table: "klant_product".into(), key: vec![key("klant_id", "42"), key("code", "a b")] }
        );
        for text in ["", "klant", "klant(42)", "klant(klant_id=42", "(klant_id=42)", "klant()", "klant(a=)"] {
            assert!(parse(text).expect_err(text).to_string().contains("klant(klant_id=42)"), "{text}");
        }
    }
}
