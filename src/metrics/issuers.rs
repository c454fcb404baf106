//! The metrics of issuers: their portals, their tokens and their audits. `issuer` is the name of a cluster issuer, or
//! namespace and name of another one; the series of an issuer are removed with it.

use super::catalog::Catalog;
use super::outcomes::{LoginOutcome, PortalOperation, PortalOutcome};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const PORTAL_BUCKETS: [f64; 11] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0];
/// Users choose the registries of their issuers: others than the first ones share a series.
const MAX_REGISTRIES: usize = 100;

/// The tokens of one issuer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenSummary {
    /// `RegistryToken`s that are ready.
    pub active: i64,
    /// `RegistryToken`s that are neither ready nor stalled.
    pub waiting: i64,
    /// `RegistryToken`s that are stalled.
    pub failing: i64,
    /// Previous tokens that are not revoked yet.
    pub retiring: i64,
    /// When the oldest current token was requested, in seconds since 1970.
    pub oldest_token: Option<i64>,
    /// The earliest rotation, in seconds since 1970.
    pub next_rotation: Option<i64>,
    /// Rotations whose time is over.
    pub overdue: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    issuer: String,
    operation: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabels {
    operation: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RegistryLabels {
    registry: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct IssuerLabels {
    issuer: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    issuer: String,
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OrphanLabels {
    issuer: String,
    action: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReadyLabels {
    kind: &'static str,
    namespace: String,
    name: String,
}

/// The metrics of all issuers.
#[derive(Debug)]
pub struct IssuerMetrics {
    portal_requests: Family<RequestLabels, Counter>,
    portal_duration: Family<OperationLabels, Histogram>,
    retry_after: Family<IssuerLabels, Gauge>,
    login_checks: Family<RegistryLabels, Counter>,
    registries: Mutex<HashSet<String>>,
    tokens: Family<StateLabels, Gauge>,
    oldest_token: Family<IssuerLabels, Gauge>,
    next_rotation: Family<IssuerLabels, Gauge>,
    overdue: Family<IssuerLabels, Gauge>,
    audited: Family<IssuerLabels, Gauge>,
    first_audit: Family<IssuerLabels, Gauge>,
    orphans: Family<OrphanLabels, Counter>,
    ready: Family<ReadyLabels, Gauge>,
}

impl IssuerMetrics {
    pub(super) fn register(catalog: &mut Catalog) -> Self {
        let all = Self {
            portal_requests: Family::default(),
            portal_duration: Family::new_with_constructor(|| Histogram::new(PORTAL_BUCKETS)),
            retry_after: Family::default(),
            login_checks: Family::default(),
            registries: Mutex::default(),
            tokens: Family::default(),
            oldest_token: Family::default(),
            next_rotation: Family::default(),
            overdue: Family::default(),
            audited: Family::default(),
            first_audit: Family::default(),
            orphans: Family::default(),
            ready: Family::default(),
        };
        let mut add = |name, help, family: Family<IssuerLabels, Gauge>| catalog.add(name, help, family);
        add(
            "registry_token_operator_portal_retry_after_seconds",
            "Delay that the portal asked for in its last response; 0 if it asked for none",
            all.retry_after.clone(),
        );
        add(
            "registry_token_operator_oldest_token_timestamp_seconds",
            "When the oldest current token was requested",
            all.oldest_token.clone(),
        );
        add(
            "registry_token_operator_next_rotation_timestamp_seconds",
            "When the next rotation is due",
            all.next_rotation.clone(),
        );
        add("registry_token_operator_rotations_overdue", "Rotations whose time is over", all.overdue.clone());
        add(
            "registry_token_operator_audit_last_success_timestamp_seconds",
            "When the last complete audit of the portal ended",
            all.audited.clone(),
        );
        add(
            "registry_token_operator_audit_first_attempt_timestamp_seconds",
            "When this instance began its first audit of the portal",
            all.first_audit.clone(),
        );
        catalog.add(
            "registry_token_operator_portal_requests_total",
            "Requests to the portal by operation and outcome",
            all.portal_requests.clone(),
        );
        catalog.add(
            "registry_token_operator_portal_request_duration_seconds",
            "Duration of requests to portals since their permit; a list includes the waits for its further pages",
            all.portal_duration.clone(),
        );
        catalog.add(
            "registry_token_operator_login_checks_total",
            "Logins that were checked at the registry",
            all.login_checks.clone(),
        );
        catalog.add("registry_token_operator_tokens", "Tokens by state", all.tokens.clone());
        catalog.add(
            "registry_token_operator_audit_orphans_total",
            "Orphaned tokens that audits found and revoked",
            all.orphans.clone(),
        );
        catalog.add("registry_token_operator_issuer_ready", "Whether the issuer is ready", all.ready.clone());
        all
    }

    /// Counts a request to a portal.
    pub fn record_portal_request(
        &self,
        issuer: &str,
        (operation, outcome): (PortalOperation, PortalOutcome),
        duration: Duration,
        retry_after: Option<Duration>,
    ) {
        let operation = operation.as_str();
        let labels = RequestLabels { issuer: issuer.to_owned(), operation, outcome: outcome.as_str() };
        self.portal_requests.get_or_create(&labels).inc();
        if outcome != PortalOutcome::Unsent {
            self.portal_duration.get_or_create(&OperationLabels { operation }).observe(duration.as_secs_f64());
        }
        let delay = retry_after.unwrap_or_default().as_secs();
        self.retry_after.get_or_create(&of(issuer)).set(i64::try_from(delay).unwrap_or(i64::MAX));
    }

    /// Counts a login check.
    pub fn record_login_check(&self, registry: &str, outcome: LoginOutcome) {
        let mut known = self.registries.lock().unwrap_or_else(PoisonError::into_inner);
        let is_shown = known.contains(registry) || (known.len() < MAX_REGISTRIES && known.insert(registry.to_owned()));
        drop(known);
        let registry = if is_shown { registry } else { "other" };
        let labels = RegistryLabels { registry: registry.to_owned(), outcome: outcome.as_str() };
        self.login_checks.get_or_create(&labels).inc();
    }

    /// Sets what the caches show of an issuer's tokens.
    pub fn set_tokens(&self, issuer: &str, tokens: &TokenSummary) {
        let TokenSummary { active, waiting, failing, retiring, oldest_token, next_rotation, overdue } = *tokens;
        for (state, count) in STATES.into_iter().zip([active, waiting, failing, retiring]) {
            self.tokens.get_or_create(&StateLabels { issuer: issuer.to_owned(), state }).set(count);
        }
        self.overdue.get_or_create(&of(issuer)).set(overdue);
        for (family, time) in [(&self.oldest_token, oldest_token), (&self.next_rotation, next_rotation)] {
            if let Some(time) = time {
                family.get_or_create(&of(issuer)).set(time);
            } else {
                family.remove(&of(issuer));
            }
        }
        // Shown from the start, because an increase from a missing series is not visible.
        self.record_orphans(issuer, 0, 0);
    }

    /// Records when an audit of the issuer's portal begins, in seconds since 1970; the first one counts.
    pub fn set_audit_attempted(&self, issuer: &str, seconds: i64) {
        let is_first = self.first_audit.get(&of(issuer)).is_none();
        if is_first {
            self.first_audit.get_or_create(&of(issuer)).set(seconds);
        }
    }

    /// Records when an audit of the issuer's portal succeeded, in seconds since 1970.
    pub fn set_audited(&self, issuer: &str, seconds: i64) {
        self.audited.get_or_create(&of(issuer)).set(seconds);
    }

    /// Counts the orphaned tokens that an audit found, and those that it revoked.
    pub fn record_orphans(&self, issuer: &str, found: usize, revoked: usize) {
        for (action, count) in ACTIONS.into_iter().zip([found, revoked]) {
            let labels = OrphanLabels { issuer: issuer.to_owned(), action };
            self.orphans.get_or_create(&labels).inc_by(u64::try_from(count).unwrap_or(u64::MAX));
        }
    }

    /// Records whether an issuer is ready.
    pub fn set_ready(&self, kind: &'static str, namespace: &str, name: &str, is_ready: bool) {
        self.ready.get_or_create(&ready_labels(kind, namespace, name)).set(i64::from(is_ready));
    }

    /// Removes the series of a deleted issuer.
    pub fn forget(&self, issuer: &str, kind: &'static str, namespace: &str, name: &str) {
        for operation in PortalOperation::ALL {
            for outcome in PortalOutcome::ALL {
                let (operation, outcome) = (operation.as_str(), outcome.as_str());
                self.portal_requests.remove(&RequestLabels { issuer: issuer.to_owned(), operation, outcome });
            }
        }
        for state in STATES {
            self.tokens.remove(&StateLabels { issuer: issuer.to_owned(), state });
        }
        for action in ACTIONS {
            self.orphans.remove(&OrphanLabels { issuer: issuer.to_owned(), action });
        }
        for family in self.by_issuer() {
            family.remove(&of(issuer));
        }
        self.ready.remove(&ready_labels(kind, namespace, name));
    }

    /// Removes what only the leader knows, when this instance is not the leader any more.
    pub(super) fn clear_state(&self) {
        self.tokens.clear();
        self.ready.clear();
        for family in self.by_issuer() {
            family.clear();
        }
    }

    /// The gauges with one series for each issuer.
    const fn by_issuer(&self) -> [&Family<IssuerLabels, Gauge>; 6] {
        [&self.retry_after, &self.oldest_token, &self.next_rotation, &self.overdue, &self.audited, &self.first_audit]
    }
}

const STATES: [&str; 4] = ["active", "waiting", "failing", "retiring"];
const ACTIONS: [&str; 2] = ["found", "revoked"];

fn of(issuer: &str) -> IssuerLabels {
    IssuerLabels { issuer: issuer.to_owned() }
}

fn ready_labels(kind: &'static str, namespace: &str, name: &str) -> ReadyLabels {
    ReadyLabels { kind, namespace: namespace.to_owned(), name: name.to_owned() }
}

#[cfg(test)]
#[path = "issuers_tests.rs"]
mod tests;
