//! The id of a new token, where the response lacks it: the portal's list has it, with the marker.

use super::{BASE_WAIT, RequestTokenTransition, RequestingToken, Stage};
use crate::domain::actions::Outcome;
use crate::domain::model::problem::messages::outcome_unknown;
use crate::domain::observed::Observed;
use crate::domain::protocol::{Request, Response};
use std::time::Duration;

/// How often the id of a new token is looked up: the portal's list may lag by seconds. Each delay is four times the
/// previous one, 21 s in total. The token's password is available only now, and is lost if the token is given up.
pub(super) const MAX_LOOKUPS: u8 = 4;

impl RequestingToken {
    pub(super) fn look_up_id(self, observed: &Observed, username: String, left: u8) -> RequestTokenTransition {
        let query = observed
            .issuer_info()
            .and_then(|issuer| issuer.evidence().query_marked(observed.marker(issuer, &self.attempt_id)));
        match query {
            Some(query) => self.transition_to(Request::QueryRows(query), Stage::LookingUpId { username, left }),
            // Without an id the token could not be revoked later.
            None => self.revoke_possible(Outcome::Failed(outcome_unknown())),
        }
    }

    /// Whether the response deadline has passed: another operator would then consider the reservation abandoned.
    pub(super) fn is_overdue(&self, observed: &Observed) -> bool {
        let age = Duration::try_from(observed.now.duration_since(self.requested_at)).unwrap_or_default();
        observed.issuer_info().is_none_or(|issuer| age >= issuer.response_deadline)
    }

    pub(super) fn rows_found(
        self,
        observed: &Observed,
        username: String,
        left: u8,
        response: Response,
    ) -> RequestTokenTransition {
        let rows = match response {
            Response::Rows(rows) => rows,
            Response::UnusableToken { token, problem } => return self.revoke_new(token, Outcome::Failed(problem)),
            _ => vec![],
        };
        let login_shared = observed.issuer_info().is_some_and(|issuer| issuer.login_shared);
        let mut named = rows.into_iter().filter(|row| row.token.username == username);
        match named.next() {
            // The request was delivered twice, and it is unknown to which of the tokens the password belongs.
            Some(_) if login_shared && named.next().is_some() => {
                self.revoke_possible(Outcome::Failed(outcome_unknown()))
            }
            Some(row) => self.verify_new_login(observed, row.token),
            None if left > 0 && !self.is_overdue(observed) => {
                let wait = BASE_WAIT * 4_u32.pow(u32::from(MAX_LOOKUPS.saturating_sub(left)));
                self.transition_to(Request::Sleep(wait), Stage::LookupBackoff { username, left: left - 1 })
            }
            None => self.revoke_possible(Outcome::Failed(outcome_unknown())),
        }
    }
}
