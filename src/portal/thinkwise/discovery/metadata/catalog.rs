//! The document as tables and tasks.

use super::builder::Builder;
use super::error::MetadataError;
use super::parse::parse;
use super::staged;
use std::sync::Arc;

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
    pub key: Arc<[FieldInfo]>,
    /// All of its columns, those of the key among them. Tables of one type share them.
    pub columns: Arc<[FieldInfo]>,
}

/// A task.
#[derive(Clone, Debug)]
pub struct TaskInfo {
    /// Its name, without `task_` before it.
    pub name: String,
    /// How it can be called, the surest first: by its own name, then staged where that is declared (each step of
    /// it is documented), then at a row in one request.
    pub invocations: Vec<Invocation>,
}

/// A way to call a task.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// Its form.
    pub form: InvocationForm,
    /// The table whose row it is bound to, where it is bound and the document says to what.
    pub table: Option<Arc<str>>,
    /// What it takes.
    pub inputs: Arc<[FieldInfo]>,
    /// What it gives. Inputs may be among them: they are echoed (documented).
    pub outputs: Arc<[FieldInfo]>,
}

/// The form of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InvocationForm {
    /// `POST <base>/<task>`
    Unbound,
    /// `POST <base>/<table>(<key>)/task_<task>/stage`, then fill, then commit.
    Staged,
    /// `POST <base>/<table>(<key>)/task_<task>`
    Bound,
}

/// A column, a parameter or an output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldInfo {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: ValueKind,
    /// It cannot be left out.
    pub required: bool,
    /// The longest text, in characters.
    pub max_length: Option<usize>,
}

/// What a field holds, as far as it decides how a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
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
    /// When it is not CSDL in XML, deeper than any that is meant, or declares more than the operator keeps.
    pub fn read(document: &[u8]) -> Result<Self, MetadataError> {
        let csdl = parse(document)?;
        let mut builder = Builder::new(&csdl);
        builder.add_tables()?;
        builder.add_unbound_tasks()?;
        staged::add_bound_tasks(&mut builder)?;
        Ok(builder.finish())
    }

    /// The table of this name.
    #[must_use]
    pub fn table(&self, name: &str) -> Option<&TableInfo> {
        self.tables.iter().find(|table| table.name == name)
    }

    /// The task of this name, with or without `task_` before it.
    #[must_use]
    pub fn task(&self, name: &str) -> Option<&TaskInfo> {
        let bare = staged::strip_task_prefix(name);
        let named = |wanted: &str| self.tasks.iter().find(|task| task.name == wanted);
        named(name).or_else(|| named(bare))
    }
}

impl TableInfo {
    /// The column of this name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&FieldInfo> {
        self.columns.iter().find(|column| column.name == name)
    }
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
