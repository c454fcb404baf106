//! The table that lists the tokens.

use super::Resolver;
use crate::api::{KeyColumn, Table};
use crate::portal::thinkwise::discovery::heuristics;
use crate::portal::thinkwise::discovery::heuristics::{
    Concept, FieldMatch, Selection, match_id_column, match_text, select, suggest,
};
use crate::portal::thinkwise::discovery::interface::{Column, TokenTable};
use crate::portal::thinkwise::discovery::metadata::{FieldInfo, TableInfo};
use crate::portal::thinkwise::discovery::mismatch::{did_you_mean, join_names};
use crate::portal::thinkwise::odata::literal::Literal;
use crate::portal::thinkwise::odata::value_kind::ValueKind;

const NAME: &str = "spec.thinkwise.table.name";
const KEY: &str = "spec.thinkwise.table.key";

pub(crate) enum TableResolution {
    /// The table, and the maximum length of its descriptions.
    Resolved(TokenTable, Option<usize>),
    /// The portal user sees no token table, and the spec does not require one.
    Absent,
    /// There are mismatches.
    Invalid,
}

impl Resolver<'_> {
    pub(crate) fn table(&mut self) -> TableResolution {
        let info = match self.table_info() {
            Ok(Some(info)) => info,
            Ok(None) => return TableResolution::Absent,
            Err(()) => return TableResolution::Invalid,
        };
        let spec = self.spec.table.clone().unwrap_or_default();
        let key = self.key(&info, &spec);
        let columns = spec.columns.unwrap_or_default();
        let username = self.resolve_column(&info, columns.username, "username", Concept::Username, None);
        let taken = username.as_ref().map(|field| field.name.clone());
        let description =
            self.resolve_column(&info, columns.description, "description", Concept::Description, taken.as_deref());
        let (Some((id, fixed)), Some(username), Some(description)) = (key, username, description) else {
            return TableResolution::Invalid;
        };
        let mut names: Vec<String> = info.key.iter().map(|column| column.name.clone()).collect();
        if names.is_empty() {
            names = fixed.iter().map(|(name, _)| name).chain([&id.name]).cloned().collect();
        }
        let is_resolved = |name: &String| *name == id.name || fixed.iter().any(|(column, _)| column == name);
        let others = info.key.iter().filter(|column| !is_resolved(&column.name));
        let others: Vec<Column> = others.map(column).collect();
        if others.iter().any(|other| !self.require_key_kind(other, KEY)) {
            return TableResolution::Invalid;
        }
        let table = TokenTable {
            name: info.name.clone(),
            id,
            fixed,
            row_columns: others,
            key: names,
            username: username.name,
            description: description.name,
        };
        TableResolution::Resolved(table, description.max_length)
    }

    /// `Ok(None)` if there is none, and none is required.
    fn table_info(&mut self) -> Result<Option<TableInfo>, ()> {
        let names = || self.catalog.tables.iter().map(|table| table.name.as_str());
        if let Some(name) = self.spec.table.as_ref().and_then(|table| table.name.as_deref()) {
            if let Some(table) = self.catalog.table(name) {
                return Ok(Some(table.clone()));
            }
            let suggestion = did_you_mean(&suggest(name, names()));
            self.add_mismatch(NAME, format!(
                "$metadata shows the portal user no table {name}{suggestion}. Correct the name; or the user's role does not include it: then omit spec.thinkwise.table"
            ));
            return Err(());
        }
        let candidates = heuristics::rank_tables(self.catalog);
        match select(&candidates) {
            Selection::Best(best) => Ok(self.catalog.table(&best.name).cloned()),
            Selection::Tie(names) => {
                self.add_mismatch(
                    NAME,
                    format!("the token table may be {}: specify which one", join_names(&names, " or ")),
                );
                Err(())
            }
            Selection::None if self.spec.table.is_none() => Ok(None),
            Selection::None => {
                let suggestion =
                    did_you_mean(&candidates.iter().take(3).map(|one| one.name.as_str()).collect::<Vec<_>>());
                self.add_mismatch(NAME, format!("no table in $metadata is clearly the token table{suggestion}: specify it; or the user's role does not include it"));
                Err(())
            }
        }
    }

    /// The id column, and the columns with a fixed value.
    fn key(&mut self, info: &TableInfo, spec: &Table) -> Option<(Column, Vec<(String, Literal)>)> {
        match &spec.key {
            Some(pinned) => self.pinned_key(info, pinned),
            None => self.discovered_key(info),
        }
    }

    fn discovered_key(&mut self, info: &TableInfo) -> Option<(Column, Vec<(String, Literal)>)> {
        let mut fixed = vec![];
        for field in info.key.iter() {
            if let Some(value) = self.given_value(&field.name) {
                fixed.push((field.name.clone(), self.literal(&column(field), value)?));
            }
        }
        let names: Vec<&str> = fixed.iter().map(|(name, _)| name.as_str()).collect();
        let message = match match_id_column(info, &names) {
            FieldMatch::One(found) => {
                return Some(column(found)).filter(|id| self.require_key_kind(id, KEY)).map(|id| (id, fixed));
            }
            FieldMatch::Ambiguous(names) => {
                format!("the token's id may be {}: specify its column with from: TokenID", join_names(&names, " or "))
            }
            FieldMatch::Missing => {
                format!("no key column of {} is clearly the token's id: specify it with from: TokenID", info.name)
            }
        };
        self.add_mismatch(KEY, message);
        None
    }

    fn pinned_key(&mut self, info: &TableInfo, pinned: &[KeyColumn]) -> Option<(Column, Vec<(String, Literal)>)> {
        let (mut id, mut fixed, mut is_complete) = (None, Vec::new(), true);
        for part in pinned {
            let Some(found) = self.find_column(info, &part.column, KEY) else {
                is_complete = false;
                continue;
            };
            let found = column(found);
            match &part.value {
                None => id = Some(found).filter(|id| self.require_key_kind(id, KEY)),
                Some(value) => match self.literal(&found, value) {
                    Some(literal) => fixed.push((found.name, literal)),
                    None => is_complete = false,
                },
            }
        }
        id.filter(|_| is_complete).map(|id| (id, fixed))
    }

    fn literal(&mut self, column: &Column, value: &str) -> Option<Literal> {
        if !self.require_key_kind(column, KEY) {
            return None;
        }
        let literal = Literal::parse(column.kind, value);
        literal.map_err(|error| self.add_mismatch(KEY, format!("the value of {} {error}", column.name))).ok()
    }

    /// Whether a column can be part of a key in a URL.
    pub(crate) fn require_key_kind(&mut self, column: &Column, field: &str) -> bool {
        let is_supported = !matches!(column.kind, ValueKind::Boolean | ValueKind::Other);
        if !is_supported {
            self.add_mismatch(
                field,
                format!(
                    "the type of the column {} is not supported in a key: it must be a number, GUID or text",
                    column.name
                ),
            );
        }
        is_supported
    }

    pub(crate) fn find_column<'t>(&mut self, info: &'t TableInfo, name: &str, field: &str) -> Option<&'t FieldInfo> {
        let found = info.column(name);
        if found.is_none() {
            let suggestion = did_you_mean(&suggest(name, info.columns.iter().map(|column| column.name.as_str())));
            self.add_mismatch(
                field,
                format!(
                    "the table {} has no column {name}{suggestion}; or the user's role does not include it",
                    info.name
                ),
            );
        }
        found
    }

    fn resolve_column(
        &mut self,
        info: &TableInfo,
        pinned: Option<String>,
        what: &str,
        concept: Concept,
        taken: Option<&str>,
    ) -> Option<FieldInfo> {
        let field = format!("spec.thinkwise.table.columns.{what}");
        if let Some(name) = pinned {
            return self.find_column(info, &name, &field).cloned();
        }
        let taken: Vec<&str> = taken.into_iter().collect();
        match match_text(&*info.columns, concept, &taken) {
            FieldMatch::One(found) => return Some(found.clone()),
            FieldMatch::Ambiguous(names) => {
                self.add_mismatch(
                    field,
                    format!(
                        "the token's {what} may be {} of {}: specify which one",
                        join_names(&names, " or "),
                        info.name
                    ),
                );
            }
            FieldMatch::Missing => {
                let texts = info
                    .columns
                    .iter()
                    .filter(|column| column.kind == ValueKind::Text && !taken.contains(&column.name.as_str()));
                let texts: Vec<&str> = texts.map(|column| column.name.as_str()).take(8).collect();
                let names = if texts.is_empty() { "none".to_owned() } else { texts.join(", ") };
                let message = format!(
                    "no column of {} is clearly the token's {what}: specify it; its text columns are {}",
                    info.name, names
                );
                self.add_mismatch(field, message);
            }
        }
        None
    }
}

fn column(field: &FieldInfo) -> Column {
    Column { name: field.name.clone(), kind: field.kind }
}
