//! Takes over a token that a person requested, from a Secret that its user handed over.
//!
//! The Secret proves the token: its login works where a random password does not, and the portal's row of the id that the
//! annotation names has its username, which no other row has. Nothing of the portal is looked up, or said, before the login
//! was accepted. Where tokens share a username, no login proves an id, so nothing is imported. The one write stores in the Secret what a commit would have stored, guarded by the version whose login was
//! verified. The next decision adopts it like any stored token. No token is requested, so a crash at any point loses and
//! leaks nothing.

use super::{Outcome, StateMachine, Transition, from_response, verify_login};
use crate::domain::decide::token_to_import;
use crate::domain::model::issuer::IssuerInfo;
use crate::domain::model::login_result::LoginResult;
use crate::domain::model::marker::ends_with_any_marker;
use crate::domain::model::problem::Problem;
use crate::domain::model::problem::messages::{import_failed, import_not_handed_over, secret_rejected};
use crate::domain::model::pull_secret::{Ownership, Provenance, StoredToken};
use crate::domain::model::request_cause::RequestCause;
use crate::domain::model::token::{RowQuery, TokenRef, TokenRow, same_id};
use crate::domain::observed::Observed;
use crate::domain::protocol::{ImportContent, Request, Response, SecretWrite};
use jiff::Timestamp;
use std::time::Duration;

/// Time before a failed import is tried again. The operator does not watch a Secret that it does not own yet.
const RETRY_AFTER: Duration = Duration::from_mins(1);

/// Time before a rejected write is tried again, as its message says.
const REJECTED_RETRY_AFTER: Duration = Duration::from_secs(30);

/// State of an import.
#[derive(Clone, Debug, PartialEq)]
pub struct Importing {
    /// The portal id that the annotation names.
    id: String,
    /// The annotations that the token handles, as a requested token would.
    request_cause: RequestCause,
    /// When the token expires, according to its row.
    expiration_time: Option<Timestamp>,
    stage: Stage,
}

#[derive(Clone, Debug, PartialEq)]
enum Stage {
    ReadingSecret,
    ReadingIssuer,
    ReadingContent,
    VerifyingLogin {
        username: String,
    },
    TryingRandomPassword {
        username: String,
    },
    FindingRow {
        username: String,
    },
    /// Checks whether another token uses the same username.
    CountingRows(TokenRef),
    Claiming(TokenRef),
    /// The logins may have taken a while: checks that the object still exists, and still wants this token.
    ReadingObject(TokenRef),
    Writing,
}

type ImportTransition = Transition<Importing>;

/// Starts by reading the Secret's metadata: a Secret without our label is not in the cache.
#[must_use]
pub const fn begin(id: String, request_cause: RequestCause) -> ImportTransition {
    Transition::Perform(
        Request::ReadSecret,
        Importing { id, request_cause, expiration_time: None, stage: Stage::ReadingSecret },
    )
}

impl StateMachine for Importing {
    fn step(mut self, observed: &Observed, response: Response) -> ImportTransition {
        match (std::mem::replace(&mut self.stage, Stage::Writing), response) {
            (Stage::ReadingSecret, Response::Secret(_)) => self.secret_read(observed),
            (Stage::ReadingIssuer, Response::Done) => self.transition_to(Request::ReadImport, Stage::ReadingContent),
            (Stage::ReadingContent, Response::Import(found)) => self.content_read(observed, found.map(|found| found.1)),
            (Stage::VerifyingLogin { username }, Response::Login(result)) => self.login_verified(username, &result),
            (Stage::TryingRandomPassword { username }, Response::Login(result)) => {
                self.random_password_tried(observed, username, &result)
            }
            (Stage::FindingRow { username }, Response::Rows(rows)) => self.row_found(username, &rows),
            (Stage::CountingRows(token), Response::Rows(rows)) if rows.len() == 1 => {
                self.transition_to(Request::ClaimToken(token.clone()), Stage::Claiming(token))
            }
            (Stage::CountingRows(_), Response::Rows(_)) => {
                retry_later("the portal does not list exactly one token with the username in the Secret")
            }
            (Stage::Claiming(token), Response::Done) => {
                self.transition_to(Request::ReadObject, Stage::ReadingObject(token))
            }
            (Stage::Claiming(_), Response::Conflict) => {
                retry_later("another RegistryToken has this token, or imports it")
            }
            (Stage::ReadingObject(token), Response::Object(Some(_))) => self.store(observed, &token),
            (Stage::Writing, Response::Secret(Some(_))) if observed.own_stored().is_some() => {
                Transition::Done(Outcome::Redecide)
            }
            (Stage::Writing, Response::Secret(Some(_))) => report_later(
                REJECTED_RETRY_AFTER,
                secret_rejected("the annotations that record the token were removed"),
            ),
            (Stage::Writing, Response::WriteRejected(message)) => {
                report_later(REJECTED_RETRY_AFTER, secret_rejected(&message))
            }
            (_, other) => Transition::Done(from_response(other)),
        }
    }
}

impl Importing {
    fn transition_to(self, request: Request, stage: Stage) -> ImportTransition {
        Transition::Perform(request, Self { stage, ..self })
    }

    fn secret_read(self, observed: &Observed) -> ImportTransition {
        if let Some(other) = not_handed_over(observed) {
            return other;
        }
        if self.id.is_empty() {
            return retry_later("the annotation is empty: set it to the id in the portal's list");
        }
        let Some(issuer) = observed.issuer_info() else { return Transition::Done(Outcome::RequeueSoon) };
        if !issuer.checks_login() {
            return retry_later("the issuer verifies no logins, and only a login proves whose token it is");
        }
        if issuer.login_shared {
            return retry_later(SHARED_LOGIN);
        }
        if issuer.evidence().query_stored(&self.id).is_none() {
            return retry_later("the portal user of the issuer may not list tokens");
        }
        self.transition_to(Request::ReadIssuer, Stage::ReadingIssuer)
    }

