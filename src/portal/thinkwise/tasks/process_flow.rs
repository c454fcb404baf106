//! Handles what follows a task's invocation: its response, and the process flow that it may have begun.
//!
//! 204 means that a flow completed, 201 with a `Location` that one is waiting; the outputs may be at that location. A
//! flow is continued by `POST …/continue` with a status code, and canceled by `DELETE` (documented). If a portal does
//! not have `continue`, the waiting flow is committed (inferred).

use super::outputs::OutputCollector;
use super::session::TaskSession;
use crate::api::Reason;
use crate::portal::thinkwise::client::call::Call;
use crate::portal::thinkwise::client::http_client;
use crate::portal::thinkwise::odata::address;
use crate::portal::thinkwise::{Delivery, PortalError, ThinkwisePortal};
use reqwest::{Response, StatusCode};
use std::time::Duration;
use tokio::time::{Instant, sleep};
use url::Url;
use zeroize::Zeroizing;

/// The maximum size of a task's response, which is one flat object.
const MAX_RESPONSE_BYTES: usize = 1 << 20;
/// A flow that still waits after this many steps waits for something that the operator cannot provide.
const MAX_STEPS: usize = 4;
/// Completes a step of a flow.
const CONTINUE_BODY: &[u8] = br#"{"status_code":0}"#;
/// How long a task may still run after its response, where the portal does not await results.
pub(crate) const COMPLETION_TIMEOUT: Duration = Duration::from_secs(10);
/// How many consecutive reads of it may fail.
const MAX_CONSECUTIVE_FAILURES: u8 = 3;
/// The first wait between two polls. It doubles up to `MAX_POLL_INTERVAL`.
pub(crate) const MIN_POLL_INTERVAL: Duration = Duration::from_millis(100);
pub(crate) const MAX_POLL_INTERVAL: Duration = Duration::from_secs(2);

/// A task that was invoked.
pub(crate) struct TaskRun {
    /// The response of the request that created or committed; 2xx.
    pub response: Response,
    /// The URL of that request.
    pub url: Url,
    /// The URL of the staged task, if it was staged and committed.
    pub staged_url: Option<Url>,
}

impl ThinkwisePortal {
    /// Completes a task, and collects its outputs on the way where they are wanted.
    ///
    /// # Errors
    /// Always `Delivery::Unknown`: the task has run. Outputs collected before the error are kept.
    pub(crate) async fn finish(
        &self,
        session: &TaskSession<'_>,
        run: TaskRun,
        mut outputs: Option<&mut OutputCollector<'_>>,
    ) -> Result<(), PortalError> {
        let TaskRun { response, url, staged_url: staged } = run;
        let waiting = self.waiting_flow(&response, &url);
        // 202: the task continues after its response; the location shows its result.
        let accepted = (response.status() == StatusCode::ACCEPTED).then(|| self.continue_at(&response, &url));
        let body = self.read_response(response, outputs.is_some(), session.deadline).await;
        collect_outputs(&mut outputs, body.as_ref().ok());
        let end = match waiting {
            Ok(None) => body.map(drop),
            // Continue the flow even if the body could not be read.
            Ok(Some(at)) => self.finish_flow(session, at, &mut outputs).await,
            Err(failure) => Err(failure),
        };
        // The format of a commit's response is not documented: the outputs may be in the staged resource (inferred).
        for at in accepted.and_then(Result::ok).flatten().into_iter().chain(staged) {
            if let Some(collector) = outputs.as_deref_mut() {
                self.poll_outputs(session, &at, collector).await;
            }
        }
        end.map_err(as_unknown)
    }

    /// Reads outputs from where they may be, and polls for a limited time if they are not there yet: a task whose
    /// result is not awaited responds before it has run.
    async fn poll_outputs(&self, session: &TaskSession<'_>, at: &Url, outputs: &mut OutputCollector<'_>) {
        let end = session.deadline.min(Instant::now() + COMPLETION_TIMEOUT);
        let (mut pause, mut failures) = (MIN_POLL_INTERVAL, 0);
        while !outputs.is_complete() {
            let may_appear = if let Ok(body) = self.read_flow(session, at.clone()).await {
                outputs.collect(&body);
                failures = 0;
                body.is_empty() || body.trim_ascii_start().starts_with(b"{")
            } else {
                // While the task runs, the resource may be unavailable for a moment.
                failures += 1;
                failures < MAX_CONSECUTIVE_FAILURES
            };
            if outputs.is_complete() || !may_appear || Instant::now() + pause >= end {
                return;
            }
            sleep(pause).await;
            pause = (pause * 2).min(MAX_POLL_INTERVAL);
        }
    }

