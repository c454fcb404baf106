//! The matrix's rows and columns, and what goes wrong where they meet.

use crate::fake_portal::{Fault, Operation};
use crate::proxy::ApiFault;
use crate::steps::ProtocolStep;

/// A step of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatrixRow {
    pub name: &'static str,
    pub scenario: Scenario,
    pub target: FaultTarget,
    /// What stands in the way, in a word, while 403 stays, and 500.
    pub expected_reasons: [&'static str; 2],
}

/// What the object goes through when the mishap comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// It comes to its first token.
    FirstToken,
    /// The same, and the answer to its first request gets lost.
    LostResponse,
    /// Its token is replaced by a successor.
    Rotation,
    /// It is deleted.
    Deletion,
}

/// Where the step is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultTarget {
    /// At the API server.
    ApiServer(ProtocolStep),
    /// At the portal, or at the registry.
    Portal(Operation),
}

const fn row(name: &'static str, course: Scenario, place: FaultTarget, says: [&'static str; 2]) -> MatrixRow {
    MatrixRow { name, scenario: course, target: place, expected_reasons: says }
}

const REJECTED: [&str; 2] = ["SecretRejected", "APIServerUnavailable"];
const UNAVAILABLE: [&str; 2] = ["APIServerUnavailable"; 2];
const STATUS_NOT_WRITTEN: [&str; 2] = ["StatusNotWritten (event)"; 2];

/// All of them.
pub const ROWS: [MatrixRow; 14] = [
    row("finalizer", Scenario::FirstToken, FaultTarget::ApiServer(ProtocolStep::AddFinalizer), UNAVAILABLE),
    row("reserve", Scenario::FirstToken, FaultTarget::ApiServer(ProtocolStep::Reserve), REJECTED),
    row("read issuer", Scenario::FirstToken, FaultTarget::ApiServer(ProtocolStep::ReadIssuer), UNAVAILABLE),
    // A dry run is made where there is a Secret already: for the successor of a token.
    row(
        "dry run",
        Scenario::Rotation,
        FaultTarget::ApiServer(ProtocolStep::DryRun),
        ["SecretRejected (Reconciling)", "APIServerUnavailable (Reconciling)"],
    ),
    row("request", Scenario::FirstToken, FaultTarget::Portal(Operation::Request), ["AccessDenied", "RequestOutcomeUnknown"]),
    row("commit", Scenario::FirstToken, FaultTarget::ApiServer(ProtocolStep::Commit), REJECTED),
    row("drop", Scenario::LostResponse, FaultTarget::ApiServer(ProtocolStep::ClearReservation), REJECTED),
    row(
        "login check",
        Scenario::FirstToken,
        FaultTarget::Portal(Operation::Registry),
        ["RegistryUnavailable", "RegistryError"],
    ),
    row("status", Scenario::FirstToken, FaultTarget::ApiServer(ProtocolStep::WriteStatus), STATUS_NOT_WRITTEN),
    row(
        "settle",
        Scenario::FirstToken,
        FaultTarget::Portal(Operation::Edit),
        ["AccessDenied (Reconciling)", "PortalError (Reconciling)"],
    ),
    row("settled", Scenario::FirstToken, FaultTarget::ApiServer(ProtocolStep::DescriptionSynced), STATUS_NOT_WRITTEN),
    row("close", Scenario::Deletion, FaultTarget::ApiServer(ProtocolStep::Close), UNAVAILABLE),
    row("revoke", Scenario::Deletion, FaultTarget::Portal(Operation::Revoke), ["AccessDenied", "PortalError"]),
    row("finalizer off", Scenario::Deletion, FaultTarget::ApiServer(ProtocolStep::RemoveFinalizer), UNAVAILABLE),
];

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultColumn {
    KilledBefore,
    KilledAfter,
    /// Nothing is done, and this is answered.
    Status(u16),
    /// It is done, and 504 is answered.
    StatusAfter,
    Timeout,
    Quota,
    /// As `Status`, until it is lifted.
    Persistent(u16),
}

/// All of them.
pub const COLUMNS: [FaultColumn; 12] = [
    FaultColumn::KilledBefore,
    FaultColumn::KilledAfter,
    FaultColumn::Status(409),
    FaultColumn::Status(403),
    FaultColumn::Status(422),
    FaultColumn::Status(429),
    FaultColumn::Status(500),
    FaultColumn::StatusAfter,
    FaultColumn::Timeout,
    FaultColumn::Quota,
    FaultColumn::Persistent(403),
    FaultColumn::Persistent(500),
];

impl FaultColumn {
    pub fn name(self) -> String {
        match self {
            Self::KilledBefore => "killed before".to_owned(),
            Self::KilledAfter => "killed after".to_owned(),
            Self::Status(status) => status.to_string(),
            Self::StatusAfter => "504 after".to_owned(),
            Self::Timeout => "time-out".to_owned(),
            Self::Quota => "quota".to_owned(),
            Self::Persistent(status) => format!("{status} stays"),
        }
    }

    /// Whether the operator dies of it.
    pub const fn kills_operator(self) -> bool {
        matches!(self, Self::KilledBefore | Self::KilledAfter)
    }

    pub const fn is_persistent(self) -> bool {
        matches!(self, Self::Persistent(_))
    }
}

/// What goes wrong with a request.
#[derive(Clone, Debug)]
pub enum PlannedFault {
    ApiServer(Vec<ProtocolStep>, ApiFault),
    Portal(Operation, Fault),
}

/// One field of the matrix. None where the mishap cannot be: a quota is for what is made.
pub fn planned_fault(row: MatrixRow, column: FaultColumn) -> Option<PlannedFault> {
    Some(match row.target {
        FaultTarget::ApiServer(step) => PlannedFault::ApiServer(steps(step, column), api_fault(step, column)?),
        FaultTarget::Portal(operation) => PlannedFault::Portal(operation, portal_fault(operation, column)?),
    })
}

/// What admission refuses for good it refuses in a dry run too.
fn steps(step: ProtocolStep, column: FaultColumn) -> Vec<ProtocolStep> {
    if step == ProtocolStep::Commit && column.is_persistent() { vec![step, ProtocolStep::DryRun] } else { vec![step] }
}

fn api_fault(step: ProtocolStep, column: FaultColumn) -> Option<ApiFault> {
    Some(match column {
        FaultColumn::KilledBefore => ApiFault::KilledBefore,
        FaultColumn::KilledAfter => ApiFault::KilledAfter,
        FaultColumn::Status(status) | FaultColumn::Persistent(status) => ApiFault::Status(status),
        FaultColumn::StatusAfter => ApiFault::StatusAfter(504),
        FaultColumn::Timeout => ApiFault::NoResponse,
        FaultColumn::Quota if step == ProtocolStep::ReadIssuer => return None,
        FaultColumn::Quota => ApiFault::Quota,
    })
}

fn portal_fault(operation: Operation, column: FaultColumn) -> Option<Fault> {
    Some(match column {
        FaultColumn::KilledBefore => Fault::HangBefore,
        FaultColumn::KilledAfter | FaultColumn::Timeout => Fault::HangAfter,
        FaultColumn::Status(429) => Fault::RetryAfter { status: 429, seconds: 1 },
        FaultColumn::Status(status) | FaultColumn::Persistent(status) => Fault::Status(status),
        FaultColumn::StatusAfter => Fault::StatusAfter(504),
        // A portal's own, which is a rule of its application.
        FaultColumn::Quota if operation == Operation::Request => Fault::Refuse("too_many_tokens".to_owned()),
        FaultColumn::Quota => return None,
    })
}
