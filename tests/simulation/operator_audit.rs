//! The audits of one operator process.

use super::mutant::Mutant;
use super::operator::Operator;
use super::outcome::RequestOutcome;
use super::world::{MAX_RESPONSE_SECONDS, World};
use registry_token_operator::domain::audit::login_audit::{AuditEvidence, LoginAudit};
use registry_token_operator::domain::audit::missing_tokens::MissingTokens;
use registry_token_operator::domain::audit::{AuditStep, PortalAudit};
use std::time::Duration;

/// An audit in progress.
#[derive(Clone, Debug, PartialEq)]
pub struct RunningAudit {
    pub audit: PortalAudit,
    pub request: registry_token_operator::domain::audit::AuditRequest,
    pub audited_tokens: Option<Vec<registry_token_operator::domain::audit::AuditedToken>>,
}

/// The last audit.
#[derive(Clone, Debug, PartialEq)]
pub struct LastAudit {
    pub evidence: AuditEvidence,
    pub plausible: bool,
    /// Whether it failed to revoke a token.
    pub has_failed_revocations: bool,
}

impl Operator {
    /// Applies the result of an audit's step.
    pub fn finish_audit_step(
        &mut self,
        world: &World,
        mut auditing: RunningAudit,
        (audit, next): (PortalAudit, AuditStep),
        mutant: Option<Mutant>,
    ) {
        auditing.audit = audit;
        match next {
            AuditStep::Perform(request) => {
                auditing.request = request;
                self.running_audit = Some(auditing);
            }
            AuditStep::Done(Err(_)) => self.running_audit = None,
            AuditStep::Done(Ok(found)) => {
                self.running_audit = None;
                let owners: Vec<_> = super::audits::audited_tokens(world);
                let lag = Duration::from_secs(MAX_RESPONSE_SECONDS.unsigned_abs());
                let missing = MissingTokens::count(&found.inventory, &owners, lag, 10);
                let plausible = missing.plausible || mutant == Some(Mutant::TrustsShrunkList);
                let evidence = AuditEvidence::Inventory(found.inventory);
                self.last_audit =
                    Some(LastAudit { evidence, plausible, has_failed_revocations: found.failed.is_some() });
                self.audit_requested = found.failed.is_some();
            }
        }
    }

    /// The last login audit.
    pub fn last_login_audit(&self) -> Option<&LoginAudit> {
        match self.last_audit.as_ref().map(|audited| &audited.evidence) {
            Some(AuditEvidence::LoginAudit(audit)) => Some(audit),
            _ => None,
        }
    }

    /// Continues the login audit.
    pub fn step_login_audit(&mut self, world: &mut World, outcome: RequestOutcome) {
        let Some(mut login_audit) = self.running_login_audit.take() else { return };
        if login_audit.probe_next(world, outcome) {
            self.running_login_audit = Some(login_audit);
            return;
        }
        let plausible = login_audit.audit.missing_tokens(10).plausible;
        self.last_audit = Some(LastAudit {
            evidence: AuditEvidence::LoginAudit(login_audit.audit),
            plausible,
            has_failed_revocations: false,
        });
    }
}
