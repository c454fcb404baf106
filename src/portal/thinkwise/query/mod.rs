//! Queries of the portal's tables: their URLs, and the pages of the response.

pub(crate) mod page;
pub(crate) mod query_url;
#[cfg(test)]
mod tests;
