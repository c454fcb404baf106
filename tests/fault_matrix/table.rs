//! The matrix's rows and columns, and the faults of its cases.

use super::proxy::ApiFault;
use super::steps::ProtocolStep;
use crate::fake_portal::{Fault, Operation};

/// A protocol step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatrixRow {
    pub name: &'static str,
    pub scenario: Scenario,
    pub target: FaultTarget,
    /// The reported reason while 403 persists, and while 500 does.
    pub expected_reasons: [&'static str; 2],
}

/// The scenario in which the fault is injected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// It gets its first token.
    FirstToken,
    /// The same, and the response to its first request is lost.
    LostResponse,
    /// Its token is rotated.
    Rotation,
    /// It is deleted.
    Deletion,
    /// Its issuer does not serve the namespace any more.
    Denial,
}

/// Where the step is performed.
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

pub const ROWS: [MatrixRow; 15] = [
    row("finalizer", Scenario::FirstToken, FaultTarget::ApiServer(ProtocolStep::AddFinalizer), UNAVAILABLE),
    row("reserve", Scenario::FirstToken, FaultTarget::ApiServer(ProtocolStep::Reserve), REJECTED),
    row("read issuer", Scenario::FirstToken, FaultTarget::ApiServer(ProtocolStep::ReadIssuer), UNAVAILABLE),
    // A dry run happens only if the Secret exists already: for a rotation.
    row(
        "dry run",
        Scenario::Rotation,
        FaultTarget::ApiServer(ProtocolStep::DryRun),
        ["SecretRejected (Reconciling)", "APIServerUnavailable (Reconciling)"],
    ),
    row(
        "request",
        Scenario::FirstToken,
        FaultTarget::Portal(Operation::Request),
        ["AccessDenied", "RequestOutcomeUnknown"],
    ),
    row("commit", Scenario::FirstToken, FaultTarget::ApiServer(ProtocolStep::Commit), REJECTED),
    row("clear reservation", Scenario::LostResponse, FaultTarget::ApiServer(ProtocolStep::ClearReservation), REJECTED),
    row(
        "login check",
        Scenario::FirstToken,
        FaultTarget::Portal(Operation::Registry),
        ["RegistryUnavailable", "RegistryError"],
    ),
    row("status", Scenario::FirstToken, FaultTarget::ApiServer(ProtocolStep::WriteStatus), STATUS_NOT_WRITTEN),
    row(
        "edit",
        Scenario::FirstToken,
        FaultTarget::Portal(Operation::Edit),
        ["AccessDenied (Reconciling)", "PortalError (Reconciling)"],
    ),
    row(
        "description synced",
        Scenario::FirstToken,
        FaultTarget::ApiServer(ProtocolStep::DescriptionSynced),
        STATUS_NOT_WRITTEN,
    ),
    row("close", Scenario::Deletion, FaultTarget::ApiServer(ProtocolStep::Close), UNAVAILABLE),
    row(
        "remove login",
        Scenario::Denial,
        FaultTarget::ApiServer(ProtocolStep::RemoveLogin),
        ["SecretRejected (Reconciling)", "APIServerUnavailable (Reconciling)"],
    ),
    row("revoke", Scenario::Deletion, FaultTarget::Portal(Operation::Revoke), ["AccessDenied", "PortalError"]),
    row("finalizer off", Scenario::Deletion, FaultTarget::ApiServer(ProtocolStep::RemoveFinalizer), UNAVAILABLE),
];

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultColumn {
    KilledBefore,
    KilledAfter,
    /// Not performed, and answered with this status.
    Status(u16),
    /// Performed, and answered with 504.
    StatusAfter,
    Timeout,
    Quota,
    /// As `Status`, until it is removed.
    Persistent(u16),
}

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
            Self::Timeout => "timeout".to_owned(),
            Self::Quota => "quota".to_owned(),
            Self::Persistent(status) => format!("{status} stays"),
        }
    }

    /// Whether it kills the operator.
    pub const fn kills_operator(self) -> bool {
        matches!(self, Self::KilledBefore | Self::KilledAfter)
    }

    pub const fn is_persistent(self) -> bool {
        matches!(self, Self::Persistent(_))
    }
}

/// The fault of a request.
#[derive(Clone, Debug)]
pub enum PlannedFault {
    ApiServer(Vec<ProtocolStep>, ApiFault),
    Portal(Operation, Fault),
}

/// The fault of one case of the matrix. `None` if it is impossible: a quota applies to creations only.
pub fn planned_fault(row: MatrixRow, column: FaultColumn) -> Option<PlannedFault> {
    Some(match row.target {
        FaultTarget::ApiServer(step) => PlannedFault::ApiServer(steps(step, column), api_fault(step, column)?),
        FaultTarget::Portal(operation) => PlannedFault::Portal(operation, portal_fault(operation, column)?),
    })
}

/// What admission rejects permanently it rejects in a dry run too.
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
        // The portal's own quota is a rule of its application.
        FaultColumn::Quota if operation == Operation::Request => Fault::Refuse("too_many_tokens".to_owned()),
        FaultColumn::Quota => return None,
    })
}
