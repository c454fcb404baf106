//! How the operator finds out which tokens exist: from the portal's list, or by logins alone if the list is hidden.

use super::marker::Marker;
use super::token::{RowQuery, TokenRef};

/// A source of evidence about tokens. The actions ask it what to look up, and what a result proves.
pub trait Evidence {
    /// Returns the query for the tokens of one attempt, or `None` if they cannot be found.
    fn query_marked(&self, marker: Marker) -> Option<RowQuery>;

    /// Returns the query to make before a token is edited or revoked. `None`: the token is identified by id and
    /// username only.
    fn query_token(&self, token: &TokenRef) -> Option<RowQuery>;

    /// Returns the query that shows whose token a Secret stores. `None`: the operator's own record is trusted.
    fn query_stored(&self, id: &str) -> Option<RowQuery>;

    /// Whether markers can be read, so that an audit finds every token that the operator requested.
    fn shows_markers(&self) -> bool;

    /// Whether another portal user may see fewer tokens, so that its list proves no absence.
    fn depends_on_user(&self) -> bool;

    /// Whether only a login shows that a token was revoked. Then a rejection counts if it is repeated, because the
    /// registry may have failed temporarily, and an accepted login withdraws it.
    fn login_decides(&self) -> bool;
}

/// The portal lists its tokens.
#[derive(Clone, Copy, Debug)]
pub struct ByList;

impl Evidence for ByList {
    fn query_marked(&self, marker: Marker) -> Option<RowQuery> {
        Some(RowQuery::WithMarker(marker))
    }

    fn query_token(&self, token: &TokenRef) -> Option<RowQuery> {
        Some(token.row_query())
    }

    fn query_stored(&self, id: &str) -> Option<RowQuery> {
        Some(RowQuery::WithId(id.to_owned()))
    }

    fn shows_markers(&self) -> bool {
        true
    }

    fn depends_on_user(&self) -> bool {
        true
    }

    fn login_decides(&self) -> bool {
        false
    }
}

/// The portal hides its list from the portal user.
#[derive(Clone, Copy, Debug)]
pub struct ByLogin;

impl Evidence for ByLogin {
    fn query_marked(&self, _: Marker) -> Option<RowQuery> {
        None
    }

    fn query_token(&self, _: &TokenRef) -> Option<RowQuery> {
        None
    }

    fn query_stored(&self, _: &str) -> Option<RowQuery> {
        None
    }

    fn shows_markers(&self) -> bool {
        false
    }

    fn depends_on_user(&self) -> bool {
        false
    }

    fn login_decides(&self) -> bool {
        true
    }
}
