//! The portal's state, for tests to compare with the operator's.

use super::config::Config;
use super::flows::Flows;
use super::keys::KeyKind;
use super::requests::{Operation, Record, Requests, Server};
use super::staged::StagedTasks;
use super::sync::lock;
use super::{random, requests};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// One token, live or revoked.
#[derive(Clone, Debug, Serialize)]
pub struct Token {
    /// Its number. If the key is a 32-bit integer, this is the key.
    pub id: i64,
    /// Its key in the table, as the portal shows it.
    pub key: String,
    /// The registry's username.
    pub username: String,
    /// The registry's password. The portal shows it once, in the response to the request.
    pub secret: String,
    /// Its purpose. Visible to all colleagues.
    pub description: Option<String>,
    /// Every description so far, the current one last.
    pub history: Vec<Edit>,
    /// When it was requested.
    pub requested: Timestamp,
    /// Who requested it.
    pub requested_by: String,
    /// When its description was last changed.
    pub edited: Option<Timestamp>,
    /// When it was revoked.
    pub revoked: Option<Timestamp>,
    /// Who revoked it.
    pub revoked_by: Option<String>,
}

/// One description that a token has had.
#[derive(Clone, Debug, Serialize)]
pub struct Edit {
    /// Since when.
    pub at: Timestamp,
    /// By whom.
    pub by: String,
    /// The text.
    pub description: Option<String>,
}

impl Token {
    /// Whether it is not revoked.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.revoked.is_none()
    }

    /// Whether the registry or the list, which learn of changes with this lag, knows it now.
    pub(super) fn is_known(&self, lag: Duration) -> bool {
        let seen = Timestamp::now() - lag;
        self.requested <= seen && self.revoked.is_none_or(|revoked| revoked > seen)
    }
}

/// The user who acts as a colleague.
const COLLEAGUE: &str = "colleague";

/// A handle to the portal's state.
#[derive(Clone, Default)]
pub struct Ledger {
    tokens: Arc<Mutex<BTreeMap<i64, Token>>>,
    mint: Arc<Mutex<Mint>>,
    pub(super) requests: Requests,
    pub(super) staged: StagedTasks,
    pub(super) flows: Flows,
}

/// The shape of new tokens.
#[derive(Default)]
struct Mint {
    kind: KeyKind,
    prefix: String,
    /// The id of the first one, at least 1.
    first: i64,
}

impl Ledger {
    /// Tokens that are not revoked.
    #[must_use]
    pub fn live(&self) -> Vec<Token> {
        self.read(|tokens| tokens.values().filter(|token| token.is_live()).cloned().collect())
    }

    /// All tokens, including revoked ones.
    #[must_use]
    pub fn all(&self) -> Vec<Token> {
        self.read(|tokens| tokens.values().cloned().collect())
    }

    /// One token, live or revoked.
    #[must_use]
    pub fn token(&self, id: i64) -> Option<Token> {
        self.read(|tokens| tokens.get(&id).cloned())
    }

    /// The passwords of all tokens, including revoked ones, to search for leaks.
    #[must_use]
    pub fn secrets(&self) -> Vec<String> {
        self.read(|tokens| tokens.values().map(|token| token.secret.clone()).collect())
    }

    /// Requests a token as a colleague would in the portal.
    pub fn add_as_colleague(&self, description: Option<&str>) -> Token {
        self.add(description.map(str::to_owned), COLLEAGUE)
    }

    /// Lets the ids begin with this one.
    pub fn begin_with(&self, id: i64) {
        lock(&self.mint).first = id;
    }

    /// Adds a token of a portal that was recorded, with its id, username and password.
    pub fn restore(&self, id: i64, username: &str, secret: &str, description: &str) {
        let (at, by, description) = (requests::now(), "operator".to_owned(), Some(description.to_owned()));
        let token = Token {
            id,
            key: lock(&self.mint).kind.mint(id),
            username: username.to_owned(),
            secret: secret.to_owned(),
            description: description.clone(),
            history: vec![Edit { at, by: by.clone(), description }],
            requested: at,
            requested_by: by,
            edited: None,
            revoked: None,
            revoked_by: None,
        };
        lock(&self.tokens).insert(id, token);
    }

