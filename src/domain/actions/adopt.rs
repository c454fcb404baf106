//! A stored token that status does not name: taken in, if it is proved to be this object's.
//!
//! Read in the order Secret, portal's row, object, against the order of writing (commit, status,
//! settle): a token that another operator has just recorded and settled does not look foreign. And then the Secret
//! once more: while it holds the token, no later one is stored, so none that the object names is taken for former.

use super::{Outcome, Transition, from_response, status_write, verify_login};
use crate::api::{Reason, RecordedSecret, RecordedToken};
use crate::domain::model::marker::AttemptId;
use crate::domain::model::problem::Problem;
use crate::domain::model::problem::messages::{token_from_other_portal, transient};
use crate::domain::model::pull_secret::{Ownership, StoredToken};
use crate::domain::model::status_view::status_view;
use crate::domain::model::token::same_id;
use crate::domain::model::unverified_tokens::may_be_from_lost_key;
use crate::domain::observed::{IssuerInfo, Observed};
use crate::domain::protocol::{Named, Request, Response, Row, Rows, SecretContent, SecretWrite, Verdict};
use crate::domain::status::StatusEvent;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::time::Duration;

/// When a token that is not listed is looked for again.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// What an adoption remembers.
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
    ReadingContent(Option<Row>),
    /// Whether another token logs in with the same name.
    CountingRows(Named),
    VerifyingLogin(Named),
    ReadingObject(Option<OwnershipProof>),
    RereadingSecret(Named),
    /// Names it in status before the Secret forgets it.
    RecordingUnverified,
    Writing,
}

/// What proves a stored token to be this object's.
#[derive(Clone, Debug, PartialEq)]
enum OwnershipProof {
    /// The portal shows it with the mark of this attempt.
    Marker(Named),
    /// The operator's MAC beside it.
    Signature(Named),
    /// The Secret of an object that is older than the operator's keys logs in with it, and the portal's row is the only
    /// one with that name: what nobody but the token's owner can show.
    Login(Named),
    /// Nothing does, and nothing speaks against it: it may have been signed with a key that was lost.
    KeyLost(Named),
}

type AdoptTransition = Transition<Adopting>;

