//! OData: addresses, literals, queries and pages of rows.

pub(crate) mod address;
pub(crate) mod ids;
pub(crate) mod json;
pub(crate) mod json_fields;
pub(crate) mod list_budget;
pub(crate) mod literal;
pub(crate) mod number;
pub(crate) mod query;
pub(crate) mod rows;
pub(crate) mod value_kind;