    /// Revokes a token as a colleague. False if there is no such live token.
    pub fn revoke_as_colleague(&self, id: i64) -> bool {
        self.revoke(id, COLLEAGUE)
    }

    /// Changes a description as a colleague. False if there is no such live token.
    pub fn edit_as_colleague(&self, id: i64, description: &str) -> bool {
        self.edit(id, Some(description.to_owned()), COLLEAGUE)
    }

    /// The current end of the request log, for [`Self::requests_since`].
    #[must_use]
    pub fn position(&self) -> usize {
        self.requests.position()
    }

    /// Requests to portal and registry since then.
    #[must_use]
    pub fn requests_since(&self, position: usize) -> Vec<Record> {
        self.requests.since(position)
    }

    /// The number of connections of the portal's requests since then.
    #[must_use]
    pub fn connections_since(&self, position: usize) -> usize {
        let of_portal = |record: &Record| (record.server == Server::Portal).then_some(record.connection);
        self.requests_since(position).iter().filter_map(of_portal).collect::<BTreeSet<u64>>().len()
    }

    /// How many requests of this kind were started, whatever their result. `Any`: all to the portal.
    #[must_use]
    pub fn count(&self, operation: Operation) -> usize {
        self.requests.count(|record| record.server == Server::Portal && operation.covers(record.kind()))
    }

    /// How many requests of this kind took effect.
    #[must_use]
    pub fn applied(&self, operation: Operation) -> usize {
        self.requests.count(|record| record.applied && operation.covers(record.kind()))
    }

    /// The highest number of concurrent tasks.
    #[must_use]
    pub fn max_concurrent_tasks(&self) -> usize {
        self.requests.gauge.highest()
    }

    /// Resets [`Self::max_concurrent_tasks`].
    pub fn reset_max_concurrent_tasks(&self) {
        self.requests.gauge.reset();
    }

    /// Process flows that were started and wait to be finished.
    #[must_use]
    pub fn open_flows(&self) -> usize {
        self.flows.count(|flow| !flow.finished)
    }

    /// Process flows that were started.
    #[must_use]
    pub fn flows(&self) -> usize {
        self.flows.count(|_| true)
    }

    /// Tasks that were staged and never committed: they had no effect.
    #[must_use]
    pub fn staged(&self) -> usize {
        self.staged.uncommitted()
    }

    /// Sets the shape of tokens from now on.
    pub(super) fn mint_as(&self, config: &Config) {
        *lock(&self.mint) = Mint { kind: config.key.kind, prefix: config.username_prefix.clone(), first: 1 };
    }

    pub(super) fn read<R>(&self, look: impl FnOnce(&BTreeMap<i64, Token>) -> R) -> R {
        look(&lock(&self.tokens))
    }

    pub(super) fn add(&self, description: Option<String>, by: &str) -> Token {
        let secret = random::secret();
        let mut tokens = lock(&self.tokens);
        let mint = lock(&self.mint);
        let id = tokens.last_key_value().map_or(mint.first.max(1), |(last, _)| last + 1);
        let at = requests::now();
        let token = Token {
            id,
            key: mint.kind.mint(id),
            username: format!("{}{id}", mint.prefix),
            secret,
            description: description.clone(),
            history: vec![Edit { at, by: by.to_owned(), description }],
            requested: at,
            requested_by: by.to_owned(),
            edited: None,
            revoked: None,
            revoked_by: None,
        };
        tokens.insert(id, token.clone());
        token
    }

    pub(super) fn edit(&self, id: i64, description: Option<String>, by: &str) -> bool {
        self.change(id, |token, at| {
            token.history.push(Edit { at, by: by.to_owned(), description: description.clone() });
            token.description = description;
            token.edited = Some(at);
        })
    }

    pub(super) fn revoke(&self, id: i64, by: &str) -> bool {
        self.change(id, |token, at| {
            token.revoked = Some(at);
            token.revoked_by = Some(by.to_owned());
        })
    }

    fn change(&self, id: i64, change: impl FnOnce(&mut Token, Timestamp)) -> bool {
        let mut tokens = lock(&self.tokens);
        match tokens.get_mut(&id).filter(|token| token.is_live()) {
            Some(token) => {
                change(token, requests::now());
                true
            }
            None => false,
        }
    }
}
