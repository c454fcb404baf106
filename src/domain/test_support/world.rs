//! A world in which every request succeeds, unless a test scripts another response. Much smaller than the simulation:
//! one object, one Secret, a few rows and no other writers.

use super::labels::label;
use super::{Observed, TokenRef, TokenRow, empty_secret};
use crate::api::RegistryTokenStatus;
use crate::domain::actions::{Outcome, StateMachine, Transition};
use crate::domain::model::login_result::LoginResult;
use crate::domain::model::pull_secret::SecretMeta;
use crate::domain::model::token::RowQuery;
use crate::domain::pass::{Pass, PassResult, Step};
use crate::domain::protocol::{Request, Response, SecretContent, SecretWrite};
use jiff::Timestamp;
use std::collections::VecDeque;

/// More requests than any pass needs.
const MAX_REQUESTS: usize = 400;

enum Script {
    /// This response, and nothing is done.
    Respond(Response),
    /// This happens, and then the request succeeds.
    Meanwhile(Box<dyn FnOnce(&mut World)>),
}

pub struct World {
    /// The current state.
    pub observed: Observed,
    /// The portal's list.
    pub rows: Vec<TokenRow>,
    /// The content of the Secret.
    pub content: SecretContent,
    /// The result of a login.
    pub login_result: LoginResult,
    /// The portal's response to a token request contains the id.
    pub returns_id: bool,
    /// When a new token expires.
    pub expiration_time: Option<Timestamp>,
    /// The labels of all requests.
    pub labels: Vec<String>,
    /// All requests.
    pub requests: Vec<Request>,
    script: VecDeque<(&'static str, Script)>,
}

/// The login of a valid Secret.
pub fn login_content(username: &str) -> SecretContent {
    SecretContent::Login {
        username: username.to_owned(),
        registries_match: true,
        checksum_valid: true,
        template_applied: true,
    }
}

impl World {
    /// Creates a world whose portal lists the tokens in status, as expected.
    pub fn of(observed: Observed) -> Self {
        let status = crate::domain::model::status_view::StatusView::of(&observed.object);
        let description = observed.object.description.clone();
        let rows = status
            .tokens()
            .into_iter()
            .map(|token| TokenRow { token, description: description.clone(), expiration_time: None })
            .collect();
        let content = status.token.map_or(SecretContent::Empty, |token| login_content(&token.username));
        let (asked, requests, orders) = (vec![], vec![], VecDeque::new());
        Self {
            observed,
            rows,
            content,
            login_result: LoginResult::Accepted,
            returns_id: true,
            expiration_time: None,
            labels: asked,
            requests,
            script: orders,
        }
    }

    /// Scripts the response to the next request with this label, which is then not performed. A script that is not used
    /// fails the test.
    pub fn on(mut self, word: &'static str, response: Response) -> Self {
        self.script.push_back((word, Script::Respond(response)));
        self
    }

    /// Scripts an event before the next request with this label.
    pub fn meanwhile(mut self, word: &'static str, event: impl FnOnce(&mut Self) + 'static) -> Self {
        self.script.push_back((word, Script::Meanwhile(Box::new(event))));
        self
    }

    pub fn listing(mut self, rows: &[TokenRow]) -> Self {
        self.rows = rows.to_vec();
        self
    }

    pub fn with_login_result(mut self, login_result: LoginResult) -> Self {
        self.login_result = login_result;
        self
    }

    /// Runs one action to its end.
    pub fn run<S: StateMachine>(&mut self, start: Transition<S>) -> Outcome {
        let mut transition = start;
        for _ in 0..MAX_REQUESTS {
            match transition {
                Transition::Done(outcome) => {
                    self.assert_script_used();
                    return outcome;
                }
                Transition::Perform(request, state) => {
                    let response = self.perform(request);
                    transition = state.step(&self.observed, response);
                }
            }
        }
        panic!("endless loop: {:?}", self.labels);
    }

    /// Runs a pass that starts with the current state.
    pub fn pass(&mut self) -> PassResult {
        self.pass_from_cache(self.observed.clone())
    }

    /// Runs a pass that starts with this cached state.
    pub fn pass_from_cache(&mut self, cached: Observed) -> PassResult {
        let (mut pass, mut next) = Pass::begin(cached);
        for _ in 0..MAX_REQUESTS {
            match next {
                Step::Done(end) => {
                    self.assert_script_used();
                    return end;
                }
                Step::Perform(request) => {
                    let response = self.perform(request);
                    (pass, next) = pass.step(response, self.observed.now);
                }
            }
        }
        panic!("endless loop: {:?}", self.labels);
    }

    /// The statuses that were written.
    pub fn statuses(&self) -> impl Iterator<Item = &RegistryTokenStatus> {
        self.requests.iter().filter_map(|request| match request {
            Request::WriteStatus(status) => Some(&**status),
            _ => None,
        })
    }

    fn assert_script_used(&self) {
        let left: Vec<_> = self.script.iter().map(|(word, _)| word).collect();
        assert!(left.is_empty(), "never requested: {left:?}, but {:?}", self.labels);
    }

    /// Performs a request, as scripted or successfully.
    pub fn respond(&mut self, request: Request) -> Response {
        self.perform(request)
    }

    fn perform(&mut self, request: Request) -> Response {
        let word = label(&request);
        self.labels.push(word.clone());
        self.requests.push(request.clone());
        let ordered = self.script.iter().position(|(name, _)| *name == word);
        match ordered.and_then(|index| self.script.remove(index)) {
            Some((_, Script::Respond(response))) => self.absorb(response),
            Some((_, Script::Meanwhile(event))) => {
                event(self);
                self.perform_normally(request)
            }
            None => self.perform_normally(request),
        }
    }

