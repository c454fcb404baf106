//! The audit of one issuer's portal: which of the tokens that it lists were asked for by us and
//! belong to nobody. Pure, as the passes are.
//!
//! A token is revoked here only if it bears this issuer's mark, and reads begun after it was seen,
//! past every cache, **Secrets first, then objects**, find its nonce in no Secret, and its name in no
//! status; and if its row, read once more after that, still bears the mark. In this order, since a token moves from a Secret's reservation over its `stored` mark
//! into the status: read the other way round, it could be missed in both.

use self::inventory::Inventory;
use super::model::marker::{AttemptId, Marker, Nonce};
use super::model::problem::Problem;
use super::model::token::same_id;
use super::protocol::{Named, Row};
use jiff::Timestamp;
use std::collections::{HashMap, HashSet};

/// An object of the issuer, as far as an audit looks at it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AuditedToken {
    /// Its UID.
    pub uid: String,
    /// Its namespace.
    pub namespace: String,
    /// Name of its Secret.
    pub secret: String,
    /// The tokens that its own status names, the current one first.
    pub tokens: Vec<Named>,
    /// When the current one was requested.
    pub requested_at: Option<Timestamp>,
    /// As which portal user.
    pub portal_user: Option<String>,
}

/// A Secret, as far as an audit looks at it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AuditedSecret {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The UIDs that its label and its controller reference name.
    pub owner_uids: Vec<String>,
    /// The attempt that is reserved in it.
    pub reserved: Option<AttemptId>,
    /// The attempt whose token is stored in it, with that token's id.
    pub stored: Option<(AttemptId, String)>,
    /// Marks left to a user.
    pub orphaned_markers: Vec<Nonce>,
}

/// Everything that explains a marked token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    reserved: HashSet<Nonce>,
    stored: HashMap<Nonce, String>,
    recorded: HashSet<Named>,
}

impl Claims {
    /// Puts together what Secrets and objects say. A Secret speaks for each object that it may
    /// belong to: by label, by controller and by name, so that stripping one of them makes no
    /// running attempt a suspect. It speaks for no object that is gone: what that one asked for goes too.
    #[must_use]
    pub fn collect(holders: &[AuditedSecret], owners: &[AuditedToken]) -> Self {
        let mut known = Self::default();
        let mut by_secret: HashMap<(&str, &str), Vec<&str>> = HashMap::new();
        let alive: HashSet<&str> = owners.iter().map(|owner| owner.uid.as_str()).collect();
        for owner in owners {
            by_secret.entry((&owner.namespace, &owner.secret)).or_default().push(&owner.uid);
            known.recorded.extend(owner.tokens.iter().cloned());
        }
        for holder in holders {
            known.reserved.extend(holder.orphaned_markers.iter().cloned());
            let named = by_secret.get(&(holder.namespace.as_str(), holder.name.as_str()));
            let claims = holder.owner_uids.iter().map(String::as_str).filter(|uid| alive.contains(uid));
            for uid in claims.chain(named.into_iter().flatten().copied()) {
                known.reserved.extend(holder.reserved.as_ref().map(|attempt| Nonce::of(uid, attempt)));
                let stored = holder.stored.as_ref().map(|(attempt, id)| (Nonce::of(uid, attempt), id.clone()));
                known.stored.extend(stored);
            }
        }
        known
    }

    /// Whether a marked token is accounted for. One attempt has one token: another with the mark of a
    /// stored one is nobody's.
    #[must_use]
    pub fn accounts_for(&self, row: &Row, marker: &Marker) -> bool {
        let (token, nonce) = (&row.token, marker.nonce());
        // What was asked for while the list was hidden may be known by its username only.
        let by_name = Named { id: token.username.clone(), ..token.clone() };
        let stored = self.stored.get(nonce).is_some_and(|id| same_id(id, &token.id) || *id == token.username);
        stored || self.reserved.contains(nonce) || [token, &by_name].iter().any(|one| self.recorded.contains(*one))
    }
}

/// What an audit asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum AuditRequest {
    /// The portal's complete list.
    ReadPortalList,
    /// The issuer's objects, past every cache.
    ListObjects,
    /// The Secrets with our label, past every cache, and these by name.
    ListSecrets(Vec<(String, String)>),
    /// The row of a suspect, once more.
    ReadRow(Named),
    /// Revoke a token.
    Revoke(Named),
}

/// What an audit is told.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "there is one at a time")]
pub enum AuditResponse {
    /// The list, and what the caches know.
    PortalList(Inventory, Claims),
    /// The issuer's objects.
    Objects(Vec<AuditedToken>),
    /// The Secrets.
    Secrets(Vec<AuditedSecret>),
    /// The row, if there is one.
    Row(Option<Row>),
    /// It is done.
    Done,
    /// It did not succeed.
    Failed(Problem),
}

/// What the driver does next.
#[derive(Clone, Debug, PartialEq)]
pub enum AuditStep {
    /// Perform this and bring the answer.
    Perform(AuditRequest),
    /// It is over.
    Done(Result<AuditReport, Problem>),
}

/// What an audit found.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditReport {
    /// The portal's list.
    pub inventory: Inventory,
    /// Tokens that belonged to nobody, and were revoked.
    pub revoked: usize,
    /// Those that were to be revoked, and could not be.
    pub failed: Option<FailedRevocations>,
}

