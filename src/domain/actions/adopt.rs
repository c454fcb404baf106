//! Adopts a stored token that status does not name, if it is proved to belong to this object.
//!
//! The reads happen in the order Secret, portal row, object: the reverse of the order of writes (commit, status,
//! description sync). So a token that another operator has just recorded and synced is not taken for a foreign one. The
//! Secret is then read once more: while it stores the token, no later token is stored, so no token that the object
//! names is taken for a previous one.

use super::{Outcome, StateMachine, Transition, from_response, status_write, verify_login};
use crate::api::{Reason, RecordedSecret, RecordedToken};
use crate::domain::model::issuer::IssuerInfo;
use crate::domain::model::login_result::LoginResult;
use crate::domain::model::marker::AttemptId;
use crate::domain::model::problem::Problem;
use crate::domain::model::problem::messages::{token_from_other_portal, transient};
use crate::domain::model::pull_secret::StoredToken;
use crate::domain::model::status_view::StatusView;
use crate::domain::model::token::{RowQuery, TokenRef, TokenRow, same_id, username_key};
use crate::domain::model::unverified_tokens::may_be_from_lost_key;
use crate::domain::observed::Observed;
use crate::domain::protocol::{Request, Response, SecretContent, SecretWrite};
use crate::domain::status::StatusEvent;
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
    FindingRow,
    ProbingUnlisted,
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

/// What proves that a stored token belongs to this object.
#[derive(Clone, Debug, PartialEq)]
enum OwnershipProof {
    /// The portal's row contains the marker of this attempt.
    Marker(TokenRef),
    /// The Secret contains the operator's MAC.
    Signature(TokenRef),
    /// The Secret of an object older than the operator's keys logs in with the token, and the portal has only one row
    /// with its username. Only the token's owner can meet both conditions.
    Login(TokenRef),
    /// There is no proof, but the token may have been signed with a key that was lost.
    KeyLost(TokenRef),
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
            Stage::FindingRow => match response {
                // A list that lags or shrank proves nothing: another operator that stored the token may be about to
                // record it. There is nothing to wait for if no operator can have stored the token.
                Response::Rows(rows) if rows.is_empty() && checks_login(observed) && self.may_be_ours(observed) => {
                    self.transition_to(Request::VerifyLogin, Stage::ProbingUnlisted)
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
            Stage::ProbingUnlisted => match response {
                Response::Login(LoginResult::Rejected(_) | LoginResult::NotChecked) => self.read_object(None),
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
                Some(query) => self.transition_to(Request::QueryRows(query), Stage::FindingRow),
                None => self.transition_to(Request::ReadContent, Stage::ReadingContent(None)),
            },
            None => Transition::Done(Outcome::RequeueSoon),
        }
    }

    fn read_object(self, proof: Option<OwnershipProof>) -> AdoptTransition {
        self.transition_to(Request::ReadObject, Stage::ReadingObject(proof))
    }

    /// The registry accepts what the Secret holds, and the list may show that token later. Where the Secret holds the login of
    /// another token than it names, the accepted login proves nothing about the one that it names.
    fn login_accepted(self, observed: &Observed, content: &SecretContent) -> AdoptTransition {
        let (id, username) = (self.stored.id.clone(), self.stored.signature.username.clone());
        let in_secret = match content {
            SecretContent::Login { username, .. } => Some(username),
            SecretContent::Immutable { username } => username.as_ref(),
            SecretContent::WrongType | SecretContent::Empty => None,
        };
        let is_named = |found: &String| username.is_empty() || username_key(found) == username_key(&username);
        if in_secret.is_none_or(is_named) {
            return Transition::Done(Outcome::ReportFor(RETRY_AFTER, not_listed()));
        }
        self.not_proved(observed, Some(TokenRef { id, username }))
    }

    /// There is no proof. If the object is older than the keys, the token may still be the operator's own; it is then
    /// reported.
    fn not_proved(self, observed: &Observed, token: Option<TokenRef>) -> AdoptTransition {
        self.read_object(token.filter(|_| may_be_from_lost_key(&observed.object)).map(OwnershipProof::KeyLost))
    }

