//! The row to which a request is bound.

use crate::api::{BoundRow, FixedKey};
use crate::portal::thinkwise::discovery::metadata::{Catalog, TableInfo};
use crate::portal::thinkwise::{Literal, ThinkwisePortal};

/// Maximum number of candidate rows that are listed.
const MAX_ROWS: usize = 5;

/// Returns the row of the table to which the request is bound, if the portal user sees exactly one. Prints the
/// candidates to standard error if there are several.
pub(crate) async fn find_bound_row(
    portal: &ThinkwisePortal,
    catalog: &Catalog,
    request: Option<&str>,
    values: &[(String, String)],
) -> Option<BoundRow> {
    let ways = &catalog.task(request?)?.invocations;
    let table = catalog.table(ways.iter().find_map(|way| way.table.as_deref())?)?;
    let given = table.key.iter().filter_map(|column| {
        let (name, value) = values.iter().find(|(name, _)| *name == column.name)?;
        Some((name.clone(), Literal::parse(column.kind, value).ok()?))
    });
    let given: Vec<(String, Literal)> = given.collect();
    let rows = match portal.read_keys(table, &given, MAX_ROWS + 1).await {
        Ok(rows) => rows,
        Err(failure) => {
            eprintln!("\nThe rows of {} cannot be read: {failure}", table.name);
            return None;
        }
    };
    match &rows[..] {
        [] => eprintln!("\nThe request is bound to a row of {}, and the portal user sees none.", table.name),
        [only] => {
            eprintln!("\nThe request is bound to a row of {}; the portal user sees one.", table.name);
            return Some(BoundRow { table: table.name.clone(), key: only.iter().map(fixed_key).collect() });
        }
        several => print_rows(table, several),
    }
    None
}

fn print_rows(table: &TableInfo, rows: &[Vec<(String, Literal)>]) {
    eprintln!("\nThe request is bound to a row of {}. Set its key, for example:", table.name);
    for row in rows.iter().take(MAX_ROWS) {
        let part = |(name, value): &(String, Literal)| {
            format!("--value {}", super::next_steps::shell_quote(&format!("{name}={}", value.to_text())))
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
