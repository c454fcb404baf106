//! A stored token that status does not name: taken in, if it is proved to be this object's.
//!
//! Read in the order Secret, portal's row, object, against the order of writing (commit, status,
//! settle): a token that another operator has just recorded and settled does not look foreign. And then the Secret
//! once more: while it holds the token, no later one is stored, so none that the object names is taken for former.

use super::{Flow, Outcome, failed, note};
use crate::api::{Reason, RecordedSecret, RecordedToken};
use crate::domain::effect::{Answer, Content, Named, Request, Rows, Verdict, Write};
use crate::domain::fault::Fault;
use crate::domain::faults::{registry_unavailable, waiting};
use crate::domain::marker::Attempt;
use crate::domain::observed::{IssuerFacts, Observed};
use crate::domain::pull_secret::Stored;
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
    LoggingIn { username: String },
    ReadingObject { token: Option<Named>, login: Verdict },
    Confirming { token: Named, login: Verdict },
    Writing,
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
                    let token = self.proved_by(seen, rows);
                    self.at(Request::ReadObject, Stage::ReadingObject { token, login: Verdict::NotAsked })
                }
                other => Flow::End(failed(other)),
            },
            Stage::ReadingContent => match answer {
                Answer::Content(Some(found)) => match found.1 {
                    // The checksum is salted with the object's UID: what was copied beside its original logs
                    // in too, and is the original's. Taken in, it would soon be revoked. And it covers the id,
                    // by which the token is revoked one day: a forged one may be a colleague's.
                    Content::Login { username, intact: true, .. } if asks_registry(seen) => {
                        self.at(Request::LogIn, Stage::LoggingIn { username })
                    }
                    Content::Login { username, intact: true, .. } => {
                        let token = Some(Named { id: self.stored.id.clone(), username });
                        self.at(Request::ReadObject, Stage::ReadingObject { token, login: Verdict::NotAsked })
                    }
                    _ => self.at(Request::ReadObject, Stage::ReadingObject { token: None, login: Verdict::NotAsked }),
                },
                other => Flow::End(failed(other)),
            },
            Stage::Doubting => match answer {
                Answer::Login(Verdict::Refused(_) | Verdict::NotAsked) => {
                    self.at(Request::ReadObject, Stage::ReadingObject { token: None, login: Verdict::NotAsked })
                }
                Answer::Login(_) => Flow::End(Outcome::WaitFor(AGAIN, unlisted())),
                other => Flow::End(failed(other)),
            },
            Stage::LoggingIn { username } => self.logged_in(username, answer),
            Stage::ReadingObject { token, login } => match answer {
                Answer::Object(Some(_)) => self.decide(seen, token, login),
                other => Flow::End(failed(other)),
            },
            Stage::Confirming { token, login } => match answer {
                Answer::Secret(Some(_)) if self.still_stored(seen) => self.take_in(seen, token, login),
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
        seen.secret.as_ref().and_then(|secret| secret.stored.as_ref()) == Some(&self.stored)
    }

    fn secret_read(self, seen: &Observed, answer: Answer) -> Next {
        match answer {
            Answer::Secret(Some(_)) if self.still_stored(seen) => {}
            Answer::Secret(_) => return Flow::End(Outcome::LookAgain),
            other => return Flow::End(failed(other)),
        }
        match seen.facts() {
            Some(facts) if facts.list_visible => {
                let id = self.stored.id.clone();
                self.at(Request::Find(Rows::WithId(id)), Stage::Finding)
            }
            // Where nobody can look a row up, what the operator wrote is believed, and whoever has the secret logs in.
            Some(_) => self.at(Request::ReadContent, Stage::ReadingContent),
            None => Flow::End(Outcome::LookAgain),
        }
    }

    /// The row of that id carries this object's nonce: an attempt that was copied to another
    /// object, or an annotation that was forged, fits nobody's token.
    fn proved_by(&self, seen: &Observed, rows: Vec<crate::domain::effect::Row>) -> Option<Named> {
        let marker = seen.marker(seen.facts()?, &self.stored.attempt);
        let proved =
            |row: &crate::domain::effect::Row| row.token.id == self.stored.id && marker.is_in(&row.description);
        rows.into_iter().find(proved).map(|row| row.token)
    }

    fn logged_in(self, username: String, answer: Answer) -> Next {
        let id = self.stored.id.clone();
        match answer {
            Answer::Login(Verdict::Accepted) => {
                let token = Some(Named { id, username });
                self.at(Request::ReadObject, Stage::ReadingObject { token, login: Verdict::Accepted })
            }
            Answer::Login(Verdict::Refused(_)) => {
                self.at(Request::ReadObject, Stage::ReadingObject { token: None, login: Verdict::NotAsked })
            }
            Answer::Login(Verdict::Unknown(why)) => Flow::End(Outcome::Failed(registry_unavailable(&why))),
            other => Flow::End(failed(other)),
        }
    }

    fn decide(self, seen: &Observed, token: Option<Named>, login: Verdict) -> Next {
        let known = recorded(&seen.object);
        let named = known.token.as_ref().is_some_and(|token| token.id == self.stored.id);
        if named || known.retires(&self.stored.id) {
            return Flow::End(Outcome::Again);
        }
        match token {
            Some(token) => self.at(Request::ReadSecret, Stage::Confirming { token, login }),
            None => self.at(Request::Secret(Write::Disown), Stage::Writing),
        }
    }

    fn take_in(self, seen: &Observed, token: Named, login: Verdict) -> Next {
        let (Some(facts), Some(meta)) = (seen.facts(), &seen.secret) else { return Flow::End(Outcome::LookAgain) };
        let nonce = nonce(seen, &self.stored.attempt);
        let request_time = Time(seen.now);
        let token = RecordedToken { id: token.id, username: token.username, nonce, request_time };
        // Not yet read in full: the next decision inspects it.
        let (name, uid) = (seen.object.secret_name.clone(), Some(meta.uid.clone()));
        let secret = RecordedSecret { name, uid, resource_version: None };
        let login = match login {
            Verdict::NotAsked if facts.asks_registry() => Verdict::Unknown("not asked yet".to_owned()),
            login => login,
        };
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
