//! Labels of requests, so that a test reads as a list of actions.

use crate::domain::model::token::RowQuery;
use crate::domain::protocol::{Request, SecretWrite};

pub fn label(request: &Request) -> String {
    let text = match request {
        Request::AcquireSlot { urgent: true } => "slot",
        Request::AcquireSlot { urgent: false } => "slot, low priority",
        Request::ReadObject => "read object",
        Request::ReadSecret => "read secret",
        Request::ReadContent => "read content",
        Request::ReadLastWriter => "find writer",
        Request::ReadIssuer => "read issuer",
        Request::SetFinalizer(true) => "add finalizer",
        Request::SetFinalizer(false) => "remove finalizer",
        Request::DryRunCommit(_) => "dry run",
        Request::WriteSecret(write) => return write_label(write),
        Request::WriteStatus(_) => "status",
        Request::RequestToken { .. } => "token",
        Request::QueryRows(RowQuery::WithId(id)) => return format!("find {id}"),
        Request::QueryRows(RowQuery::WithUsername(name)) => return format!("find user {name}"),
        Request::QueryRows(RowQuery::WithMarker(_)) => "find marker",
        Request::QueryRows(RowQuery::Probe) => "probe the list",
        Request::EditDescription { token, .. } => return format!("edit {}", token.id),
        Request::Revoke(token) => return format!("revoke {}", token.id),
        Request::VerifyLogin => "log in",
        Request::ReadImport => "read import",
        Request::VerifyImportedLogin => "log in as imported",
        Request::TryRandomPassword { .. } => "try random password",
        Request::ClaimToken(token) => return format!("claim {}", token.id),
        Request::Sleep(_) => "sleep",
        Request::RequeueIssuer => "requeue issuer",
        Request::RequestAudit => "audit",
    };
    text.to_owned()
}

fn write_label(write: &SecretWrite) -> String {
    let text = match write {
        SecretWrite::Reserve(_) => "reserve",
        SecretWrite::ClearReservation => "clear reservation",
        SecretWrite::Close => "close",
        SecretWrite::ClearToken => "clear token",
        SecretWrite::RemoveLogin => "remove login",
        SecretWrite::Commit(stored) => return format!("commit {}", stored.id),
        SecretWrite::Import(stored) => return format!("import {}", stored.id),
        SecretWrite::Repair(_) => "repair",
        SecretWrite::RestoreOwnership => "restore ownership",
        SecretWrite::Orphan(markers) if markers.is_empty() => "orphan",
        SecretWrite::Orphan(_) => "orphan, marked",
    };
    text.to_owned()
}
