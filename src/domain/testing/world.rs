//! A world in which everything goes well, unless a test orders otherwise. Far less than the
//! simulation's: one object, one Secret, a few rows, and nobody else.

use super::words::word;
use super::{Named, Observed, Row};
use crate::api::RegistryTokenStatus;
use crate::domain::effect::{Answer, Content, Request, Rows, Verdict, Write};
use crate::domain::pass::{End, Next, Pass};
use crate::domain::pull_secret::SecretMeta;
use crate::domain::step::{Flow, Outcome};
use crate::domain::testing::empty_secret;
use std::collections::VecDeque;

/// More requests than any pass may need.
const MANY: usize = 400;

enum Order {
    /// This answer, and nothing is done.
    Answer(Answer),
    /// This happens, and then all goes well.
    Meanwhile(Box<dyn FnOnce(&mut World)>),
}

pub struct World {
    /// What is.
    pub seen: Observed,
    /// The portal's list.
    pub rows: Vec<Row>,
    /// What the Secret's content amounts to.
    pub content: Content,
    /// What the registry says.
    pub verdict: Verdict,
    /// The portal's answer to a request holds the id.
    pub tells_id: bool,
    /// What was asked for, in words.
    pub asked: Vec<String>,
    /// The same in full.
    pub requests: Vec<Request>,
    orders: VecDeque<(&'static str, Order)>,
}

/// A login in a Secret that is as it should be.
pub fn login(username: &str) -> Content {
    Content::Login { username: username.to_owned(), registries: true, intact: true, dressed: true }
}

impl World {
    /// The portal lists the tokens that status names, as they should look.
    pub fn of(seen: Observed) -> Self {
        let known = crate::domain::recorded::recorded(&seen.object);
        let description = seen.object.description.clone();
        let rows = known.tokens().into_iter().map(|token| Row { token, description: description.clone() }).collect();
        let content = known.token.map_or(Content::Nothing, |token| login(&token.username));
        let (asked, requests, orders) = (vec![], vec![], VecDeque::new());
        Self { seen, rows, content, verdict: Verdict::Accepted, tells_id: true, asked, requests, orders }
    }

    /// The next request of this name is answered so, and not done. A test fails whose orders are not used.
    pub fn on(mut self, word: &'static str, answer: Answer) -> Self {
        self.orders.push_back((word, Order::Answer(answer)));
        self
    }

    /// Before the next request of this name, this happens.
    pub fn meanwhile(mut self, word: &'static str, event: impl FnOnce(&mut Self) + 'static) -> Self {
        self.orders.push_back((word, Order::Meanwhile(Box::new(event))));
        self
    }

    pub fn listing(mut self, rows: &[Row]) -> Self {
        self.rows = rows.to_vec();
        self
    }

    pub fn saying(mut self, verdict: Verdict) -> Self {
        self.verdict = verdict;
        self
    }

    /// Runs one action from its beginning to its end.
    pub fn run<S>(&mut self, begun: Flow<S>, step: impl Fn(S, &Observed, Answer) -> Flow<S>) -> Outcome {
        let mut flow = begun;
        for _ in 0..MANY {
            match flow {
                Flow::End(outcome) => {
                    self.all_orders_used();
                    return outcome;
                }
                Flow::Do(request, state) => {
                    let answer = self.perform(request);
                    flow = step(state, &self.seen, answer);
                }
            }
        }
        panic!("it goes on for ever: {:?}", self.asked);
    }

    /// Runs a pass that begins with what is.
    pub fn pass(&mut self) -> End {
        self.pass_upon(self.seen.clone())
    }

    /// Runs a pass that begins with what its caches hold.
    pub fn pass_upon(&mut self, cached: Observed) -> End {
        let (mut pass, mut next) = Pass::begin(cached);
        for _ in 0..MANY {
            match next {
                Next::End(end) => {
                    self.all_orders_used();
                    return end;
                }
                Next::Do(request) => {
                    let answer = self.perform(request);
                    (pass, next) = pass.step(answer, self.seen.now);
                }
            }
        }
        panic!("it goes on for ever: {:?}", self.asked);
    }

    /// The statuses that were written.
    pub fn statuses(&self) -> impl Iterator<Item = &RegistryTokenStatus> {
        self.requests.iter().filter_map(|request| match request {
            Request::Status(status) => Some(&**status),
            _ => None,
        })
    }

    fn all_orders_used(&self) {
        let left: Vec<_> = self.orders.iter().map(|(word, _)| word).collect();
        assert!(left.is_empty(), "never asked for: {left:?}, but {:?}", self.asked);
    }

    /// Performs a request, as ordered or well.
    pub fn answer(&mut self, request: Request) -> Answer {
        self.perform(request)
    }

