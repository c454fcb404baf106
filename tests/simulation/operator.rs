//! One operator process: its passes, its audit, and what it remembers. It runs the shipped core.

use super::issuer::issuer;
use super::mutant::Mutant;
use super::perform::Outcome;
use super::roll_call::Calling;
use super::setting::Setting;
use super::sight::{see, see_as, see_secret};
use super::world::{LONGEST, Obj, Sec, World, at};
use registry_token_operator::domain::audit::{Audit, Next as AuditNext};
use registry_token_operator::domain::effect::{Named, Request};
use registry_token_operator::domain::marker::Attempt;
use registry_token_operator::domain::observed::{Listed, Observed, Recheck};
use registry_token_operator::domain::pass::{End, Next, Pass};
use registry_token_operator::domain::recorded::{recorded, recorded_secret};
use registry_token_operator::domain::request_backoff::{RequestHistories, RequestHistory};
use registry_token_operator::domain::roll_call::{Evidence, RollCall};
use registry_token_operator::domain::sightings::Sightings;
use registry_token_operator::domain::vain::Patience;
use registry_token_operator::domain::vanished::Vanished;
use std::collections::BTreeMap;
use std::time::Duration;

/// A pass under way.
#[derive(Clone, Debug, PartialEq)]
pub struct Running {
    pub pass: Pass,
    pub request: Request,
    /// The token in hand.
    pub hand: Option<Named>,
    pub issuer_read: i64,
    /// What the caches showed when it began; for operators that are broken on purpose.
    pub cached_object: Option<Obj>,
    pub cached_secret: Option<Sec>,
    /// UID of the object.
    pub uid: String,
}

/// An audit under way.
#[derive(Clone, Debug, PartialEq)]
pub struct Auditing {
    pub audit: Audit,
    pub request: registry_token_operator::domain::audit::Request,
    pub owners: Option<Vec<registry_token_operator::domain::audit::Owner>>,
}

/// The last audit.
#[derive(Clone, Debug, PartialEq)]
pub struct Audited {
    pub evidence: Evidence,
    pub believed: bool,
    /// Some of what it was to revoke is left.
    pub left: bool,
}

/// One operator process.
#[derive(Clone, Debug, PartialEq)]
pub struct Operator {
    pub name: String,
    pub lives: u32,
    pub passes: Vec<Option<Running>>,
    pub auditing: Option<Auditing>,
    pub calling: Option<Calling>,
    pub audited: Option<Audited>,
    pub wants_audit: bool,
    pub free_since: Option<i64>,
    /// For how long it has seen reservations.
    pub seen: Sightings,
    /// When an object's token was last touched at the portal.
    pub touched: BTreeMap<String, i64>,
    pub attempts: u32,
    /// What is not to be tried again yet.
    pub patience: Patience,
    /// The tokens whose revocation the portal confirmed, of each object.
    pub revoked: BTreeMap<String, Vec<Named>>,
    /// Whether portal and registry are to be looked at.
    pub recheck: BTreeMap<String, Recheck>,
    /// Which tokens it requested for each object.
    pub requests: RequestHistories,
    /// How often it looked at an object as a whole when it was asked to.
    pub looked: BTreeMap<String, u32>,
}

impl Operator {
    pub fn new(index: usize, setting: &Setting) -> Self {
        Self {
            name: format!("op{index}"),
            lives: 0,
            passes: vec![None; setting.objects],
            auditing: None,
            calling: None,
            audited: None,
            wants_audit: true,
            free_since: None,
            seen: Sightings::default(),
            touched: BTreeMap::new(),
            attempts: 0,
            patience: Patience::default(),
            requests: RequestHistories::default(),
            looked: BTreeMap::new(),
            revoked: BTreeMap::new(),
            recheck: BTreeMap::new(),
        }
    }

    /// It dies and begins anew: as another holder, remembering nothing.
    pub fn restart(&mut self, setting: &Setting) {
        let (name, lives, attempts) = (self.name.clone(), self.lives + 1, self.attempts);
        *self = Self { name, lives, attempts, ..Self::new(0, setting) };
    }

    /// Whether an audit is under way, of the list or by roll call.
    pub const fn is_auditing(&self) -> bool {
        self.auditing.is_some() || self.calling.is_some()
    }

    pub fn holder(&self) -> String {
        format!("{}-{}", self.name, self.lives)
    }

    /// A number for an attempt. It is another one as soon as one has been written anywhere: what was
    /// never written is nobody's.
    fn attempt(&self, slot: usize) -> Attempt {
        let slot = u8::try_from(slot).unwrap_or_default();
        let mut bytes = [0_u8; 16];
        for (byte, value) in bytes.iter_mut().zip(self.name.bytes().chain([slot]).chain(self.attempts.to_be_bytes())) {
            *byte = value;
        }
        Attempt::from_random(&bytes)
    }

    /// The Secret as the core sees it.
    pub fn meta(
        &mut self,
        uid: &str,
        object: Option<&Obj>,
        secret: Option<&Sec>,
        world: &World,
        mutant: Option<Mutant>,
    ) -> Option<registry_token_operator::domain::pull_secret::SecretMeta> {
        let held = secret.and_then(|secret| secret.reservation.as_ref()).map(ToString::to_string);
        let now = time(world);
        let mut seen = self.seen.seen_for(uid, held.as_deref(), now);
        if mutant == Some(Mutant::NeverWaitsForAnother) {
            seen = Duration::from_secs(LONGEST.unsigned_abs());
        }
        let status =
            object.and_then(|object| object.status.as_ref()).filter(|status| status.uid.as_deref() == Some(uid));
        let keys = world.setting.keys.mac_keys();
        let created = object.map(|object| at(object.created)).unwrap_or_default();
        let is_noted = secret.is_some_and(|secret| secret.stored.is_some());
        let recorded = status.and_then(|status| recorded_secret(status, uid, created, &keys, is_noted));
        secret.map(|secret| see_secret(secret, uid, recorded, seen))
    }

