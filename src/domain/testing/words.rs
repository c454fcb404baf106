//! Requests in a word or two, so that a test reads as a list of what was done.

use crate::domain::effect::{Request, Rows, Write};

pub fn word(request: &Request) -> String {
    let text = match request {
        Request::Room { urgent: true } => "room",
        Request::Room { urgent: false } => "room, no hurry",
        Request::ReadObject => "read object",
        Request::ReadSecret => "read secret",
        Request::ReadContent => "read content",
        Request::FindWriter => "find writer",
        Request::ReadIssuer => "read issuer",
        Request::Finalizer(true) => "hold object",
        Request::Finalizer(false) => "release object",
        Request::TryCommit(_) => "try",
        Request::Secret(write) => return written(write),
        Request::Status(_) => "status",
        Request::Token { .. } => "token",
        Request::Find(Rows::WithId(id)) => return format!("find {id}"),
        Request::Find(Rows::OfUser(name)) => return format!("find user {name}"),
        Request::Find(Rows::Marked(_)) => "find mark",
        Request::Edit { token, .. } => return format!("edit {}", token.id),
        Request::Revoke(token) => return format!("revoke {}", token.id),
        Request::LogIn => "log in",
        Request::Pause(_) => "pause",
        Request::WakeIssuer => "wake issuer",
        Request::WantAudit => "audit",
    };
    text.to_owned()
}

fn written(write: &Write) -> String {
    let text = match write {
        Write::Reserve(_) => "reserve",
        Write::Drop => "drop",
        Write::Close => "close",
        Write::Disown => "disown",
        Write::Commit(stored) => return format!("commit {}", stored.id),
        Write::Repair(_) => "repair",
        Write::RestoreOwnership => "restore ownership",
        Write::Release(marks) if marks.is_empty() => "release",
        Write::Release(_) => "release, marked",
    };
    text.to_owned()
}