    fn perform(&mut self, request: Request) -> Answer {
        let word = word(&request);
        self.asked.push(word.clone());
        self.requests.push(request.clone());
        let ordered = self.orders.iter().position(|(name, _)| *name == word);
        match ordered.and_then(|index| self.orders.remove(index)) {
            Some((_, Order::Answer(answer))) => self.told(answer),
            Some((_, Order::Meanwhile(event))) => {
                event(self);
                self.well(request)
            }
            None => self.well(request),
        }
    }

    /// As a pass takes an answer in.
    fn told(&mut self, answer: Answer) -> Answer {
        match &answer {
            Answer::Object(Some(object)) => self.seen.object = (**object).clone(),
            Answer::Secret(found) => self.seen.secret = found.as_deref().cloned(),
            Answer::Content(found) => self.seen.secret = found.as_ref().map(|found| found.0.clone()),
            _ => {}
        }
        answer
    }

    fn well(&mut self, request: Request) -> Answer {
        match request {
            Request::ReadObject => self.object(),
            Request::ReadSecret => self.secret(),
            Request::ReadContent => {
                Answer::Content(self.seen.secret.clone().map(|meta| Box::new((meta, self.content.clone()))))
            }
            Request::FindWriter => Answer::Writer(Some("kubectl-edit".to_owned())),
            Request::Finalizer(on) => {
                self.seen.object.finalizer = on;
                self.object()
            }
            Request::Secret(write) => self.write(write),
            Request::Status(status) => {
                self.seen.object.status = Some(*status);
                self.object()
            }
            Request::Token { description } => self.hand_out(description),
            Request::Find(Rows::WithId(id)) => self.find(|row| row.token.id == id),
            Request::Find(Rows::OfUser(name)) => {
                let mut found = self.rows.clone();
                found.retain(|row| row.token.username == name);
                for row in &mut found {
                    row.token.id.clone_from(&name);
                }
                Answer::Rows(found)
            }
            Request::Find(Rows::Marked(mark)) => self.find(|row| mark.is_in(&row.description)),
            Request::Edit { token, description } => {
                self.rows
                    .iter_mut()
                    .filter(|row| row.token == token)
                    .for_each(|row| row.description.clone_from(&description));
                Answer::Done
            }
            Request::Revoke(token) => {
                let by_name = |row: &Row| token.is_by_username() && row.token.username == token.username;
                self.rows.retain(|row| row.token != token && !by_name(row));
                Answer::Done
            }
            Request::LogIn => Answer::Login(self.verdict.clone()),
            Request::Pause(time) => {
                self.seen.now = self.seen.now.checked_add(time).expect("a time");
                Answer::Done
            }
            Request::Room { .. }
            | Request::ReadIssuer
            | Request::TryCommit(_)
            | Request::WakeIssuer
            | Request::WantAudit => Answer::Done,
        }
    }

    fn object(&mut self) -> Answer {
        let version = self.seen.object.version.parse::<u64>().expect("a version") + 1;
        self.seen.object.version = version.to_string();
        Answer::Object(Some(Box::new(self.seen.object.clone())))
    }

    fn secret(&self) -> Answer {
        Answer::Secret(self.seen.secret.clone().map(Box::new))
    }

    fn find(&self, wanted: impl Fn(&Row) -> bool) -> Answer {
        Answer::Rows(self.rows.iter().filter(|row| wanted(row)).cloned().collect())
    }

    fn hand_out(&mut self, description: String) -> Answer {
        let Named { id, username } = super::named("18");
        self.rows.push(Row { token: super::named("18"), description });
        Answer::Token { id: self.tells_id.then_some(id), username }
    }

    fn write(&mut self, write: Write) -> Answer {
        let mut meta = match (self.seen.secret.clone(), &write) {
            (Some(meta), _) => meta,
            (None, Write::Reserve(_)) => SecretMeta { resource_version: "0".into(), ..empty_secret() },
            (None, _) => return Answer::Conflict,
        };
        match write {
            Write::Reserve(reservation) => meta.reservation = Some(reservation),
            Write::Drop => meta.reservation = None,
            Write::Close => (meta.reservation, meta.closed) = (None, true),
            Write::Disown => meta.stored = None,
            Write::Commit(stored) => {
                self.content = login(&super::named(&stored.id).username);
                (meta.reservation, meta.stored) = (None, Some(stored));
            }
            Write::RestoreOwnership => meta.tied = true,
            Write::Repair(seal) => {
                if let Some(stored) = &mut meta.stored {
                    stored.seal = seal;
                }
                meta.tied = true;
                meta.registries = self.seen.facts().map(|facts| facts.registries.clone());
            }
            Write::Release(_) => (meta.stored, meta.reservation, meta.tied) = (None, None, false),
        }
        meta.resource_version = (meta.resource_version.parse::<u64>().expect("a version") + 1).to_string();
        self.seen.secret = Some(meta);
        self.secret()
    }
}
