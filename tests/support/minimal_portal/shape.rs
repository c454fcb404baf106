//! How a portal publishes its table and tasks.

/// The form of all three tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ShapeForm {
    #[default]
    Unbound,
    /// In one request.
    Bound,
    /// In three requests.
    Staged,
}

/// Whether a task starts a process flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ShapeFlow {
    #[default]
    None,
    /// 204 and no outputs.
    Ends,
    /// 201, and the outputs are in the resource in `Location`.
    Waits,
    /// 201, and the outputs are in the response that finishes it.
    WaitsThenReturns,
}

/// The type of the tokens' ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ShapeKey {
    #[default]
    Integer,
    Guid,
    /// More digits than a float can represent.
    Decimal,
    /// With every character that needs escaping.
    Text,
}

/// Whether the operator's user sees the table of tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ShapeList {
    #[default]
    Visible,
    /// In `$metadata`, and not readable.
    Forbidden,
    /// Not even in `$metadata`.
    Absent,
}

/// One possible portal.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a trait of its own")]
pub struct Shape {
    pub form: ShapeForm,
    pub flow: ShapeFlow,
    pub key: ShapeKey,
    pub list: ShapeList,
    /// The key also has a customer's id.
    pub composite: bool,
    /// The response to the request contains the token's id.
    pub with_id: bool,
    /// Edit and revocation take the username.
    pub by_username: bool,
    /// A commit returns 204, and the staged resource shows the outputs.
    pub silent_commit: bool,
    /// `Location` is absolute.
    pub absolute: bool,
    /// A flow is finished by a commit, and has no `continue`.
    pub flow_commits: bool,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            form: ShapeForm::default(),
            flow: ShapeFlow::default(),
            key: ShapeKey::default(),
            list: ShapeList::default(),
            composite: false,
            with_id: true,
            by_username: false,
            silent_commit: false,
            absolute: false,
            flow_commits: false,
        }
    }
}

pub const CUSTOMER: i64 = 42;

impl Shape {
    /// A token's id in JSON.
    pub fn id(&self, number: i64) -> serde_json::Value {
        match self.key {
            ShapeKey::Integer => number.into(),
            ShapeKey::Decimal => (9_007_199_254_740_992 + number).into(),
            ShapeKey::Guid => format!("0f8fad5b-d9cb-469f-a165-{number:012x}").into(),
            ShapeKey::Text => format!("o'x/é +{number}").into(),
        }
    }

    /// A token's id in an address, decoded.
    pub fn literal(&self, number: i64) -> String {
        match self.id(number) {
            serde_json::Value::String(text) if self.key == ShapeKey::Text => format!("'{}'", text.replace('\'', "''")),
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        }
    }

    /// The text in the parentheses of a token's row, decoded.
    pub fn row(&self, number: i64) -> String {
        let id = self.literal(number);
        if self.composite { format!("klant_id={CUSTOMER},token_id={id}") } else { id }
    }

    /// The number of the token with this id.
    pub fn number(&self, id: &serde_json::Value) -> Option<i64> {
        (1..100_000).find(|number| self.id(*number) == *id)
    }
}
