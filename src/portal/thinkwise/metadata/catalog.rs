//! The document as tables and tasks.

use super::csdl::{Action, Csdl, Property};
use super::parse::{Malformed, parse};
use super::staged::{self, Tables};
use std::collections::BTreeMap;

/// Tables and tasks that the portal shows our user.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// The tables.
    pub tables: Vec<TableInfo>,
    /// The tasks, each name once.
    pub tasks: Vec<TaskInfo>,
}

/// A table.
#[derive(Clone, Debug)]
pub struct TableInfo {
    /// Its name.
    pub name: String,
    /// The columns of its key, in order.
    pub key: Vec<Field>,
    /// All of its columns, those of the key among them.
    pub columns: Vec<Field>,
}

/// A task.
#[derive(Clone, Debug)]
pub struct TaskInfo {
    /// Its name, without `task_` before it.
    pub name: String,
    /// How it can be called, the surest first: by its own name, then staged where that is declared (each step of
    /// it is documented), then at a row in one request.
    pub ways: Vec<Way>,
}

/// A way to call a task.
#[derive(Clone, Debug)]
pub struct Way {
    /// Its form.
    pub form: WayForm,
    /// The table whose row it is bound to, where it is bound and the document says to what.
    pub table: Option<String>,
    /// What it takes.
    pub inputs: Vec<Field>,
    /// What it gives. Inputs may be among them: they are echoed (documented).
    pub outputs: Vec<Field>,
}

/// The form of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WayForm {
    /// `POST <base>/<task>`
    Unbound,
    /// `POST <base>/<table>(<key>)/task_<task>/stage`, then fill, then commit.
    Staged,
    /// `POST <base>/<table>(<key>)/task_<task>`
    Bound,
}

/// A column, a parameter or an output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// It cannot be left out.
    pub required: bool,
    /// The longest text, in characters.
    pub max_length: Option<usize>,
}

/// What a field holds, as far as it decides how a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A whole number.
    Integer,
    /// Another number.
    Decimal,
    /// True or false.
    Boolean,
    /// A GUID.
    Guid,
    /// A text.
    Text,
    /// A date, binary data, a structure: nothing that is written as a key.
    Other,
}

impl Catalog {
    /// Reads a `$metadata` document.
    ///
    /// # Errors
    /// When it is not CSDL in XML, or larger or deeper than any that is meant.
    pub fn read(document: &[u8]) -> Result<Self, Malformed> {
        let csdl = parse(document)?;
        let tables = Tables::of(&csdl);
        let all = tables.all().map(|set| table(&csdl, &set.name, &set.of)).collect();
        let mut catalog = Self { tables: all, tasks: Vec::new() };
        unbound(&csdl, &mut catalog);
        staged::bound(&tables, &mut catalog);
        catalog.keep_what_can_be_named();
        for task in &mut catalog.tasks {
            task.ways.sort_by_key(|way| way.form);
        }
        Ok(catalog)
    }

    /// Names become parts of addresses and of messages: what has a name that no OData service may have is not there.
    fn keep_what_can_be_named(&mut self) {
        let key_can = |table: &TableInfo| table.key.iter().all(|column| is_identifier(&column.name));
        self.tables.retain(|table| is_identifier(&table.name) && key_can(table));
        for table in &mut self.tables {
            table.columns.retain(|column| is_identifier(&column.name));
        }
        for task in &mut self.tasks {
            // A parameter that cannot be named cannot be sent.
            task.ways.retain(|way| way.inputs.iter().all(|input| is_identifier(&input.name)));
            for way in &mut task.ways {
                way.outputs.retain(|output| is_identifier(&output.name));
            }
        }
        self.tasks.retain(|task| is_identifier(&task.name) && !task.ways.is_empty());
    }

    /// The table of this name.
    #[must_use]
    pub fn table(&self, name: &str) -> Option<&TableInfo> {
        self.tables.iter().find(|table| table.name == name)
    }

    /// The task of this name, with or without `task_` before it.
    #[must_use]
    pub fn task(&self, name: &str) -> Option<&TaskInfo> {
        let bare = staged::bare(name);
        let named = |wanted: &str| self.tasks.iter().find(|task| task.name == wanted);
        named(name).or_else(|| named(bare))
    }

