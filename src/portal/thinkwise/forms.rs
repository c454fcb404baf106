//! Runs a task in the form that the portal has for it.
//!
//! Of each form only the request that creates or commits counts: before it nothing has happened, after it
//! anything may have, unless it was refused.

use super::call::Call;
use super::flow::Ran;
use super::interface::{BoundTo, TaskCall};
use super::known::Known;
use super::metadata::WayForm;
use super::wire::{self, Values};
use super::{Failure, Sent, ThinkwisePortal, address, client};
use crate::api::Reason;
use reqwest::Response;
use tokio::time::Instant;
use url::Url;

impl ThinkwisePortal {
    /// Runs a task. A failure says whether it may have taken effect.
    pub(super) async fn run(
        &self,
        known: &Known,
        task: &TaskCall,
        values: &Values<'_>,
        deadline: Instant,
    ) -> Result<Ran, Failure> {
        let body = wire::body(&task.arguments, values)?;
        let url = self.task_address(known, task, values, deadline).await?;
        let ran = match task.form {
            WayForm::Unbound | WayForm::Bound => {
                let call = Call::post(url.clone(), Some(body), self.subject("task", &task.name));
                self.send(&call, deadline).await.map(|response| Ran { response, url, staged: None })
            }
            WayForm::Staged => self.run_staged(task, &url, body, deadline).await,
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
    async fn run_staged(&self, task: &TaskCall, url: &Url, body: Vec<u8>, deadline: Instant) -> Result<Ran, Failure> {
        let staged = self.stage(task, url, deadline).await.map_err(nothing_done)?;
        if !task.arguments.is_empty() {
            let fill = Call::patch(staged.clone(), body, self.subject("task", &task.name));
            let filled = self.send(&fill, deadline).await.map_err(nothing_done)?;
            client::drain(filled).await;
        }
        // What is staged and not committed is left: how to cancel it is not public.
        let url = address::below(&staged, "commit")?;
        let response = self.send(&Call::post(url.clone(), None, self.subject("task", &task.name)), deadline).await?;
        Ok(Ran { response, url, staged: Some(staged) })
    }

    /// The address of what was staged.
    async fn stage(&self, task: &TaskCall, url: &Url, deadline: Instant) -> Result<Url, Failure> {
        let url = address::below(url, "stage")?;
        let response = self.send(&Call::post(url.clone(), None, self.subject("task", &task.name)), deadline).await?;
        let staged = location(&response, &url);
        client::drain(response).await;
        staged?.ok_or_else(|| {
            let message =
                format!("the portal staged the task {} and did not say where: its answer has no Location", task.name);
            Failure::new(Sent::No, Reason::AnswerMalformed, message)
        })
    }
}

/// Where an answer leads, absolute or relative; on the same server only.
pub(super) fn location(response: &Response, asked: &Url) -> Result<Option<Url>, Failure> {
    let Some(value) = response.headers().get(reqwest::header::LOCATION) else { return Ok(None) };
    let text = String::from_utf8_lossy(value.as_bytes());
    address::same_server(asked, &text, "Location").map(Some)
}

/// Before the commit nothing was done, however staging or filling failed.
fn nothing_done(failure: Failure) -> Failure {
    match failure.sent {
        Sent::Perhaps => Failure { sent: Sent::No, ..failure },
        _ => failure,
    }
}
