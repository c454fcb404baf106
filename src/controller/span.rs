//! The spans of reconciles, for traces. Their attributes are names and bounded values.

use crate::metrics::{Controller, ReconcileResult, RunningReconcile};
use tracing::Span;
use tracing::field::Empty;

/// The span of a reconcile.
pub fn of_reconcile(controller: Controller, namespace: &str, name: &str) -> Span {
    tracing::info_span!(
        "reconcile",
        controller = controller.as_str(),
        namespace,
        name,
        check = Empty,
        result = Empty,
        otel.status_code = Empty,
    )
}

/// Counts a reconcile, and records in its span how it ended.
pub fn end(span: &Span, measured: RunningReconcile<'_>, result: ReconcileResult) {
    span.record("result", result.as_str());
    if result == ReconcileResult::Error {
        span.record("otel.status_code", "ERROR");
    }
    measured.end(result);
}
