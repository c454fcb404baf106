//! Commits a new token to the Secret and records it in status.

use super::{BASE_WAIT, RequestTokenTransition, RequestingToken, Stage};
use crate::api::{RecordedSecret, RecordedToken};
use crate::domain::actions::{Outcome, Transition, from_response, status_write_of};
use crate::domain::model::login_result::LoginResult;
use crate::domain::model::problem::Problem;
use crate::domain::model::problem::messages::{api_server_unavailable, secret_rejected};
use crate::domain::model::pull_secret::{Provenance, StoredToken};
use crate::domain::model::status_view::StatusView;
use crate::domain::model::token::TokenRef;
use crate::domain::observed::Observed;
use crate::domain::protocol::{Request, Response, SecretWrite};
use crate::domain::status::StatusEvent;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

impl RequestingToken {
    pub(crate) fn commit(self, observed: &Observed, token: TokenRef, tries: u8) -> RequestTokenTransition {
        let Some(issuer) = observed.issuer_info() else { return self.revoke_new(token, Outcome::RequeueSoon) };
        let portal = issuer.portal_hash();
        let previous_id = StatusView::of(&observed.object).current_token_id().cloned();
        let signature = observed.sign_stored(&issuer.portal, &token);
        let stored = StoredToken {
            signature,
            attempt_id: self.attempt_id.clone(),
            id: token.id.clone(),
            request_cause: self.request_cause.clone(),
            provenance: Provenance {
                portal,
                requested_at: self.requested_at.as_second(),
                expires_at: self.expiration_time.map(Timestamp::as_second),
                previous_id,
            },
        };
        self.transition_to(Request::WriteSecret(SecretWrite::Commit(stored)), Stage::Committing { token, tries })
    }

    pub(crate) fn committed(
        self,
        observed: &Observed,
        token: TokenRef,
        tries: u8,
        response: Response,
    ) -> RequestTokenTransition {
        match response {
            Response::Secret(Some(_)) => self.verify_stored_login(observed, token),
            Response::WriteRejected(message) => self.transition_to(
                Request::ReadSecret,
                Stage::ReadingCommitted { token, tries, rejection: Some(secret_rejected(&message)) },
            ),
            _ => self.transition_to(Request::ReadSecret, Stage::ReadingCommitted { token, tries, rejection: None }),
        }
    }

    /// Handles the read that follows a commit that was rejected or got no response.
    pub(crate) fn commit_read(
        mut self,
        observed: &Observed,
        token: TokenRef,
        tries: u8,
        rejection: Option<Problem>,
        response: Response,
    ) -> RequestTokenTransition {
        let left = tries.saturating_sub(1);
        let Response::Secret(found) = response else {
            if left > 0 {
                return self.transition_to(
                    Request::Sleep(BASE_WAIT * 2),
                    Stage::CommitBackoff { token, tries: left, rejection },
                );
            }
            // The next pass handles the state of the Secret: it adopts a stored token, or gives up the reservation.
            return Transition::Done(Outcome::RequeueSoon);
        };
        let stored = found.as_ref().and_then(|meta| meta.stored.as_ref());
        let reserved = found.as_ref().and_then(|meta| meta.reservation.as_ref());
        let outcome = rejection.clone().map_or(Outcome::RequeueSoon, Outcome::Failed);
        if stored.is_some_and(|stored| stored.attempt_id == self.attempt_id) {
            // Another writer may have changed the content: it must be read before it counts as valid.
            self.unread_since_commit = true;
            self.verify_stored_login(observed, token)
        } else if reserved.is_none_or(|reservation| reservation.attempt_id != self.attempt_id) {
            // The Secret no longer names this attempt, and never will.
            self.revoke_unrecorded(vec![token], outcome)
        } else if rejection.is_some() {
            self.revoke_new(token, outcome)
        } else if left == 0 {
            // Otherwise the next token would be requested at once, and revoked like this one.
            self.revoke_new(
                token,
                Outcome::Failed(api_server_unavailable("the token could not be written to its Secret")),
            )
        } else {
            self.commit(observed, token, left)
        }
    }

    pub(crate) fn record_status(
        self,
        observed: &Observed,
        token: TokenRef,
        login_result: LoginResult,
        tries: u8,
    ) -> RequestTokenTransition {
        let (Some(issuer), Some(meta)) = (observed.issuer_info(), &observed.secret) else {
            return Transition::Done(Outcome::RequeueSoon);
        };
        let nonce = observed.marker(issuer, &self.attempt_id).nonce().to_string();
        let new = RecordedToken {
            id: token.id.clone(),
            username: token.username.clone(),
            nonce: nonce.clone(),
            request_time: Time(self.requested_at),
            expiration_time: self.expiration_time.map(Time),
            mac: None,
        };
        let secret = RecordedSecret {
            name: observed.object.secret_name.clone(),
            uid: Some(meta.uid.clone()),
            resource_version: Some(meta.resource_version.clone()).filter(|_| !self.unread_since_commit),
            mac: None,
        };
        let (portal, request_cause) = (issuer.portal.clone(), self.request_cause.clone());
        // A token that another operator has recorded in the meantime is proved, or it is unrelated to this token.
        let previous_id = StatusView::of(&observed.object).current_token_id().cloned();
        let event = StatusEvent::TokenStored {
            token: new,
            portal,
            secret,
            request_cause,
            login_result: login_result.clone(),
            previous_id,
        };
        // Where the marker stays, the portal shows the final description already.
        let published = issuer.published_description(&observed.object.description, &nonce);
        let synced = (published == self.submitted).then_some(StatusEvent::DescriptionSynced);
        match status_write_of(observed, event, synced) {
            Some(request) => self.transition_to(request, Stage::WritingStatus { token, login_result, tries }),
            None => Transition::Done(Outcome::Stored),
        }
    }

    pub(crate) fn status_written(
        self,
        observed: &Observed,
        token: TokenRef,
        login_result: LoginResult,
        tries: u8,
        response: Response,
    ) -> RequestTokenTransition {
        match response {
            Response::Object(Some(_)) => Transition::Done(Outcome::Stored),
            // The object was edited in the meantime, or the write has an unknown outcome. Another operator may have recorded
            // other tokens. Until status names the token, only its Secret does, which somebody may delete.
            Response::Conflict | Response::OutcomeUnknown(_) => {
                let former = StatusView::of(&observed.object).tokens();
                self.transition_to(Request::ReadObject, Stage::ReadingObject { token, login_result, tries, former })
            }
            // The token is stored: the next pass adopts it if status lacks it.
            other => Transition::Done(from_response(other)),
        }
    }
}
