//! Before a token exists: what the Secret would refuse is tried, and the Secret is reserved.

use super::{RequestTokenTransition, RequestingToken, Stage};
use crate::domain::actions::{Outcome, Transition, from_response};
use crate::domain::model::problem::messages::{
    secret_changed_by_admission, secret_created_immutable, secret_created_with_other_type, secret_rejected,
};
use crate::domain::model::pull_secret::{MAX_NAME_BYTES, Provenance, Reservation, SecretMeta, StoredToken};
use crate::domain::observed::{IssuerInfo, Observed};
use crate::domain::protocol::{Named, Request, Response, SecretContent, SecretWrite};

impl RequestingToken {
    /// A token that could not be stored is not asked for: quota, admission, permissions and name
    /// are proved first, by the creation or by a dry run of the commit.
    pub(crate) fn check_secret(self, observed: &Observed) -> RequestTokenTransition {
        if observed.secret.is_some() {
            self.transition_to(Request::ReadContent, Stage::ReadingSecret)
        } else {
            self.reserve(observed)
        }
    }

    /// A dry run of the commit, at the largest size that it may have.
    pub(crate) fn dry_run_commit(self, observed: &Observed) -> RequestTokenTransition {
        let id = "0".repeat(MAX_NAME_BYTES);
        let portal = observed.issuer_info().map(IssuerInfo::portal_hash).unwrap_or_default();
        let origin = Provenance { portal, requested_at: observed.now.as_second(), previous_id: Some(id.clone()) };
        let token = Named { id: id.clone(), username: "0".repeat(MAX_NAME_BYTES) };
        let seal = observed.issuer_info().map(|facts| observed.sign_stored(&facts.portal, &token)).unwrap_or_default();
        let stored = StoredToken {
            attempt_id: self.attempt_id.clone(),
            id,
            request_cause: self.request_cause.clone(),
            provenance: origin,
            signature: seal,
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

    pub(crate) fn reserved(self, create: bool, answer: Response) -> RequestTokenTransition {
        match answer {
            // What admission made of the Secret is known before a token exists.
            Response::Secret(Some(meta)) if create && !self.is_reserved_in(&meta) => {
                self.clear_reservation(Outcome::Failed(secret_changed_by_admission()))
            }
            Response::Secret(Some(_)) => self.transition_to(Request::ReadIssuer, Stage::ReadingIssuer),
            Response::Content(Some(found)) if found.1 == SecretContent::WrongType => {
                self.clear_reservation(Outcome::Failed(secret_created_with_other_type()))
            }
            Response::Content(Some(_)) => self.clear_reservation(Outcome::Failed(secret_created_immutable())),
            Response::WriteRejected(message) => Transition::Done(Outcome::Failed(secret_rejected(&message))),
            // There is a Secret of that name that our cache does not show.
            Response::Conflict if create => self.transition_to(Request::ReadSecret, Stage::ReadingConflict),
            other => Transition::Done(from_response(other)),
        }
    }
}
