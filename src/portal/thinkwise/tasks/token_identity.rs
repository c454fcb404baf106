//! Identifies tokens for a later edit or revocation where no list shows them.

use super::outputs::missing_output;
use crate::domain::model::token::TokenRef;
use crate::portal::thinkwise::discovery::interface::{ArgumentSource, IdSource, Interface};
use crate::portal::thinkwise::{IssuedToken, PortalError};

/// Identifies an unusable token for its revocation, where no list shows it.
pub(crate) fn revocable_token(interface: &Interface, id: Option<String>, username: Option<String>) -> Option<TokenRef> {
    let revoke = &interface.revoke;
    if (revoke.needs_id() && id.is_none()) || (revoke.sends(&ArgumentSource::Username) && username.is_none()) {
        return None;
    }
    let token_id = id.or_else(|| username.clone())?;
    Some(TokenRef { id: token_id, username: username.unwrap_or_default() })
}

/// The token, if it can be identified later where no list shows its id.
///
/// # Errors
/// `Delivery::Unknown`, as for any response that lacks an output.
pub(crate) fn require_identity(interface: &Interface, token: IssuedToken) -> Result<IssuedToken, PortalError> {
    if token.id.is_some() {
        return Ok(token);
    }
    if interface.edit.needs_id() || interface.revoke.needs_id() {
        let field = match &interface.outputs.id {
            IdSource::Output(name) => name,
            IdSource::Username | IdSource::LookUp => &interface.outputs.username,
        };
        return Err(missing_output("id", field));
    }
    Ok(IssuedToken { id: Some(token.username.clone()), ..token })
}
