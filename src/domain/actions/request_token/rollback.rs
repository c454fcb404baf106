//! The way back from an attempt: the reservation goes, and with it whatever was made.

use super::{BASE_WAIT, MAX_TRIES, RequestTokenTransition, RequestingToken, Stage};
use crate::domain::actions::{Outcome, Transition, from_response};
use crate::domain::model::problem::Problem;
use crate::domain::model::problem::messages::{api_server_unavailable, secret_rejected};
use crate::domain::model::pull_secret::SecretMeta;
use crate::domain::model::status_view::status_view;
use crate::domain::observed::Observed;
use crate::domain::protocol::{Named, Request, Response, Rows, SecretWrite};

/// The way back: what is still to be done, in this order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rollback {
    stage: RollbackStage,
    /// Seek what the portal may have made.
    query_rows: bool,
    /// What is to be revoked.
    to_revoke: Vec<Named>,
    tries: u8,
    /// Why the reservation could not be taken back, the last time that was tried.
    rejection: Option<Problem>,
    outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RollbackStage {
    RequestingAudit,
    ClearingReservation,
    ReadingSecret,
    QueryingRows,
    /// Whether the object names what was committed after all.
    ReadingObject,
    Backoff,
    Revoking,
}

impl Rollback {
    const fn new(at: RollbackStage, outcome: Outcome) -> Self {
        Self { stage: at, query_rows: false, to_revoke: vec![], tries: MAX_TRIES, rejection: None, outcome }
    }
}

impl RequestingToken {
    /// Nothing was made: the reservation alone goes.
    pub(crate) fn clear_reservation(self, outcome: Outcome) -> RequestTokenTransition {
        self.advance_rollback(Rollback::new(RollbackStage::ClearingReservation, outcome))
    }

    /// Something may have been made: the reservation goes first, so that no commit of this attempt
    /// can succeed any more; then it is sought. What the portal does later than that, an audit finds.
    pub(crate) fn revoke_possible(self, outcome: Outcome) -> RequestTokenTransition {
        self.advance_rollback(Rollback { query_rows: true, ..Rollback::new(RollbackStage::RequestingAudit, outcome) })
    }

    /// A token in hand that is not to be stored.
    pub(crate) fn revoke_new(self, token: Named, outcome: Outcome) -> RequestTokenTransition {
        self.advance_rollback(Rollback {
            to_revoke: vec![token],
            ..Rollback::new(RollbackStage::ClearingReservation, outcome)
        })
    }

    /// Tokens that the Secret names no more. One that was committed, and adopted by another operator, may have been
    /// rotated away since: then the object names it.
    pub(crate) fn revoke_unrecorded(self, revoke: Vec<Named>, outcome: Outcome) -> RequestTokenTransition {
        self.advance_rollback(Rollback { to_revoke: revoke, ..Rollback::new(RollbackStage::ReadingObject, outcome) })
    }

    fn advance_rollback(self, back: Rollback) -> RequestTokenTransition {
        let request = match back.stage {
            RollbackStage::RequestingAudit => Request::RequestAudit,
            RollbackStage::ClearingReservation => Request::WriteSecret(SecretWrite::ClearReservation),
            // Seeking is asked for by the caller, which knows the mark.
            RollbackStage::ReadingSecret | RollbackStage::QueryingRows => Request::ReadSecret,
            RollbackStage::ReadingObject => Request::ReadObject,
            RollbackStage::Backoff => Request::Sleep(BASE_WAIT * 2),
            RollbackStage::Revoking => match back.to_revoke.last() {
                Some(token) => Request::Revoke(token.clone()),
                None => return Transition::Done(back.outcome),
            },
        };
        self.transition_to(request, Stage::RollingBack(back))
    }

