//! A token in hand: stored in the Secret, and named in the status.

use super::{BASE_WAIT, RequestTokenTransition, RequestingToken, Stage};
use crate::api::{RecordedSecret, RecordedToken};
use crate::domain::actions::{Outcome, Transition, from_response, status_write};
use crate::domain::model::problem::Problem;
use crate::domain::model::problem::messages::{api_server_unavailable, secret_rejected};
use crate::domain::model::pull_secret::{Provenance, StoredToken};
use crate::domain::model::status_view::status_view;
use crate::domain::observed::Observed;
use crate::domain::protocol::{Named, Request, Response, SecretWrite, Verdict};
use crate::domain::status::StatusEvent;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

impl RequestingToken {
    pub(crate) fn commit(self, observed: &Observed, token: Named, tries: u8) -> RequestTokenTransition {
        let Some(facts) = observed.issuer_info() else { return self.revoke_new(token, Outcome::RequeueSoon) };
        let portal = facts.portal_hash();
        let after = status_view(&observed.object).current_token_id().cloned();
        let seal = observed.sign_stored(&facts.portal, &token);
        let stored = StoredToken {
            signature: seal,
            attempt_id: self.attempt_id.clone(),
            id: token.id.clone(),
            request_cause: self.request_cause.clone(),
            provenance: Provenance { portal, requested_at: self.requested_at.as_second(), previous_id: after },
        };
        self.transition_to(Request::WriteSecret(SecretWrite::Commit(stored)), Stage::Committing { token, tries })
    }

    pub(crate) fn committed(
        self,
        observed: &Observed,
        token: Named,
        tries: u8,
        answer: Response,
    ) -> RequestTokenTransition {
        match answer {
            Response::Secret(Some(_)) => self.verify_stored_login(observed, token),
            Response::WriteRejected(message) => self.transition_to(
                Request::ReadSecret,
                Stage::ReadingCommitted { token, tries, refusal: Some(secret_rejected(&message)) },
            ),
            _ => self.transition_to(Request::ReadSecret, Stage::ReadingCommitted { token, tries, refusal: None }),
        }
    }

    /// What became of a commit that was refused or not answered.
    pub(crate) fn commit_read(
        mut self,
        observed: &Observed,
        token: Named,
        tries: u8,
        refusal: Option<Problem>,
        answer: Response,
    ) -> RequestTokenTransition {
        let left = tries.saturating_sub(1);
        let Response::Secret(found) = answer else {
            if left > 0 {
                return self.transition_to(
                    Request::Sleep(BASE_WAIT * 2),
                    Stage::CommitBackoff { token, tries: left, refusal },
                );
            }
            // What the Secret says is found by the next pass: stored is adopted, reserved is given up.
            return Transition::Done(Outcome::RequeueSoon);
        };
        let stored = found.as_ref().and_then(|meta| meta.stored.as_ref());
        let reserved = found.as_ref().and_then(|meta| meta.reservation.as_ref());
        let outcome = refusal.clone().map_or(Outcome::RequeueSoon, Outcome::Failed);
        if stored.is_some_and(|stored| stored.attempt_id == self.attempt_id) {
            // Somebody may have changed the content since: it is read before it is called good.
            self.unread_since_commit = true;
            self.verify_stored_login(observed, token)
        } else if reserved.is_none_or(|reservation| reservation.attempt_id != self.attempt_id) {
            // The Secret names this attempt no more, and never will.
            self.revoke_unrecorded(vec![token], outcome)
        } else if refusal.is_some() {
            self.revoke_new(token, outcome)
        } else if left == 0 {
            // Else the next token would be asked for at once, and given back like this one.
            self.revoke_new(
                token,
                Outcome::Failed(api_server_unavailable("the API server does not take the token for its Secret")),
            )
        } else {
            self.commit(observed, token, left)
        }
    }

    pub(crate) fn record_status(
        self,
        observed: &Observed,
        token: Named,
        login: Verdict,
        tries: u8,
    ) -> RequestTokenTransition {
        let (Some(facts), Some(meta)) = (observed.issuer_info(), &observed.secret) else {
            return Transition::Done(Outcome::RequeueSoon);
        };
        let new = RecordedToken {
            id: token.id.clone(),
            username: token.username.clone(),
            nonce: observed.marker(facts, &self.attempt_id).nonce().to_string(),
            request_time: Time(self.requested_at),
            expiration_time: None,
            mac: None,
        };
        let secret = RecordedSecret {
            name: observed.object.secret_name.clone(),
            uid: Some(meta.uid.clone()),
            resource_version: Some(meta.resource_version.clone()).filter(|_| !self.unread_since_commit),
            mac: None,
        };
        let (portal, errand) = (facts.portal.clone(), self.request_cause.clone());
        // What another operator has recorded since is proved, or it has nothing to do with this token.
        let after = status_view(&observed.object).current_token_id().cloned();
        let fact = StatusEvent::TokenStored {
            token: new,
            portal,
            secret,
            request_cause: errand,
            login_result: login.clone(),
            previous_id: after,
        };
        match status_write(observed, fact) {
            Some(request) => self.transition_to(request, Stage::WritingStatus { token, login, tries }),
            None => Transition::Done(Outcome::Stored),
        }
    }

    pub(crate) fn status_written(
        self,
        observed: &Observed,
        token: Named,
        login: Verdict,
        tries: u8,
        answer: Response,
    ) -> RequestTokenTransition {
        match answer {
            Response::Object(Some(_)) => Transition::Done(Outcome::Stored),
            // Somebody edited the object meanwhile. Another operator may have written other tokens.
            Response::Conflict => {
                let former = status_view(&observed.object).tokens();
                self.transition_to(Request::ReadObject, Stage::ReadingObject { token, login, tries, former })
            }
            // The token is stored: what status lacks is adopted by the next pass.
            other => Transition::Done(from_response(other)),
        }
    }
}