/// Begins with the Secret: what the pass holds of it may be older than the object.
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

    /// Takes the answer to what was to be done.
    #[must_use]
    pub fn step(mut self, observed: &Observed, answer: Response) -> AdoptTransition {
        match std::mem::replace(&mut self.stage, Stage::Writing) {
            Stage::ReadingSecret => self.secret_read(observed, answer),
            Stage::FindingRow => match answer {
                // A list that lags or shrank proves nothing: whoever stored it may be about to name it. Of what no operator
                // can have stored there is nothing to wait for.
                Response::Rows(rows) if rows.is_empty() && checks_login(observed) && self.may_be_ours(observed) => {
                    self.transition_to(Request::VerifyLogin, Stage::ProbingUnlisted)
                }
                Response::Rows(rows) => self.rows_found(observed, rows),
                other => Transition::Done(from_response(other)),
            },
            Stage::ReadingContent(row) => match answer {
                Response::Content(Some(found)) => self.content_read(observed, row, found.1),
                other => Transition::Done(from_response(other)),
            },
            Stage::CountingRows(token) => match answer {
                Response::Rows(rows) if rows.len() == 1 => {
                    self.transition_to(Request::VerifyLogin, Stage::VerifyingLogin(token))
                }
                Response::Rows(_) => self.not_proved(observed, Some(token)),
                other => Transition::Done(from_response(other)),
            },
            Stage::VerifyingLogin(token) => match answer {
                Response::Login(Verdict::Accepted) => self.read_object(Some(OwnershipProof::Login(token))),
                Response::Login(Verdict::Unknown(why)) => Transition::Done(Outcome::ReportFor(
                    verify_login::retry_after(&why),
                    proof_unavailable(&token, &why.message),
                )),
                Response::Login(_) => self.not_proved(observed, Some(token)),
                other => Transition::Done(from_response(other)),
            },
            Stage::ProbingUnlisted => match answer {
                Response::Login(Verdict::Rejected(_) | Verdict::NotChecked) => self.read_object(None),
                Response::Login(_) => Transition::Done(Outcome::ReportFor(RETRY_AFTER, not_listed())),
                other => Transition::Done(from_response(other)),
            },
            Stage::ReadingObject(proof) => match answer {
                Response::Object(Some(_)) => self.conclude(observed, proof),
                other => Transition::Done(from_response(other)),
            },
            Stage::RereadingSecret(token) => match answer {
                Response::Secret(Some(_)) if self.still_stored(observed) => self.adopt(observed, token),
                Response::Secret(_) => Transition::Done(Outcome::RequeueSoon),
                other => Transition::Done(from_response(other)),
            },
            Stage::RecordingUnverified => match answer {
                Response::Object(Some(_)) => {
                    self.transition_to(Request::WriteSecret(SecretWrite::ClearToken), Stage::Writing)
                }
                other => Transition::Done(from_response(other)),
            },
            Stage::Writing => match answer {
                Response::Object(Some(_)) | Response::Secret(_) => Transition::Done(Outcome::Redecide),
                other => Transition::Done(from_response(other)),
            },
        }
    }

    fn still_stored(&self, observed: &Observed) -> bool {
        let secret = observed.secret.as_ref().filter(|secret| secret.ownership == Ownership::Ours);
        secret.and_then(|secret| secret.stored.as_ref()) == Some(&self.stored)
    }

    fn secret_read(self, observed: &Observed, answer: Response) -> AdoptTransition {
        match answer {
            Response::Secret(Some(_)) if self.still_stored(observed) => {}
            Response::Secret(_) => return Transition::Done(Outcome::RequeueSoon),
            other => return Transition::Done(from_response(other)),
        }
        match observed.issuer_info() {
            Some(facts) if self.stored.provenance.from_other_portal(facts) => match status_view(&observed.object).token
            {
                None => Transition::Done(Outcome::Failed(token_from_other_portal())),
                // Its token is of this portal: the Secret was restored to what it held before.
                Some(_) => self.read_object(None),
            },
            Some(facts) if facts.list_visible => {
                let id = self.stored.id.clone();
                self.transition_to(Request::QueryRows(Rows::WithId(id)), Stage::FindingRow)
            }
            // Where nobody can look a row up, what the operator wrote is believed.
            Some(_) => self.transition_to(Request::ReadContent, Stage::ReadingContent(None)),
            None => Transition::Done(Outcome::RequeueSoon),
        }
    }

    fn read_object(self, proof: Option<OwnershipProof>) -> AdoptTransition {
        self.transition_to(Request::ReadObject, Stage::ReadingObject(proof))
    }

    /// Nothing proves it. Of an object that is older than the keys it may be the operator's own: then it is reported.
    fn not_proved(self, observed: &Observed, token: Option<Named>) -> AdoptTransition {
        self.read_object(token.filter(|_| may_be_from_lost_key(&observed.object)).map(OwnershipProof::KeyLost))
    }

    fn rows_found(self, observed: &Observed, rows: Vec<Row>) -> AdoptTransition {
        // The id is recorded as it is stored, and not as the list writes it.
        let id = &self.stored.id;
        let named = |row: Row| Row { token: Named { id: id.clone(), ..row.token }, ..row };
        let mut ours: Vec<Row> = rows.into_iter().filter(|row| same_id(&row.token.id, id)).map(named).collect();
        // A portal may give more than was asked for.
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

    /// Whether the note may be an operator's: it has a MAC, or had one under a key that was lost.
    fn may_be_ours(&self, observed: &Observed) -> bool {
        observed.verify_stored(&self.stored).is_some() || may_be_from_lost_key(&observed.object)
    }

    /// No registry is asked about what is sealed: one that lags would have it given up for good, since nothing else names
    /// it. Where nobody can look a row up, an id that is not the username could be anybody's.
    fn content_read(self, observed: &Observed, row: Option<Row>, content: SecretContent) -> AdoptTransition {
        let SecretContent::Login { username, checksum_valid: true, .. } = content else {
            return self.not_proved(observed, row.map(|row| row.token));
        };
        match (row, observed.verify_stored(&self.stored)) {
            (None, Some(token)) if token.username == username => {
                self.read_object(Some(OwnershipProof::Signature(token)))
            }
            (Some(row), _) if row.token.username == username => {
                self.transition_to(Request::QueryRows(Rows::WithUsername(username)), Stage::CountingRows(row.token))
            }
            (None, _) if self.stored.id == username && may_be_proved_by_login(observed) => self
                .transition_to(Request::VerifyLogin, Stage::VerifyingLogin(Named { id: username.clone(), username })),
            (row, _) => {
                let id = self.stored.id.clone();
                let token = row.map_or(Named { id, username }, |row| row.token);
                self.not_proved(observed, Some(token))
            }
        }
    }

    /// The row of that id carries this object's nonce: an attempt that was copied to another
    /// object, or an annotation that was forged, fits nobody's token.
    fn has_marker(&self, observed: &Observed, row: &Row) -> bool {
        observed
            .issuer_info()
            .is_some_and(|facts| observed.marker(facts, &self.stored.attempt_id).is_in(&row.description))
    }

    fn conclude(self, observed: &Observed, proof: Option<OwnershipProof>) -> AdoptTransition {
        let status = status_view(&observed.object);
        let named = status.token.as_ref().is_some_and(|token| same_id(&token.id, &self.stored.id));
        if named || status.is_retiring(&self.stored.id) {
            return Transition::Done(Outcome::Redecide);
        }
        // A Secret that was restored to what it held before is intact too.
        let follows = status.token.as_ref().is_none_or(|token| self.stored.provenance.is_newer_than(token));
        match proof {
            Some(OwnershipProof::Marker(token)) => {
                self.transition_to(Request::ReadSecret, Stage::RereadingSecret(token))
            }
            Some(OwnershipProof::Signature(token) | OwnershipProof::Login(token)) if follows => {
                self.transition_to(Request::ReadSecret, Stage::RereadingSecret(token))
            }
            Some(OwnershipProof::KeyLost(token)) if follows => {
                match status_write(observed, StatusEvent::TokenUnverified(token)) {
                    Some(request) => self.transition_to(request, Stage::RecordingUnverified),
                    None => self.transition_to(Request::WriteSecret(SecretWrite::ClearToken), Stage::Writing),
                }
            }
            _ => self.transition_to(Request::WriteSecret(SecretWrite::ClearToken), Stage::Writing),
        }
    }

    fn adopt(self, observed: &Observed, token: Named) -> AdoptTransition {
        let (Some(facts), Some(meta)) = (observed.issuer_info(), &observed.secret) else {
            return Transition::Done(Outcome::RequeueSoon);
        };
        let current = status_view(&observed.object).unverified.token;
        if current.is_some_and(|named| Named::from(&named) == token) {
            // Pods can pull all the while: nothing else is said of it.
            return self.write_status(observed, StatusEvent::TokenVerified(facts.portal.clone()));
        }
        let nonce = nonce(observed, &self.stored.attempt_id);
        let request_time = Time(observed.now);
        let (id, username) = (token.id, token.username);
        let token = RecordedToken { id, username, nonce, request_time, expiration_time: None, mac: None };
        // Not yet read in full: the next decision inspects it.
        let (name, uid) = (observed.object.secret_name.clone(), Some(meta.uid.clone()));
        let secret = RecordedSecret { name, uid, resource_version: None, mac: None };
        let login = if facts.checks_login() { Verdict::Unknown("not asked yet".into()) } else { Verdict::NotChecked };
        let (portal, errand) = (facts.portal.clone(), self.stored.request_cause.clone());
        let after = self.stored.provenance.previous_id.clone();
        self.write_status(
            observed,
            StatusEvent::TokenStored {
                token,
                portal,
                secret,
                request_cause: errand,
                login_result: login,
                previous_id: after,
            },
        )
    }

    fn write_status(self, observed: &Observed, fact: StatusEvent) -> AdoptTransition {
        match status_write(observed, fact) {
            Some(request) => self.transition_to(request, Stage::Writing),
            None => Transition::Done(Outcome::Redecide),
        }
    }
}

