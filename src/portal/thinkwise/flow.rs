//! What comes after a task has run: its answer, and the process flow that it may have begun.
//!
//! 204 is a flow that ran to its end, 201 with a `Location` one that waits; the outputs may sit in what it
//! leads to. It goes on by `POST …/continue` with a status code, and is given up by `DELETE` (documented). A
//! portal that does not know `continue` is asked to commit what waits (inferred).

use super::call::Call;
use super::forms::Course;
use super::wire::Gathered;
use super::{Failure, Sent, ThinkwisePortal, address, client};
use crate::api::Reason;
use reqwest::{Response, StatusCode};
use std::time::Duration;
use tokio::time::{Instant, sleep};
use url::Url;
use zeroize::Zeroizing;

/// A task's answer is one flat object: more than this is not one.
const ANSWER_LIMIT: usize = 1 << 20;
/// A flow that still waits after so many steps waits for somebody else.
const MOST_STEPS: usize = 4;
/// What ends a step of a flow as done.
const DONE: &[u8] = br#"{"status_code":0}"#;
/// So long after its answer a task may still be at work, where the portal does not await results.
pub(super) const AT_WORK: Duration = Duration::from_secs(10);
/// So many times in a row it may not be readable.
const MOST_FAILED: u8 = 3;
/// Between the first two looks at what is not there yet. It doubles up to the second one.
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(100);
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A task that has run.
pub(super) struct Ran {
    /// The answer of what created or committed; 2xx.
    pub response: Response,
    /// What that was sent to.
    pub url: Url,
    /// What was staged and committed.
    pub staged: Option<Url>,
}

impl ThinkwisePortal {
    /// Brings a task to its end, and gathers its outputs on the way where they are wanted.
    ///
    /// # Errors
    /// `Sent::Perhaps`, always: the task has run. What was gathered before is kept.
    pub(super) async fn finish(
        &self,
        course: &Course<'_>,
        ran: Ran,
        mut gathered: Option<&mut Gathered<'_>>,
    ) -> Result<(), Failure> {
        let Ran { response, url, staged } = ran;
        let waits = self.waiting_at(&response, &url);
        // 202: the task goes on after its answer, and what it leads to tells how it ended.
        let goes_on = (response.status() == StatusCode::ACCEPTED).then(|| self.location(&response, &url));
        let body = self.answer(response, gathered.is_some(), course.deadline).await;
        take(&mut gathered, body.as_ref().ok());
        let end = match waits {
            Ok(None) => body.map(drop),
            // The flow is finished, even if its answer broke off.
            Ok(Some(at)) => self.flow(course, at, &mut gathered).await,
            Err(failure) => Err(failure),
        };
        // A commit's answer is not public: the outputs may be left in what was staged (inferred).
        for at in goes_on.and_then(Result::ok).flatten().into_iter().chain(staged) {
            if let Some(gathered) = gathered.as_deref_mut() {
                self.outputs_at(course, &at, gathered).await;
            }
        }
        end.map_err(has_run)
    }

    /// Reads outputs where they may be, for some time if they are not there yet: a task whose result is not
    /// awaited answers before it has run.
    async fn outputs_at(&self, course: &Course<'_>, at: &Url, gathered: &mut Gathered<'_>) {
        let end = course.deadline.min(Instant::now() + AT_WORK);
        let (mut pause, mut failed) = (FIRST_PAUSE, 0);
        while !gathered.is_whole() {
            let may_come = if let Ok(body) = self.read(course, at.clone()).await {
                gathered.take(&body);
                failed = 0;
                body.is_empty() || body.trim_ascii_start().starts_with(b"{")
            } else {
                // While it runs, it may not be shown for a moment.
                failed += 1;
                failed < MOST_FAILED
            };
            if gathered.is_whole() || !may_come || Instant::now() + pause >= end {
                return;
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Reads and finishes what waits, and what waits after it.
    async fn flow(
        &self,
        course: &Course<'_>,
        mut at: Url,
        gathered: &mut Option<&mut Gathered<'_>>,
    ) -> Result<(), Failure> {
        let mut broken = None;
        for _ in 0..MOST_STEPS {
            if is_wanting(gathered.as_deref()) {
                match self.read(course, at.clone()).await {
                    Ok(body) => take(gathered, Some(&body)),
                    // It is finished nevertheless, and its last answer may hold them.
                    Err(failure) => broken = Some(failure),
                }
            }
            let (response, asked) = match self.go_on(course, &at).await {
                Ok(ended) => ended,
                Err(failure) => {
                    // What may be at work is left alone.
                    if failure.sent == Sent::Refused {
                        self.cancel(course, &at, course.deadline).await;
                    }
                    return Err(failure);
                }
            };
            let waits = self.waiting_at(&response, &asked);
            let body = self.answer(response, gathered.is_some(), course.deadline).await;
            take(gathered, body.as_ref().ok());
            match waits? {
                Some(next) if next != at => at = next,
                _ => return broken.filter(|_| is_wanting(gathered.as_deref())).map_or(Ok(()), Err),
            }
        }
        self.cancel(course, &at, course.deadline).await;
        let message =
            format!("the task {} began a process flow that waits again after {MOST_STEPS} steps", course.task.name);
        Err(Failure::new(Sent::Perhaps, Reason::AnswerMalformed, message))
    }

    /// Lets a flow that waits go on; also gives what that was asked of.
    async fn go_on(&self, course: &Course<'_>, at: &Url) -> Result<(Response, Url), Failure> {
        let subject = self.subject("task", &course.task.name);
        let url = address::below(at, "continue")?;
        let failure = match self.step(course, &Call::post(url.clone(), Some(DONE.to_vec()), subject)).await {
            Ok(response) => return Ok((response, url)),
            Err(failure) => failure,
        };
        let is_unknown = failure.sent == Sent::Refused
            && matches!(failure.reason, Reason::NoAccess | Reason::MetadataMismatch | Reason::RequestRefused);
        if !is_unknown {
            return Err(failure);
        }
        let url = address::below(at, "commit")?;
        match self.step(course, &Call::post(url.clone(), None, subject)).await {
            Ok(response) => Ok((response, url)),
            // Of two refusals that of the documented way says more.
            Err(other) => Err(if other.sent == Sent::Refused { failure } else { other }),
        }
    }

    async fn read(&self, course: &Course<'_>, at: Url) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let response = self.step(course, &Call::get(at, self.subject("task", &course.task.name))).await?;
        client::body(response, ANSWER_LIMIT, course.deadline).await
    }

    async fn answer(&self, response: Response, wanted: bool, deadline: Instant) -> Result<Zeroizing<Vec<u8>>, Failure> {
        if wanted {
            return client::body(response, ANSWER_LIMIT, deadline).await;
        }
        client::drain(response).await;
        Ok(Zeroizing::default())
    }

    /// Where a flow waits, if it does.
    fn waiting_at(&self, response: &Response, asked: &Url) -> Result<Option<Url>, Failure> {
        if response.status() == StatusCode::CREATED { self.location(response, asked) } else { Ok(None) }
    }
}

fn take(gathered: &mut Option<&mut Gathered<'_>>, body: Option<&Zeroizing<Vec<u8>>>) {
    if let (Some(gathered), Some(body)) = (gathered, body) {
        gathered.take(body);
    }
}

fn is_wanting(gathered: Option<&Gathered<'_>>) -> bool {
    gathered.is_some_and(|gathered| !gathered.is_whole())
}

fn has_run(failure: Failure) -> Failure {
    Failure { sent: Sent::Perhaps, ..failure }
}