    /// Begins a pass over what a cache shows.
    pub fn begin(
        &mut self,
        slot: usize,
        object: Option<&Obj>,
        secret: Option<&Sec>,
        world: &World,
        mutant: Option<Mutant>,
    ) {
        let Some(object) = object else { return };
        let meta = self.meta(&object.uid, Some(object), secret, world, mutant);
        let attempt = self.attempt(slot);
        // One that was asked before the first look asks for nothing.
        let looked = self.looked.insert(object.uid.clone(), object.look_closer);
        let mut seen = Observed {
            now: at(world.clock),
            object: see_as(object, &world.setting, mutant),
            secret: meta,
            issuer: issuer(world),
            holder: self.holder(),
            leads: false,
            listed: self.listed(object, world),
            look_closer: looked.is_some_and(|looked| looked != object.look_closer),
            attempt,
            shown: None,
            vain: vec![],
            kept: None,
            revoked: self.revoked.get(&object.uid).cloned().unwrap_or_default(),
            recheck: Recheck::No,
            edit_retry: None,
            requests: RequestHistory::default(),
        };
        let asked = if seen.look_closer { Recheck::Asked } else { Recheck::No };
        seen.recheck =
            if seen.look_closer { asked } else { self.recheck.get(&object.uid).copied().unwrap_or_default() };
        seen.edit_retry = self.patience.edit_retry(&seen, time(world));
        seen.requests = self.requests.of(&seen.object, seen.now);
        seen.vain = self.patience.left(&seen, time(world));
        let (pass, next) = Pass::begin(seen);
        if let Next::End(_) = next {
            self.patience.note(pass.seen(), time(world));
            self.recheck.insert(object.uid.clone(), pass.seen().recheck);
            self.requests.note(pass.seen());
        }
        if let Next::Do(request) = next {
            self.passes[slot] = Some(Running {
                pass,
                request,
                hand: None,
                issuer_read: world.clock,
                cached_object: Some(object.clone()),
                cached_secret: secret.cloned(),
                uid: object.uid.clone(),
            });
        }
    }

    fn listed(&self, object: &Obj, world: &World) -> Listed {
        let known = recorded(&see(object, &world.setting));
        let (Some(token), Some(audited)) = (known.token, &self.audited) else { return Listed::Unknown };
        let begun = audited.evidence.begun();
        let overtaken = known.upstream_revocation.is_some_and(|(time, _)| time >= begun);
        if overtaken || self.touched.get(&object.uid).is_some_and(|touched| at(*touched) >= begun) {
            return Listed::Unknown;
        }
        audited.evidence.listed(&Named { id: token.id, username: token.username }, audited.believed)
    }

    /// Takes the outcome of a pass's step.
    pub fn went(
        &mut self,
        slot: usize,
        mut running: Running,
        (pass, next): (Pass, Next),
        world: &World,
        mutant: Option<Mutant>,
    ) -> Option<End> {
        running.pass = pass;
        match next {
            Next::Do(request) => {
                running.request = request;
                self.passes[slot] = Some(running);
                None
            }
            Next::End(end) => {
                self.patience.note(running.pass.seen(), time(world));
                self.recheck.insert(running.uid.clone(), running.pass.seen().recheck);
                if mutant != Some(Mutant::ForgetsItsRequests) {
                    self.requests.note(running.pass.seen());
                }
                self.passes[slot] = None;
                Some(end)
            }
        }
    }

    /// Takes the outcome of an audit's step.
    pub fn audit_went(
        &mut self,
        world: &World,
        mut auditing: Auditing,
        (audit, next): (Audit, AuditNext),
        mutant: Option<Mutant>,
    ) {
        auditing.audit = audit;
        match next {
            AuditNext::Do(request) => {
                auditing.request = request;
                self.auditing = Some(auditing);
            }
            AuditNext::End(Err(_)) => self.auditing = None,
            AuditNext::End(Ok(found)) => {
                self.auditing = None;
                let owners: Vec<_> = super::audits::owners(world);
                let lag = Duration::from_secs(LONGEST.unsigned_abs());
                let vanished = Vanished::count(&found.inventory, &owners, lag, 10);
                let believed = vanished.believed || mutant == Some(Mutant::BelievesAShrunkenList);
                let evidence = Evidence::List(found.inventory);
                self.audited = Some(Audited { evidence, believed, left: found.left.is_some() });
                self.wants_audit = found.left.is_some();
            }
        }
    }
    /// The last roll call.
    pub fn heard(&self) -> Option<&RollCall> {
        match self.audited.as_ref().map(|audited| &audited.evidence) {
            Some(Evidence::RollCall(heard)) => Some(heard),
            _ => None,
        }
    }

    /// Goes on with a roll call.
    pub fn call(&mut self, world: &mut World, outcome: Outcome) {
        let Some(mut calling) = self.calling.take() else { return };
        if calling.ask(world, outcome) {
            self.calling = Some(calling);
            return;
        }
        let believed = calling.heard.vanished(10).believed;
        self.audited = Some(Audited { evidence: Evidence::RollCall(calling.heard), believed, left: false });
    }
}

/// A clock that only runs forward.
const fn time(world: &World) -> Duration {
    Duration::from_secs(world.clock.unsigned_abs())
}
