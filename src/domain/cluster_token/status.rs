//! The status of a `ClusterRegistryToken`.

use super::Counts;
use crate::api::{ClusterRegistryTokenStatus, ConditionType, NamespaceCounts, NamespaceFailure, Reason};
use crate::domain::model::conditions::{self, ConditionStatus, ConditionUpdate};
use jiff::Timestamp;

/// What the status reports.
#[derive(Clone, Debug)]
pub struct Report {
    pub generation: i64,
    pub token_name: String,
    pub counts: Counts,
    pub failures: Vec<NamespaceFailure>,
    pub suspended: bool,
    /// The number of `RegistryToken`s that are left, if the object is being deleted.
    pub deleting: Option<usize>,
}

/// The next status. It is equal to the previous one if nothing changed.
#[must_use]
pub fn next_status(
    previous: Option<&ClusterRegistryTokenStatus>,
    report: &Report,
    now: Timestamp,
) -> ClusterRegistryTokenStatus {
    let mut status = previous.cloned().unwrap_or_default();
    status.observed_generation = Some(report.generation);
    status.token_name = Some(report.token_name.clone());
    status.namespaces = Some(api_counts(report.counts));
    status.failures.clone_from(&report.failures);
    let (value, reason, message) = ready(report);
    let mut set = |kind, value, reason| {
        let update = ConditionUpdate { kind, value, reason, message: &message };
        conditions::set(&mut status.conditions, report.generation, now, update);
    };
    set(ConditionType::Ready, value, reason);
    let progress = match reason {
        Reason::TokensPending | Reason::TokensRevoking => Some(ConditionType::Reconciling),
        Reason::TokensFailing => Some(ConditionType::Stalled),
        _ => None,
    };
    if let Some(kind) = progress {
        set(kind, ConditionStatus::True, reason);
    }
    for kind in [ConditionType::Reconciling, ConditionType::Stalled] {
        if progress != Some(kind) {
            conditions::clear(&mut status.conditions, kind);
        }
    }
    if report.suspended {
        let message = "spec.suspend is set: no RegistryToken is created, changed or deleted";
        let (value, reason) = (ConditionStatus::True, Reason::Suspended);
        let update = ConditionUpdate { kind: ConditionType::Suspended, value, reason, message };
        conditions::set(&mut status.conditions, report.generation, now, update);
    } else {
        conditions::clear(&mut status.conditions, ConditionType::Suspended);
    }
    status
}

fn ready(report: &Report) -> (ConditionStatus, Reason, String) {
    let Counts { ready, waiting, failing, leaving } = report.counts;
    let matched = ready + waiting + failing;
    if let Some(left) = report.deleting {
        let message = format!("{left} RegistryTokens are left to delete. Each is gone when its tokens are revoked");
        return (ConditionStatus::False, Reason::TokensRevoking, message);
    }
    if waiting > 0 && !report.suspended {
        let message = format!("{ready} of {matched} namespaces have a working token; {waiting} wait, {failing} fail");
        return (ConditionStatus::False, Reason::TokensPending, message);
    }
    if failing > 0 {
        let first = report.failures.first().map_or_else(String::new, |first| {
            format!(". The first one is {}: {}: {}", first.namespace, first.reason, first.message)
        });
        let message = format!("{failing} of {matched} namespaces require manual action; see status.failures{first}");
        return (ConditionStatus::False, Reason::TokensFailing, message);
    }
    if waiting > 0 {
        let message = format!("{ready} of {matched} namespaces have a working token, and spec.suspend is set");
        return (ConditionStatus::False, Reason::Suspended, message);
    }
    let left = if leaving > 0 { format!("; {leaving} namespaces no longer match") } else { String::new() };
    (ConditionStatus::True, Reason::TokensReady, format!("each of {matched} namespaces has a working token{left}"))
}

fn api_counts(counts: Counts) -> NamespaceCounts {
    let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let Counts { ready, waiting, failing, leaving } = counts;
    NamespaceCounts {
        matched: number(ready + waiting + failing),
        ready: number(ready),
        waiting: number(waiting),
        failing: number(failing),
        leaving: number(leaving),
    }
}
