//! A stored token that status does not name: taken in, if it is proved to be this object's.
//!
//! Read in the order Secret, portal's row, object, against the order of writing (commit, status,
//! settle): a token that another operator has just recorded and settled does not look foreign. And then the Secret
//! once more: while it holds the token, no later one is stored, so none that the object names is taken for former.

use super::{Flow, Outcome, failed, note, verify};
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
use crate::domain::unproved::may_be_of_a_lost_key;
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
    ReadingContent(Option<Row>),
    /// Whether another token logs in with the same name.
    Counting(Named),
    LoggingIn(Named),
    ReadingObject(Option<Proof>),
    Confirming(Named),
    /// Names it in status before the Secret forgets it.
    Reporting,
    Writing,
}

/// What proves a stored token to be this object's.
#[derive(Clone, Debug, PartialEq)]
enum Proof {
    /// The portal shows it with the mark of this attempt.
    Listed(Named),
    /// The operator's MAC beside it.
    Sealed(Named),
    /// The Secret of an object that is older than the operator's keys logs in with it, and the portal's row is the only
    /// one with that name: what nobody but the token's owner can show.
    Held(Named),
    /// Nothing does, and nothing speaks against it: it may have been signed with a key that was lost.
    Lost(Named),
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
                // A list that lags or shrank proves nothing: whoever stored it may be about to name it. Of what no operator
                // can have stored there is nothing to wait for.
                Answer::Rows(rows) if rows.is_empty() && asks_registry(seen) && self.may_be_ours(seen) => {
                    self.at(Request::LogIn, Stage::Doubting)
                }
                Answer::Rows(rows) => self.found(seen, rows),
                other => Flow::End(failed(other)),
            },
            Stage::ReadingContent(row) => match answer {
                Answer::Content(Some(found)) => self.content_read(seen, row, found.1),
                other => Flow::End(failed(other)),
            },
            Stage::Counting(token) => match answer {
                Answer::Rows(rows) if rows.len() == 1 => self.at(Request::LogIn, Stage::LoggingIn(token)),
                Answer::Rows(_) => self.unproved(seen, Some(token)),
                other => Flow::End(failed(other)),
            },
            Stage::LoggingIn(token) => match answer {
                Answer::Login(Verdict::Accepted) => self.proved(Some(Proof::Held(token))),
                Answer::Login(Verdict::Unknown(why)) => {
                    Flow::End(Outcome::WaitFor(verify::again(&why), unasked(&token, &why.message)))
                }
                Answer::Login(_) => self.unproved(seen, Some(token)),
                other => Flow::End(failed(other)),
            },
            Stage::Doubting => match answer {
                Answer::Login(Verdict::Refused(_) | Verdict::NotAsked) => self.proved(None),
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
            Stage::Reporting => match answer {
                Answer::Object(Some(_)) => self.at(Request::Secret(Write::Disown), Stage::Writing),
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
                Some(_) => self.proved(None),
            },
            Some(facts) if facts.list_visible => {
                let id = self.stored.id.clone();
                self.at(Request::Find(Rows::WithId(id)), Stage::Finding)
            }
            // Where nobody can look a row up, what the operator wrote is believed.
            Some(_) => self.at(Request::ReadContent, Stage::ReadingContent(None)),
            None => Flow::End(Outcome::LookAgain),
        }
    }

    fn proved(self, proof: Option<Proof>) -> Next {
        self.at(Request::ReadObject, Stage::ReadingObject(proof))
    }

    /// Nothing proves it. Of an object that is older than the keys it may be the operator's own: then it is reported.
    fn unproved(self, seen: &Observed, token: Option<Named>) -> Next {
        self.proved(token.filter(|_| may_be_of_a_lost_key(&seen.object)).map(Proof::Lost))
    }

    fn found(self, seen: &Observed, rows: Vec<Row>) -> Next {
        // The id is recorded as it is stored, and not as the list writes it.
        let id = &self.stored.id;
        let named = |row: Row| Row { token: Named { id: id.clone(), ..row.token }, ..row };
        let mut ours: Vec<Row> = rows.into_iter().filter(|row| same_id(&row.token.id, id)).map(named).collect();
        // A portal may give more than was asked for.
        ours.sort_by_key(|row| !self.is_marked(seen, row));
        match ours.into_iter().next() {
            Some(row) if self.is_marked(seen, &row) => self.proved(Some(Proof::Listed(row.token))),
            Some(row) if seen.sealed(&self.stored).as_ref() == Some(&row.token) => {
                self.proved(Some(Proof::Sealed(row.token)))
            }
            Some(row) if may_be_held(seen) => self.at(Request::ReadContent, Stage::ReadingContent(Some(row))),
            row => self.unproved(seen, row.map(|row| row.token)),
        }
    }

    /// Whether the note may be an operator's: it has a MAC, or had one under a key that was lost.
    fn may_be_ours(&self, seen: &Observed) -> bool {
        seen.sealed(&self.stored).is_some() || may_be_of_a_lost_key(&seen.object)
    }

    /// No registry is asked about what is sealed: one that lags would have it given up for good, since nothing else names
    /// it. Where nobody can look a row up, an id that is not the username could be anybody's.
    fn content_read(self, seen: &Observed, row: Option<Row>, content: Content) -> Next {
        let Content::Login { username, intact: true, .. } = content else {
            return self.unproved(seen, row.map(|row| row.token));
        };
        match (row, seen.sealed(&self.stored)) {
            (None, Some(token)) if token.username == username => self.proved(Some(Proof::Sealed(token))),
            (Some(row), _) if row.token.username == username => {
                self.at(Request::Find(Rows::OfUser(username)), Stage::Counting(row.token))
            }
            (None, _) if self.stored.id == username && may_be_held(seen) => {
                self.at(Request::LogIn, Stage::LoggingIn(Named { id: username.clone(), username }))
            }
            (row, _) => {
                let id = self.stored.id.clone();
                let token = row.map_or(Named { id, username }, |row| row.token);
                self.unproved(seen, Some(token))
            }
        }
    }

    /// The row of that id carries this object's nonce: an attempt that was copied to another
    /// object, or an annotation that was forged, fits nobody's token.
    fn is_marked(&self, seen: &Observed, row: &Row) -> bool {
        seen.facts().is_some_and(|facts| seen.marker(facts, &self.stored.attempt).is_in(&row.description))
    }

    fn decide(self, seen: &Observed, proof: Option<Proof>) -> Next {
        let known = recorded(&seen.object);
        let named = known.token.as_ref().is_some_and(|token| same_id(&token.id, &self.stored.id));
        if named || known.retires(&self.stored.id) {
            return Flow::End(Outcome::Again);
        }
        // A Secret that was restored to what it held before is intact too.
        let follows = known.token.as_ref().is_none_or(|token| self.stored.origin.follows(token));
        match proof {
            Some(Proof::Listed(token)) => self.at(Request::ReadSecret, Stage::Confirming(token)),
            Some(Proof::Sealed(token) | Proof::Held(token)) if follows => {
                self.at(Request::ReadSecret, Stage::Confirming(token))
            }
            Some(Proof::Lost(token)) if follows => match note(seen, Fact::Unproved(token)) {
                Some(request) => self.at(request, Stage::Reporting),
                None => self.at(Request::Secret(Write::Disown), Stage::Writing),
            },
            _ => self.at(Request::Secret(Write::Disown), Stage::Writing),
        }
    }

    fn take_in(self, seen: &Observed, token: Named) -> Next {
        let (Some(facts), Some(meta)) = (seen.facts(), &seen.secret) else { return Flow::End(Outcome::LookAgain) };
        let current = recorded(&seen.object).unproved.token;
        if current.is_some_and(|named| Named::from(&named) == token) {
            // Pods can pull all the while: nothing else is said of it.
            return self.write(seen, Fact::Proved(facts.portal.clone()));
        }
        let nonce = nonce(seen, &self.stored.attempt);
        let request_time = Time(seen.now);
        let (id, username) = (token.id, token.username);
        let token = RecordedToken { id, username, nonce, request_time, expiration_time: None, mac: None };
        // Not yet read in full: the next decision inspects it.
        let (name, uid) = (seen.object.secret_name.clone(), Some(meta.uid.clone()));
        let secret = RecordedSecret { name, uid, resource_version: None, mac: None };
        let login = if facts.asks_registry() { Verdict::Unknown("not asked yet".into()) } else { Verdict::NotAsked };
        let (portal, errand) = (facts.portal.clone(), self.stored.errand.clone());
        let after = self.stored.origin.after.clone();
        self.write(seen, Fact::TokenStored { token, portal, secret, errand, login, after })
    }

    fn write(self, seen: &Observed, fact: Fact) -> Next {
        match note(seen, fact) {
            Some(request) => self.at(request, Stage::Writing),
            None => Flow::End(Outcome::Again),
        }
    }
}

