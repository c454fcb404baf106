//! The issuer: its state as operators observe it, its audits, and its deletion.

use super::audits::execute_audit;
use super::login_audit::RunningLoginAudit;
use super::mutant::Mutant;
use super::operator::RunningPass;
use super::operator_audit::RunningAudit;
use super::outcome::RequestOutcome;
use super::schedule::{Event, State};
use super::world::{MAX_RESPONSE_SECONDS, World, at, tag};
use registry_token_operator::api::{PortalType, Reason, RecordedPortal};
use registry_token_operator::domain::audit::{AuditStep, PortalAudit};
use registry_token_operator::domain::issuer_deletion::{DeletionDecision, DeletionInput, ListAccess, decide_deletion};
use registry_token_operator::domain::model::issuer::{IssuerInfo, IssuerState};
use registry_token_operator::domain::model::namespace_access::NamespaceAccess;
use registry_token_operator::domain::model::problem::messages::issuer_problem;
use std::time::Duration;

/// The issuer's state as every operator observes it.
pub fn issuer_state(world: &World) -> IssuerState {
    if world.issuer.finalized {
        return IssuerState::Missing;
    }
    if world.issuer.broken {
        return IssuerState::NotReady(issuer_problem(Reason::Unauthorized, "the portal rejects the credentials"));
    }
    IssuerState::Ready(issuer_info(world))
}

pub fn issuer_info(world: &World) -> IssuerInfo {
    IssuerInfo {
        tag: tag(),
        portal: portal(world.issuer.moved),
        registries_hash: "registries".to_owned(),
        config_hash: [0; 32],
        max_description_chars: None,
        response_deadline: Duration::from_secs(MAX_RESPONSE_SECONDS.unsigned_abs()),
        deleting: world.issuer.deleting,
        has_finalizer: true,
        list_visible: !world.config.list_denied,
        can_edit: world.config.portal.edit,
        keep_marker: world.config.keep_marker,
        login_shared: world.config.portal.login_shared,
        projects: None,
        login_check: world.config.login,
        requested_annotations: world.issuer.requested.clone(),
    }
}

/// How long a namespace that is not served any more keeps its tokens, in seconds: shorter than a round until idle.
pub const GRACE_SECONDS: i64 = 2 * MAX_RESPONSE_SECONDS;

/// Whether the namespaces are allowed, as the caches of an operator show it. A cache that lags shows the contrary if it
/// changed before.
pub fn namespace_access(world: &World, lags: bool, mutant: Option<Mutant>) -> NamespaceAccess {
    let denied = world.issuer.denied_since.is_some() != (lags && world.issuer.namespace_changes > 0);
    if !denied {
        return NamespaceAccess::Allowed;
    }
    let seconds = if mutant == Some(Mutant::IgnoresGracePeriod) { 0 } else { GRACE_SECONDS.unsigned_abs() };
    NamespaceAccess::NotAllowed { noticed: at(world.clock), grace: Duration::from_secs(seconds) }
}

/// Whether a live read shows that the issuer does not serve the namespace.
pub fn is_denied(world: &World, running: &RunningPass, mutant: Option<Mutant>) -> bool {
    match mutant {
        Some(Mutant::RevokesDeniedFromCache) => {
            matches!(running.pass.observed().namespace_access, NamespaceAccess::NotAllowed { .. })
        }
        _ => world.issuer.denied_since.is_some(),
    }
}

/// URL of the portal that accepts the credentials.
pub const HOME_URL: &str = "https://portal";

fn portal(moved: bool) -> RecordedPortal {
    let url = if moved { "https://elsewhere" } else { HOME_URL };
    RecordedPortal { kind: PortalType::Thinkwise, url: url.to_owned(), scope: "tcp".to_owned(), user: "k8s".to_owned() }
}

impl State {
    pub fn begin_audit(&mut self, operator: usize) {
        if self.mutant == Some(Mutant::NeverAudits) {
            return;
        }
        let operator = &mut self.operators[operator];
        if self.world.config.list_denied {
            if issuer_info(&self.world).can_be_audited() {
                operator.running_login_audit = Some(RunningLoginAudit::begin(&self.world, operator.last_login_audit()));
            }
        } else if let (audit, AuditStep::Perform(request)) = PortalAudit::begin() {
            operator.running_audit = Some(RunningAudit { audit, request, audited_tokens: None });
        }
    }

    pub fn step_audit(&mut self, operator: usize, outcome: RequestOutcome) {
        self.count_fault(outcome);
        self.operators[operator].step_login_audit(&mut self.world, outcome);
        let Some(mut auditing) = self.operators[operator].running_audit.take() else { return };
        let response = execute_audit(&mut self.world, &mut auditing, outcome, self.mutant);
        let next = auditing.audit.clone().step(response);
        self.operators[operator].finish_audit_step(&self.world, auditing, next, self.mutant);
    }

    pub fn reconcile_issuer(&mut self, operator: usize) {
        let (now, clock) = (at(self.world.clock), self.world.clock);
        let in_use = self.world.slots.iter().filter_map(|slot| slot.object.as_ref()).any(|object| object.finalizer);
        let unchecked = self.mutant == Some(Mutant::FinalizesIssuerUnchecked);
        let process = &mut self.operators[operator];
        if in_use && !unchecked {
            process.unused_since = None;
        }
        let observed = DeletionInput {
            in_use: in_use && !unchecked,
            has_finalizer: true,
            unused_since: at(*process.unused_since.get_or_insert(clock)),
            audited_at: process
                .last_audit
                .as_ref()
                .filter(|audited| !audited.has_failed_revocations)
                .map(|audited| audited.evidence.started_at()),
            list: if self.world.config.list_denied { ListAccess::Hidden } else { ListAccess::Visible },
            response_deadline: issuer_info(&self.world).response_deadline,
            now,
        };
        match decide_deletion(&observed) {
            DeletionDecision::Allowed => {
                if in_use {
                    self.world.report_violation("an issuer that an object still needs was finalized");
                }
                if self.world.oracle.misled.0 {
                    // Its final audit may have used a hidden list without noticing it.
                    let all: Vec<u32> = self.world.rows.keys().copied().collect();
                    self.world.oracle.undecidable.extend(all);
                }
                self.world.issuer.finalized = true;
            }
            DeletionDecision::Audit if process.running_audit.is_none() => self.apply(Event::BeginAudit { operator }),
            _ => {}
        }
    }
}
