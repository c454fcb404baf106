//! The resolved interface of one portal: names, types and forms, parsed once.

use super::metadata::InvocationForm;
use super::mismatch::FieldMismatch;
use crate::portal::thinkwise::odata::literal::Literal;
use crate::portal::thinkwise::odata::value_kind::ValueKind;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// How to use one portal.
#[derive(Clone, Debug, PartialEq)]
pub struct Interface {
    /// The table that lists the tokens, unless the portal user cannot see it.
    pub table: Option<TokenTable>,
    /// The maximum length of a description in characters; `None` means no limit.
    pub description_max: Option<usize>,
    /// *Request token*.
    pub request: TaskCall,
    /// The outputs of its response that contain the token.
    pub outputs: OutputNames,
    /// *Edit token description*.
    pub edit: TaskCall,
    /// *Revoke token*.
    pub revoke: TaskCall,
    /// All tables.
    pub tables: TableNames,
    /// Possible mistakes in the spec; human-readable.
    pub warnings: Vec<String>,
}

/// The hashed names of all tables: a resource with such a name is a row of data, and never deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableNames(Box<[u64]>);

impl TableNames {
    /// Hashes these names.
    pub fn from_names<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let mut hashes: Vec<u64> = names.map(hash).collect();
        hashes.sort_unstable();
        Self(hashes.into())
    }

    /// Whether a table may have this name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.0.binary_search(&hash(name)).is_ok()
    }
}

fn hash(name: &str) -> u64 {
    // The server may treat names as case-insensitive.
    let mut hasher = DefaultHasher::new();
    name.to_ascii_lowercase().hash(&mut hasher);
    hasher.finish()
}

/// The table that lists the tokens.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenTable {
    pub name: String,
    /// The column of the token's id.
    pub id: Column,
    /// The columns that have the same value for all tokens of the issuer.
    pub fixed: Vec<(String, Literal)>,
    /// Further columns of the key, whose values are read from a token's row.
    pub row_columns: Vec<Column>,
    /// The names of the key's columns, in its order.
    pub key: Vec<String>,
    pub username: String,
    pub description: String,
}

/// A column with the kind of its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub kind: ValueKind,
}

/// How to call a task.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskCall {
    /// Its name without the prefix `task_`.
    pub name: String,
    pub form: InvocationForm,
    /// The row that it is bound to, in the bound forms; a staged task may be unbound.
    pub row: Option<BoundTo>,
    /// The arguments, in the order in which they are sent.
    pub arguments: Vec<Argument>,
}

/// The row that a task is bound to.
#[derive(Clone, Debug, PartialEq)]
pub enum BoundTo {
    /// The same row for each call.
    Fixed { table: String, key: Vec<(String, Literal)> },
    /// The token's own row.
    Token,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Argument {
    /// The parameter's name.
    pub name: String,
    pub kind: ValueKind,
    pub source: ArgumentSource,
}

/// The source of a parameter's value.
#[derive(Clone, Debug, PartialEq)]
pub enum ArgumentSource {
    /// The token's description.
    Description,
    TokenId,
    /// The token's username.
    Username,
    /// The same value for each call.
    Fixed(Literal),
}

/// The outputs of the response to a request that contain the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputNames {
    pub username: String,
    pub secret: String,
    pub id: IdSource,
}

/// The source of a new token's id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdSource {
    /// An output of this name.
    Output(String),
    /// The username is the id.
    Username,
    /// The list, where the token is found by its marker.
    LookUp,
}

impl TaskCall {
    pub(crate) fn sends(&self, source: &ArgumentSource) -> bool {
        self.arguments.iter().any(|argument| argument.source == *source)
    }

    /// Whether the call contains the token's id.
    pub(crate) fn needs_id(&self) -> bool {
        self.sends(&ArgumentSource::TokenId) || self.is_of_token()
    }

    fn is_of_token(&self) -> bool {
        self.row == Some(BoundTo::Token)
    }
}

impl TokenTable {
    /// Whether the username is the token's id.
    #[must_use]
    pub fn is_named_by_username(&self) -> bool {
        self.id.name == self.username
    }
}

impl Interface {
    /// The kind of a token's id: that of the table's key column, or else of the parameter for the id.
    #[must_use]
    pub fn id_kind(&self) -> ValueKind {
        let sent = [&self.revoke, &self.edit].into_iter().flat_map(|task| &task.arguments);
        let parameter =
            || sent.clone().find(|argument| argument.source == ArgumentSource::TokenId).map(|sent| sent.kind);
        let column = self.table.as_ref().map(|table| table.id.kind);
        column.or_else(parameter).unwrap_or(ValueKind::Other)
    }

    /// Adapts the interface to a list that cannot be read.
    ///
    /// # Errors
    /// If a token could then be requested, but not be identified to edit or revoke it.
    pub fn without_list(mut self) -> Result<Self, FieldMismatch> {
        let by_username = self.table.as_ref().is_some_and(TokenTable::is_named_by_username);
        let tasks = [&self.edit, &self.revoke];
        let needs_id = tasks.iter().any(|task| task.needs_id()) && !by_username;
        let reads_row = tasks.iter().any(|task| task.is_of_token());
        if reads_row && self.table.as_ref().is_none_or(|table| !table.row_columns.is_empty()) {
            return Err(FieldMismatch::new(
                "spec.thinkwise.table",
                "the edit or revocation task is bound to the token's row, which the portal user may not read: grant the user access to the table",
            ));
        }
        match &self.outputs.id {
            IdSource::Output(_) => {}
            _ if needs_id => {
                return Err(FieldMismatch::new(
                    "spec.thinkwise.tasks.request.outputs.id",
                    "the token's id is needed to revoke it, but the list is not visible and no output is known to contain it: \
                     grant the user access to the table, specify the output, or use parameters from: Username",
                ));
            }
            _ => self.outputs.id = IdSource::Username,
        }
        Ok(self)
    }
}