    pub(super) fn add(&mut self, task: &str, way: Way) {
        match self.tasks.iter_mut().find(|known| known.name == task) {
            Some(known) if known.ways.iter().any(|one| one.form == way.form && one.table == way.table) => {}
            Some(known) => known.ways.push(way),
            None => self.tasks.push(TaskInfo { name: task.to_owned(), ways: vec![way] }),
        }
    }
}

impl TableInfo {
    /// The column of this name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Field> {
        self.columns.iter().find(|column| column.name == name)
    }
}

fn table(csdl: &Csdl, name: &str, of: &str) -> TableInfo {
    let columns: Vec<Field> = csdl.properties(of).into_iter().map(|property| field(csdl, property)).collect();
    let key = csdl.key(of);
    let key = key.iter().filter_map(|part| columns.iter().find(|column| column.name == *part).cloned()).collect();
    TableInfo { name: name.to_owned(), key, columns }
}

fn unbound(csdl: &Csdl, catalog: &mut Catalog) {
    let mut imports: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for import in &csdl.imports {
        imports.entry(csdl.qualified(&import.action)).or_default().push(&import.name);
    }
    for action in csdl.actions.iter().filter(|action| !action.bound) {
        // Without an import it is not callable by the letter of OData; that it is listed is taken as an offer.
        let own = [local(&action.name)];
        let names = imports.get(&action.name).map_or(&own[..], Vec::as_slice);
        for name in names {
            let way = Way {
                form: WayForm::Unbound,
                table: None,
                inputs: action.parameters.iter().map(|parameter| field(csdl, parameter)).collect(),
                outputs: returned(csdl, action),
            };
            catalog.add(name, way);
        }
    }
}

/// The properties of what an action returns.
pub(super) fn returned(csdl: &Csdl, action: &Action) -> Vec<Field> {
    let properties = action.returns.as_deref().map(|of| csdl.properties(of)).unwrap_or_default();
    properties.into_iter().map(|property| field(csdl, property)).collect()
}

/// A simple identifier of OData 4.0, in ASCII letters as the issuer's spec has them.
fn is_identifier(name: &str) -> bool {
    let begins = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    begins && name.len() <= 128 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// A name without its namespace.
pub(super) fn local(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(_, local)| local)
}

pub(super) fn field(csdl: &Csdl, property: &Property) -> Field {
    let kind = match csdl.underlying(&property.of).as_str() {
        "Edm.Byte" | "Edm.SByte" | "Edm.Int16" | "Edm.Int32" | "Edm.Int64" => Kind::Integer,
        "Edm.Decimal" | "Edm.Double" | "Edm.Single" => Kind::Decimal,
        "Edm.Boolean" => Kind::Boolean,
        "Edm.Guid" => Kind::Guid,
        "Edm.String" => Kind::Text,
        _ => Kind::Other,
    };
    let Property { name, required, max_length, .. } = property.clone();
    Field { name, kind, required, max_length }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_break_an_address_or_a_message_are_not_there() {
        let long = "x".repeat(129);
        for name in ["a b", "a/b", "a&amp;$top=1", "a'", "9a", "", "a&#10;b", "\u{202e}a", "gebruikers-naam", &long] {
            let text = format!(
                r#"<Edmx><DataServices><Schema Namespace="s"><EntityType Name="t"><Key><PropertyRef Name="id"/></Key>
                   <Property Name="id" Type="Edm.Int32"/><Property Name="{name}" Type="Edm.String"/></EntityType>
                   <Action Name="{name}"/><Action Name="f"><Parameter Name="{name}" Type="Edm.String"/></Action>
                   <EntityContainer Name="c"><EntitySet Name="t" EntityType="s.t"/><EntitySet Name="{name}" EntityType="s.t"/>
                   </EntityContainer></Schema></DataServices></Edmx>"#
            );
            let catalog = Catalog::read(text.as_bytes()).expect("a catalog");
            assert_eq!((catalog.tables.len(), catalog.tasks.len()), (1, 0), "{name}");
            assert_eq!(catalog.tables[0].columns.len(), 1, "{name}");
        }
    }
}
