//! Tokens of which only the username is known.
//!
//! If the portal user may not read the list and the response to a request contains no id, the username is used as the
//! id. When the list becomes readable, the token's row has the real id.

use crate::api::Reason;
use crate::domain::model::token::{RowQuery, TokenRef, TokenRow};
use crate::portal::thinkwise::discovery::interface::{TaskCall, TokenTable};
use crate::portal::thinkwise::interface_cache::CachedInterface;
use crate::portal::thinkwise::odata::ids;
use crate::portal::thinkwise::{Delivery, PortalError, ThinkwisePortal};

/// The rows of this username, with the username as id, as they are recorded. A portal may compare case-insensitively.
pub(crate) fn rows_named(rows: Vec<TokenRow>, username: &str) -> Vec<TokenRow> {
    let ours = rows.into_iter().filter(|row| ids::same_username(&row.token.username, username));
    let named = |row| TokenRow { token: TokenRef { id: username.to_owned(), username: username.to_owned() }, ..row };
    ours.map(named).collect()
}

impl ThinkwisePortal {
    /// The token with the id to call a task with, which may not be the recorded one.
    ///
    /// # Errors
    /// `Delivery::NotSent`: if the list, the only source of the id, does not contain the token or cannot be read.
    pub(crate) async fn lookup_id(
        &self,
        cached: &CachedInterface,
        task: &TaskCall,
        token: &TokenRef,
    ) -> Result<TokenRef, PortalError> {
        let readable = cached.interface.table.as_ref().filter(|_| cached.list_denied.is_none());
        let Some(table) = readable.filter(|table| needs_lookup(table, task, token)) else {
            return Ok(token.clone());
        };
        let rows = self.query(table, &RowQuery::WithUsername(token.username.clone())).await;
        let mut ours = rows
            .map_err(|failure| PortalError { delivery: Delivery::NotSent, ..failure })?
            .into_iter()
            .filter(|row| ids::same_username(&row.token.username, &token.username));
        match (ours.next(), ours.next()) {
            (Some(row), None) => Ok(TokenRef { id: row.token.id, username: token.username.clone() }),
            (None, _) => Err(lookup_error(&format!("the portal's list has no row of the token {}", token.username))),
            (Some(_), Some(_)) => Err(lookup_error(&format!(
                "the portal's list has several tokens with the username {}, and the id of ours is unknown: revoke it manually",
                token.username
            ))),
        }
    }
}

fn needs_lookup(table: &TokenTable, task: &TaskCall, token: &TokenRef) -> bool {
    token.is_identified_by_username() && !table.is_named_by_username() && task.needs_id()
}

fn lookup_error(message: &str) -> PortalError {
    PortalError::new(Delivery::NotSent, Reason::RequestRejected, message)
}
