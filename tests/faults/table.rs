//! The matrix's rows and columns, and what goes wrong where they meet.

use crate::proxy::Mishap;
use crate::simulator::{Fault, Operation};
use crate::steps::Step;

/// A step of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    pub name: &'static str,
    pub course: Course,
    pub place: Place,
    /// What stands in the way, in a word, while 403 stays, and 500.
    pub says: [&'static str; 2],
}

/// What the object goes through when the mishap comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Course {
    /// It comes to its first token.
    First,
    /// The same, and the answer to its first request gets lost.
    Again,
    /// Its token is replaced by a successor.
    Successor,
    /// It is deleted.
    Last,
}

/// Where the step is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// At the API server.
    Server(Step),
    /// At the portal, or at the registry.
    Vendor(Operation),
}

const fn row(name: &'static str, course: Course, place: Place, says: [&'static str; 2]) -> Row {
    Row { name, course, place, says }
}

const REFUSED: [&str; 2] = ["SecretRefused", "ClusterUnavailable"];
const UNAVAILABLE: [&str; 2] = ["ClusterUnavailable"; 2];
const UNWRITTEN: [&str; 2] = ["StatusNotWritten (event)"; 2];

/// All of them.
pub const ROWS: [Row; 14] = [
    row("finalizer", Course::First, Place::Server(Step::Finalizer), UNAVAILABLE),
    row("reserve", Course::First, Place::Server(Step::Reserve), REFUSED),
    row("read issuer", Course::First, Place::Server(Step::ReadIssuer), UNAVAILABLE),
    // A dry run is made where there is a Secret already: for the successor of a token.
    row(
        "dry run",
        Course::Successor,
        Place::Server(Step::DryRun),
        ["SecretRefused (Reconciling)", "ClusterUnavailable (Reconciling)"],
    ),
    row("request", Course::First, Place::Vendor(Operation::Request), ["NoAccess", "RequestUnanswered"]),
    row("commit", Course::First, Place::Server(Step::Commit), REFUSED),
    row("drop", Course::Again, Place::Server(Step::Drop), REFUSED),
    row("login check", Course::First, Place::Vendor(Operation::Registry), ["RegistryUnavailable", "RegistryFailed"]),
    row("status", Course::First, Place::Server(Step::Status), UNWRITTEN),
    row(
        "settle",
        Course::First,
        Place::Vendor(Operation::Edit),
        ["NoAccess (Reconciling)", "PortalFailed (Reconciling)"],
    ),
    row("settled", Course::First, Place::Server(Step::Settled), UNWRITTEN),
    row("close", Course::Last, Place::Server(Step::Close), UNAVAILABLE),
    row("revoke", Course::Last, Place::Vendor(Operation::Revoke), ["NoAccess", "PortalFailed"]),
    row("finalizer off", Course::Last, Place::Server(Step::FinalizerOff), UNAVAILABLE),
];

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    KilledBefore,
    KilledAfter,
    /// Nothing is done, and this is answered.
    Status(u16),
    /// It is done, and 504 is answered.
    After,
    TimeOut,
    Quota,
    /// As `Status`, until it is lifted.
    Stays(u16),
}

/// All of them.
pub const COLUMNS: [Column; 12] = [
    Column::KilledBefore,
    Column::KilledAfter,
    Column::Status(409),
    Column::Status(403),
    Column::Status(422),
    Column::Status(429),
    Column::Status(500),
    Column::After,
    Column::TimeOut,
    Column::Quota,
    Column::Stays(403),
    Column::Stays(500),
];

impl Column {
    pub fn name(self) -> String {
        match self {
            Self::KilledBefore => "killed before".to_owned(),
            Self::KilledAfter => "killed after".to_owned(),
            Self::Status(status) => status.to_string(),
            Self::After => "504 after".to_owned(),
            Self::TimeOut => "time-out".to_owned(),
            Self::Quota => "quota".to_owned(),
            Self::Stays(status) => format!("{status} stays"),
        }
    }

    /// Whether the operator dies of it.
    pub const fn kills(self) -> bool {
        matches!(self, Self::KilledBefore | Self::KilledAfter)
    }

    pub const fn stays(self) -> bool {
        matches!(self, Self::Stays(_))
    }
}

/// What goes wrong with a request.
#[derive(Clone, Debug)]
pub enum Trouble {
    Server(Vec<Step>, Mishap),
    Vendor(Operation, Fault),
}

/// One field of the matrix. None where the mishap cannot be: a quota is for what is made.
pub fn trouble(row: Row, column: Column) -> Option<Trouble> {
    Some(match row.place {
        Place::Server(step) => Trouble::Server(steps(step, column), mishap(step, column)?),
        Place::Vendor(operation) => Trouble::Vendor(operation, fault(operation, column)?),
    })
}

/// What admission refuses for good it refuses in a dry run too.
fn steps(step: Step, column: Column) -> Vec<Step> {
    if step == Step::Commit && column.stays() { vec![step, Step::DryRun] } else { vec![step] }
}

fn mishap(step: Step, column: Column) -> Option<Mishap> {
    Some(match column {
        Column::KilledBefore => Mishap::KilledBefore,
        Column::KilledAfter => Mishap::KilledAfter,
        Column::Status(status) | Column::Stays(status) => Mishap::Status(status),
        Column::After => Mishap::StatusAfter(504),
        Column::TimeOut => Mishap::Silence,
        Column::Quota if step == Step::ReadIssuer => return None,
        Column::Quota => Mishap::Quota,
    })
}

fn fault(operation: Operation, column: Column) -> Option<Fault> {
    Some(match column {
        Column::KilledBefore => Fault::HangBefore,
        Column::KilledAfter | Column::TimeOut => Fault::HangAfter,
        Column::Status(429) => Fault::RetryAfter { status: 429, seconds: 1 },
        Column::Status(status) | Column::Stays(status) => Fault::Status(status),
        Column::After => Fault::StatusAfter(504),
        // A portal's own, which is a rule of its application.
        Column::Quota if operation == Operation::Request => Fault::Refuse("too_many_tokens".to_owned()),
        Column::Quota => return None,
    })
}