    pub(crate) fn rollback_response(
        self,
        observed: &Observed,
        mut back: Rollback,
        answer: Response,
    ) -> RequestTokenTransition {
        match (back.stage, answer) {
            (RollbackStage::RequestingAudit, _) => {
                self.advance_rollback(Rollback { stage: RollbackStage::ClearingReservation, ..back })
            }
            (RollbackStage::ClearingReservation, Response::Secret(_)) => self.reservation_cleared(observed, back),
            (RollbackStage::ClearingReservation, other) => {
                let refusal = match other {
                    Response::WriteRejected(message) => Some(secret_rejected(&message)),
                    Response::OutcomeUnknown(message) => Some(api_server_unavailable(&message)),
                    _ => None,
                };
                self.advance_rollback(Rollback { stage: RollbackStage::ReadingSecret, rejection: refusal, ..back })
            }
            (RollbackStage::ReadingSecret, Response::Secret(found)) => {
                self.reservation_not_cleared(back, found.as_deref())
            }
            (RollbackStage::QueryingRows, Response::Rows(rows)) => {
                back.to_revoke.extend(rows.into_iter().map(|row| row.token));
                self.advance_rollback(Rollback { stage: RollbackStage::Revoking, ..back })
            }
            (RollbackStage::ReadingObject, Response::Object(Some(object))) => {
                let named = status_view(&object).tokens();
                back.to_revoke.retain(|token| !named.contains(token));
                self.advance_rollback(Rollback { stage: RollbackStage::Revoking, ..back })
            }
            // It may have been left to its user: what is, an audit can tell.
            (RollbackStage::ReadingObject, Response::Object(None)) => match observed.issuer_info() {
                Some(facts) if !facts.list_visible && observed.object.revoke_on_deletion => {
                    self.advance_rollback(Rollback { stage: RollbackStage::Revoking, ..back })
                }
                _ => self.leave_to_audit(back),
            },
            (RollbackStage::ReadingObject, _) if back.tries > 0 => {
                self.advance_rollback(Rollback { stage: RollbackStage::Backoff, tries: back.tries - 1, ..back })
            }
            (RollbackStage::Backoff, _) => {
                self.advance_rollback(Rollback { stage: RollbackStage::ReadingObject, ..back })
            }
            // The audit that was asked for seeks it again.
            (RollbackStage::QueryingRows, other) => Transition::Done(from_response(other)),
            (RollbackStage::Revoking, Response::Done) => {
                back.to_revoke.pop();
                self.advance_rollback(back)
            }
            (RollbackStage::Revoking, _) if back.to_revoke.is_empty() => Transition::Done(back.outcome),
            (RollbackStage::ReadingSecret | RollbackStage::ReadingObject | RollbackStage::Revoking, _) => {
                self.leave_to_audit(back)
            }
        }
    }

    /// The reservation could not be taken back, or nobody knows whether it was.
    fn reservation_not_cleared(self, back: Rollback, found: Option<&SecretMeta>) -> RequestTokenTransition {
        let stored = found.and_then(|meta| meta.stored.as_ref());
        if stored.is_some_and(|stored| stored.attempt_id == self.attempt_id) {
            // Whoever made it has committed meanwhile.
            return Transition::Done(Outcome::RequeueSoon);
        }
        let reserved = found.and_then(|meta| meta.reservation.as_ref());
        match (reserved.is_some_and(|reservation| reservation.attempt_id == self.attempt_id), back.tries) {
            // Somebody else took it back, or committed and has gone on since: then its token may be one
            // that retires. What it made is left to the audit that is asked for.
            (false, _) if back.query_rows => Transition::Done(back.outcome),
            (false, _) => self.advance_rollback(Rollback { stage: RollbackStage::ReadingObject, ..back }),
            // The next pass sees our reservation, and takes it out. Where that is not allowed, that is what
            // stands in the way now, whatever did before.
            (true, 0) => Transition::Done(back.rejection.map_or(back.outcome, Outcome::Failed)),
            (true, tries) => {
                self.advance_rollback(Rollback { stage: RollbackStage::ClearingReservation, tries: tries - 1, ..back })
            }
        }
    }

    fn reservation_cleared(self, observed: &Observed, back: Rollback) -> RequestTokenTransition {
        match observed.issuer_info().filter(|facts| back.query_rows && facts.list_visible) {
            Some(facts) => {
                let marker = observed.marker(facts, &self.attempt_id);
                self.transition_to(
                    Request::QueryRows(Rows::WithMarker(marker)),
                    Stage::RollingBack(Rollback { stage: RollbackStage::QueryingRows, ..back }),
                )
            }
            None => self.advance_rollback(Rollback { stage: RollbackStage::Revoking, ..back }),
        }
    }

    /// What was made bears its mark, so the audit that is asked for now revokes it.
    fn leave_to_audit(self, back: Rollback) -> RequestTokenTransition {
        self.transition_to(
            Request::RequestAudit,
            Stage::RollingBack(Rollback { stage: RollbackStage::Revoking, to_revoke: vec![], ..back }),
        )
    }
}
