//! Invokes a task in the form that the portal has for it.
//!
//! In each form, only the request that creates or commits matters: before it nothing has happened; after it anything
//! may have happened, unless it was rejected.

use super::outputs;
use super::outputs::TaskValues;
use super::process_flow::TaskRun;
use super::session::TaskSession;
use crate::api::Reason;
use crate::portal::thinkwise::client::call::Call;
use crate::portal::thinkwise::client::error_context::TaskStep;
use crate::portal::thinkwise::client::http_client;
use crate::portal::thinkwise::discovery::interface::{BoundTo, TaskCall};
use crate::portal::thinkwise::discovery::metadata::InvocationForm;
use crate::portal::thinkwise::interface_cache::CachedInterface;
use crate::portal::thinkwise::odata::address;
use crate::portal::thinkwise::{Delivery, PortalError, ThinkwisePortal};
use reqwest::Response;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use url::Url;

/// The wait before a rate-limited step is repeated: the default if the portal gives no time, and the minimum.
const DEFAULT_RETRY_DELAY: Duration = Duration::from_secs(1);
const MIN_RETRY_DELAY: Duration = Duration::from_millis(250);
/// The time limit for canceling a staged task: nothing depends on it.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(2);

impl ThinkwisePortal {
    /// Runs a task. An error states whether the task may have taken effect.
    pub(crate) async fn invoke(
        &self,
        session: &TaskSession<'_>,
        values: &TaskValues<'_>,
    ) -> Result<TaskRun, PortalError> {
        let task = session.task;
        let body = outputs::task_body(&task.arguments, values)?;
        let url = self.task_url(session.cached, task, values, session.deadline).await?;
        let run = match task.form {
            InvocationForm::Unbound | InvocationForm::Bound => {
                let call = Call::post(url.clone(), Some(body), self.error_context("task", &task.name));
                let response = self.send_with(&call, &session.cookies, session.deadline).await;
                response.map(|response| TaskRun { response, url, staged_url: None })
            }
            InvocationForm::Staged => self.invoke_staged(session, &url, body).await,
        };
        if let Err(failure) = &run {
            self.mark_stale_after(failure);
        }
        run
    }

    /// `<base>/<task>`, or `<base>/<table>(<key>)/task_<task>` for a task bound to a row (documented).
    async fn task_url(
        &self,
        cached: &CachedInterface,
        task: &TaskCall,
        values: &TaskValues<'_>,
        deadline: Instant,
    ) -> Result<Url, PortalError> {
        let row = match &task.row {
            None => return address::child(&self.base, &task.name),
            Some(BoundTo::Fixed { table, key }) => address::row_url(&self.base, table, key)?,
            Some(BoundTo::Token) => {
                let (Some(table), Some(token)) = (&cached.interface.table, values.token) else {
                    let message = format!("the task {} is bound to a token's row, and there is none", task.name);
                    return Err(PortalError::new(Delivery::NotSent, Reason::RequestRejected, message));
                };
                let key = self.token_key(table, token, deadline).await?;
                address::row_url(&self.base, &table.name, &key)?
            }
        };
        address::child(&row, &format!("task_{}", task.name))
    }

    /// Stages a task, sets its parameters and commits it: three requests (documented).
    async fn invoke_staged(&self, session: &TaskSession<'_>, url: &Url, body: Vec<u8>) -> Result<TaskRun, PortalError> {
        let context = self.error_context("task", &session.task.name);
        let staged = self.stage(session, url).await.map_err(as_not_sent)?;
        if !session.task.arguments.is_empty() {
            let fill = Call::patch(staged.clone(), body, context).with_step(TaskStep::Fill);
            match self.send_step(session, &fill).await {
                Ok(filled) => {
                    http_client::drain(filled).await;
                }
                Err(failure) => {
                    self.cancel(session, &staged, Instant::now() + CANCEL_TIMEOUT).await;
                    return Err(as_not_sent(failure));
                }
            }
        }
        let url = address::child(&staged, "commit")?;
        match self.send_step(session, &Call::post(url.clone(), None, context).with_step(TaskStep::Commit)).await {
            Ok(response) => Ok(TaskRun { response, url, staged_url: Some(staged) }),
            Err(failure) => {
                // A task that may be running is left alone.
                if failure.delivery != Delivery::Unknown {
                    self.cancel(session, &staged, Instant::now() + CANCEL_TIMEOUT).await;
                }
                Err(failure)
            }
        }
    }

