//! What comes after a task has run: its answer, and the process flow that it may have begun.
//!
//! 204 is a flow that ran to its end, 201 with a `Location` one that waits; the outputs may sit in what it
//! leads to. It goes on by `POST …/continue` with a status code, and is given up by `DELETE` (documented). A
//! portal that does not know `continue` is asked to commit what waits (inferred).

use super::invoke::TaskSession;
use super::outputs::OutputCollector;
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

/// A task's answer is one flat object: more than this is not one.
const MAX_RESPONSE_BYTES: usize = 1 << 20;
/// A flow that still waits after so many steps waits for somebody else.
const MAX_STEPS: usize = 4;
/// What ends a step of a flow as done.
const CONTINUE_BODY: &[u8] = br#"{"status_code":0}"#;
/// So long after its answer a task may still be at work, where the portal does not await results.
pub(crate) const COMPLETION_TIMEOUT: Duration = Duration::from_secs(10);
/// So many times in a row it may not be readable.
const MAX_CONSECUTIVE_FAILURES: u8 = 3;
/// Between the first two looks at what is not there yet. It doubles up to the second one.
pub(crate) const MIN_POLL_INTERVAL: Duration = Duration::from_millis(100);
pub(crate) const MAX_POLL_INTERVAL: Duration = Duration::from_secs(2);

/// A task that has run.
pub(crate) struct TaskRun {
    /// The answer of what created or committed; 2xx.
    pub response: Response,
    /// What that was sent to.
    pub url: Url,
    /// What was staged and committed.
    pub staged_url: Option<Url>,
}

impl ThinkwisePortal {
    /// Brings a task to its end, and gathers its outputs on the way where they are wanted.
    ///
    /// # Errors
    /// `Sent::Perhaps`, always: the task has run. What was gathered before is kept.
    pub(crate) async fn finish(
        &self,
        session: &TaskSession<'_>,
        run: TaskRun,
        mut outputs: Option<&mut OutputCollector<'_>>,
    ) -> Result<(), PortalError> {
        let TaskRun { response, url, staged_url: staged } = run;
        let waiting = self.waiting_flow(&response, &url);
        // 202: the task goes on after its answer, and what it leads to tells how it ended.
        let accepted = (response.status() == StatusCode::ACCEPTED).then(|| self.continue_at(&response, &url));
        let body = self.read_response(response, outputs.is_some(), session.deadline).await;
        collect_outputs(&mut outputs, body.as_ref().ok());
        let end = match waiting {
            Ok(None) => body.map(drop),
            // The flow is finished, even if its answer broke off.
            Ok(Some(at)) => self.finish_flow(session, at, &mut outputs).await,
            Err(failure) => Err(failure),
        };
        // A commit's answer is not public: the outputs may be left in what was staged (inferred).
        for at in accepted.and_then(Result::ok).flatten().into_iter().chain(staged) {
            if let Some(gathered) = outputs.as_deref_mut() {
                self.poll_outputs(session, &at, gathered).await;
            }
        }
        end.map_err(as_unknown)
    }

    /// Reads outputs where they may be, for some time if they are not there yet: a task whose result is not
    /// awaited answers before it has run.
    async fn poll_outputs(&self, session: &TaskSession<'_>, at: &Url, outputs: &mut OutputCollector<'_>) {
        let end = session.deadline.min(Instant::now() + COMPLETION_TIMEOUT);
        let (mut pause, mut failed) = (MIN_POLL_INTERVAL, 0);
        while !outputs.is_complete() {
            let may_come = if let Ok(body) = self.read_flow(session, at.clone()).await {
                outputs.collect(&body);
                failed = 0;
                body.is_empty() || body.trim_ascii_start().starts_with(b"{")
            } else {
                // While it runs, it may not be shown for a moment.
                failed += 1;
                failed < MAX_CONSECUTIVE_FAILURES
            };
            if outputs.is_complete() || !may_come || Instant::now() + pause >= end {
                return;
            }
            sleep(pause).await;
            pause = (pause * 2).min(MAX_POLL_INTERVAL);
        }
    }

    /// Reads and finishes what waits, and what waits after it.
    async fn finish_flow(
        &self,
        session: &TaskSession<'_>,
        mut at: Url,
        outputs: &mut Option<&mut OutputCollector<'_>>,
    ) -> Result<(), PortalError> {
        let mut broken = None;
        for _ in 0..MAX_STEPS {
            if needs_outputs(outputs.as_deref()) {
                match self.read_flow(session, at.clone()).await {
                    Ok(body) => collect_outputs(outputs, Some(&body)),
                    // It is finished nevertheless, and its last answer may hold them.
                    Err(failure) => broken = Some(failure),
                }
            }
            let (response, asked) = match self.continue_flow(session, &at).await {
                Ok(ended) => ended,
                Err(failure) => {
                    // What may be at work is left alone.
                    if failure.delivery == Delivery::Rejected {
                        self.cancel(session, &at, session.deadline).await;
                    }
                    return Err(failure);
                }
            };
            let waiting = self.waiting_flow(&response, &asked);
            let body = self.read_response(response, outputs.is_some(), session.deadline).await;
            collect_outputs(outputs, body.as_ref().ok());
            match waiting? {
                Some(next) if next != at => at = next,
                _ => return broken.filter(|_| needs_outputs(outputs.as_deref())).map_or(Ok(()), Err),
            }
        }
        self.cancel(session, &at, session.deadline).await;
        let message =
            format!("the task {} began a process flow that waits again after {MAX_STEPS} steps", session.task.name);
        Err(PortalError::new(Delivery::Unknown, Reason::InvalidResponse, message))
    }

    /// Lets a flow that waits go on; also gives what that was asked of.
    async fn continue_flow(&self, session: &TaskSession<'_>, at: &Url) -> Result<(Response, Url), PortalError> {
        let subject = self.error_context("task", &session.task.name);
        let url = address::child(at, "continue")?;
        let failure =
            match self.send_step(session, &Call::post(url.clone(), Some(CONTINUE_BODY.to_vec()), subject)).await {
                Ok(response) => return Ok((response, url)),
                Err(failure) => failure,
            };
        let is_unknown = failure.delivery == Delivery::Rejected
            && matches!(failure.reason, Reason::AccessDenied | Reason::MetadataMismatch | Reason::RequestRejected);
        if !is_unknown {
            return Err(failure);
        }
        let url = address::child(at, "commit")?;
        match self.send_step(session, &Call::post(url.clone(), None, subject)).await {
            Ok(response) => Ok((response, url)),
            // Of two refusals that of the documented way says more.
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

    /// Where a flow waits, if it does.
    fn waiting_flow(&self, response: &Response, requested: &Url) -> Result<Option<Url>, PortalError> {
        if response.status() == StatusCode::CREATED { self.continue_at(response, requested) } else { Ok(None) }
    }
}

fn collect_outputs(outputs: &mut Option<&mut OutputCollector<'_>>, body: Option<&Zeroizing<Vec<u8>>>) {
    if let (Some(gathered), Some(body)) = (outputs, body) {
        gathered.collect(body);
    }
}

fn needs_outputs(outputs: Option<&OutputCollector<'_>>) -> bool {
    outputs.is_some_and(|gathered| !gathered.is_complete())
}

fn as_unknown(failure: PortalError) -> PortalError {
    PortalError { delivery: Delivery::Unknown, ..failure }
}
