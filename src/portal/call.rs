//! A call of a portal: on whose behalf it is made, how long it may wait, and why it has no result.

use super::PortalError;
use super::rate_limit::Priority;
use crate::api::Reason;
use crate::domain::model::problem::Problem;
use crate::domain::model::problem::messages::api_server_unavailable;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::field::Empty;
use tracing::instrument::Instrumented;
use tracing::{Instrument as _, Span};

/// A token request is sent within this time after reading the issuer; otherwise the issuer is read again.
pub const ISSUER_READ_TTL: Duration = Duration::from_secs(10);

/// On whose behalf a call is made, and how long it may wait for its permit.
#[derive(Clone, Copy)]
pub struct CallContext<'a> {
    /// Its place in the queue.
    pub priority: Priority,
    /// The namespace of the object that needs the call; empty for the issuer's own calls.
    pub namespace: &'a str,
    /// What a shutdown does to a call that waits.
    pub on_shutdown: OnShutdown<'a>,
}

/// What a shutdown does to a call that waits for its permit.
#[derive(Clone, Copy)]
pub enum OnShutdown<'a> {
    /// It gives up when this is canceled, and nothing is sent: the call is repeated after the restart.
    GiveUp(&'a CancellationToken),
    /// It continues to wait: giving up could lose a token.
    KeepWaiting,
}

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The operator shuts down. Nothing was sent that changes anything.
    #[error("the operator is shutting down")]
    ShuttingDown,
    /// This instance is not the leader any more. Nothing was sent.
    #[error("another instance of the operator may be the leader")]
    NotLeader,
    /// The issuer was read too long ago for a token request. Nothing was sent.
    #[error("the issuer was read too long ago")]
    IssuerReadExpired,
    /// The call failed.
    #[error(transparent)]
    Failed(#[from] PortalError),
}

impl From<CallError> for Problem {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Failed(failure) => failure.into(),
            CallError::ShuttingDown | CallError::NotLeader | CallError::IssuerReadExpired => {
                api_server_unavailable(&error.to_string())
            }
        }
    }
}

/// The calls, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallKind {
    /// Discovers the interface and reads one row.
    Probe,
    Request,
    Edit,
    Revoke,
    /// Reads selected rows.
    List,
    /// Reads the whole list.
    Scan,
    /// Fetches an access token, within another call. Its outcome is that of its own requests.
    Login,
}

impl CallKind {
    /// The operation, as metrics and traces name it.
    const fn operation(self) -> &'static str {
        match self {
            Self::Probe => "metadata",
            Self::Request => "request",
            Self::Edit => "edit",
            Self::Revoke => "revoke",
            Self::List | Self::Scan => "list",
            Self::Login => "login",
        }
    }

    /// Whether it changes something at the portal, which only the leader does.
    #[must_use]
    pub const fn is_change(self) -> bool {
        matches!(self, Self::Request | Self::Edit | Self::Revoke)
    }
}

/// A call that got its permit, with its span for traces.
pub(super) struct StartedCall {
    kind: CallKind,
    started: Instant,
    span: Span,
}

impl StartedCall {
    /// Starts a call on behalf of an object in this namespace, or of the issuer.
    pub(super) fn begin(kind: CallKind, namespace: &str) -> Self {
        let span = tracing::info_span!(
            "portal request",
            operation = kind.operation(),
            namespace,
            outcome = Empty,
            reason = Empty,
            otel.kind = "client",
            otel.status_code = Empty,
        );
        Self { kind, started: Instant::now(), span }
    }

    /// Sends the call.
    pub(super) fn send<F: Future>(&self, call: F) -> Instrumented<F> {
        call.instrument(self.span.clone())
    }

    /// Ends the call.
    pub(super) fn end(self, failure: Option<&PortalError>) -> CompletedCall<'_> {
        self.span.record("outcome", failure.map_or("ok", |failure| failure.delivery.outcome()));
        if let Some(failure) = failure {
            self.span.record("reason", tracing::field::display(failure.reason));
            self.span.record("otel.status_code", "ERROR");
        }
        CompletedCall { kind: self.kind, duration: self.started.elapsed(), failure }
    }
}

/// A call that got its permit and has ended.
#[derive(Clone, Copy, Debug)]
pub struct CompletedCall<'a> {
    /// What was called.
    pub kind: CallKind,
    /// How long it took since its permit; a list that is read page by page includes the waits for further permits.
    pub duration: Duration,
    /// Why it failed, if it did.
    pub failure: Option<&'a PortalError>,
}

/// Receives each completed call: the place to count calls. Calls that were given up before are not reported.
pub type OnCall = Arc<dyn Fn(CompletedCall<'_>) + Send + Sync>;

impl<'a> CallContext<'a> {
    /// A call of the issuer itself.
    #[must_use]
    pub const fn of_issuer(on_shutdown: OnShutdown<'a>) -> Self {
        Self { priority: Priority::Low, namespace: "", on_shutdown }
    }

    /// A failure other than a rate limit may only concern the object's request, whatever delay it asks for.
    pub(super) fn honors_delay_of(&self, failure: &PortalError) -> bool {
        self.namespace.is_empty() || failure.reason == Reason::RateLimited
    }
}

impl OnShutdown<'_> {
    pub(super) async fn wait<T>(self, what: impl Future<Output = T>) -> Result<T, CallError> {
        match self {
            Self::KeepWaiting => Ok(what.await),
            Self::GiveUp(stop) => tokio::select! {
                result = what => Ok(result),
                () = stop.cancelled() => Err(CallError::ShuttingDown),
            },
        }
    }
}
