//! Resolves the interface from spec and `$metadata`: names in the spec are checked, and omitted ones are discovered.

mod arguments;
mod bound_row;
mod outputs;
mod table;
mod task;
mod task_spec;
#[cfg(test)]
mod tests;

use self::table::TableResolution;
use self::task_spec::TaskSpec;
use super::interface::{Interface, TableNames, TokenTable};
use super::metadata::Catalog;
use super::mismatch::{FieldMismatch, Mismatch};
use crate::api::Thinkwise;
use crate::portal::thinkwise::odata::value_kind::ValueKind;

/// Resolves how to use the portal.
///
/// # Errors
/// Every missing name and every ambiguous choice, with the field to set.
pub fn resolve(spec: &Thinkwise, catalog: &Catalog) -> Result<Interface, Mismatch> {
    resolve_with(spec, catalog, &[])
}

/// The same with values, by name, for columns and parameters that the spec does not set, such as the customer's id,
/// which is not in `$metadata`.
///
/// # Errors
/// See [`resolve`].
pub fn resolve_with(spec: &Thinkwise, catalog: &Catalog, values: &[(String, String)]) -> Result<Interface, Mismatch> {
    let mut resolver = Resolver { spec, catalog, values, mismatches: Vec::new(), warnings: Vec::new() };
    let found = resolver.interface();
    match found {
        Some(interface) if resolver.mismatches.is_empty() => Ok(interface),
        _ => Err(Mismatch(resolver.mismatches)),
    }
}

struct Resolver<'a> {
    spec: &'a Thinkwise,
    catalog: &'a Catalog,
    values: &'a [(String, String)],
    mismatches: Vec<FieldMismatch>,
    warnings: Vec<String>,
}

impl<'a> Resolver<'a> {
    /// Each part is checked even if another one has a mismatch, so that the admin sees all of them at once.
    fn interface(&mut self) -> Option<Interface> {
        let table = match self.table() {
            TableResolution::Resolved(table, max_length) => Some((table, max_length)),
            TableResolution::Absent => None,
            // Errors of tasks that depend on the unknown table would only repeat the mismatch.
            TableResolution::Invalid => return self.check_task_names(),
        };
        let (table, column_max) = table.unzip();
        let request = self.request(table.as_ref());
        let edit = self.task(&TaskSpec::edit(self.spec), table.as_ref());
        let revoke = self.task(&TaskSpec::revocation(self.spec), table.as_ref());
        let ((request, outputs, request_max), (edit, edit_max), (revoke, _)) = (request?, edit?, revoke?);
        let declared = [column_max.flatten(), request_max, edit_max].into_iter().flatten().min();
        let is_hidden = table.is_none();
        let warnings = std::mem::take(&mut self.warnings);
        let description_max = self.pinned_description_max().or(declared);
        let tables = TableNames::from_names(self.catalog.tables.iter().map(|table| table.name.as_str()));
        let interface = Interface { table, description_max, request, outputs, edit, revoke, tables, warnings };
        if !is_hidden {
            return Some(interface);
        }
        interface.without_list().map_err(|mismatch| self.mismatches.push(mismatch)).ok()
    }

    /// Checks at least the names of the tasks.
    fn check_task_names(&mut self) -> Option<Interface> {
        for task_spec in [TaskSpec::request(self.spec), TaskSpec::edit(self.spec), TaskSpec::revocation(self.spec)] {
            if task_spec.name.is_some() {
                self.find_task(&task_spec, None);
            }
        }
        None
    }

    fn given_value(&self, name: &str) -> Option<&'a str> {
        self.values.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    fn pinned_description_max(&self) -> Option<usize> {
        self.spec.table.as_ref()?.description_max_length.and_then(|max| usize::try_from(max).ok())
    }

    fn add_mismatch(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.mismatches.push(FieldMismatch::new(field, message));
    }
}

/// The id column of a table, for comparison with parameters.
fn id_of(table: Option<&TokenTable>) -> Option<(&str, ValueKind)> {
    table.map(|table| (table.id.name.as_str(), table.id.kind))
}
