//! The request log: what arrived, its operation, and its result.

use super::sync::lock;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// The operation of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// The task that requests a token: the one request that runs it, even if that is a commit.
    Request,
    /// The task that changes a description: the request that runs it.
    Edit,
    /// The task that revokes a token: the request that runs it.
    Revoke,
    /// `…/stage` of any task.
    Stage,
    /// A `PATCH` of a staged task.
    Patch,
    /// The commit of a staged task, which runs it.
    Commit,
    /// A read of a staged task.
    StagedRead,
    /// A read of the resource that a process flow waits for.
    FlowRead,
    /// The request that finishes a process flow.
    FlowFinish,
    /// A `DELETE` of a staged task or of a waiting flow.
    Cancel,
    /// Rows of the table, or one of them.
    List,
    /// One row of the table.
    Row,
    /// `$metadata` or the service document.
    Metadata,
    /// The service document.
    Service,
    /// The portal's token endpoint or its discovery document.
    Auth,
    /// The discovery document.
    Discovery,
    /// The token endpoint.
    TokenEndpoint,
    /// Another table or task, or nothing that exists.
    Other,
    /// Anything at the registry.
    Registry,
    /// For counts and faults: any request to the portal.
    Any,
}

/// The classification of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    /// The most specific operation.
    pub(super) operation: Operation,
    /// The task that it is a part of.
    pub(super) task: Option<Operation>,
}

impl Kind {
    /// An operation that belongs to no task.
    pub(super) fn of(operation: Operation) -> Self {
        Self { operation, task: None }
    }

    /// A part of a task.
    pub(super) fn part(operation: Operation, task: Operation) -> Self {
        Self { operation, task: Some(task) }
    }
}

impl Operation {
    /// Whether a count or fault for this operation includes a request of that kind.
    pub(super) fn covers(self, kind: Kind) -> bool {
        let one = kind.operation;
        self == one
            || match self {
                Self::Request | Self::Edit | Self::Revoke => one == Self::Commit && kind.task == Some(self),
                Self::List => one == Self::Row,
                Self::Metadata => one == Self::Service,
                Self::Auth => matches!(one, Self::Discovery | Self::TokenEndpoint),
                Self::Any => one != Self::Registry,
                _ => false,
            }
    }

    /// Whether it is one of the three tasks, or a part of one.
    #[must_use]
    pub fn is_task(self) -> bool {
        matches!(self, Self::Request | Self::Edit | Self::Revoke) || self.is_part()
    }

    fn is_part(self) -> bool {
        use Operation::{Cancel, Commit, FlowFinish, FlowRead, Patch, Stage, StagedRead};
        matches!(self, Stage | Patch | Commit | StagedRead | FlowRead | FlowFinish | Cancel)
    }
}

/// The server that received a request.
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
    /// The server.
    pub server: Server,
    /// The connection that it used. Numbers are never reused.
    pub connection: u64,
    /// Its method.
    pub method: String,
    /// Its path, as sent.
    pub path: String,
    /// Its query, as sent.
    pub query: Option<String>,
    /// A task's body, as sent: the order of parameters matters. The body of a login is not recorded.
    pub body: Option<String>,
    /// Its operation.
    pub operation: Operation,
    /// The task that it is a part of.
    pub task: Option<Operation>,
    /// The authenticated user or client.
    pub principal: Option<String>,
    /// The response's status. `None`: not answered yet, or never.
    pub status: Option<u16>,
    /// Whether a task took effect.
    pub applied: bool,
    /// When the response was sent.
    pub answered: Option<Timestamp>,
}

impl Record {
    pub(super) fn kind(&self) -> Kind {
        Kind { operation: self.operation, task: self.task }
    }
}

#[derive(Clone, Default)]
pub(super) struct Requests {
    records: Arc<Mutex<Vec<Record>>>,
    pub(super) gauge: Gauge,
}

/// A request in progress, through which the rest of its record is set.
#[derive(Clone)]
pub(super) struct OpenRecord {
    requests: Requests,
    seq: usize,
}

impl Requests {
    pub(super) fn begin(&self, mut record: Record) -> OpenRecord {
        let mut records = lock(&self.records);
        record.seq = records.len();
        let seq = record.seq;
        records.push(record);
        OpenRecord { requests: self.clone(), seq }
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

impl OpenRecord {
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

/// Counts what is in progress, and records the maximum.
#[derive(Clone, Default)]
pub(super) struct Gauge(Arc<(AtomicUsize, AtomicUsize)>);

/// One item in progress, until it is dropped.
pub(super) struct InFlight(Gauge);

impl Gauge {
    pub(super) fn enter(&self) -> InFlight {
        let now = self.0.0.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.1.fetch_max(now, Ordering::SeqCst);
        InFlight(self.clone())
    }

    pub(super) fn highest(&self) -> usize {
        self.0.1.load(Ordering::SeqCst)
    }

    pub(super) fn reset(&self) {
        self.0.1.store(self.0.0.load(Ordering::SeqCst), Ordering::SeqCst);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The current time.
pub(super) fn now() -> Timestamp {
    Timestamp::now()
}
