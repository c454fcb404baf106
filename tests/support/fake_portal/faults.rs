//! Faults that tests inject: what fails, for which requests, and how often.

use super::messages::MessageShape;
use super::requests::{Kind, Operation};
use super::sync::lock;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

/// What fails in a request.
///
/// "Before" and "after" refer to the moment at which a task takes effect: a client that only sees the failure cannot
/// tell them apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Answered with this status, not performed.
    Status(u16),
    /// Performed, and answered with this status.
    StatusAfter(u16),
    /// Answered with this status at once, and performed this many milliseconds later.
    StatusLate {
        status: u16,
        /// How much later.
        millis: u64,
    },
    /// Neither performed nor answered until [`Faults::release`]; then performed, if the client is still connected.
    HangBefore,
    /// Performed, and not answered until [`Faults::release`].
    HangAfter,
    /// Performed this many milliseconds late, even if the client has disconnected by then.
    DelayBefore(u64),
    /// Performed, and answered this many milliseconds late.
    DelayAfter(u64),
    /// The connection is closed, nothing is performed.
    DropBefore,
    /// Performed, and the connection is closed.
    DropAfter,
    /// The connection is closed at once, and the request is performed this many milliseconds later.
    DropLate(u64),
    /// Performed twice, as by a proxy that repeats a request: two rows have the same description. The response is the
    /// second one.
    Twice,
    /// Performed, and answered with 200 and a body that is not JSON.
    Garbage,
    /// Performed, and answered with 200 and this body.
    Body {
        /// The content type.
        content_type: String,
        text: String,
    },
    /// Performed, and the response has this content type.
    ContentType(String),
    /// Performed, and the response ends after half the body.
    Truncated,
    /// Performed, and the connection is closed in the middle of the body.
    BreakOff,
    /// Performed, and this many blanks follow the body, which are never in memory all at once.
    Huge {
        blanks: u64,
        /// Whether `Content-Length` includes them.
        announced: bool,
    },
    /// Performed, and the body never ends: a blank is sent each time after this many milliseconds.
    Endless(u64),
    /// Performed, and answered without the password.
    WithoutSecret,
    /// Performed, and answered without the username.
    WithoutUsername,
    /// Performed, and answered without this field.
    Without(String),
    /// Performed, and the page has this next link.
    NextLink(String),
    /// Performed, and the response has this `Location` of the staged resource or the flow.
    Location(String),
    /// Not performed, and answered with this status and `Retry-After` in seconds.
    RetryAfter {
        /// 429 or 503.
        status: u16,
        /// The value of `Retry-After`.
        seconds: u64,
    },
    /// Not performed, and answered with this status and `Retry-After` as an HTTP date.
    RetryAt {
        /// 429 or 503.
        status: u16,
        /// How far the date is in the future.
        seconds: u64,
    },
    /// Not performed, and answered with this status and `Retry-After` with any text.
    RetryText {
        /// 429 or 503.
        status: u16,
        /// The text.
        text: String,
    },
    /// Not performed, and redirected.
    Redirect {
        /// 301, 302, 303, 307 or 308.
        status: u16,
        /// The redirect target.
        location: String,
    },
    /// Rejected by a business rule with this message id.
    Refuse(String),
    /// Not performed, and answered with this status and details in this shape.
    MessageShape { status: u16, how: MessageShape },
}

/// A handle to the active faults.
#[derive(Clone)]
pub struct Faults(Arc<Inner>);

struct Inner {
    rules: Mutex<Vec<Rule>>,
    released: watch::Sender<u64>,
}

/// An active fault.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The requests that it affects.
    pub operation: Operation,
    /// Affects only requests that are part of this task. Absent: of any task.
    #[serde(default)]
    pub task: Option<Operation>,
    /// The fault.
    pub fault: Fault,
    /// How many more times. Absent: always.
    #[serde(default)]
    pub times: Option<usize>,
}

/// How the work of a request is performed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct WorkOptions {
    /// By how much it is delayed.
    pub(super) late: Duration,
    /// Whether a task runs twice.
    pub(super) twice: bool,
}

/// A fault that is injected into one request.
pub(super) struct ActiveFault {
    pub(super) fault: Fault,
    released: watch::Receiver<u64>,
}

impl Default for Faults {
    fn default() -> Self {
        Self(Arc::new(Inner { rules: Mutex::default(), released: watch::Sender::new(0) }))
    }
}

impl Faults {
    /// Injects a fault into all requests from now until [`Self::clear`].
    pub fn always(&self, operation: Operation, fault: Fault) {
        self.add(Rule { operation, task: None, fault, times: None });
    }

    /// Injects a fault into the next requests, this many times.
    pub fn times(&self, operation: Operation, fault: Fault, times: usize) {
        self.add(Rule { operation, task: None, fault, times: Some(times) });
    }

    /// Injects a fault into the next request. Several are injected one after the other.
    pub fn once(&self, operation: Operation, fault: Fault) {
        self.times(operation, fault, 1);
    }

    /// Adds a fault after the active ones: the first one that matches a request is injected.
    pub fn add(&self, rule: Rule) {
        lock(&self.0.rules).push(rule);
    }

    /// The active faults.
    #[must_use]
    pub fn in_force(&self) -> Vec<Rule> {
        lock(&self.0.rules).clone()
    }

    /// Removes all faults, and releases hanging requests.
    pub fn clear(&self) {
        lock(&self.0.rules).clear();
        self.release();
    }

    /// Releases hanging requests. Faults stay active.
    pub fn release(&self) {
        self.0.released.send_modify(|count| *count += 1);
    }

    pub(super) fn take_fault(&self, kind: Kind) -> Option<ActiveFault> {
        let mut rules = lock(&self.0.rules);
        let at = rules.iter().position(|rule| rule.covers(kind) && rule.times != Some(0))?;
        let fault = rules[at].fault.clone();
        if let Some(times) = &mut rules[at].times {
            *times -= 1;
            if *times == 0 {
                rules.remove(at);
            }
        }
        Some(ActiveFault { fault, released: self.0.released.subscribe() })
    }
}

impl Rule {
    fn covers(&self, kind: Kind) -> bool {
        self.operation.covers(kind) && (self.task.is_none() || self.task == kind.task)
    }
}

impl ActiveFault {
    /// Waits for the next [`Faults::release`].
    pub(super) async fn hang(&mut self) {
        if self.released.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// How the work is done.
    pub(super) fn manner(&self) -> WorkOptions {
        let late = match self.fault {
            Fault::DelayBefore(millis) | Fault::DropLate(millis) | Fault::StatusLate { millis, .. } => millis,
            _ => 0,
        };
        WorkOptions { late: Duration::from_millis(late), twice: self.fault == Fault::Twice }
    }
}