    fn content_read(self, observed: &Observed, content: Option<ImportContent>) -> ImportTransition {
        if let Some(other) = not_handed_over(observed) {
            return other;
        }
        match content {
            None => retry_later(NO_SECRET),
            Some(ImportContent::WrongType) => {
                retry_later("the Secret is not of type kubernetes.io/dockerconfigjson: create another one of this type")
            }
            Some(ImportContent::Immutable) => retry_later("the Secret is immutable: create another one that is not"),
            Some(ImportContent::Unusable(why)) => retry_later(&why.message()),
            Some(ImportContent::Login { username }) => {
                self.transition_to(Request::VerifyImportedLogin, Stage::VerifyingLogin { username })
            }
        }
    }

    /// A registry that accepts every login proves nothing.
    fn login_verified(self, username: String, result: &LoginResult) -> ImportTransition {
        match result {
            LoginResult::Accepted => self.transition_to(
                Request::TryRandomPassword { username: username.clone() },
                Stage::TryingRandomPassword { username },
            ),
            LoginResult::Rejected(why) => retry_later(&format!("the registry rejects the login in the Secret ({why})")),
            LoginResult::Unknown(why) => report_later(verify_login::retry_after(why).max(RETRY_AFTER), why.into()),
            LoginResult::NotChecked => Transition::Done(Outcome::RequeueSoon),
        }
    }

    fn random_password_tried(self, observed: &Observed, username: String, result: &LoginResult) -> ImportTransition {
        match result {
            LoginResult::Rejected(_) => {}
            LoginResult::Unknown(why) => {
                return report_later(verify_login::retry_after(why).max(RETRY_AFTER), why.into());
            }
            LoginResult::Accepted | LoginResult::NotChecked => {
                return retry_later(
                    "the registry does not verify logins: it accepts a random password, so that no login proves whose token it is",
                );
            }
        }
        // Another issuer of this name may have connected since.
        let issuer = observed.issuer_info().filter(|issuer| !issuer.login_shared);
        match issuer.and_then(|issuer| issuer.evidence().query_stored(&self.id)) {
            Some(query) => self.transition_to(Request::QueryRows(query), Stage::FindingRow { username }),
            None => Transition::Done(Outcome::RequeueSoon),
        }
    }

    /// The message does not say which username the id has: it may be the id of another user's token.
    fn row_found(mut self, username: String, rows: &[TokenRow]) -> ImportTransition {
        let matches = |row: &&TokenRow| same_id(&row.token.id, &self.id) && row.token.username == username;
        let Some(row) = rows.iter().find(matches) else {
            return retry_later("the portal lists no token with this id and the username in the Secret");
        };
        if ends_with_any_marker(&row.description) {
            return retry_later(
                "its description in the portal ends with a marker: an operator requested it for another RegistryToken. If that object no longer exists, remove the marker in the portal",
            );
        }
        let token = TokenRef { id: row.token.id.clone(), username: username.clone() };
        self.expiration_time = row.expiration_time;
        self.transition_to(Request::QueryRows(RowQuery::WithUsername(username)), Stage::CountingRows(token))
    }

    fn store(self, observed: &Observed, token: &TokenRef) -> ImportTransition {
        if observed.object.deleting || token_to_import(observed) != Some(self.id.as_str()) {
            return Transition::Done(Outcome::Redecide);
        }
        let Some(issuer) = observed.issuer_info() else { return Transition::Done(Outcome::RequeueSoon) };
        let stored = self.stored_token(observed, issuer, token);
        self.transition_to(Request::WriteSecret(SecretWrite::Import(stored)), Stage::Writing)
    }

    fn stored_token(&self, observed: &Observed, issuer: &IssuerInfo, token: &TokenRef) -> StoredToken {
        StoredToken {
            attempt_id: observed.attempt_id.clone(),
            id: token.id.clone(),
            request_cause: self.request_cause.clone(),
            // The portal does not say when the token was requested: its rotation counts from now.
            provenance: Provenance {
                portal: issuer.portal_hash(),
                requested_at: observed.now.as_second(),
                expires_at: self.expiration_time.map(Timestamp::as_second),
                previous_id: None,
            },
            signature: observed.sign_stored(&issuer.portal, token),
        }
    }
}

const SHARED_LOGIN: &str = "all tokens of this portal log in with the same username, so that no login proves which token is in the Secret: \
     remove the annotation to get a new token, and then revoke the old one in the portal";

const NO_SECRET: &str = "there is no Secret of this name: create it with the login of the token";

/// Why the Secret is not imported, if its user did not hand it over, or it is in use already.
fn not_handed_over(observed: &Observed) -> Option<ImportTransition> {
    let Some(secret) = &observed.secret else { return Some(retry_later(NO_SECRET)) };
    if secret.ownership == Ownership::Foreign {
        return Some(report_later(RETRY_AFTER, import_not_handed_over(secret)));
    }
    // It belongs to the object, or another operator was faster.
    token_to_import(observed).is_none().then_some(Transition::Done(Outcome::Redecide))
}

fn retry_later(why: &str) -> ImportTransition {
    report_later(RETRY_AFTER, import_failed(why))
}

const fn report_later(wait: Duration, problem: Problem) -> ImportTransition {
    Transition::Done(Outcome::ReportFor(wait, problem))
}

#[cfg(test)]
#[path = "import_tests.rs"]
mod tests;