    /// Reads and completes a waiting flow, and the flows that follow it.
    async fn finish_flow(
        &self,
        session: &TaskSession<'_>,
        mut at: Url,
        outputs: &mut Option<&mut OutputCollector<'_>>,
    ) -> Result<(), PortalError> {
        let mut read_error = None;
        for _ in 0..MAX_STEPS {
            if needs_outputs(outputs.as_deref()) {
                match self.read_flow(session, at.clone()).await {
                    Ok(body) => collect_outputs(outputs, Some(&body)),
                    // The flow is completed nevertheless, and its last response may contain the outputs.
                    Err(failure) => read_error = Some(failure),
                }
            }
            let (response, url) = match self.continue_flow(session, &at).await {
                Ok(continued) => continued,
                Err(failure) => {
                    // A flow that may be running is left alone.
                    if failure.delivery == Delivery::Rejected {
                        self.cancel(session, &at, session.deadline).await;
                    }
                    return Err(failure);
                }
            };
            let waiting = self.waiting_flow(&response, &url);
            let body = self.read_response(response, outputs.is_some(), session.deadline).await;
            collect_outputs(outputs, body.as_ref().ok());
            match waiting? {
                Some(next) if next != at => at = next,
                _ => return read_error.filter(|_| needs_outputs(outputs.as_deref())).map_or(Ok(()), Err),
            }
        }
        self.cancel(session, &at, session.deadline).await;
        let message = format!(
            "the task {} began a process flow that is still waiting after {MAX_STEPS} steps",
            session.task.name
        );
        Err(PortalError::new(Delivery::Unknown, Reason::InvalidResponse, message))
    }

    /// Continues a waiting flow; also returns the URL that was used.
    async fn continue_flow(&self, session: &TaskSession<'_>, at: &Url) -> Result<(Response, Url), PortalError> {
        let context = self.error_context("task", &session.task.name);
        let url = address::child(at, "continue")?;
        let failure =
            match self.send_step(session, &Call::post(url.clone(), Some(CONTINUE_BODY.to_vec()), context)).await {
                Ok(response) => return Ok((response, url)),
                Err(failure) => failure,
            };
        let is_unknown = failure.delivery == Delivery::Rejected
            && matches!(failure.reason, Reason::AccessDenied | Reason::MetadataMismatch | Reason::RequestRejected);
        if !is_unknown {
            return Err(failure);
        }
        let url = address::child(at, "commit")?;
        match self.send_step(session, &Call::post(url.clone(), None, context)).await {
            Ok(response) => Ok((response, url)),
            // If both are rejected, the error of the documented request is more useful.
            Err(other) => Err(if other.delivery == Delivery::Rejected { failure } else { other }),
        }
    }

    async fn read_flow(&self, session: &TaskSession<'_>, at: Url) -> Result<Zeroizing<Vec<u8>>, PortalError> {
        let response = self.send_step(session, &Call::get(at, self.error_context("task", &session.task.name))).await?;
        http_client::read_body(response, MAX_RESPONSE_BYTES, session.deadline).await
    }

    async fn read_response(
        &self,
        response: Response,
        wanted: bool,
        deadline: Instant,
    ) -> Result<Zeroizing<Vec<u8>>, PortalError> {
        if wanted {
            return http_client::read_body(response, MAX_RESPONSE_BYTES, deadline).await;
        }
        http_client::drain(response).await;
        Ok(Zeroizing::default())
    }

    /// Returns the location of a waiting flow, if there is one.
    fn waiting_flow(&self, response: &Response, requested: &Url) -> Result<Option<Url>, PortalError> {
        if response.status() == StatusCode::CREATED { self.continue_at(response, requested) } else { Ok(None) }
    }
}

fn collect_outputs(outputs: &mut Option<&mut OutputCollector<'_>>, body: Option<&Zeroizing<Vec<u8>>>) {
    if let (Some(collector), Some(body)) = (outputs, body) {
        collector.collect(body);
    }
}

fn needs_outputs(outputs: Option<&OutputCollector<'_>>) -> bool {
    outputs.is_some_and(|collector| !collector.is_complete())
}

fn as_unknown(failure: PortalError) -> PortalError {
    PortalError { delivery: Delivery::Unknown, ..failure }
}
