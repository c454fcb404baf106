//! Performs an audit's requests.

use super::mutant::Mutant;
use super::operator::Auditing;
use super::perform::Outcome;
use super::portal::{fault, revoke, row, turned_away};
use super::sight::{holder, owner};
use super::world::{World, at, tag};
use registry_token_operator::domain::audit::{self, Holder, Known, Owner};
use registry_token_operator::domain::effect::Answer;
use registry_token_operator::domain::inventory::Inventory;

/// The issuer's objects, as they are.
pub fn owners(world: &World) -> Vec<Owner> {
    let all = world.slots.iter().enumerate();
    all.filter_map(|(slot, held)| Some(owner(slot, held.object.as_ref()?, &world.setting))).collect()
}

fn holders(world: &World, named: bool) -> Vec<Holder> {
    let all = world.slots.iter().enumerate();
    let labelled = |secret: &&super::world::Sec| named || secret.label.is_some();
    all.filter_map(|(slot, held)| Some(holder(slot, held.secret.as_ref().filter(labelled)?))).collect()
}

/// The outcomes that an audit's request may have.
pub fn audit_outcomes(request: &audit::Request) -> &'static [Outcome] {
    use Outcome::{Fine, Lags, LostAfter, LostBefore, Refused, Shrunken};
    match request {
        audit::Request::Scan => &[Fine, Lags, Shrunken, LostBefore],
        audit::Request::Row(_) => &[Fine, Lags, LostBefore],
        audit::Request::Revoke(_) => &[Fine, LostAfter, LostBefore, Refused],
        _ => &[Fine, LostBefore],
    }
}

/// Performs an audit's request.
pub fn perform_audit(
    world: &mut World,
    auditing: &mut Auditing,
    outcome: Outcome,
    mutant: Option<Mutant>,
) -> audit::Answer {
    use audit::Request::{Revoke, Row, Scan};
    let away = turned_away(world, world.issuer.moved).filter(|_| matches!(auditing.request, Scan | Row(_) | Revoke(_)));
    if outcome == Outcome::LostBefore || away.is_some() {
        return audit::Answer::Failed(away.unwrap_or_else(fault));
    }
    match auditing.request.clone() {
        Scan => {
            let mut inventory = Inventory::new(at(world.clock), "k8s".to_owned(), tag());
            let shown = world.listed(outcome == Outcome::Lags).into_iter().map(row);
            let shrunken = outcome == Outcome::Shrunken;
            shown.filter(|_| !shrunken).for_each(|row| inventory.add(row));
            // Caches lag as far as they may: what they do not explain is read again.
            let cached = world.as_cached();
            // An issuer's last audit believes none.
            let known = Known::of(&holders(&cached, false), &owners(&cached));
            audit::Answer::Scanned(inventory, if world.issuer.deleting { Known::default() } else { known })
        }
        audit::Request::Owners => {
            let stale = mutant == Some(Mutant::ReadsObjectsBeforeSecrets);
            let found = auditing.owners.clone().filter(|_| stale).unwrap_or_else(|| owners(world));
            auditing.owners = Some(found.clone());
            audit::Answer::Owners(found)
        }
        audit::Request::Holders(_) => {
            audit::Answer::Holders(holders(world, mutant != Some(Mutant::TrustsTheLabelAlone)))
        }
        Row(token) => {
            let shown = world.listed(outcome == Outcome::Lags);
            audit::Answer::Row(shown.into_iter().map(row).find(|row| row.token == token))
        }
        Revoke(token) => match revoke(world, &token, outcome, false) {
            Answer::Done => audit::Answer::Done,
            Answer::Denied(fault) => audit::Answer::Failed(fault),
            _ => audit::Answer::Failed(fault()),
        },
    }
}
