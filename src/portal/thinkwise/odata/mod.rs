//! OData: addresses, literals, and JSON without losing a digit.

pub(crate) mod address;
pub(crate) mod ids;
pub(crate) mod json;
pub(crate) mod json_fields;
pub(crate) mod literal;
pub(crate) mod number;
pub(crate) mod value_kind;
