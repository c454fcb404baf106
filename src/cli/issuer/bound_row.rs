//! The row that a bound request belongs to.

use crate::api::{BoundRow, FixedKey};
use crate::portal::thinkwise::discovery::metadata::{Catalog, TableInfo};
use crate::portal::thinkwise::{Literal, ThinkwisePortal};

/// So many rows are named where there are several.
const MAX_ROWS: usize = 5;

/// The only row that our user sees of a table to which the request is bound; several are named on standard error.
pub(crate) async fn find_bound_row(
    portal: &ThinkwisePortal,
    catalog: &Catalog,
    request: Option<&str>,
    values: &[(String, String)],
) -> Option<BoundRow> {
    let ways = &catalog.task(request?)?.invocations;
    let table = catalog.table(ways.iter().find_map(|way| way.table.as_deref())?)?;
    let known = table.key.iter().filter_map(|column| {
        let (name, value) = values.iter().find(|(name, _)| *name == column.name)?;
        Some((name.clone(), Literal::parse(column.kind, value).ok()?))
    });
    let known: Vec<(String, Literal)> = known.collect();
    let rows = match portal.read_keys(table, &known, MAX_ROWS + 1).await {
        Ok(rows) => rows,
        Err(failure) => {
            eprintln!("\nThe rows of {} cannot be read: {failure}", table.name);
            return None;
        }
    };
    match &rows[..] {
        [] => eprintln!("\nThe request is bound to a row of {}, and our user sees none.", table.name),
        [only] => {
            eprintln!("\nThe request is bound to a row of {}; our user sees one.", table.name);
            return Some(BoundRow { table: table.name.clone(), key: only.iter().map(fixed_key).collect() });
        }
        several => print_rows(table, several),
    }
    None
}

fn print_rows(table: &TableInfo, rows: &[Vec<(String, Literal)>]) {
    eprintln!("\nThe request is bound to a row of {}: give the key of ours, such as", table.name);
    for row in rows.iter().take(MAX_ROWS) {
        let part = |(name, value): &(String, Literal)| {
            format!("--value {}", super::output::shell_quote(&format!("{name}={}", value.to_text())))
        };
        eprintln!("  {}", row.iter().map(part).collect::<Vec<_>>().join(" "));
    }
    if rows.len() > MAX_ROWS {
        eprintln!("  and more");
    }
}

fn fixed_key((column, value): &(String, Literal)) -> FixedKey {
    FixedKey { column: column.clone(), value: value.to_text() }
}