fn checks_login(observed: &Observed) -> bool {
    observed.issuer_info().is_some_and(IssuerInfo::checks_login)
}

fn proof_unavailable(token: &Named, why: &str) -> Problem {
    let message = format!(
        "the token {} has no valid proof that it belongs to this object, and the registry, whose login would prove it, cannot be asked ({why}); asked again",
        token.username
    );
    transient(Reason::TokenUnverified, message)
}

fn not_listed() -> Problem {
    let message = "the Secret holds a token that the portal does not list, though the registry lets it in or cannot be asked: looked at again. If this stays, give the issuer credentials that see the token, or revoke it by hand";
    transient(Reason::TokenNotFound, message.to_owned())
}

fn nonce(observed: &Observed, attempt: &AttemptId) -> String {
    crate::domain::model::marker::Nonce::of(&observed.object.uid, attempt).to_string()
}

/// Whether a token without MAC and mark may be proved by what only its owner can have: where the key may have been
/// lost, and the status proves no other.
fn may_be_proved_by_login(observed: &Observed) -> bool {
    checks_login(observed) && may_be_from_lost_key(&observed.object) && status_view(&observed.object).token.is_none()
}

#[cfg(test)]
#[path = "adopt_proof_tests.rs"]
mod proof_tests;
#[cfg(test)]
#[path = "adopt_tests.rs"]
mod tests;
