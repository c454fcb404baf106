//! Lets the fault in force befall a request.

use super::answer::Answer;
use super::connection::Connection;
use super::faults::Fault;
use super::messages;
use super::requests::Operation;
use super::shared::Shared;
use std::future::pending;
use std::time::Duration;
use tokio::time::sleep;

/// Does the work, unless a fault prevents it, and spoils its answer if a fault says so.
///
/// The work is told by how much it has to take effect late.
pub(super) async fn meet<Work>(
    shared: &Shared,
    connection: &Connection,
    operation: Operation,
    work: impl FnOnce(Duration) -> Work,
) -> Answer
where
    Work: Future<Output = Answer>,
{
    let Some(mut struck) = shared.faults.strike(operation) else { return work(Duration::ZERO).await };
    let config = shared.config();
    match &struck.fault {
        Fault::Status(status) => return messages::failure(&config, *status),
        Fault::RetryAfter { status, seconds } => {
            return Answer::empty(*status).with("retry-after", seconds.to_string());
        }
        Fault::Refuse(message) => return messages::refusal(&config, message, &[]),
        Fault::DropBefore => return lose(connection).await,
        Fault::HangBefore => struck.hang().await,
        _ => {}
    }
    let answer = work(struck.lateness()).await;
    match &struck.fault {
        Fault::StatusAfter(status) => messages::failure(&config, *status),
        Fault::HangAfter => {
            struck.hang().await;
            answer
        }
        Fault::DelayAfter(millis) => {
            sleep(Duration::from_millis(*millis)).await;
            answer
        }
        Fault::DropAfter => lose(connection).await,
        Fault::Garbage => Answer::body(200, "application/json", "<html>{\"secret\":"),
        Fault::WithoutSecret => answer.without(&config.names.request.secret),
        Fault::WithoutUsername => answer.without(&config.names.request.username),
        _ => answer,
    }
}

/// Breaks the connection; the answer never comes.
async fn lose(connection: &Connection) -> Answer {
    connection.sever();
    pending().await
}
