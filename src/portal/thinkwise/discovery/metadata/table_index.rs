//! The tables of a document.

use super::csdl::{Csdl, EntitySet, STAGED_PREFIX, local_name};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The tables of a document, by the types of their rows.
pub(crate) struct TableIndex<'a> {
    csdl: &'a Csdl,
    by_row_type: BTreeMap<String, Vec<&'a EntitySet>>,
}

impl<'a> TableIndex<'a> {
    /// A staged task and a waiting process flow are not tables: they have such a name, or can be committed.
    pub(crate) fn new(csdl: &'a Csdl) -> Self {
        let commits = csdl.actions.iter().filter(|action| action.bound && local_name(&action.name) == "commit");
        let rows = commits.filter_map(|action| action.parameters.first());
        let committed: BTreeSet<String> = rows.map(|row| csdl.qualified(&row.type_name)).collect();
        let mut by_row_type: BTreeMap<String, Vec<&EntitySet>> = BTreeMap::new();
        for set in csdl.sets.iter().filter(|set| !set.name.starts_with(STAGED_PREFIX)) {
            let row_type = csdl.qualified(&set.type_name);
            if !committed.contains(&row_type) {
                by_row_type.entry(row_type).or_default().push(set);
            }
        }
        Self { csdl, by_row_type }
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &'a EntitySet> {
        self.by_row_type.values().flatten().copied()
    }

    /// The names of the tables with rows of this type.
    pub(crate) fn with_rows(&self, row_type: &str) -> Vec<Arc<str>> {
        let sets = self.by_row_type.get(&self.csdl.qualified(row_type)).map(Vec::as_slice).unwrap_or_default();
        sets.iter().map(|set| Arc::clone(&set.name)).collect()
    }
}
