//! Adopts a stored token that status does not name, if it is proved to belong to this object.
//!
//! The reads happen in the order Secret, portal row, object: the reverse of the order of writes (commit, status,
//! description sync). So a token that another operator has just recorded and synced is not taken for a foreign one. The
//! Secret is then read once more: while it stores the token, no later token is stored, so no token that the object
//! names is taken for a previous one.

mod proof;
#[cfg(test)]
mod proof_tests;
#[cfg(test)]
mod tests;

use self::proof::{OwnershipProof, checks_login, not_listed, proof_unavailable};
use super::{Outcome, StateMachine, Transition, from_response, status_write, verify_login};
use crate::api::{RecordedSecret, RecordedToken};
use crate::domain::model::login_result::LoginResult;
use crate::domain::model::marker::AttemptId;
use crate::domain::model::problem::messages::token_from_other_portal;
use crate::domain::model::pull_secret::StoredToken;
use crate::domain::model::status_view::StatusView;
use crate::domain::model::token::{TokenRef, TokenRow, same_id};
use crate::domain::observed::Observed;
use crate::domain::protocol::{Request, Response, SecretWrite};
use crate::domain::status::StatusEvent;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::time::Duration;

/// Delay before a token that is not listed is looked up again.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// State of an adoption.
#[derive(Clone, Debug, PartialEq)]
pub struct Adopting {
    stored: StoredToken,
    stage: Stage,
}

#[derive(Clone, Debug, PartialEq)]
enum Stage {
    ReadingSecret,
    /// In a list whose read started at this time.
    FindingRow(Timestamp),
    /// That list lacks the token.
    ProbingUnlisted(Timestamp),
    /// Whose login the registry accepted.
    ComparingLogin,
    ReadingContent(Option<TokenRow>),
    /// Checks whether another token uses the same username.
    CountingRows(TokenRef),
    VerifyingLogin(TokenRef),
    ReadingObject(Option<OwnershipProof>),
    RereadingSecret(TokenRef),
    /// Records the token in status before the token is cleared from the Secret.
    RecordingUnverified,
    Writing,
}

type AdoptTransition = Transition<Adopting>;

/// Starts by reading the Secret: the one in the observation may be older than the object.
#[must_use]
pub fn begin(observed: &Observed) -> AdoptTransition {
    match observed.secret.as_ref().and_then(|secret| secret.stored.clone()) {
        Some(stored) => Transition::Perform(Request::ReadSecret, Adopting { stored, stage: Stage::ReadingSecret }),
        None => Transition::Done(Outcome::Redecide),
    }
}

impl Adopting {
    fn transition_to(self, request: Request, stage: Stage) -> AdoptTransition {
        Transition::Perform(request, Self { stage, ..self })
    }
}

impl StateMachine for Adopting {
    fn step(mut self, observed: &Observed, response: Response) -> AdoptTransition {
        match std::mem::replace(&mut self.stage, Stage::Writing) {
            Stage::ReadingSecret => self.secret_read(observed, response),
            Stage::FindingRow(started_at) => match response {
                // A list that lags or shrank proves nothing: another operator that stored the token may be about to
                // record it. There is nothing to wait for if no operator can have stored the token.
                Response::Rows(rows) if rows.is_empty() && self.may_be_ours(observed) => {
                    if checks_login(observed) {
                        return self.transition_to(Request::VerifyLogin, Stage::ProbingUnlisted(started_at));
                    }
                    self.row_missing(observed, started_at)
                }
                Response::Rows(rows) => self.rows_found(observed, rows),
                other => Transition::Done(from_response(other)),
            },
            Stage::ReadingContent(row) => match response {
                // Another operator gave it up meanwhile, and may have stored a token that is good: whatever is written from
                // here on would be guarded by the version of that one.
                Response::Content(Some(_)) if !self.still_stored(observed) => Transition::Done(Outcome::RequeueSoon),
                Response::Content(Some(found)) => self.content_read(observed, row, found.1),
                other => Transition::Done(from_response(other)),
            },
            Stage::CountingRows(token) => match response {
                Response::Rows(rows) if rows.len() == 1 => {
                    self.transition_to(Request::VerifyLogin, Stage::VerifyingLogin(token))
                }
                Response::Rows(_) => self.not_proved(observed, Some(token)),
                other => Transition::Done(from_response(other)),
            },
            Stage::VerifyingLogin(token) => match response {
                Response::Login(LoginResult::Accepted) => self.read_object(Some(OwnershipProof::Login(token))),
                Response::Login(LoginResult::Unknown(why)) => Transition::Done(Outcome::ReportFor(
                    verify_login::retry_after(&why),
                    proof_unavailable(&token, &why.message),
                )),
                Response::Login(_) => self.not_proved(observed, Some(token)),
                other => Transition::Done(from_response(other)),
            },
            Stage::ProbingUnlisted(started_at) => match response {
                Response::Login(LoginResult::Rejected(_) | LoginResult::NotChecked) => {
                    self.row_missing(observed, started_at)
                }
                Response::Login(LoginResult::Accepted) => {
                    self.transition_to(Request::ReadContent, Stage::ComparingLogin)
                }
                Response::Login(_) => Transition::Done(Outcome::ReportFor(RETRY_AFTER, not_listed())),
                other => Transition::Done(from_response(other)),
            },
            Stage::ComparingLogin => match response {
                Response::Content(Some(found)) if self.still_stored(observed) => {
                    self.login_accepted(observed, &found.1)
                }
                Response::Content(_) => Transition::Done(Outcome::RequeueSoon),
                other => Transition::Done(from_response(other)),
            },
            Stage::ReadingObject(proof) => match response {
                Response::Object(Some(_)) => self.conclude(observed, proof),
                other => Transition::Done(from_response(other)),
            },
            Stage::RereadingSecret(token) => match response {
                Response::Secret(Some(_)) if self.still_stored(observed) => self.adopt(observed, token),
                Response::Secret(_) => Transition::Done(Outcome::RequeueSoon),
                other => Transition::Done(from_response(other)),
            },
            Stage::RecordingUnverified => match response {
                Response::Object(Some(_)) => {
                    self.transition_to(Request::WriteSecret(SecretWrite::ClearToken), Stage::Writing)
                }
                other => Transition::Done(from_response(other)),
            },
            Stage::Writing => match response {
                Response::Object(Some(_)) | Response::Secret(_) => Transition::Done(Outcome::Redecide),
                other => Transition::Done(from_response(other)),
            },
        }
    }
}

