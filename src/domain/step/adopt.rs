//! A stored token that status does not name: taken in, if it is proved to be this object's.
//!
//! Read in the order Secret, portal's row, object, against the order of writing (commit, status,
//! settle): a token that another operator has just recorded and settled does not look foreign. And then the Secret
//! once more: while it holds the token, no later one is stored, so none that the object names is taken for former.

use super::{Flow, Outcome, failed, note};
use crate::api::{Reason, RecordedSecret, RecordedToken};
use crate::domain::effect::{Answer, Content, Named, Request, Row, Rows, Verdict, Write};
use crate::domain::fault::Fault;
use crate::domain::faults::{of_another_portal, waiting};
use crate::domain::identity::same_id;
use crate::domain::marker::Attempt;
use crate::domain::observed::{IssuerFacts, Observed};
use crate::domain::pull_secret::{Ownership, Stored};
use crate::domain::recorded::recorded;
use crate::domain::status::Fact;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::time::Duration;

/// When a token that is not listed is looked for again.
const AGAIN: Duration = Duration::from_secs(5);

/// What an adoption remembers.
#[derive(Clone, Debug, PartialEq)]
pub struct Adopting {
    stored: Stored,
    stage: Stage,
}

#[derive(Clone, Debug, PartialEq)]
enum Stage {
    ReadingSecret,
    Finding,
    Doubting,
    ReadingContent,
    ReadingObject(Option<Proof>),
    Confirming(Named),
    Writing,
}

/// What proves a stored token to be this object's.
#[derive(Clone, Debug, PartialEq)]
enum Proof {
    /// The portal shows it with the mark of this attempt.
    Listed(Named),
    /// Content and note are what the operator wrote for this object, as far as the checksum says.
    Written(Named),
}

type Next = Flow<Adopting>;

/// Begins with the Secret: what the pass holds of it may be older than the object.
#[must_use]
pub fn begin(seen: &Observed) -> Next {
    match seen.secret.as_ref().and_then(|secret| secret.stored.clone()) {
        Some(stored) => Flow::Do(Request::ReadSecret, Adopting { stored, stage: Stage::ReadingSecret }),
        None => Flow::End(Outcome::Again),
    }
}

impl Adopting {
    fn at(self, request: Request, stage: Stage) -> Next {
        Flow::Do(request, Self { stage, ..self })
    }

    /// Takes the answer to what was to be done.
    #[must_use]
    pub fn step(mut self, seen: &Observed, answer: Answer) -> Next {
        match std::mem::replace(&mut self.stage, Stage::Writing) {
            Stage::ReadingSecret => self.secret_read(seen, answer),
            Stage::Finding => match answer {
                // A list that lags or shrank proves nothing: whoever stored it may be about to name it.
                Answer::Rows(rows) if rows.is_empty() && asks_registry(seen) => {
                    self.at(Request::LogIn, Stage::Doubting)
                }
                Answer::Rows(rows) => {
                    let proof = self.proved_by(seen, rows);
                    self.at(Request::ReadObject, Stage::ReadingObject(proof))
                }
                other => Flow::End(failed(other)),
            },
            Stage::ReadingContent => match answer {
                Answer::Content(Some(found)) => self.content_read(found.1),
                other => Flow::End(failed(other)),
            },
            Stage::Doubting => match answer {
                Answer::Login(Verdict::Refused(_) | Verdict::NotAsked) => {
                    self.at(Request::ReadObject, Stage::ReadingObject(None))
                }
                Answer::Login(_) => Flow::End(Outcome::WaitFor(AGAIN, unlisted())),
                other => Flow::End(failed(other)),
            },
            Stage::ReadingObject(proof) => match answer {
                Answer::Object(Some(_)) => self.decide(seen, proof),
                other => Flow::End(failed(other)),
            },
            Stage::Confirming(token) => match answer {
                Answer::Secret(Some(_)) if self.still_stored(seen) => self.take_in(seen, token),
                Answer::Secret(_) => Flow::End(Outcome::LookAgain),
                other => Flow::End(failed(other)),
            },
            Stage::Writing => match answer {
                Answer::Object(Some(_)) | Answer::Secret(_) => Flow::End(Outcome::Again),
                other => Flow::End(failed(other)),
            },
        }
    }

    fn still_stored(&self, seen: &Observed) -> bool {
        let held = seen.secret.as_ref().filter(|secret| secret.ownership == Ownership::Ours);
        held.and_then(|secret| secret.stored.as_ref()) == Some(&self.stored)
    }

