//! Tokens that status names without a valid MAC: another user wrote them, or the key that signed them is lost.
//!
//! They are neither edited nor revoked. If the object is older than the keys, such a token may be the operator's own,
//! signed with a lost key. It could leak, so it is reported until the user confirms that it is revoked.

use super::object::Object;
use super::problem::Problem;
use crate::api::{CONFIRMED_REVOKED_ANNOTATION, Reason, RecordedToken, RetiringToken};
use crate::domain::model::token::TokenRef;

/// The tokens that a status names without proof.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UnverifiedTokens {
    /// The current token.
    pub token: Option<RecordedToken>,
    pub retiring: Vec<RetiringToken>,
}

impl UnverifiedTokens {
    /// Returns all of them, the current one first.
    #[must_use]
    pub fn tokens(&self) -> Vec<TokenRef> {
        self.token.iter().map(TokenRef::from).chain(self.retiring.iter().map(TokenRef::from)).collect()
    }

    /// Returns those that the user has not confirmed as revoked.
    #[must_use]
    pub fn unconfirmed(&self, object: &Object) -> Vec<TokenRef> {
        let mut open = self.tokens();
        open.retain(|token| !object.confirmed_revoked.contains(&token.id));
        open
    }

    /// Returns the ids of retiring tokens that the user has confirmed as revoked: they are no longer reported.
    #[must_use]
    pub fn confirmed(&self, object: &Object) -> Vec<String> {
        let ids = self.retiring.iter().map(|token| token.id.clone());
        ids.filter(|id| object.confirmed_revoked.contains(id)).collect()
    }

    /// Returns the problem to report for retiring tokens.
    #[must_use]
    pub fn retiring_problem(&self, object: &Object) -> Option<Problem> {
        let mut open: Vec<TokenRef> = self.retiring.iter().map(TokenRef::from).collect();
        open.retain(|token| !object.confirmed_revoked.contains(&token.id));
        unverified_problem(&open)
    }

    /// Returns why an object that is being deleted is kept: one of the tokens may be its own, and would leak.
    #[must_use]
    pub fn deletion_problem(&self, object: &Object) -> Option<Problem> {
        unverified_problem(&self.unconfirmed(object))
            .filter(|_| object.revoke_on_deletion && may_be_from_lost_key(object))
    }
}

/// Whether tokens without proof may have been signed with a lost key: the object is older than the keys. Otherwise they
/// must be forged.
#[must_use]
pub fn may_be_from_lost_key(object: &Object) -> bool {
    object.created <= object.keys.created()
}

/// Returns the problem to report for tokens without proof.
#[must_use]
pub fn unverified_problem(tokens: &[TokenRef]) -> Option<Problem> {
    if tokens.is_empty() {
        return None;
    }
    let list = |each: fn(&TokenRef) -> String| tokens.iter().map(each).collect::<Vec<_>>().join(",");
    let (named, ids) = (list(|token| format!("{} (id {})", token.username, token.id)), list(|token| token.id.clone()));
    let message = format!(
        "the status names tokens without a valid proof that they belong to this object: {named}. They are neither edited nor revoked. If they are this object's own, revoke them in the portal; then annotate this object with {CONFIRMED_REVOKED_ANNOTATION}={ids}"
    );
    Some(Problem { reason: Reason::TokenUnverified, message, terminal: true })
}

#[cfg(test)]
#[path = "unverified_tokens_tests.rs"]
mod tests;