impl Adopting {
    fn still_stored(&self, observed: &Observed) -> bool {
        let secret = observed.own_secret();
        secret.and_then(|secret| secret.stored.as_ref()) == Some(&self.stored)
    }

    fn secret_read(self, observed: &Observed, response: Response) -> AdoptTransition {
        match response {
            Response::Secret(Some(_)) if self.still_stored(observed) => {}
            Response::Secret(_) => return Transition::Done(Outcome::RequeueSoon),
            other => return Transition::Done(from_response(other)),
        }
        match observed.issuer_info() {
            Some(issuer) if self.stored.provenance.from_other_portal(&issuer.portal_hash()) => {
                match StatusView::of(&observed.object).token {
                    None => Transition::Done(Outcome::Failed(token_from_other_portal())),
                    // The object's token belongs to this portal: the Secret was restored to an earlier state.
                    Some(_) => self.read_object(None),
                }
            }
            Some(issuer) => match issuer.evidence().query_stored(&self.stored.id) {
                Some(query) => self.transition_to(Request::QueryRows(query), Stage::FindingRow(observed.now)),
                None => self.transition_to(Request::ReadContent, Stage::ReadingContent(None)),
            },
            None => Transition::Done(Outcome::RequeueSoon),
        }
    }

    fn read_object(self, proof: Option<OwnershipProof>) -> AdoptTransition {
        self.transition_to(Request::ReadObject, Stage::ReadingObject(proof))
    }

    fn conclude(self, observed: &Observed, proof: Option<OwnershipProof>) -> AdoptTransition {
        let status = StatusView::of(&observed.object);
        let named = status.token.as_ref().is_some_and(|token| same_id(&token.id, &self.stored.id));
        if named || status.is_retiring(&self.stored.id) {
            return Transition::Done(Outcome::Redecide);
        }
        // A Secret that was restored to an earlier state is intact as well.
        let is_newer = status.token.as_ref().is_none_or(|token| self.stored.provenance.is_newer_than(token));
        match proof {
            Some(OwnershipProof::Marker(token)) => {
                self.transition_to(Request::ReadSecret, Stage::RereadingSecret(token))
            }
            Some(OwnershipProof::Signature(token) | OwnershipProof::Login(token)) if is_newer => {
                self.transition_to(Request::ReadSecret, Stage::RereadingSecret(token))
            }
            Some(OwnershipProof::KeyLost(token)) if is_newer => {
                match status_write(observed, StatusEvent::TokenUnverified(token)) {
                    Some(request) => self.transition_to(request, Stage::RecordingUnverified),
                    None => self.transition_to(Request::WriteSecret(SecretWrite::ClearToken), Stage::Writing),
                }
            }
            _ => self.transition_to(Request::WriteSecret(SecretWrite::ClearToken), Stage::Writing),
        }
    }

    fn adopt(self, observed: &Observed, token: TokenRef) -> AdoptTransition {
        let (Some(issuer), Some(meta)) = (observed.issuer_info(), &observed.secret) else {
            return Transition::Done(Outcome::RequeueSoon);
        };
        let current = StatusView::of(&observed.object).unverified.token;
        if current.is_some_and(|named| TokenRef::from(&named) == token) {
            // Pods can pull throughout, so no other condition changes.
            return self.write_status(observed, StatusEvent::TokenVerified(issuer.portal.clone()));
        }
        let nonce = nonce(observed, &self.stored.attempt_id);
        let request_time = Time(observed.now);
        let (id, username) = (token.id, token.username);
        let expiration_time = self.stored.provenance.expiration_time();
        let token = RecordedToken { id, username, nonce, request_time, expiration_time, mac: None };
        // The content has not been read completely yet: the next decision inspects it.
        let (name, uid) = (observed.object.secret_name.clone(), Some(meta.uid.clone()));
        let secret = RecordedSecret { name, uid, resource_version: None, mac: None };
        let login_result = if issuer.checks_login() {
            LoginResult::Unknown("not verified yet".into())
        } else {
            LoginResult::NotChecked
        };
        let (portal, request_cause) = (issuer.portal.clone(), self.stored.request_cause.clone());
        let previous_id = self.stored.provenance.previous_id.clone();
        self.write_status(
            observed,
            StatusEvent::TokenStored { token, portal, secret, request_cause, login_result, previous_id },
        )
    }

    fn write_status(self, observed: &Observed, event: StatusEvent) -> AdoptTransition {
        match status_write(observed, event) {
            Some(request) => self.transition_to(request, Stage::Writing),
            None => Transition::Done(Outcome::Redecide),
        }
    }
}

fn nonce(observed: &Observed, attempt: &AttemptId) -> String {
    crate::domain::model::marker::Nonce::of(&observed.object.uid, attempt).to_string()
}