fn asks_registry(seen: &Observed) -> bool {
    seen.facts().is_some_and(IssuerFacts::asks_registry)
}

fn unasked(token: &Named, why: &str) -> Fault {
    let message = format!(
        "the token {} has no valid proof that it belongs to this object, and the registry, whose login would prove it, cannot be asked ({why}); asked again",
        token.username
    );
    waiting(Reason::TokenUnverified, message)
}

fn unlisted() -> Fault {
    let message = "the Secret holds a token that the portal does not list, though the registry lets it in or cannot be asked: looked at again. If this stays, give the issuer credentials that see the token, or revoke it by hand";
    waiting(Reason::TokenNotListed, message.to_owned())
}

fn nonce(seen: &Observed, attempt: &Attempt) -> String {
    crate::domain::marker::Nonce::of(&seen.object.uid, attempt).to_string()
}

/// Whether a token without MAC and mark may be proved by what only its owner can have: where the key may have been
/// lost, and the status proves no other.
fn may_be_held(seen: &Observed) -> bool {
    asks_registry(seen) && may_be_of_a_lost_key(&seen.object) && recorded(&seen.object).token.is_none()
}

#[cfg(test)]
#[path = "adopt_proof_tests.rs"]
mod proof_tests;
#[cfg(test)]
#[path = "adopt_tests.rs"]
mod tests;
