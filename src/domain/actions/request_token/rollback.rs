//! Rollback of an attempt: clears the reservation and revokes any token that was created.

use super::{BASE_WAIT, MAX_TRIES, RequestTokenTransition, RequestingToken, Stage};
use crate::domain::actions::{Outcome, Transition, from_response};
use crate::domain::model::problem::Problem;
use crate::domain::model::problem::messages::{api_server_unavailable, secret_rejected};
use crate::domain::model::pull_secret::SecretMeta;
use crate::domain::model::status_view::StatusView;
use crate::domain::model::token::TokenRef;
use crate::domain::observed::Observed;
use crate::domain::protocol::{Request, Response, SecretWrite};

/// A rollback: its remaining steps, in this order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rollback {
    stage: RollbackStage,
    /// Look up tokens that the portal may have created.
    query_rows: bool,
    to_revoke: Vec<TokenRef>,
    tries: u8,
    /// Why the last attempt to clear the reservation failed.
    rejection: Option<Problem>,
    outcome: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RollbackStage {
    RequestingAudit,
    ClearingReservation,
    ReadingSecret,
    QueryingRows,
    /// Checks whether the object names the committed token after all.
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
    /// No token was created: only the reservation is cleared.
    pub(crate) fn clear_reservation(self, outcome: Outcome) -> RequestTokenTransition {
        self.advance_rollback(Rollback::new(RollbackStage::ClearingReservation, outcome))
    }

    /// A token may have been created: the reservation is cleared first, so that no commit of this attempt can succeed,
    /// and then the token is looked up. An audit finds what the portal creates later.
    pub(crate) fn revoke_possible(self, outcome: Outcome) -> RequestTokenTransition {
        self.advance_rollback(Rollback { query_rows: true, ..Rollback::new(RollbackStage::RequestingAudit, outcome) })
    }

    /// Revokes an uncommitted token that must not be stored.
    pub(crate) fn revoke_new(self, token: TokenRef, outcome: Outcome) -> RequestTokenTransition {
        self.advance_rollback(Rollback {
            to_revoke: vec![token],
            ..Rollback::new(RollbackStage::ClearingReservation, outcome)
        })
    }

    /// Revokes tokens that the Secret no longer names. A token that was committed, and adopted by another operator, may
    /// have been rotated out since: then the object names it.
    pub(crate) fn revoke_unrecorded(self, revoke: Vec<TokenRef>, outcome: Outcome) -> RequestTokenTransition {
        self.advance_rollback(Rollback { to_revoke: revoke, ..Rollback::new(RollbackStage::ReadingObject, outcome) })
    }

    fn advance_rollback(self, back: Rollback) -> RequestTokenTransition {
        let request = match back.stage {
            RollbackStage::RequestingAudit => Request::RequestAudit,
            RollbackStage::ClearingReservation => Request::WriteSecret(SecretWrite::ClearReservation),
            // The caller sends the query, since it knows the marker.
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
        response: Response,
    ) -> RequestTokenTransition {
        match (back.stage, response) {
            (RollbackStage::RequestingAudit, _) => {
                self.advance_rollback(Rollback { stage: RollbackStage::ClearingReservation, ..back })
            }
            (RollbackStage::ClearingReservation, Response::Secret(_)) => self.reservation_cleared(observed, back),
            (RollbackStage::ClearingReservation, other) => {
                let rejection = match other {
                    Response::WriteRejected(message) => Some(secret_rejected(&message)),
                    Response::OutcomeUnknown(message) => Some(api_server_unavailable(&message)),
                    _ => None,
                };
                self.advance_rollback(Rollback { stage: RollbackStage::ReadingSecret, rejection, ..back })
            }
            (RollbackStage::ReadingSecret, Response::Secret(found)) => {
                self.reservation_not_cleared(back, found.as_deref())
            }
            (RollbackStage::QueryingRows, Response::Rows(rows)) => {
                back.to_revoke.extend(rows.into_iter().map(|row| row.token));
                self.advance_rollback(Rollback { stage: RollbackStage::Revoking, ..back })
            }
            (RollbackStage::ReadingObject, Response::Object(Some(object))) => {
                let named = StatusView::of(&object).tokens();
                back.to_revoke.retain(|token| !named.contains(token));
                self.advance_rollback(Rollback { stage: RollbackStage::Revoking, ..back })
            }
            // The token may have been released to its user; an audit can tell.
            (RollbackStage::ReadingObject, Response::Object(None)) => match observed.issuer_info() {
                Some(issuer) if !issuer.evidence().shows_markers() && observed.object.revoke_on_deletion => {
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
            // The requested audit looks it up again.
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

    /// The reservation could not be cleared, or the outcome of the write is unknown.
    fn reservation_not_cleared(self, back: Rollback, found: Option<&SecretMeta>) -> RequestTokenTransition {
        let stored = found.and_then(|meta| meta.stored.as_ref());
        if stored.is_some_and(|stored| stored.attempt_id == self.attempt_id) {
            // The other operator has committed in the meantime.
            return Transition::Done(Outcome::RequeueSoon);
        }
        let reserved = found.and_then(|meta| meta.reservation.as_ref());
        match (reserved.is_some_and(|reservation| reservation.attempt_id == self.attempt_id), back.tries) {
            // Another operator cleared the reservation, or has committed and continued: its token may then be a
            // retiring one. Tokens of this attempt are left to the requested audit.
            (false, _) if back.query_rows => Transition::Done(back.outcome),
            (false, _) => self.advance_rollback(Rollback { stage: RollbackStage::ReadingObject, ..back }),
            // The next pass finds the reservation and clears it. If the API server rejects that, this is the problem to
            // report, whatever came before.
            (true, 0) => Transition::Done(back.rejection.map_or(back.outcome, Outcome::Failed)),
            (true, tries) => {
                self.advance_rollback(Rollback { stage: RollbackStage::ClearingReservation, tries: tries - 1, ..back })
            }
        }
    }

    fn reservation_cleared(self, observed: &Observed, back: Rollback) -> RequestTokenTransition {
        let query = observed
            .issuer_info()
            .filter(|_| back.query_rows)
            .and_then(|issuer| issuer.evidence().query_marked(observed.marker(issuer, &self.attempt_id)));
        match query {
            Some(query) => self.transition_to(
                Request::QueryRows(query),
                Stage::RollingBack(Rollback { stage: RollbackStage::QueryingRows, ..back }),
            ),
            None => self.advance_rollback(Rollback { stage: RollbackStage::Revoking, ..back }),
        }
    }

    /// Any token that was created has its marker, so the audit that is requested now revokes it.
    fn leave_to_audit(self, back: Rollback) -> RequestTokenTransition {
        self.transition_to(
            Request::RequestAudit,
            Stage::RollingBack(Rollback { stage: RollbackStage::Revoking, to_revoke: vec![], ..back }),
        )
    }
}
