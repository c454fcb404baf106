//! Runs a task in the form that the portal has for it.
//!
//! Of each form only the request that creates or commits counts: before it nothing has happened, after it
//! anything may have, unless it was refused.

use super::call::Call;
use super::cookies::Cookies;
use super::errors::Step;
use super::flow::Ran;
use super::interface::{BoundTo, TaskCall};
use super::known::Known;
use super::metadata::WayForm;
use super::wire::{self, Values};
use super::{Failure, Sent, ThinkwisePortal, address, client};
use crate::api::Reason;
use reqwest::Response;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use url::Url;

/// Between two tries of a step that met a rate limit: where the portal names no time, and at least.
const PAUSE: Duration = Duration::from_secs(1);
const SHORTEST_PAUSE: Duration = Duration::from_millis(250);
/// So long the portal may take to give up what was staged: nothing depends on it.
const CANCEL_TIME: Duration = Duration::from_secs(2);

/// One run of a task, from its first request to the last one of its process flow.
pub(super) struct Course<'a> {
    pub known: &'a Known,
    pub task: &'a TaskCall,
    pub cookies: Cookies,
    /// The end of all its requests together.
    pub deadline: Instant,
}

impl<'a> Course<'a> {
    pub(super) fn new(known: &'a Known, task: &'a TaskCall, deadline: Instant) -> Self {
        Self { known, task, cookies: Cookies::default(), deadline }
    }
}

impl ThinkwisePortal {
    /// Runs a task. A failure says whether it may have taken effect.
    pub(super) async fn run(&self, course: &Course<'_>, values: &Values<'_>) -> Result<Ran, Failure> {
        let task = course.task;
        let body = wire::body(&task.arguments, values)?;
        let url = self.task_address(course.known, task, values, course.deadline).await?;
        let ran = match task.form {
            WayForm::Unbound | WayForm::Bound => {
                let call = Call::post(url.clone(), Some(body), self.subject("task", &task.name));
                let response = self.send_with(&call, &course.cookies, course.deadline).await;
                response.map(|response| Ran { response, url, staged: None })
            }
            WayForm::Staged => self.run_staged(course, &url, body).await,
        };
        if let Err(failure) = &ran {
            self.doubt(failure);
        }
        ran
    }

    /// `<base>/<task>`, or `<base>/<table>(<key>)/task_<task>` for a row's (documented).
    async fn task_address(
        &self,
        known: &Known,
        task: &TaskCall,
        values: &Values<'_>,
        deadline: Instant,
    ) -> Result<Url, Failure> {
        let row = match &task.row {
            None => return address::below(&self.base, &task.name),
            Some(BoundTo::Fixed { table, key }) => address::row(&self.base, table, key)?,
            Some(BoundTo::Token) => {
                let (Some(table), Some(token)) = (&known.interface.table, values.token) else {
                    let message = format!("the task {} is bound to a token's row, and there is none", task.name);
                    return Err(Failure::new(Sent::No, Reason::RequestRefused, message));
                };
                let key = self.own_key(table, token, deadline).await?;
                address::row(&self.base, &table.name, &key)?
            }
        };
        address::below(&row, &format!("task_{}", task.name))
    }

    /// Stages a task, fills it and commits it: three requests (documented).
    async fn run_staged(&self, course: &Course<'_>, url: &Url, body: Vec<u8>) -> Result<Ran, Failure> {
        let subject = self.subject("task", &course.task.name);
        let staged = self.stage(course, url).await.map_err(nothing_done)?;
        if !course.task.arguments.is_empty() {
            let fill = Call::patch(staged.clone(), body, subject).at(Step::Fill);
            match self.step(course, &fill).await {
                Ok(filled) => {
                    client::drain(filled).await;
                }
                Err(failure) => {
                    self.cancel(course, &staged, Instant::now() + CANCEL_TIME).await;
                    return Err(nothing_done(failure));
                }
            }
        }
        let url = address::below(&staged, "commit")?;
        match self.step(course, &Call::post(url.clone(), None, subject).at(Step::Commit)).await {
            Ok(response) => Ok(Ran { response, url, staged: Some(staged) }),
            Err(failure) => {
                // What may be at work is left alone.
                if failure.sent != Sent::Perhaps {
                    self.cancel(course, &staged, Instant::now() + CANCEL_TIME).await;
                }
                Err(failure)
            }
        }
    }

    /// The address of what was staged.
    async fn stage(&self, course: &Course<'_>, url: &Url) -> Result<Url, Failure> {
        let (task, url) = (course.task, address::below(url, "stage")?);
        let call = Call::post(url.clone(), None, self.subject("task", &task.name));
        let response = self.send_with(&call, &course.cookies, course.deadline).await?;
        let staged = self.location(&response, &url);
        client::drain(response).await;
        staged?.ok_or_else(|| {
            let message =
                format!("the portal staged the task {} and did not say where: its answer has no Location", task.name);
            Failure::new(Sent::No, Reason::AnswerMalformed, message)
        })
    }

    /// Sends a later step of a task. One that meets a rate limit (429, which proves that nothing was done) is
    /// repeated at the same address: to begin with a new stage would meet the same limit again, for ever.
    pub(super) async fn step(&self, course: &Course<'_>, call: &Call<'_>) -> Result<Response, Failure> {
        loop {
            let failure = match self.send_with(call, &course.cookies, course.deadline).await {
                Err(failure) if failure.sent == Sent::Refused && failure.reason == Reason::RateLimited => failure,
                other => return other,
            };
            let wait = failure.retry_after.unwrap_or(PAUSE).max(SHORTEST_PAUSE);
            if Instant::now() + wait >= course.deadline {
                let message = format!(
                    "{}, for longer than limits.requestTimeout leaves to the task {}",
                    failure.message, course.task.name
                );
                return Err(Failure { message, ..failure });
            }
            sleep(wait).await;
        }
    }

    /// Gives up what was staged, or a flow that waits, where the portal allows it (`DELETE`, documented for
    /// flows). Nothing depends on it: what is left open ends with the session. An address that may be a row
    /// of a table is left alone, for to delete that would be to delete data. What was staged gets a time of its own, for
    /// the task's may be over; a flow, whose token may be in hand, does not.
    pub(super) async fn cancel(&self, course: &Course<'_>, at: &Url, end: Instant) {
        let tables = &course.known.interface.tables;
        if address::resource(&self.base, at).is_none_or(|name| tables.has(name)) {
            return;
        }
        let deadline = end.min(Instant::now() + CANCEL_TIME);
        let call = Call::delete(at.clone(), self.subject("task", &course.task.name));
        match self.send_with(&call, &course.cookies, deadline).await {
            Ok(response) => {
                client::drain(response).await;
            }
            Err(failure) => tracing::debug!(task = course.task.name, %failure, "left open at the portal"),
        }
    }

    /// Where an answer leads, absolute or relative; at the portal itself only.
    pub(super) fn location(&self, response: &Response, asked: &Url) -> Result<Option<Url>, Failure> {
        let Some(value) = response.headers().get(reqwest::header::LOCATION) else { return Ok(None) };
        let text = String::from_utf8_lossy(value.as_bytes());
        address::own(&self.base, asked, &text, "Location").map(Some)
    }
}

/// Before the commit nothing was done, however staging or filling failed.
fn nothing_done(failure: Failure) -> Failure {
    match failure.sent {
        Sent::Perhaps => Failure { sent: Sent::No, ..failure },
        _ => failure,
    }
}
