//! Faults to order: what shall go wrong, with which requests, and how often.

use super::messages::MessageShape;
use super::requests::{Kind, Operation};
use super::sync::lock;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

/// What goes wrong with a request.
///
/// "Before" and "after" refer to the moment at which a task takes effect: a client that only sees
/// the failure cannot tell them apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Answered with this status, nothing done.
    Status(u16),
    /// Done, and answered with this status.
    StatusAfter(u16),
    /// Answered with this status at once, and done so many milliseconds later.
    StatusLate {
        /// The status.
        status: u16,
        /// How much later.
        millis: u64,
    },
    /// Nothing done and nothing answered, until [`Faults::release`]; then done, if the client is still there.
    HangBefore,
    /// Done, and nothing answered until [`Faults::release`].
    HangAfter,
    /// Done so many milliseconds late, even if the client has left by then.
    DelayBefore(u64),
    /// Done, and answered so many milliseconds late.
    DelayAfter(u64),
    /// The connection breaks, nothing done.
    DropBefore,
    /// Done, and the connection breaks.
    DropAfter,
    /// The connection breaks at once, and it is done so many milliseconds later.
    DropLate(u64),
    /// Done twice, as by a proxy that repeats a request: two rows have the same description. The
    /// answer is the second one.
    Twice,
    /// Done, and answered with 200 and a body that is no JSON.
    Garbage,
    /// Done, and answered with 200 and this body.
    Body {
        /// Its type.
        content_type: String,
        /// The text.
        text: String,
    },
    /// Done, and the answer calls its body so.
    ContentType(String),
    /// Done, and the first half of the body is all there is.
    Truncated,
    /// Done, and half-way through the body the connection breaks.
    BreakOff,
    /// Done, and so many blanks follow the body, none of which is ever in memory with another.
    Huge {
        /// How many.
        blanks: u64,
        /// Whether `Content-Length` says so.
        announced: bool,
    },
    /// Done, and the body never ends: a blank comes each so many milliseconds.
    Endless(u64),
    /// Done, and answered without the secret.
    WithoutSecret,
    /// Done, and answered without the username.
    WithoutUsername,
    /// Done, and answered without this field.
    Without(String),
    /// Done, and this is where the page that was asked for says the next one is.
    NextLink(String),
    /// Done, and this is where the answer says that the staged resource or the flow is.
    Location(String),
    /// Nothing done, and answered with this status and `Retry-After` in seconds.
    RetryAfter {
        /// 429 or 503.
        status: u16,
        /// How long to stay away.
        seconds: u64,
    },
    /// Nothing done, and answered with this status and `Retry-After` as an HTTP date.
    RetryAt {
        /// 429 or 503.
        status: u16,
        /// How long to stay away.
        seconds: u64,
    },
    /// Nothing done, and answered with this status and `Retry-After` with any text.
    RetryText {
        /// 429 or 503.
        status: u16,
        /// The text.
        text: String,
    },
    /// Nothing done, and sent elsewhere.
    Redirect {
        /// 301, 302, 303, 307 or 308.
        status: u16,
        /// Where.
        location: String,
    },
    /// Refused by a business rule with this message id.
    Refuse(String),
    /// Nothing done, and answered with this status and details in this shape.
    MessageShape {
        /// The status.
        status: u16,
        /// The shape.
        how: MessageShape,
    },
}

/// A handle to the faults in force.
#[derive(Clone)]
pub struct Faults(Arc<Inner>);

struct Inner {
    rules: Mutex<Vec<Rule>>,
    released: watch::Sender<u64>,
}

/// A fault in force.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// With which requests.
    pub operation: Operation,
    /// Only with those that are a part of this task. Absent: of any.
    #[serde(default)]
    pub task: Option<Operation>,
    /// What.
    pub fault: Fault,
    /// How often yet. Absent: always.
    #[serde(default)]
    pub times: Option<usize>,
}

/// How the work that a request asks for is done.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct WorkOptions {
    /// By how much it takes effect late.
    pub(super) late: Duration,
    /// Whether a task is run twice.
    pub(super) twice: bool,
}

/// A fault that befalls one request.
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
    /// From now on until [`Self::clear`].
    pub fn always(&self, operation: Operation, fault: Fault) {
        self.add(Rule { operation, task: None, fault, times: None });
    }

    /// With the next so many requests.
    pub fn times(&self, operation: Operation, fault: Fault, times: usize) {
        self.add(Rule { operation, task: None, fault, times: Some(times) });
    }

    /// With the next request. Several are met one after the other.
    pub fn once(&self, operation: Operation, fault: Fault) {
        self.times(operation, fault, 1);
    }

    /// Adds a fault behind those in force: the first that fits a request befalls it.
    pub fn add(&self, rule: Rule) {
        lock(&self.0.rules).push(rule);
    }

    /// Faults in force.
    #[must_use]
    pub fn in_force(&self) -> Vec<Rule> {
        lock(&self.0.rules).clone()
    }

    /// Ends all faults, and lets go what hangs.
    pub fn clear(&self) {
        lock(&self.0.rules).clear();
        self.release();
    }

    /// Lets go what hangs. Faults stay in force.
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