    /// Absorbs a response like a pass.
    fn absorb(&mut self, response: Response) -> Response {
        match &response {
            Response::Object(Some(object)) => self.observed.object = (**object).clone(),
            Response::Secret(found) => self.observed.secret = found.as_deref().cloned(),
            Response::Content(found) => self.observed.secret = found.as_ref().map(|found| found.0.clone()),
            _ => {}
        }
        response
    }

    fn perform_normally(&mut self, request: Request) -> Response {
        match request {
            Request::ReadObject => self.object(),
            Request::ReadSecret => self.secret(),
            Request::ReadContent => {
                Response::Content(self.observed.secret.clone().map(|meta| Box::new((meta, self.content.clone()))))
            }
            Request::ReadImport => Response::Import(
                self.observed.secret.clone().map(|meta| Box::new((meta, super::import_content(&self.content)))),
            ),
            Request::ReadLastWriter => Response::LastWriter(Some("kubectl-edit".to_owned())),
            Request::SetFinalizer(on) => {
                self.observed.object.has_finalizer = on;
                self.object()
            }
            Request::WriteSecret(write) => self.write(write),
            Request::WriteStatus(status) => {
                self.observed.object.status = Some(*status);
                self.object()
            }
            Request::RequestToken { description, .. } => self.issue_token(description),
            Request::QueryRows(RowQuery::WithId(id)) => self.find(|row| row.token.id == id),
            Request::QueryRows(RowQuery::WithUsername(name)) => {
                let mut found = self.rows.clone();
                found.retain(|row| row.token.username == name);
                for row in &mut found {
                    row.token.id.clone_from(&name);
                }
                Response::Rows(found)
            }
            Request::QueryRows(RowQuery::Probe) => self.find(|_| true),
            Request::QueryRows(RowQuery::WithMarker(marker)) => self.find(|row| marker.is_in(&row.description)),
            Request::EditDescription { token, description } => {
                self.rows
                    .iter_mut()
                    .filter(|row| row.token == token)
                    .for_each(|row| row.description.clone_from(&description));
                Response::Done
            }
            Request::Revoke(token) => {
                let by_name =
                    |row: &TokenRow| token.is_identified_by_username() && row.token.username == token.username;
                self.rows.retain(|row| row.token != token && !by_name(row));
                Response::Done
            }
            Request::VerifyLogin | Request::VerifyImportedLogin => Response::Login(self.login_result.clone()),
            Request::TryRandomPassword { .. } => Response::Login(super::refused()),
            Request::Sleep(time) => {
                self.observed.now = self.observed.now.checked_add(time).expect("a time");
                Response::Done
            }
            Request::AcquireSlot { .. }
            | Request::ClaimToken(_)
            | Request::ReadIssuer
            | Request::DryRunCommit(_)
            | Request::RequeueIssuer
            | Request::RequestAudit => Response::Done,
        }
    }

    fn object(&mut self) -> Response {
        let version = self.observed.object.resource_version.parse::<u64>().expect("a version") + 1;
        self.observed.object.resource_version = version.to_string();
        Response::Object(Some(Box::new(self.observed.object.clone())))
    }

    fn secret(&self) -> Response {
        Response::Secret(self.observed.secret.clone().map(Box::new))
    }

    fn find(&self, wanted: impl Fn(&TokenRow) -> bool) -> Response {
        Response::Rows(self.rows.iter().filter(|row| wanted(row)).cloned().collect())
    }

    fn issue_token(&mut self, description: String) -> Response {
        let TokenRef { id, username } = super::token_ref("18");
        self.rows.push(TokenRow { token: super::token_ref("18"), description, expiration_time: self.expiration_time });
        Response::Token { id: self.returns_id.then_some(id), username, expiration_time: self.expiration_time }
    }

    fn write(&mut self, write: SecretWrite) -> Response {
        let mut meta = match (self.observed.secret.clone(), &write) {
            (Some(meta), _) => meta,
            (None, SecretWrite::Reserve(_)) => SecretMeta { resource_version: "0".into(), ..empty_secret() },
            (None, _) => return Response::Conflict,
        };
        match write {
            SecretWrite::Reserve(reservation) => meta.reservation = Some(reservation),
            SecretWrite::ClearReservation => meta.reservation = None,
            SecretWrite::Close => (meta.reservation, meta.closed) = (None, true),
            SecretWrite::ClearToken => meta.stored = None,
            SecretWrite::RemoveLogin => {
                self.content = SecretContent::Empty;
                (meta.reservation, meta.stored) = (None, None);
            }
            SecretWrite::Commit(stored) => {
                self.content = login_content(&super::token_ref(&stored.id).username);
                (meta.reservation, meta.stored) = (None, Some(stored));
            }
            SecretWrite::Import(stored) => {
                self.content = login_content(&stored.signature.username);
                meta.stored = Some(stored);
                (meta.owned_and_labeled, meta.handed_over) = (true, false);
                meta.registries_hash = self.observed.issuer_info().map(|issuer| issuer.registries_hash.clone());
            }
            SecretWrite::RestoreOwnership => meta.owned_and_labeled = true,
            SecretWrite::Repair(signature) => {
                if let Some(stored) = &mut meta.stored {
                    stored.signature = signature;
                }
                meta.owned_and_labeled = true;
                meta.registries_hash = self.observed.issuer_info().map(|issuer| issuer.registries_hash.clone());
            }
            SecretWrite::Orphan(_) => (meta.stored, meta.reservation, meta.owned_and_labeled) = (None, None, false),
        }
        meta.resource_version = (meta.resource_version.parse::<u64>().expect("a version") + 1).to_string();
        self.observed.secret = Some(meta);
        self.secret()
    }
}