/// Tokens that belong to nobody and could not be revoked, or looked at once more before that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedRevocations {
    /// How many.
    pub count: usize,
    /// Why the first one could not.
    pub fault: Problem,
}

/// An audit under way.
#[derive(Clone, Debug, PartialEq)]
pub struct PortalAudit {
    inventory: Option<Inventory>,
    orphans: Vec<(Row, Marker)>,
    revoked: usize,
    failed: Option<FailedRevocations>,
    stage: Stage,
}

#[derive(Clone, Debug, PartialEq)]
enum Stage {
    ReadingPortalList,
    /// The objects' names, to find Secrets that lost their label.
    ListingSecretNames,
    ReadingSecrets,
    ReadingObjects {
        secrets: Vec<AuditedSecret>,
    },
    /// A suspect whose mark was taken off meanwhile was left to its user.
    RecheckingRow,
    Revoking,
}

impl PortalAudit {
    /// Begins with the portal's list.
    #[must_use]
    pub const fn begin() -> (Self, AuditStep) {
        let audit =
            Self { inventory: None, orphans: vec![], revoked: 0, failed: None, stage: Stage::ReadingPortalList };
        (audit, AuditStep::Perform(AuditRequest::ReadPortalList))
    }

    /// Takes the answer to what was to be done.
    #[must_use]
    pub fn step(mut self, answer: AuditResponse) -> (Self, AuditStep) {
        match (std::mem::replace(&mut self.stage, Stage::Revoking), answer) {
            (Stage::ReadingPortalList, AuditResponse::PortalList(mut inventory, cached)) => {
                let suspect = |(row, marker): &(Row, Marker)| !cached.accounts_for(row, marker);
                self.orphans = inventory.take_marked().into_iter().filter(suspect).collect();
                self.inventory = Some(inventory);
                if self.orphans.is_empty() {
                    self.finish()
                } else {
                    self.request(AuditRequest::ListObjects, Stage::ListingSecretNames)
                }
            }
            (Stage::ListingSecretNames, AuditResponse::Objects(owners)) => {
                let names = owners.into_iter().map(|owner| (owner.namespace, owner.secret)).collect();
                self.request(AuditRequest::ListSecrets(names), Stage::ReadingSecrets)
            }
            (Stage::ReadingSecrets, AuditResponse::Secrets(holders)) => {
                self.request(AuditRequest::ListObjects, Stage::ReadingObjects { secrets: holders })
            }
            (Stage::ReadingObjects { secrets: holders }, AuditResponse::Objects(owners)) => {
                let known = Claims::collect(&holders, &owners);
                self.orphans.retain(|(row, marker)| !known.accounts_for(row, marker));
                self.revoke_next()
            }
            (Stage::RecheckingRow, AuditResponse::Row(row)) => self.row_read(row),
            (Stage::Revoking, AuditResponse::Done) => {
                self.revoked += 1;
                self.orphans.pop();
                self.revoke_next()
            }
            (Stage::RecheckingRow | Stage::Revoking, AuditResponse::Failed(fault)) => self.skip_failed(fault),
            (_, AuditResponse::Failed(fault)) => (self, AuditStep::Done(Err(fault))),
            // An answer to another question: nothing is concluded from it.
            (_, _) => self.finish(),
        }
    }

    fn request(mut self, request: AuditRequest, stage: Stage) -> (Self, AuditStep) {
        self.stage = stage;
        (self, AuditStep::Perform(request))
    }

    fn revoke_next(self) -> (Self, AuditStep) {
        match self.orphans.last().map(|(row, _)| row.token.clone()) {
            Some(token) => self.request(AuditRequest::ReadRow(token), Stage::RecheckingRow),
            None => self.finish(),
        }
    }

    fn row_read(mut self, row: Option<Row>) -> (Self, AuditStep) {
        let still = self.orphans.last().is_some_and(|(suspect, marker)| {
            row.is_some_and(|row| row.token == suspect.token && marker.is_in(&row.description))
        });
        match self.orphans.last() {
            Some((row, _)) if still => {
                let token = row.token.clone();
                self.request(AuditRequest::Revoke(token), Stage::Revoking)
            }
            _ => {
                self.orphans.pop();
                self.revoke_next()
            }
        }
    }

    /// A suspect stays until the next audit. What the list says of all others is true nevertheless; and
    /// where it is not this one alone that the portal refuses, the rest is not tried either.
    fn skip_failed(mut self, fault: Problem) -> (Self, AuditStep) {
        let others = fault.reason.affects_whole_portal();
        let count = if others { self.orphans.len() } else { 1 };
        self.orphans.truncate(self.orphans.len() - count);
        let left = self.failed.get_or_insert(FailedRevocations { count: 0, fault });
        left.count += count;
        self.revoke_next()
    }

    fn finish(mut self) -> (Self, AuditStep) {
        let Some(inventory) = self.inventory.take() else {
            return (
                self,
                AuditStep::Done(Err(super::model::problem::messages::api_server_unavailable(
                    "the portal's list was not read",
                ))),
            );
        };
        let (revoked, left) = (self.revoked, self.failed.take());
        (self, AuditStep::Done(Ok(AuditReport { inventory, revoked, failed: left })))
    }
}

pub mod inventory;
pub mod login_audit;
pub(crate) mod subjects;
#[cfg(test)]
#[path = "tests.rs"]
mod tests;
