//! The kinds of values that OData writes differently.

/// The kind of a field's values, as far as it determines how a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    Integer,
    /// Another number.
    Decimal,
    /// True or false.
    Boolean,
    Guid,
    Text,
    /// A date, binary data or a structure: nothing that can be written in a key.
    Other,
}
