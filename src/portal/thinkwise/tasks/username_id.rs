//! Tokens of which only the username is known.
//!
//! Where our user may not read the list, and the answer to a request tells no id, the username stands for
//! the id. When the list can be read later, the token's row tells the real one.

use crate::api::Reason;
use crate::portal::thinkwise::discovery::cache::CachedInterface;
use crate::portal::thinkwise::discovery::interface::{TaskCall, TokenTable};
use crate::portal::thinkwise::odata::ids;
use crate::portal::thinkwise::{Delivery, PortalError, Rows, ThinkwisePortal, TokenRef, TokenRow};

/// The rows of this username, as they are known: by that. A portal may compare without regard to case.
pub(crate) fn rows_named(rows: Vec<TokenRow>, username: &str) -> Vec<TokenRow> {
    let ours = rows.into_iter().filter(|row| ids::same_username(&row.username, username));
    ours.map(|row| TokenRow { id: username.to_owned(), username: username.to_owned(), ..row }).collect()
}

impl ThinkwisePortal {
    /// The id to call a task with, where that is not the one that is recorded.
    ///
    /// # Errors
    /// `Sent::No`: when the list, which alone tells it, does not show the token, or cannot be read.
    pub(crate) async fn lookup_id(
        &self,
        cached: &CachedInterface,
        task: &TaskCall,
        token: TokenRef<'_>,
    ) -> Result<Option<String>, PortalError> {
        let readable = cached.interface.table.as_ref().filter(|_| cached.list_denied.is_none());
        let Some(table) = readable.filter(|table| needs_lookup(table, task, token)) else { return Ok(None) };
        let rows = self.query(table, Rows::OfUser(token.username)).await;
        let mut ours = rows
            .map_err(|failure| PortalError { delivery: Delivery::NotSent, ..failure })?
            .into_iter()
            .filter(|row| ids::same_username(&row.username, token.username));
        match (ours.next(), ours.next()) {
            (Some(row), None) => Ok(Some(row.id)),
            (None, _) => Err(lookup_error(&format!("the portal's list has no row of the token {}", token.username))),
            (Some(_), Some(_)) => Err(lookup_error(&format!(
                "the portal's list has several tokens of the name {}, and the id of ours is not known: revoke it by hand",
                token.username
            ))),
        }
    }
}

fn needs_lookup(table: &TokenTable, task: &TaskCall, token: TokenRef<'_>) -> bool {
    token.id == token.username && !table.is_named_by_username() && task.needs_id()
}

fn lookup_error(message: &str) -> PortalError {
    PortalError::new(Delivery::NotSent, Reason::RequestRejected, message)
}
