//! The issuer: as operators see it, its audits, and its end.

use super::audits::perform_audit;
use super::mutant::Mutant;
use super::operator::Auditing;
use super::perform::Outcome;
use super::roll_call::Calling;
use super::schedule::{Event, State};
use super::world::{LONGEST, World, at, tag};
use registry_token_operator::api::{PortalType, Reason, RecordedPortal};
use registry_token_operator::domain::audit::{Audit, Next as AuditNext};
use registry_token_operator::domain::observed::{IssuerFacts, IssuerView};
use registry_token_operator::domain::release::{List, Release, Releasing, release};
use std::time::Duration;

/// The issuer as every operator sees it.
pub fn issuer(world: &World) -> IssuerView {
    if world.issuer.released {
        return IssuerView::Missing;
    }
    if world.issuer.broken {
        let message = "the portal turns the credentials away".to_owned();
        return IssuerView::NotReady { reason: Reason::Unauthorised, message };
    }
    IssuerView::Ready(facts(world))
}

pub fn facts(world: &World) -> IssuerFacts {
    IssuerFacts {
        tag: tag(),
        portal: portal(world.issuer.moved),
        registries: "registries".to_owned(),
        inputs: [0; 32],
        description_max: None,
        longest_answer: Duration::from_secs(LONGEST.unsigned_abs()),
        deleting: world.issuer.deleting,
        held: true,
        list_visible: !world.setting.unlisted,
        permanent: world.setting.permanent,
        login: world.setting.login,
        asked: world.issuer.asked.clone(),
    }
}

/// Where the portal is that knows us.
pub const HOME: &str = "https://portal";

fn portal(moved: bool) -> RecordedPortal {
    let url = if moved { "https://elsewhere" } else { HOME };
    RecordedPortal { kind: PortalType::Thinkwise, url: url.to_owned(), scope: "tcp".to_owned(), user: "k8s".to_owned() }
}

impl State {
    pub fn begin_audit(&mut self, operator: usize) {
        if self.mutant == Some(Mutant::NeverAudits) {
            return;
        }
        let who = &mut self.operators[operator];
        if self.world.setting.unlisted {
            if facts(&self.world).can_be_audited() {
                who.calling = Some(Calling::begin(&self.world, who.heard()));
            }
        } else if let (audit, AuditNext::Do(request)) = Audit::begin() {
            who.auditing = Some(Auditing { audit, request, owners: None });
        }
    }

    pub fn step_audit(&mut self, operator: usize, outcome: Outcome) {
        self.spend(outcome);
        self.operators[operator].call(&mut self.world, outcome);
        let Some(mut auditing) = self.operators[operator].auditing.take() else { return };
        let answer = perform_audit(&mut self.world, &mut auditing, outcome, self.mutant);
        let flow = auditing.audit.clone().step(answer);
        self.operators[operator].audit_went(&self.world, auditing, flow, self.mutant);
    }

    pub fn look_at_issuer(&mut self, operator: usize) {
        let (now, clock) = (at(self.world.clock), self.world.clock);
        let in_use = self.world.slots.iter().filter_map(|slot| slot.object.as_ref()).any(|object| object.finalizer);
        let blind = self.mutant == Some(Mutant::ReleasesTheIssuerWithoutLooking);
        let who = &mut self.operators[operator];
        if in_use && !blind {
            who.free_since = None;
        }
        let seen = Releasing {
            in_use: in_use && !blind,
            held: true,
            free_since: at(*who.free_since.get_or_insert(clock)),
            audited: who.audited.as_ref().filter(|audited| !audited.left).map(|audited| audited.evidence.begun()),
            list: if self.world.setting.unlisted { List::Hidden } else { List::Visible },
            longest_answer: facts(&self.world).longest_answer,
            now,
        };
        match release(&seen) {
            Release::Now => {
                if in_use {
                    self.world.violate("an issuer was released that an object still needs");
                }
                if self.world.ghost.lied_to.0 {
                    // Its last audit may have believed a list that was hidden, unnoticed.
                    let all: Vec<u32> = self.world.rows.keys().copied().collect();
                    self.world.ghost.doubtful.extend(all);
                }
                self.world.issuer.released = true;
            }
            Release::Audit if who.auditing.is_none() => self.happen(Event::BeginAudit { operator }),
            _ => {}
        }
    }
}
