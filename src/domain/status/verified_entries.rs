//! The proofs in a status: an entry that is proved when it is read stays proved when it is written.

use super::StatusContext;
use crate::api::{RecordedPortal, RegistryTokenStatus};
use crate::domain::model::status_view::verified_secret_uid;
use crate::domain::model::token::TokenRef;
use crate::domain::model::token_mac::{MacSubject, TokenRole};

/// The entries of a status that are proved. Only those are signed; entries that others wrote stay unchanged.
#[derive(Default)]
pub(super) struct VerifiedEntries {
    /// The current token.
    pub current: bool,
    /// Retiring tokens, by id.
    pub retiring: Vec<String>,
    /// The Secret's UID.
    pub secret: bool,
}

impl VerifiedEntries {
    /// Determines the proved entries by their MACs.
    pub fn of(status: &RegistryTokenStatus, context: &StatusContext<'_>) -> Self {
        let secret = verified_secret_uid(status, context.uid, context.keys).is_some();
        let Some(portal) = &status.portal else { return Self { secret, ..Self::default() } };
        let valid = |token: &TokenRef, role, mac: Option<&String>| {
            mac.is_some_and(|mac| context.keys.verify(MacSubject::of(context.uid, portal, token), role, mac))
        };
        let current = status.token.as_ref();
        let former = status.retiring.iter();
        Self {
            secret,
            current: current.is_some_and(|token| valid(&TokenRef::from(token), TokenRole::Current, token.mac.as_ref())),
            retiring: former
                .filter(|token| valid(&TokenRef::from(*token), TokenRole::Retiring, token.mac.as_ref()))
                .map(|token| token.id.clone())
                .collect(),
        }
    }

    /// Whether the retiring token with this id is proved.
    pub fn is_retiring(&self, id: &str) -> bool {
        self.retiring.iter().any(|known| known == id)
    }

    /// Whether no token is proved.
    pub const fn is_empty(&self) -> bool {
        !self.current && self.retiring.is_empty()
    }

    /// Signs the proved entries, with the current signing key and for the recorded portal.
    pub fn sign(&self, status: &mut RegistryTokenStatus, context: &StatusContext<'_>) {
        if let Some(secret) = status.secret.as_mut().filter(|_| self.secret) {
            secret.mac = secret.uid.as_ref().map(|uid| context.keys.sign_secret(context.uid, uid));
        }
        let Some(portal) = status.portal.clone() else { return };
        let sign = |token: &TokenRef, role| Some(sign_token(context, &portal, token, role));
        if let Some(token) = status.token.as_mut().filter(|_| self.current) {
            token.mac = sign(&TokenRef::from(&*token), TokenRole::Current);
        }
        for token in status.retiring.iter_mut().filter(|token| self.is_retiring(&token.id)) {
            token.mac = sign(&TokenRef::from(&*token), TokenRole::Retiring);
        }
    }
}

fn sign_token(context: &StatusContext<'_>, portal: &RecordedPortal, token: &TokenRef, role: TokenRole) -> String {
    context.keys.sign(MacSubject::of(context.uid, portal, token), role)
}
