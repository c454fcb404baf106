//! What comes after a task has run: its answer, and the process flow that it may have begun.
//!
//! 204 is a flow that ran to its end, 201 with a `Location` one that waits; the outputs may sit in what it
//! leads to (documented). It is then finished by committing that (inferred).

use super::call::Call;
use super::forms::location;
use super::interface::TaskCall;
use super::wire::Gathered;
use super::{Failure, Sent, ThinkwisePortal, address, client};
use reqwest::{Response, StatusCode};
use tokio::time::Instant;
use url::Url;
use zeroize::Zeroizing;

/// A task's answer is one flat object: more than this is not one.
const ANSWER_LIMIT: usize = 1 << 20;
/// A flow that still waits after so many steps waits for somebody else.
const MOST_STEPS: usize = 4;

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
        task: &TaskCall,
        ran: Ran,
        mut gathered: Option<&mut Gathered<'_>>,
        deadline: Instant,
    ) -> Result<(), Failure> {
        let Ran { response, url, staged } = ran;
        let waits = waiting_at(&response, &url);
        let body = self.answer(response, gathered.is_some(), deadline).await;
        take(&mut gathered, body.as_ref().ok());
        let end = match waits {
            Ok(None) => body.map(drop),
            // The flow is finished, even if its answer broke off.
            Ok(Some(at)) => self.flow(task, at, &mut gathered, deadline).await,
            Err(failure) => Err(failure),
        };
        // A commit's answer is not public: the outputs may be left in what was staged (inferred).
        if let Some(staged) = staged.filter(|_| is_wanting(gathered.as_deref())) {
            let read = self.read(task, staged, deadline).await;
            take(&mut gathered, read.as_ref().ok());
        }
        end.map_err(has_run)
    }

    /// Reads and finishes what waits, and what waits after it.
    async fn flow(
        &self,
        task: &TaskCall,
        mut at: Url,
        gathered: &mut Option<&mut Gathered<'_>>,
        deadline: Instant,
    ) -> Result<(), Failure> {
        let mut broken = None;
        for _ in 0..MOST_STEPS {
            if is_wanting(gathered.as_deref()) {
                match self.read(task, at.clone(), deadline).await {
                    Ok(body) => take(gathered, Some(&body)),
                    // It is finished nevertheless, and its last answer may hold them.
                    Err(failure) => broken = Some(failure),
                }
            }
            let commit = address::below(&at, "commit")?;
            let call = Call::post(commit.clone(), None, self.subject("task", &task.name));
            let response = self.send(&call, deadline).await?;
            let waits = waiting_at(&response, &commit);
            let body = self.answer(response, gathered.is_some(), deadline).await;
            take(gathered, body.as_ref().ok());
            match waits? {
                Some(next) if next != at => at = next,
                _ => return broken.filter(|_| is_wanting(gathered.as_deref())).map_or(Ok(()), Err),
            }
        }
        let message = format!("the task {} began a process flow that waits again after {MOST_STEPS} steps", task.name);
        Err(Failure::new(Sent::Perhaps, crate::api::Reason::AnswerMalformed, message))
    }

    async fn read(&self, task: &TaskCall, at: Url, deadline: Instant) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let response = self.send(&Call::get(at, self.subject("task", &task.name)), deadline).await?;
        client::body(response, ANSWER_LIMIT, deadline).await
    }

    async fn answer(&self, response: Response, wanted: bool, deadline: Instant) -> Result<Zeroizing<Vec<u8>>, Failure> {
        if wanted {
            return client::body(response, ANSWER_LIMIT, deadline).await;
        }
        client::drain(response).await;
        Ok(Zeroizing::default())
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

/// Where a flow waits, if it does.
fn waiting_at(response: &Response, asked: &Url) -> Result<Option<Url>, Failure> {
    if response.status() == StatusCode::CREATED { location(response, asked) } else { Ok(None) }
}

fn has_run(failure: Failure) -> Failure {
    Failure { sent: Sent::Perhaps, ..failure }
}