    fn rows_found(self, observed: &Observed, rows: Vec<TokenRow>) -> AdoptTransition {
        // The id is recorded as stored, not as the list formats it.
        let id = &self.stored.id;
        let named = |row: TokenRow| TokenRow { token: TokenRef { id: id.clone(), ..row.token }, ..row };
        let mut ours: Vec<TokenRow> = rows.into_iter().filter(|row| same_id(&row.token.id, id)).map(named).collect();
        // A portal may return more rows than requested.
        ours.sort_by_key(|row| !self.has_marker(observed, row));
        match ours.into_iter().next() {
            Some(row) if self.has_marker(observed, &row) => self.read_object(Some(OwnershipProof::Marker(row.token))),
            Some(row) if observed.verify_stored(&self.stored).as_ref() == Some(&row.token) => {
                self.read_object(Some(OwnershipProof::Signature(row.token)))
            }
            Some(row) if may_be_proved_by_login(observed) => {
                self.transition_to(Request::ReadContent, Stage::ReadingContent(Some(row)))
            }
            row => self.not_proved(observed, row.map(|row| row.token)),
        }
    }

    /// Whether an operator may have written the annotations: they have a valid MAC, or a key that signed them may be
    /// lost.
    fn may_be_ours(&self, observed: &Observed) -> bool {
        observed.verify_stored(&self.stored).is_some() || may_be_from_lost_key(&observed.object)
    }

    /// A token with a valid MAC and checksum is not verified at a registry: a registry that lags would cause the token
    /// to be given up permanently, since nothing else names it. If rows cannot be read, an id that differs from the
    /// username could belong to any token.
    fn content_read(self, observed: &Observed, row: Option<TokenRow>, content: SecretContent) -> AdoptTransition {
        let SecretContent::Login { username, checksum_valid: true, .. } = content else {
            return self.not_proved(observed, row.map(|row| row.token));
        };
        match (row, observed.verify_stored(&self.stored)) {
            (None, Some(token)) if token.username == username => {
                self.read_object(Some(OwnershipProof::Signature(token)))
            }
            (Some(row), _) if row.token.username == username => {
                self.transition_to(Request::QueryRows(RowQuery::WithUsername(username)), Stage::CountingRows(row.token))
            }
            (None, _) if self.stored.id == username && may_be_proved_by_login(observed) => self.transition_to(
                Request::VerifyLogin,
                Stage::VerifyingLogin(TokenRef { id: username.clone(), username }),
            ),
            (row, _) => {
                let id = self.stored.id.clone();
                let token = row.map_or(TokenRef { id, username }, |row| row.token);
                self.not_proved(observed, Some(token))
            }
        }
    }

    /// Whether the row's description contains this object's marker. An attempt id that was copied to another object, or
    /// a forged annotation, matches no token.
    fn has_marker(&self, observed: &Observed, row: &TokenRow) -> bool {
        observed
            .issuer_info()
            .is_some_and(|issuer| observed.marker(issuer, &self.stored.attempt_id).is_in(&row.description))
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
        let token = RecordedToken { id, username, nonce, request_time, expiration_time: None, mac: None };
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

fn checks_login(observed: &Observed) -> bool {
    observed.issuer_info().is_some_and(IssuerInfo::checks_login)
}

fn proof_unavailable(token: &TokenRef, why: &str) -> Problem {
    let message = format!(
        "the token {} has no valid proof that it belongs to this object, and its login, which would prove it, could not be verified at the registry ({why}); retrying",
        token.username
    );
    transient(Reason::TokenUnverified, message)
}

fn not_listed() -> Problem {
    let message = "the Secret stores a token that the portal does not list, although the registry accepts its login or is unavailable; checking again. If this persists, configure issuer credentials that can see the token, or revoke it manually";
    transient(Reason::TokenNotFound, message.to_owned())
}

fn nonce(observed: &Observed, attempt: &AttemptId) -> String {
    crate::domain::model::marker::Nonce::of(&observed.object.uid, attempt).to_string()
}

/// Whether a login may prove a token without MAC and marker: the key may have been lost, and status names no proved
/// token.
fn may_be_proved_by_login(observed: &Observed) -> bool {
    checks_login(observed) && may_be_from_lost_key(&observed.object) && StatusView::of(&observed.object).token.is_none()
}

#[cfg(test)]
#[path = "adopt_proof_tests.rs"]
mod proof_tests;
#[cfg(test)]
#[path = "adopt_tests.rs"]
mod tests;
