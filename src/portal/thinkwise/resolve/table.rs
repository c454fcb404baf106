//! The table that lists the tokens.

use super::Resolver;
use super::problem::{listed, nearest as hint};
use crate::api::{KeyColumn, Table};
use crate::portal::thinkwise::find::{self, Choice, Meaning, Pick, choose, id_column, nearest, pick};
use crate::portal::thinkwise::interface::{Column, TokenTable};
use crate::portal::thinkwise::literal::Literal;
use crate::portal::thinkwise::metadata::{Field, Kind, TableInfo};

const NAME: &str = "spec.thinkwise.table.name";
const KEY: &str = "spec.thinkwise.table.key";

pub(super) enum Found {
    /// With the longest description that its column takes.
    Known(TokenTable, Option<usize>),
    /// Our user sees none, and the spec asks for none.
    Hidden,
    /// There are problems.
    Broken,
}

impl Resolver<'_> {
    pub(super) fn table(&mut self) -> Found {
        let info = match self.table_info() {
            Ok(Some(info)) => info,
            Ok(None) => return Found::Hidden,
            Err(()) => return Found::Broken,
        };
        let spec = self.spec.table.clone().unwrap_or_default();
        let key = self.key(&info, &spec);
        let columns = spec.columns.unwrap_or_default();
        let username = self.column(&info, columns.username, "username", Meaning::Username, None);
        let taken = username.as_ref().map(|field| field.name.clone());
        let description =
            self.column(&info, columns.description, "description", Meaning::Description, taken.as_deref());
        let (Some((id, fixed)), Some(username), Some(description)) = (key, username, description) else {
            return Found::Broken;
        };
        let mut names: Vec<String> = info.key.iter().map(|column| column.name.clone()).collect();
        if names.is_empty() {
            names = fixed.iter().map(|(name, _)| name).chain([&id.name]).cloned().collect();
        }
        let is_known = |name: &String| *name == id.name || fixed.iter().any(|(column, _)| column == name);
        let others = info.key.iter().filter(|column| !is_known(&column.name));
        let others: Vec<Column> = others.map(column).collect();
        if others.iter().any(|other| !self.is_key(other, KEY)) {
            return Found::Broken;
        }
        let table = TokenTable {
            name: info.name.clone(),
            id,
            fixed,
            others,
            key: names,
            username: username.name,
            description: description.name,
        };
        Found::Known(table, description.max_length)
    }

    /// `Ok(None)` where there is none, and none is asked for.
    fn table_info(&mut self) -> Result<Option<TableInfo>, ()> {
        let names = || self.catalog.tables.iter().map(|table| table.name.as_str());
        if let Some(name) = self.spec.table.as_ref().and_then(|table| table.name.as_deref()) {
            if let Some(table) = self.catalog.table(name) {
                return Ok(Some(table.clone()));
            }
            let near = hint(&nearest(name, names()));
            self.problem(NAME, format!(
                "$metadata shows our user no table {name}{near}. Correct the name; or the user's role does not include it: then leave out spec.thinkwise.table"
            ));
            return Err(());
        }
        let candidates = find::tables(self.catalog);
        match choose(&candidates) {
            Choice::Clear(best) => Ok(self.catalog.table(&best.name).cloned()),
            Choice::Tie(names) => {
                self.problem(
                    NAME,
                    format!("the table of tokens may be {}: name the one that is meant", listed(&names, " or ")),
                );
                Err(())
            }
            Choice::None if self.spec.table.is_none() => Ok(None),
            Choice::None => {
                let near = hint(&candidates.iter().take(3).map(|one| one.name.as_str()).collect::<Vec<_>>());
                self.problem(NAME, format!("no table of $metadata is clearly that of the tokens{near}: name it; or the user's role does not include it"));
                Err(())
            }
        }
    }

    /// The id's column, and those with a fixed value.
    fn key(&mut self, info: &TableInfo, spec: &Table) -> Option<(Column, Vec<(String, Literal)>)> {
        match &spec.key {
            Some(pinned) => self.pinned_key(info, pinned),
            None => self.found_key(info),
        }
    }

    fn found_key(&mut self, info: &TableInfo) -> Option<(Column, Vec<(String, Literal)>)> {
        let mut fixed = vec![];
        for field in info.key.iter() {
            if let Some(value) = self.value(&field.name) {
                fixed.push((field.name.clone(), self.literal(&column(field), value)?));
            }
        }
        let names: Vec<&str> = fixed.iter().map(|(name, _)| name.as_str()).collect();
        let says = match id_column(info, &names) {
            Pick::One(found) => return Some(column(found)).filter(|id| self.is_key(id, KEY)).map(|id| (id, fixed)),
            Pick::Several(names) => {
                format!("the token's id may be {}: name its column with from: TokenID", listed(&names, " or "))
            }
            Pick::Missing => {
                format!("no key column of {} is clearly the token's id: name it with from: TokenID", info.name)
            }
        };
        self.problem(KEY, says);
        None
    }

    fn pinned_key(&mut self, info: &TableInfo, pinned: &[KeyColumn]) -> Option<(Column, Vec<(String, Literal)>)> {
        let (mut id, mut fixed, mut whole) = (None, Vec::new(), true);
        for part in pinned {
            let Some(found) = self.named(info, &part.column, KEY) else {
                whole = false;
                continue;
            };
            let found = column(found);
            match &part.value {
                None => id = Some(found).filter(|id| self.is_key(id, KEY)),
                Some(value) => match self.literal(&found, value) {
                    Some(literal) => fixed.push((found.name, literal)),
                    None => whole = false,
                },
            }
        }
        id.filter(|_| whole).map(|id| (id, fixed))
    }

    fn literal(&mut self, column: &Column, value: &str) -> Option<Literal> {
        if !self.is_key(column, KEY) {
            return None;
        }
        let literal = Literal::parse(column.kind, value);
        literal.map_err(|error| self.problem(KEY, format!("the value of {} {error}", column.name))).ok()
    }

    /// Whether a column can stand in a key's address.
    pub(super) fn is_key(&mut self, column: &Column, field: &str) -> bool {
        let fits = !matches!(column.kind, Kind::Boolean | Kind::Other);
        if !fits {
            self.problem(
                field,
                format!(
                    "the column {} is neither number, GUID nor text: the operator cannot write it as a key",
                    column.name
                ),
            );
        }
        fits
    }

    pub(super) fn named<'t>(&mut self, info: &'t TableInfo, name: &str, field: &str) -> Option<&'t Field> {
        let found = info.column(name);
        if found.is_none() {
            let near = hint(&nearest(name, info.columns.iter().map(|column| column.name.as_str())));
            self.problem(
                field,
                format!("the table {} has no column {name}{near}; or the user's role does not include it", info.name),
            );
        }
        found
    }

    fn column(
        &mut self,
        info: &TableInfo,
        pinned: Option<String>,
        what: &str,
        meaning: Meaning,
        taken: Option<&str>,
    ) -> Option<Field> {
        let field = format!("spec.thinkwise.table.columns.{what}");
        if let Some(name) = pinned {
            return self.named(info, &name, &field).cloned();
        }
        let taken: Vec<&str> = taken.into_iter().collect();
        match pick(&*info.columns, meaning, &taken) {
            Pick::One(found) => return Some(found.clone()),
            Pick::Several(names) => {
                self.problem(
                    field,
                    format!(
                        "the token's {what} may be {} of {}: name the one that is meant",
                        listed(&names, " or "),
                        info.name
                    ),
                );
            }
            Pick::Missing => {
                let texts = info
                    .columns
                    .iter()
                    .filter(|column| column.kind == Kind::Text && !taken.contains(&column.name.as_str()));
                let texts: Vec<&str> = texts.map(|column| column.name.as_str()).take(8).collect();
                let known = if texts.is_empty() { "none".to_owned() } else { texts.join(", ") };
                let says = format!(
                    "no column of {} is clearly the token's {what}: name it; its texts are {}",
                    info.name, known
                );
                self.problem(field, says);
            }
        }
        None
    }
}

fn column(field: &Field) -> Column {
    Column { name: field.name.clone(), kind: field.kind }
}
