//! What is printed while objects remain.

use super::remaining::{ObjectKind, RemainingObject};
use std::fmt::Write as _;

/// The numbers of objects that remain, and what one of them waits for.
pub(super) fn progress_line(all: &[RemainingObject], problem: Option<&str>) -> String {
    let tokens = all.iter().filter(|one| one.kind == ObjectKind::Token).count();
    let cluster = all.iter().filter(|one| one.kind == ObjectKind::ClusterToken).count();
    let mut line = format!("left: {tokens} RegistryTokens, {} issuers", all.len() - tokens - cluster);
    if cluster > 0 {
        let _ = write!(line, ", {cluster} ClusterRegistryTokens");
    }
    if let Some(one) = all.iter().find(|one| !one.waiting_reason().is_empty()) {
        let _ = write!(line, "; {one}");
    }
    if let Some(problem) = problem {
        let _ = write!(line, "; API server: {problem}");
    }
    line
}
