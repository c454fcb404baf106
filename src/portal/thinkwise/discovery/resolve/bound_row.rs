//! The row that a request is bound to.

use super::Resolver;
use crate::api::{BoundRow, FixedKey};
use crate::portal::thinkwise::discovery::heuristics::suggest;
use crate::portal::thinkwise::discovery::interface::{BoundTo, Column};
use crate::portal::thinkwise::discovery::metadata::{FieldInfo, Invocation, TableInfo};
use crate::portal::thinkwise::discovery::mismatch::did_you_mean;
use crate::portal::thinkwise::odata::literal::Literal;

const TABLE: &str = "spec.thinkwise.tasks.request.boundTo.table";
const KEY: &str = "spec.thinkwise.tasks.request.boundTo.key";

impl Resolver<'_> {
    /// The row that a task is bound to, if each column of its key has a value.
    pub(crate) fn row_from_values(&self, invocation: &Invocation) -> Option<BoundRow> {
        let info = self.catalog.table(invocation.table.as_deref()?)?;
        let part = |column: &FieldInfo| {
            let value = self.given_value(&column.name)?.to_owned();
            Some(FixedKey { column: column.name.clone(), value })
        };
        let key: Option<Vec<FixedKey>> = info.key.iter().map(part).collect();
        key.filter(|key| !key.is_empty()).map(|key| BoundRow { table: info.name.clone(), key })
    }

    pub(crate) fn fixed_row(&mut self, row: &BoundRow) -> Option<BoundTo> {
        let catalog = self.catalog;
        let Some(info) = catalog.table(&row.table) else {
            let suggestion = did_you_mean(&suggest(&row.table, catalog.tables.iter().map(|table| table.name.as_str())));
            self.add_mismatch(
                TABLE,
                format!(
                    "$metadata shows the portal user no table {}{suggestion}; or the user's role does not include it",
                    row.table
                ),
            );
            return None;
        };
        let before = self.mismatches.len();
        for given in &row.key {
            if !info.key.iter().any(|column| column.name == given.column) {
                let suggestion =
                    did_you_mean(&suggest(&given.column, info.key.iter().map(|column| column.name.as_str())));
                self.add_mismatch(KEY, format!("{} is not part of the key of {}{suggestion}", given.column, info.name));
            }
        }
        let key = info.key.iter().filter_map(|column| {
            let column = Column { name: column.name.clone(), kind: column.kind };
            self.key_part(info, row, column)
        });
        let key: Vec<(String, Literal)> = key.collect();
        (self.mismatches.len() == before).then(|| BoundTo::Fixed { table: info.name.clone(), key })
    }

    fn key_part(&mut self, info: &TableInfo, row: &BoundRow, column: Column) -> Option<(String, Literal)> {
        let Some(given) = row.key.iter().find(|given| given.column == column.name) else {
            self.add_mismatch(
                KEY,
                format!("the key of {} also has the column {}: set its value", info.name, column.name),
            );
            return None;
        };
        if !self.require_key_kind(&column, KEY) {
            return None;
        }
        let literal = Literal::parse(column.kind, &given.value);
        let literal =
            literal.map_err(|error| self.add_mismatch(KEY, format!("the value of {} {error}", column.name))).ok()?;
        Some((column.name, literal))
    }
}
