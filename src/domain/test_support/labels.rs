//! Requests in a word or two, so that a test reads as a list of what was done.

use crate::domain::protocol::{Request, Rows, SecretWrite};

pub fn label(request: &Request) -> String {
    let text = match request {
        Request::AcquireSlot { urgent: true } => "room",
        Request::AcquireSlot { urgent: false } => "room, no hurry",
        Request::ReadObject => "read object",
        Request::ReadSecret => "read secret",
        Request::ReadContent => "read content",
        Request::ReadLastWriter => "find writer",
        Request::ReadIssuer => "read issuer",
        Request::SetFinalizer(true) => "hold object",
        Request::SetFinalizer(false) => "release object",
        Request::DryRunCommit(_) => "try",
        Request::WriteSecret(write) => return write_label(write),
        Request::WriteStatus(_) => "status",
        Request::RequestToken { .. } => "token",
        Request::QueryRows(Rows::WithId(id)) => return format!("find {id}"),
        Request::QueryRows(Rows::WithUsername(name)) => return format!("find user {name}"),
        Request::QueryRows(Rows::WithMarker(_)) => "find mark",
        Request::EditDescription { token, .. } => return format!("edit {}", token.id),
        Request::Revoke(token) => return format!("revoke {}", token.id),
        Request::VerifyLogin => "log in",
        Request::Sleep(_) => "pause",
        Request::RequeueIssuer => "wake issuer",
        Request::RequestAudit => "audit",
    };
    text.to_owned()
}

fn write_label(write: &SecretWrite) -> String {
    let text = match write {
        SecretWrite::Reserve(_) => "reserve",
        SecretWrite::ClearReservation => "drop",
        SecretWrite::Close => "close",
        SecretWrite::ClearToken => "disown",
        SecretWrite::Commit(stored) => return format!("commit {}", stored.id),
        SecretWrite::Repair(_) => "repair",
        SecretWrite::RestoreOwnership => "restore ownership",
        SecretWrite::Orphan(marks) if marks.is_empty() => "release",
        SecretWrite::Orphan(_) => "release, marked",
    };
    text.to_owned()
}
