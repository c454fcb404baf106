//! Checks that the Secret can be written, and reserves it, before a token is requested.

use super::{RequestTokenTransition, RequestingToken, Stage};
use crate::domain::actions::{Outcome, Transition, from_response};
use crate::domain::model::issuer::IssuerInfo;
use crate::domain::model::problem::messages::{
    secret_changed_by_admission, secret_created_immutable, secret_created_with_other_type, secret_rejected,
};
use crate::domain::model::pull_secret::{MAX_NAME_BYTES, Provenance, Reservation, SecretMeta, StoredToken};
use crate::domain::model::token::TokenRef;
use crate::domain::observed::Observed;
use crate::domain::protocol::{Request, Response, SecretContent, SecretWrite};

impl RequestingToken {
    /// A token that could not be stored is not requested: quota, admission, permissions and name are checked first, by
    /// the creation of the Secret or by a dry run of the commit.
    pub(crate) fn check_secret(self, observed: &Observed) -> RequestTokenTransition {
        if observed.secret.is_some() {
            self.transition_to(Request::ReadContent, Stage::ReadingSecret)
        } else {
            self.reserve(observed)
        }
    }

    /// Runs a dry run of the commit at its maximum size.
    pub(crate) fn dry_run_commit(self, observed: &Observed) -> RequestTokenTransition {
        let id = "0".repeat(MAX_NAME_BYTES);
        let portal = observed.issuer_info().map(IssuerInfo::portal_hash).unwrap_or_default();
        let now = observed.now.as_second();
        let origin = Provenance { portal, requested_at: now, expires_at: Some(now), previous_id: Some(id.clone()) };
        let token = TokenRef { id: id.clone(), username: "0".repeat(MAX_NAME_BYTES) };
        let signature =
            observed.issuer_info().map(|issuer| observed.sign_stored(&issuer.portal, &token)).unwrap_or_default();
        let stored = StoredToken {
            attempt_id: self.attempt_id.clone(),
            id,
            request_cause: self.request_cause.clone(),
            provenance: origin,
            signature,
        };
        self.transition_to(Request::DryRunCommit(Box::new(stored)), Stage::DryRunning)
    }

    fn is_reserved_in(&self, meta: &SecretMeta) -> bool {
        meta.owned_and_labeled
            && meta.reservation.as_ref().is_some_and(|reservation| reservation.attempt_id == self.attempt_id)
    }

    pub(crate) fn reserve(self, observed: &Observed) -> RequestTokenTransition {
        let reservation = Reservation { attempt_id: self.attempt_id.clone(), identity: observed.identity.clone() };
        let create = observed.secret.is_none();
        self.transition_to(Request::WriteSecret(SecretWrite::Reserve(reservation)), Stage::Reserving { create })
    }

    pub(crate) fn reserved(self, create: bool, response: Response) -> RequestTokenTransition {
        match response {
            // The effects of admission on the Secret are known before a token exists.
            Response::Secret(Some(meta)) if create && !self.is_reserved_in(&meta) => {
                self.clear_reservation(Outcome::Failed(secret_changed_by_admission()))
            }
            Response::Secret(Some(_)) => self.transition_to(Request::ReadIssuer, Stage::ReadingIssuer),
            Response::Content(Some(found)) if found.1 == SecretContent::WrongType => {
                self.clear_reservation(Outcome::Failed(secret_created_with_other_type()))
            }
            Response::Content(Some(_)) => self.clear_reservation(Outcome::Failed(secret_created_immutable())),
            Response::WriteRejected(message) => Transition::Done(Outcome::Failed(secret_rejected(&message))),
            // A Secret of this name exists, but is not in the cache.
            Response::Conflict if create => self.transition_to(Request::ReadSecret, Stage::ReadingConflict),
            other => Transition::Done(from_response(other)),
        }
    }
}
