//! The tables and tasks of a document.

use super::csdl::strip_task_prefix;
use crate::portal::thinkwise::odata::value_kind::ValueKind;
use std::sync::Arc;

/// Tables and tasks that the portal shows to its user.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    pub tables: Vec<TableInfo>,
    /// The tasks, with unique names.
    pub tasks: Vec<TaskInfo>,
}

#[derive(Clone, Debug)]
pub struct TableInfo {
    pub name: String,
    /// The columns of its key, in order.
    pub key: Arc<[FieldInfo]>,
    /// All of its columns, including those of the key. Tables of one type share them.
    pub columns: Arc<[FieldInfo]>,
}

#[derive(Clone, Debug)]
pub struct TaskInfo {
    /// Its name without the prefix `task_`.
    pub name: String,
    /// How it can be called, the most reliable first: unbound, then staged if that is declared (each step of it is
    /// documented), then bound to a row in one request.
    pub invocations: Vec<Invocation>,
}

/// One way to call a task.
#[derive(Clone, Debug)]
pub struct Invocation {
    pub form: InvocationForm,
    /// The table whose row it is bound to, if it is bound and the document names the table.
    pub table: Option<Arc<str>>,
    pub inputs: Arc<[FieldInfo]>,
    /// The outputs. Inputs may be among them, because they are echoed (documented).
    pub outputs: Arc<[FieldInfo]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InvocationForm {
    /// `POST <base>/<task>`
    Unbound,
    /// `POST <base>/<table>(<key>)/task_<task>/stage`, then set the parameters, then commit.
    Staged,
    /// `POST <base>/<table>(<key>)/task_<task>`
    Bound,
}

/// A column, a parameter or an output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldInfo {
    pub name: String,
    pub kind: ValueKind,
    pub required: bool,
    /// The maximum length of a text in characters.
    pub max_length: Option<usize>,
}

impl Catalog {
    #[must_use]
    pub fn table(&self, name: &str) -> Option<&TableInfo> {
        self.tables.iter().find(|table| table.name == name)
    }

    /// The task of this name, with or without the prefix `task_`.
    #[must_use]
    pub fn task(&self, name: &str) -> Option<&TaskInfo> {
        let bare = strip_task_prefix(name);
        let named = |wanted: &str| self.tasks.iter().find(|task| task.name == wanted);
        named(name).or_else(|| named(bare))
    }
}

impl TableInfo {
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&FieldInfo> {
        self.columns.iter().find(|column| column.name == name)
    }
}
