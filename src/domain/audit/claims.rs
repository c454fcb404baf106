//! What accounts for a marked token: reservations, stored tokens, statuses, and releases to a user.

use super::{AuditedSecret, AuditedToken};
use crate::domain::model::marker::{Marker, Nonce};
use crate::domain::model::token::{TokenRef, TokenRow, same_id};
use std::collections::{HashMap, HashSet};

/// Everything that accounts for a marked token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    reserved: HashSet<Nonce>,
    stored: HashMap<Nonce, String>,
    recorded: HashSet<TokenRef>,
}

impl Claims {
    /// Collects the claims of Secrets and objects. A Secret makes a claim for each object to which it may belong, by
    /// label, by owner reference and by name, so that removing one of them makes no running attempt a suspect. It makes
    /// no claim for a deleted object, whose tokens are to be revoked too.
    #[must_use]
    pub fn collect(secrets: &[AuditedSecret], objects: &[AuditedToken]) -> Self {
        let mut claims = Self::default();
        let mut by_secret: HashMap<(&str, &str), Vec<&str>> = HashMap::new();
        let alive: HashSet<&str> = objects.iter().map(|object| object.uid.as_str()).collect();
        for object in objects {
            by_secret.entry((&object.namespace, &object.secret)).or_default().push(&object.uid);
            claims.recorded.extend(object.tokens.iter().cloned());
        }
        for secret in secrets {
            claims.reserved.extend(secret.orphaned_markers.iter().cloned());
            let named = by_secret.get(&(secret.namespace.as_str(), secret.name.as_str()));
            let claimants = secret.owner_uids.iter().map(String::as_str).filter(|uid| alive.contains(uid));
            for uid in claimants.chain(named.into_iter().flatten().copied()) {
                claims.reserved.extend(secret.reserved.as_ref().map(|attempt| Nonce::of(uid, attempt)));
                let stored = secret.stored.as_ref().map(|(attempt, id)| (Nonce::of(uid, attempt), id.clone()));
                claims.stored.extend(stored);
            }
        }
        claims
    }

    /// Whether a marked token is accounted for. One attempt has one token: a second token with the same marker is
    /// orphaned.
    #[must_use]
    pub fn accounts_for(&self, row: &TokenRow, marker: &Marker) -> bool {
        let (token, nonce) = (&row.token, marker.nonce());
        // A token that was requested while the list was hidden may be known by its username only.
        let by_name = TokenRef { id: token.username.clone(), ..token.clone() };
        let stored = self.stored.get(nonce).is_some_and(|id| same_id(id, &token.id) || *id == token.username);
        stored || self.reserved.contains(nonce) || [token, &by_name].iter().any(|one| self.recorded.contains(*one))
    }
}