    /// Stages the task and returns the address of the staged resource.
    async fn stage(&self, session: &TaskSession<'_>, url: &Url) -> Result<Url, PortalError> {
        let (task, url) = (session.task, address::child(url, "stage")?);
        let call = Call::post(url.clone(), None, self.error_context("task", &task.name));
        let response = self.send_with(&call, &session.cookies, session.deadline).await?;
        let staged = self.continue_at(&response, &url);
        http_client::drain(response).await;
        staged?.ok_or_else(|| {
            let message = format!("the portal staged the task {}, but its response has no Location header", task.name);
            PortalError::new(Delivery::NotSent, Reason::InvalidResponse, message)
        })
    }

    /// Sends a later step of a task. A rate-limited step (429, which proves that nothing was done) is repeated at the
    /// same address: starting over with a new stage would run into the same limit forever.
    pub(crate) async fn send_step(&self, session: &TaskSession<'_>, call: &Call<'_>) -> Result<Response, PortalError> {
        loop {
            let failure = match self.send_with(call, &session.cookies, session.deadline).await {
                Err(failure) if failure.delivery == Delivery::Rejected && failure.reason == Reason::RateLimited => {
                    failure
                }
                other => return other,
            };
            let wait = failure.retry_after.unwrap_or(DEFAULT_RETRY_DELAY).max(MIN_RETRY_DELAY);
            if Instant::now() + wait >= session.deadline {
                let message = format!(
                    "{}, for longer than limits.requestTimeout leaves to the task {}",
                    failure.message, session.task.name
                );
                return Err(PortalError { message, ..failure });
            }
            sleep(wait).await;
        }
    }

    /// Cancels a staged task or a waiting flow, where the portal allows it (`DELETE`, documented for flows). Nothing
    /// depends on it: what is left open ends with the session. An address that may be a row of a table is never
    /// deleted, because that would delete data. A staged task gets its own time limit, because the task's may be
    /// over; a flow does not, because its token may already be known.
    pub(crate) async fn cancel(&self, session: &TaskSession<'_>, at: &Url, end: Instant) {
        let tables = &session.cached.interface.tables;
        if address::resource_name(&self.base, at).is_none_or(|name| tables.contains(name)) {
            return;
        }
        let deadline = end.min(Instant::now() + CANCEL_TIMEOUT);
        let call = Call::delete(at.clone(), self.error_context("task", &session.task.name));
        match self.send_with(&call, &session.cookies, deadline).await {
            Ok(response) => {
                http_client::drain(response).await;
            }
            Err(failure) => {
                tracing::debug!(task = session.task.name, %failure, "could not cancel the task at the portal");
            }
        }
    }

    /// The address to continue at, absolute or relative; it must be at the portal itself.
    pub(crate) fn continue_at(&self, response: &Response, requested: &Url) -> Result<Option<Url>, PortalError> {
        let Some(value) = response.headers().get(reqwest::header::LOCATION) else { return Ok(None) };
        let text = String::from_utf8_lossy(value.as_bytes());
        address::resolve_link(&self.base, requested, &text, "Location").map(Some)
    }
}

/// Before the commit nothing was done, regardless of how staging or filling failed.
fn as_not_sent(failure: PortalError) -> PortalError {
    match failure.delivery {
        Delivery::Unknown => PortalError { delivery: Delivery::NotSent, ..failure },
        _ => failure,
    }
}
