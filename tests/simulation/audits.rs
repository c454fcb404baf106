//! Executes an audit's requests.

use super::mutant::Mutant;
use super::operator_audit::RunningAudit;
use super::outcome::RequestOutcome;
use super::portal::{revoke_token, token_row, transient_problem, unauthorized};
use super::projection::{audited_secret, audited_token};
use super::world::{World, at, tag};
use registry_token_operator::domain::audit::inventory::Inventory;
use registry_token_operator::domain::audit::{self, AuditedSecret, AuditedToken, Claims};
use registry_token_operator::domain::protocol::Response;

/// The issuer's current objects.
pub fn audited_tokens(world: &World) -> Vec<AuditedToken> {
    let all = world.slots.iter().enumerate();
    all.filter_map(|(slot, here)| Some(audited_token(slot, here.object.as_ref()?, &world.config))).collect()
}

fn audited_secrets(world: &World, named: bool) -> Vec<AuditedSecret> {
    let all = world.slots.iter().enumerate();
    let labelled = |secret: &&super::fakes::FakeSecret| named || secret.label.is_some();
    all.filter_map(|(slot, here)| Some(audited_secret(slot, here.secret.as_ref().filter(labelled)?))).collect()
}

/// The possible outcomes of an audit's request.
pub fn audit_outcomes(request: &audit::AuditRequest) -> &'static [RequestOutcome] {
    use RequestOutcome::{LostAfter, LostBefore, Rejected, ShrunkList, StaleList, Success};
    match request {
        audit::AuditRequest::ReadPortalList => &[Success, StaleList, ShrunkList, LostBefore],
        audit::AuditRequest::ReadRow(_) => &[Success, StaleList, LostBefore],
        audit::AuditRequest::Revoke(_) => &[Success, LostAfter, LostBefore, Rejected],
        _ => &[Success, LostBefore],
    }
}

/// Executes an audit's request.
pub fn execute_audit(
    world: &mut World,
    auditing: &mut RunningAudit,
    outcome: RequestOutcome,
    mutant: Option<Mutant>,
) -> audit::AuditResponse {
    use audit::AuditRequest::{ReadPortalList, ReadRow, Revoke};
    let denied = unauthorized(world, world.issuer.moved)
        .filter(|_| matches!(auditing.request, ReadPortalList | ReadRow(_) | Revoke(_)));
    if outcome == RequestOutcome::LostBefore || denied.is_some() {
        return audit::AuditResponse::Failed(denied.unwrap_or_else(transient_problem));
    }
    match auditing.request.clone() {
        ReadPortalList => {
            let mut inventory = Inventory::new(at(world.clock), "k8s".to_owned(), tag());
            let rows = world.list_rows(outcome == RequestOutcome::StaleList).into_iter().map(token_row);
            let is_shrunk = outcome == RequestOutcome::ShrunkList;
            rows.filter(|_| !is_shrunk).for_each(|row| inventory.add(row));
            // The caches are as stale as possible: tokens that they do not account for are read again.
            let cached = world.stale_view();
            // An issuer's final audit uses no cache.
            let claims = Claims::collect(&audited_secrets(&cached, false), &audited_tokens(&cached));
            audit::AuditResponse::PortalList(inventory, if world.issuer.deleting { Claims::default() } else { claims })
        }
        audit::AuditRequest::ListObjects => {
            let stale = mutant == Some(Mutant::ReadsObjectsBeforeSecrets);
            let found = auditing.audited_tokens.clone().filter(|_| stale).unwrap_or_else(|| audited_tokens(world));
            auditing.audited_tokens = Some(found.clone());
            audit::AuditResponse::Objects(found)
        }
        audit::AuditRequest::ListSecrets(_) => {
            audit::AuditResponse::Secrets(audited_secrets(world, mutant != Some(Mutant::TrustsLabelAlone)))
        }
        ReadRow(token) => {
            let rows = world.list_rows(outcome == RequestOutcome::StaleList);
            audit::AuditResponse::Row(rows.into_iter().map(token_row).find(|row| row.token == token))
        }
        Revoke(token) => match revoke_token(world, &token, outcome, false) {
            Response::Done => audit::AuditResponse::Done,
            Response::Rejected(problem) => audit::AuditResponse::Failed(problem),
            _ => audit::AuditResponse::Failed(transient_problem()),
        },
    }
}
