//! Reads the portal's `$metadata`: the tables and tasks that the portal user may see, with their types.
//!
//! `<base>/$metadata` is a CSDL document that lists what is visible to the caller (documented).

mod builder;
mod catalog;
mod csdl;
mod error;
mod parse;
mod read;
mod staged;
mod table_index;

pub use self::error::MetadataError;
pub use catalog::{Catalog, FieldInfo, Invocation, InvocationForm, TableInfo, TaskInfo};