    fn secret_read(self, seen: &Observed, answer: Answer) -> Next {
        match answer {
            Answer::Secret(Some(_)) if self.still_stored(seen) => {}
            Answer::Secret(_) => return Flow::End(Outcome::LookAgain),
            other => return Flow::End(failed(other)),
        }
        match seen.facts() {
            Some(facts) if self.stored.origin.is_elsewhere(facts) => match recorded(&seen.object).token {
                None => Flow::End(Outcome::Failed(of_another_portal())),
                // Its token is of this portal: the Secret was restored to what it held before.
                Some(_) => self.at(Request::ReadObject, Stage::ReadingObject(None)),
            },
            Some(facts) if facts.list_visible => {
                let id = self.stored.id.clone();
                self.at(Request::Find(Rows::WithId(id)), Stage::Finding)
            }
            // Where nobody can look a row up, what the operator wrote is believed.
            Some(_) => self.at(Request::ReadContent, Stage::ReadingContent),
            None => Flow::End(Outcome::LookAgain),
        }
    }

    /// The checksum is salted with the object's UID: what was copied beside its original is the original's. It covers
    /// the id, by which the token is revoked one day: a forged one may be a colleague's. No registry is asked: one that
    /// lags would have it given up for good, since nothing else names it.
    fn content_read(self, content: Content) -> Next {
        let proof = match content {
            Content::Login { username, intact: true, .. } => {
                Some(Proof::Written(Named { id: self.stored.id.clone(), username }))
            }
            _ => None,
        };
        self.at(Request::ReadObject, Stage::ReadingObject(proof))
    }

    /// The row of that id carries this object's nonce: an attempt that was copied to another
    /// object, or an annotation that was forged, fits nobody's token.
    fn proved_by(&self, seen: &Observed, rows: Vec<Row>) -> Option<Proof> {
        let marker = seen.marker(seen.facts()?, &self.stored.attempt);
        let proved = |row: &Row| same_id(&row.token.id, &self.stored.id) && marker.is_in(&row.description);
        // The id is recorded as it is stored, and not as the list writes it.
        let named = |row: Row| Named { id: self.stored.id.clone(), ..row.token };
        rows.into_iter().find(proved).map(|row| Proof::Listed(named(row)))
    }

    fn decide(self, seen: &Observed, proof: Option<Proof>) -> Next {
        let known = recorded(&seen.object);
        let named = known.token.as_ref().is_some_and(|token| same_id(&token.id, &self.stored.id));
        if named || known.retires(&self.stored.id) {
            return Flow::End(Outcome::Again);
        }
        // A Secret that was restored to what it held before is intact too.
        let follows = known.token.is_none_or(|token| self.stored.origin.follows(&token));
        match proof {
            Some(Proof::Listed(token)) => self.at(Request::ReadSecret, Stage::Confirming(token)),
            Some(Proof::Written(token)) if follows => self.at(Request::ReadSecret, Stage::Confirming(token)),
            _ => self.at(Request::Secret(Write::Disown), Stage::Writing),
        }
    }

    fn take_in(self, seen: &Observed, token: Named) -> Next {
        let (Some(facts), Some(meta)) = (seen.facts(), &seen.secret) else { return Flow::End(Outcome::LookAgain) };
        let nonce = nonce(seen, &self.stored.attempt);
        let request_time = Time(seen.now);
        let (id, username) = (token.id, token.username);
        let token = RecordedToken { id, username, nonce, request_time, expiration_time: None };
        // Not yet read in full: the next decision inspects it.
        let (name, uid) = (seen.object.secret_name.clone(), Some(meta.uid.clone()));
        let secret = RecordedSecret { name, uid, resource_version: None };
        let login =
            if facts.asks_registry() { Verdict::Unknown("not asked yet".to_owned()) } else { Verdict::NotAsked };
        let (portal, errand) = (facts.portal.clone(), self.stored.errand.clone());
        match note(seen, Fact::TokenStored { token, portal, secret, errand, login }) {
            Some(request) => self.at(request, Stage::Writing),
            None => Flow::End(Outcome::Again),
        }
    }
}

fn asks_registry(seen: &Observed) -> bool {
    seen.facts().is_some_and(IssuerFacts::asks_registry)
}

fn unlisted() -> Fault {
    let message = "the Secret holds a token that the portal does not list, though the registry lets it in or cannot be asked: looked at again. If this stays, give the issuer credentials that see the token, or revoke it by hand";
    waiting(Reason::TokenNotListed, message.to_owned())
}

fn nonce(seen: &Observed, attempt: &Attempt) -> String {
    crate::domain::marker::Nonce::of(&seen.object.uid, attempt).to_string()
}

#[cfg(test)]
#[path = "adopt_tests.rs"]
mod tests;
