//! The log of requests: what arrived, what it was about, and what became of it.

use super::sync::lock;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// What a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// The task that requests a token.
    Request,
    /// The task that changes a description.
    Edit,
    /// The task that revokes a token.
    Revoke,
    /// Rows of the table, or one of them.
    List,
    /// `$metadata` or the service document.
    Metadata,
    /// The portal's token endpoint or its discovery document.
    Auth,
    /// Nothing that exists.
    Other,
    /// Anything at the registry.
    Registry,
    /// For counts and faults: any request to the portal.
    Any,
}

impl Operation {
    /// Whether what is said of this operation goes for a request of that kind.
    #[must_use]
    pub fn covers(self, kind: Self) -> bool {
        self == kind || (self == Self::Any && kind != Self::Registry)
    }

    /// Whether it is one of the three tasks.
    #[must_use]
    pub fn is_task(self) -> bool {
        matches!(self, Self::Request | Self::Edit | Self::Revoke)
    }
}

/// Which server a request came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Server {
    /// The portal.
    Portal,
    /// The container registry.
    Registry,
}

/// One request.
#[derive(Clone, Debug, Serialize)]
pub struct Record {
    /// Its number; requests of both servers are counted together.
    pub seq: usize,
    /// When it arrived.
    pub at: Timestamp,
    /// Where.
    pub server: Server,
    /// The connection that it came by. A number is never used twice.
    pub connection: u64,
    /// Its method.
    pub method: String,
    /// Its path, as sent.
    pub path: String,
    /// Its query, as sent.
    pub query: Option<String>,
    /// A task's body, as sent: the order of parameters counts. Never that of a login.
    pub body: Option<String>,
    /// What it is about.
    pub operation: Operation,
    /// Who was logged in.
    pub principal: Option<String>,
    /// The answer's status. None: not answered yet, or never.
    pub status: Option<u16>,
    /// Whether a task took effect.
    pub applied: bool,
    /// When the answer was given.
    pub answered: Option<Timestamp>,
}

/// All requests so far.
#[derive(Clone, Default)]
pub(super) struct Requests {
    records: Arc<Mutex<Vec<Record>>>,
    pub(super) gauge: Gauge,
}

/// A request under way, through which the rest of its record is filled in.
#[derive(Clone)]
pub(super) struct Visit {
    requests: Requests,
    seq: usize,
}

impl Requests {
    pub(super) fn begin(&self, mut record: Record) -> Visit {
        let mut records = lock(&self.records);
        record.seq = records.len();
        let seq = record.seq;
        records.push(record);
        Visit { requests: self.clone(), seq }
    }

    pub(super) fn position(&self) -> usize {
        lock(&self.records).len()
    }

    pub(super) fn since(&self, position: usize) -> Vec<Record> {
        lock(&self.records).get(position..).unwrap_or_default().to_vec()
    }

    pub(super) fn count(&self, wanted: impl Fn(&Record) -> bool) -> usize {
        lock(&self.records).iter().filter(|record| wanted(record)).count()
    }
}

impl Visit {
    pub(super) fn principal(&self, name: &str) {
        self.change(|record| record.principal = Some(name.to_owned()));
    }

    pub(super) fn applied(&self) {
        self.change(|record| record.applied = true);
    }

    pub(super) fn answered(&self, status: u16) {
        self.change(|record| {
            record.status = Some(status);
            record.answered = Some(now());
        });
    }

    fn change(&self, change: impl FnOnce(&mut Record)) {
        change(&mut lock(&self.requests.records)[self.seq]);
    }
}

/// Counts what is under way, and remembers the most.
#[derive(Clone, Default)]
pub(super) struct Gauge(Arc<(AtomicUsize, AtomicUsize)>);

/// One thing under way, until it is dropped.
pub(super) struct UnderWay(Gauge);

impl Gauge {
    pub(super) fn enter(&self) -> UnderWay {
        let now = self.0.0.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.1.fetch_max(now, Ordering::SeqCst);
        UnderWay(self.clone())
    }

    pub(super) fn highest(&self) -> usize {
        self.0.1.load(Ordering::SeqCst)
    }

    pub(super) fn reset(&self) {
        self.0.1.store(self.0.0.load(Ordering::SeqCst), Ordering::SeqCst);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The time.
pub(super) fn now() -> Timestamp {
    Timestamp::now()
}
