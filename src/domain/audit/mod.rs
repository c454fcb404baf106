//! Audits one issuer's portal: finds listed tokens that the operator requested and that no object or Secret accounts
//! for. It is pure, like a pass.
//!
//! A token is revoked only if all of these hold: it has this issuer's marker; live reads that started after it was
//! listed, **Secrets first, then objects**, find its nonce in no Secret and its name in no status; and its row, read
//! once more after that, still contains the marker. The order matters, because a token moves from a Secret's
//! reservation to its `stored` annotation and then to the status: with the opposite order, both reads could miss it.

pub use self::claims::Claims;

use self::inventory::Inventory;
use super::model::marker::{AttemptId, Marker, Nonce};
use super::model::problem::Problem;
use super::model::token::{TokenRef, TokenRow};
use jiff::Timestamp;
use std::collections::HashSet;

/// An object of the issuer, as an audit needs it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AuditedToken {
    pub uid: String,
    pub namespace: String,
    /// Name of its Secret.
    pub secret: String,
    /// Tokens that its own status names, the current one first.
    pub tokens: Vec<TokenRef>,
    /// When the current token was requested.
    pub requested_at: Option<Timestamp>,
    /// Portal user that requested the current token.
    pub portal_user: Option<String>,
}

/// A Secret, as an audit needs it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AuditedSecret {
    pub namespace: String,
    pub name: String,
    /// UIDs in its label and in its owner references.
    pub owner_uids: Vec<String>,
    pub reserved: Option<AttemptId>,
    /// The attempt of the stored token, and the id of that token.
    pub stored: Option<(AttemptId, String)>,
    /// Markers of tokens that were released to a user.
    pub orphaned_markers: Vec<Nonce>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum AuditRequest {
    /// Read the portal's complete list.
    ReadPortalList,
    /// List the issuer's objects live.
    ListObjects,
    /// List the Secrets with the owner label live, and read these by name.
    ListSecrets(Vec<(String, String)>),
    /// Read the row of a suspect once more.
    ReadRow(TokenRef),
    Revoke(TokenRef),
}

/// The result of an audit request.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "only one exists at a time")]
pub enum AuditResponse {
    /// The list, and the claims known from the caches.
    PortalList(Inventory, Claims),
    /// The issuer's objects.
    Objects(Vec<AuditedToken>),
    Secrets(Vec<AuditedSecret>),
    /// The row, if it exists.
    Row(Option<TokenRow>),
    /// The request succeeded.
    Done,
    Failed(Problem),
}

/// The next step of the driver.
#[derive(Clone, Debug, PartialEq)]
pub enum AuditStep {
    /// Perform this request and pass on the response.
    Perform(AuditRequest),
    /// The audit has ended.
    Done(Result<AuditReport, Problem>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct AuditReport {
    /// The portal's list.
    pub inventory: Inventory,
    /// Number of orphaned tokens that were revoked.
    pub revoked: usize,
    /// Orphaned tokens that could not be revoked.
    pub failed: Option<FailedRevocations>,
}

/// Orphaned tokens that could not be revoked, or whose row could not be read again before the revocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedRevocations {
    /// Number of tokens.
    pub count: usize,
    /// Why the first one failed.
    pub fault: Problem,
}

#[derive(Clone, Debug, PartialEq)]
pub struct PortalAudit {
    inventory: Option<Inventory>,
    orphans: Vec<(TokenRow, Marker)>,
    revoked: usize,
    failed: Option<FailedRevocations>,
    stage: Stage,
}

#[derive(Clone, Debug, PartialEq)]
enum Stage {
    ReadingPortalList,
    /// Lists the names of the objects' Secrets, to find Secrets that lost their label.
    ListingSecretNames,
    ReadingSecrets {
        /// The objects before that.
        before: Vec<AuditedToken>,
    },
    ReadingObjects {
        before: Vec<AuditedToken>,
        secrets: Vec<AuditedSecret>,
    },
    /// Reads the suspect's row again: if its marker was removed in the meantime, the token was released to its user.
    RecheckingRow,
    Revoking,
}

impl PortalAudit {
    /// Starts by reading the portal's list.
    #[must_use]
    pub const fn begin() -> (Self, AuditStep) {
        let audit =
            Self { inventory: None, orphans: vec![], revoked: 0, failed: None, stage: Stage::ReadingPortalList };
        (audit, AuditStep::Perform(AuditRequest::ReadPortalList))
    }

