//! Injects the active fault into a request.

use super::answer::Answer;
use super::config::Config;
use super::connection::Connection;
use super::faults::{Fault, WorkOptions};
use super::messages;
use super::requests::{Kind, now};
use super::shared::Shared;
use serde_json::Value;
use std::future::pending;
use std::time::Duration;
use tokio::time::sleep;

/// Performs the work, unless a fault prevents it, and alters its response if a fault says so.
///
/// The work gets the options with which it is to be performed.
pub(super) async fn meet<Work>(
    shared: &Shared,
    connection: &Connection,
    kind: Kind,
    work: impl FnOnce(WorkOptions) -> Work,
) -> Answer
where
    Work: Future<Output = Answer> + Send + 'static,
{
    let Some(mut struck) = shared.faults.take_fault(kind) else { return work(WorkOptions::default()).await };
    let config = shared.config();
    if let Some(answer) = instead(&config, &struck.fault) {
        return answer;
    }
    let manner = struck.manner();
    match struck.fault {
        Fault::DropBefore => return lose(connection).await,
        Fault::HangBefore => struck.hang().await,
        Fault::DropLate(_) => {
            tokio::spawn(work(manner));
            return lose(connection).await;
        }
        Fault::StatusLate { status, .. } => {
            tokio::spawn(work(manner));
            return messages::failure(&config, status);
        }
        _ => {}
    }
    let answer = work(manner).await;
    match &struck.fault {
        Fault::HangAfter => struck.hang().await,
        Fault::DelayAfter(millis) => sleep(Duration::from_millis(*millis)).await,
        Fault::DropAfter => return lose(connection).await,
        _ => {}
    }
    spoilt(&config, &struck.fault, answer)
}

/// The response that replaces any work.
fn instead(config: &Config, fault: &Fault) -> Option<Answer> {
    Some(match fault {
        Fault::Status(status) => messages::failure(config, *status),
        Fault::RetryAfter { status, seconds } => Answer::empty(*status).with("retry-after", seconds.to_string()),
        Fault::RetryAt { status, seconds } => Answer::empty(*status).with("retry-after", date(*seconds)),
        Fault::RetryText { status, text } => Answer::empty(*status).with("retry-after", text),
        Fault::Redirect { status, location } => Answer::empty(*status).with("location", location),
        Fault::Refuse(message) => messages::rejection(config, message, &[]),
        Fault::MessageShape { status, how } => messages::with_shape(config, *status, *how),
        _ => return None,
    })
}

/// The response to performed work, altered by the fault.
fn spoilt(config: &Config, fault: &Fault, answer: Answer) -> Answer {
    match fault {
        Fault::StatusAfter(status) => messages::failure(config, *status),
        Fault::Garbage => Answer::body(200, "application/json", "<html>{\"secret\":"),
        Fault::Body { content_type, text } => Answer::body(200, content_type, text.as_str()),
        Fault::ContentType(content_type) => answer.with("content-type", content_type),
        Fault::Truncated => answer.truncated(),
        Fault::BreakOff => answer.broken_off(),
        Fault::Huge { blanks, announced } => answer.padded(*blanks, *announced),
        Fault::Endless(millis) => answer.endless(Duration::from_millis(*millis)),
        Fault::WithoutSecret => answer.without(&config.names.request.secret),
        Fault::WithoutUsername => answer.without(&config.names.request.username),
        Fault::Without(field) => answer.without(field),
        Fault::NextLink(address) => answer.having("@odata.nextLink", Value::from(address.as_str())),
        Fault::Location(address) => answer.with("location", address),
        _ => answer,
    }
}

/// An HTTP date this many seconds from now (RFC 9110).
fn date(seconds: u64) -> String {
    httpdate::fmt_http_date((now() + Duration::from_secs(seconds)).into())
}

/// Closes the connection; the response is never sent.
async fn lose(connection: &Connection) -> Answer {
    connection.sever();
    pending().await
}
