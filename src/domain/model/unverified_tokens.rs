//! Tokens that status names without a valid MAC: somebody wrote them there, or the key that signed them is lost.
//!
//! They are neither edited nor revoked. Of an object that is older than the keys one may be the operator's own, signed
//! with a key that was lost: then it could leak, so it is reported until its user says that it is revoked.

use super::object::Object;
use super::problem::Problem;
use crate::api::{CONFIRMED_REVOKED_ANNOTATION, Reason, RecordedToken, RetiringToken};
use crate::domain::protocol::Named;

/// What a status names without proof.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UnverifiedTokens {
    /// As the current token.
    pub token: Option<RecordedToken>,
    /// As former ones.
    pub retiring: Vec<RetiringToken>,
}

impl UnverifiedTokens {
    /// Every one of them: the current one first.
    #[must_use]
    pub fn tokens(&self) -> Vec<Named> {
        self.token.iter().map(Named::from).chain(self.retiring.iter().map(Named::from)).collect()
    }

    /// Those that its user does not call revoked.
    #[must_use]
    pub fn unconfirmed(&self, object: &Object) -> Vec<Named> {
        let mut open = self.tokens();
        open.retain(|token| !object.confirmed_revoked.contains(&token.id));
        open
    }

    /// Former ones that its user calls revoked, by id: they are no longer reported.
    #[must_use]
    pub fn confirmed(&self, object: &Object) -> Vec<String> {
        let ids = self.retiring.iter().map(|token| token.id.clone());
        ids.filter(|id| object.confirmed_revoked.contains(id)).collect()
    }

    /// What is said of former ones.
    #[must_use]
    pub fn retiring_problem(&self, object: &Object) -> Option<Problem> {
        let mut open: Vec<Named> = self.retiring.iter().map(Named::from).collect();
        open.retain(|token| !object.confirmed_revoked.contains(&token.id));
        unverified_problem(&open)
    }

    /// Why an object that is being deleted stays: one of them may be its own, and would leak.
    #[must_use]
    pub fn deletion_problem(&self, object: &Object) -> Option<Problem> {
        unverified_problem(&self.unconfirmed(object))
            .filter(|_| object.revoke_on_deletion && may_be_from_lost_key(object))
    }
}

/// Whether what the object names without proof may have been signed with a key that was lost: it was there before the
/// keys were. Else nobody but a forger can have written it.
#[must_use]
pub fn may_be_from_lost_key(object: &Object) -> bool {
    object.created <= object.keys.created()
}

/// What is said of tokens that are not proved.
#[must_use]
pub fn unverified_problem(tokens: &[Named]) -> Option<Problem> {
    if tokens.is_empty() {
        return None;
    }
    let list = |each: fn(&Named) -> String| tokens.iter().map(each).collect::<Vec<_>>().join(",");
    let (named, ids) = (list(|token| format!("{} (id {})", token.username, token.id)), list(|token| token.id.clone()));
    let message = format!(
        "the status names tokens without a valid proof that they belong to this object: {named}. They are neither edited nor revoked. If they are this object's own, revoke them in the portal; then annotate this object with {CONFIRMED_REVOKED_ANNOTATION}={ids}"
    );
    Some(Problem { reason: Reason::TokenUnverified, message, terminal: true })
}

#[cfg(test)]
#[path = "unverified_tokens_tests.rs"]
mod tests;