    /// Handles the response to the pending request.
    #[must_use]
    pub fn step(mut self, response: AuditResponse) -> (Self, AuditStep) {
        match (std::mem::replace(&mut self.stage, Stage::Revoking), response) {
            (Stage::ReadingPortalList, AuditResponse::PortalList(mut inventory, cached)) => {
                let suspect = |(row, marker): &(TokenRow, Marker)| !cached.accounts_for(row, marker);
                self.orphans = inventory.take_marked().into_iter().filter(suspect).collect();
                self.inventory = Some(inventory);
                if self.orphans.is_empty() {
                    self.finish()
                } else {
                    self.request(AuditRequest::ListObjects, Stage::ListingSecretNames)
                }
            }
            (Stage::ListingSecretNames, AuditResponse::Objects(objects)) => {
                let names = objects.iter().map(|object| (object.namespace.clone(), object.secret.clone())).collect();
                self.request(AuditRequest::ListSecrets(names), Stage::ReadingSecrets { before: objects })
            }
            (Stage::ReadingSecrets { before }, AuditResponse::Secrets(secrets)) => {
                self.request(AuditRequest::ListObjects, Stage::ReadingObjects { before, secrets })
            }
            (Stage::ReadingObjects { before, secrets }, AuditResponse::Objects(objects)) => {
                let claims = Claims::collect(&secrets, &objects);
                if self.was_claimed_by_deleted(before, &claims, &secrets, &objects) {
                    return self.request(AuditRequest::ListObjects, Stage::ListingSecretNames);
                }
                self.orphans.retain(|(row, marker)| !claims.accounts_for(row, marker));
                self.revoke_next()
            }
            (Stage::RecheckingRow, AuditResponse::Row(row)) => self.row_read(row),
            (Stage::Revoking, AuditResponse::Done) => {
                self.revoked += 1;
                self.orphans.pop();
                self.revoke_next()
            }
            (Stage::RecheckingRow | Stage::Revoking, AuditResponse::Failed(problem)) => self.skip_failed(problem),
            (_, AuditResponse::Failed(problem)) => (self, AuditStep::Done(Err(problem))),
            // A response to another request: nothing is concluded from it.
            (_, _) => self.finish(),
        }
    }

    /// Whether an object that was deleted during the reads claimed a suspect. It may have released that token to its user, which
    /// its Secret records since. So everything is read again. That ends, because an object is deleted only once.
    fn was_claimed_by_deleted(
        &self,
        mut before: Vec<AuditedToken>,
        claims: &Claims,
        secrets: &[AuditedSecret],
        objects: &[AuditedToken],
    ) -> bool {
        let alive: HashSet<&str> = objects.iter().map(|object| object.uid.as_str()).collect();
        before.retain(|object| !alive.contains(object.uid.as_str()));
        if before.is_empty() {
            return false;
        }
        let former = Claims::collect(secrets, &before);
        let claimed = |claims: &Claims, (row, marker): &(TokenRow, Marker)| claims.accounts_for(row, marker);
        self.orphans.iter().any(|suspect| claimed(&former, suspect) && !claimed(claims, suspect))
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

    fn row_read(mut self, row: Option<TokenRow>) -> (Self, AuditStep) {
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

    /// Keeps the suspect for the next audit. The list stays valid for all other tokens. If the failure affects the
    /// whole portal, the remaining suspects are skipped too.
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

mod claims;
pub mod inventory;
pub mod login_audit;
pub mod missing_tokens;
pub(crate) mod subjects;
#[cfg(test)]
mod tests;
