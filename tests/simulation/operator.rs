//! One operator process: its passes, its audit, and its process state. It runs the shipped core.

use super::config::SimulationConfig;
use super::fakes::{FakeObject, FakeSecret};
use super::issuer::issuer_state;
use super::login_audit::RunningLoginAudit;
use super::mutant::Mutant;
use super::object_state::ObjectState;
use super::operator_audit::{LastAudit, RunningAudit};
use super::projection::{project_object, project_object_as, project_secret};
use super::world::{MAX_RESPONSE_SECONDS, World, at};
use registry_token_operator::domain::model::marker::AttemptId;
use registry_token_operator::domain::model::namespace_access::NamespaceAccess;
use registry_token_operator::domain::model::request_history::RequestHistory;
use registry_token_operator::domain::model::status_view::{StatusView, recorded_secret_uid};
use registry_token_operator::domain::model::token::TokenRef;
use registry_token_operator::domain::observed::{Observed, Recheck, UpstreamState};
use registry_token_operator::domain::pass::{Pass, PassResult, Step};
use registry_token_operator::domain::protocol::Request;
use std::collections::BTreeMap;
use std::time::Duration;

/// A pass in progress.
#[derive(Clone, Debug, PartialEq)]
pub struct RunningPass {
    pub pass: Pass,
    pub request: Request,
    /// The uncommitted token.
    pub uncommitted: Option<TokenRef>,
    pub issuer_read: i64,
    /// The object did not exist when the pass read it.
    pub gone_when_read: bool,
    /// Whether the namespace was denied when the pass started, and how often that had changed.
    pub denied_at_start: (bool, u32),
    /// What the caches contained when the pass started; for mutants.
    pub cached_object: Option<FakeObject>,
    pub cached_secret: Option<FakeSecret>,
    /// UID of the object.
    pub uid: String,
    /// The token that the first of two deliveries of a request created. The response said that its name is taken.
    pub duplicate: Option<TokenRef>,
    /// Something else happened since the pass started: a fault, or an action of a user.
    pub disturbed: bool,
}

/// One operator process.
#[derive(Clone, Debug, PartialEq)]
pub struct Operator {
    pub name: String,
    pub restarts: u32,
    pub passes: Vec<Option<RunningPass>>,
    pub running_audit: Option<RunningAudit>,
    pub running_login_audit: Option<RunningLoginAudit>,
    pub last_audit: Option<LastAudit>,
    pub audit_requested: bool,
    pub unused_since: Option<i64>,
    pub attempts: u32,
    /// What it remembers of each object, by UID.
    pub objects: BTreeMap<String, ObjectState>,
}

impl Operator {
    pub fn new(index: usize, config: &SimulationConfig) -> Self {
        Self {
            name: format!("op{index}"),
            restarts: 0,
            passes: vec![None; config.objects],
            running_audit: None,
            running_login_audit: None,
            last_audit: None,
            audit_requested: true,
            unused_since: None,
            attempts: 0,
            objects: BTreeMap::new(),
        }
    }

    /// What it remembers of this object.
    pub fn state(&mut self, uid: &str) -> &mut ObjectState {
        self.objects.entry(uid.to_owned()).or_default()
    }

    /// Records a pass that ended.
    fn record_pass(&mut self, observed: &Observed, world: &World, mutant: Option<Mutant>) {
        let state = self.state(&observed.object.uid);
        state.cooldowns.record(observed, monotonic_time(world));
        state.recheck = observed.recheck;
        if mutant != Some(Mutant::ForgetsRequests) {
            state.requests.record(observed);
        }
    }

    /// Crashes and starts again, with another identity and without any state.
    pub fn restart(&mut self, config: &SimulationConfig) {
        let (name, restarts, attempts) = (self.name.clone(), self.restarts + 1, self.attempts);
        *self = Self { name, restarts, attempts, ..Self::new(0, config) };
    }

    /// Whether an audit or a login audit is in progress.
    pub const fn is_auditing(&self) -> bool {
        self.running_audit.is_some() || self.running_login_audit.is_some()
    }

    pub fn identity(&self) -> String {
        format!("{}-{}", self.name, self.restarts)
    }

    /// An id for an attempt. It changes after each write of a reservation. An id that was never written can be used
    /// again.
    fn attempt_id(&self, slot: usize) -> AttemptId {
        let slot = u8::try_from(slot).unwrap_or_default();
        let mut bytes = [0_u8; 16];
        for (byte, value) in bytes.iter_mut().zip(self.name.bytes().chain([slot]).chain(self.attempts.to_be_bytes())) {
            *byte = value;
        }
        AttemptId::from_random(&bytes)
    }

    /// The Secret as the core observes it.
    pub fn secret_meta(
        &mut self,
        uid: &str,
        object: Option<&FakeObject>,
        secret: Option<&FakeSecret>,
        world: &World,
        mutant: Option<Mutant>,
    ) -> Option<registry_token_operator::domain::model::pull_secret::SecretMeta> {
        let now = monotonic_time(world);
        let mut age = secret.map_or(Duration::ZERO, |secret| {
            let reservation = secret.reservation.as_ref().map(ToString::to_string);
            self.state(uid).reservation.observe(reservation.as_deref(), now)
        });
        if mutant == Some(Mutant::IgnoresOtherReservation) {
            age = Duration::from_secs(MAX_RESPONSE_SECONDS.unsigned_abs());
        }
        let status =
            object.and_then(|object| object.status.as_ref()).filter(|status| status.uid.as_deref() == Some(uid));
        let keys = world.config.keys.mac_keys();
        let created = object.map(|object| at(object.created)).unwrap_or_default();
        let secret_mac = secret.and_then(|secret| secret.stored.as_ref()).map(|stored| stored.signature.mac.as_str());
        let recorded = status.and_then(|status| recorded_secret_uid(status, uid, created, &keys, secret_mac));
        secret.map(|secret| project_secret(secret, uid, recorded, age))
    }

    /// Starts a pass with the object and the Secret of a cache.
    pub fn begin_pass(
        &mut self,
        slot: usize,
        object: Option<&FakeObject>,
        secret: Option<&FakeSecret>,
        namespace_access: NamespaceAccess,
        world: &World,
        mutant: Option<Mutant>,
    ) {
        let Some(object) = object else { return };
        let meta = self.secret_meta(&object.uid, Some(object), secret, world, mutant);
        let attempt_id = self.attempt_id(slot);
        let (upstream, identity) = (self.upstream_state(object, world), self.identity());
        let state = self.state(&object.uid);
        // A resync that was requested before the first pass is not a request.
        let acked = state.acked_resyncs.replace(object.resync_requests);
        let mut observed = Observed {
            now: at(world.clock),
            object: project_object_as(object, &world.config, mutant),
            secret: meta,
            issuer: issuer_state(world),
            namespace_access,
            identity,
            upstream,
            resync_requested: acked.is_some_and(|acked| acked != object.resync_requests),
            attempt_id,
            token_requested: false,
            cooldowns: vec![],
            normalized_description: None,
            revoked_tokens: state.revoked.clone(),
            recheck: Recheck::NotRequested,
            edit_retry_after: None,
            request_history: RequestHistory::default(),
        };
        observed.recheck = if observed.resync_requested { Recheck::Requested } else { state.recheck };
        observed.edit_retry_after = state.cooldowns.edit_retry_after(&observed, monotonic_time(world));
        observed.request_history = state.requests.of(&observed.object, observed.now);
        observed.cooldowns = state.cooldowns.active(&observed, monotonic_time(world));
        let (pass, next) = Pass::begin(observed);
        if let Step::Done(_) = next {
            // The mutant forgets the requests of passes that acted.
            self.record_pass(pass.observed(), world, None);
        }
        if let Step::Perform(request) = next {
            self.passes[slot] = Some(RunningPass {
                pass,
                request,
                uncommitted: None,
                issuer_read: world.clock,
                gone_when_read: false,
                denied_at_start: (world.issuer.denied_since.is_some(), world.issuer.namespace_changes),
                cached_object: Some(object.clone()),
                cached_secret: secret.cloned(),
                uid: object.uid.clone(),
                duplicate: None,
                disturbed: false,
            });
        }
    }

    fn upstream_state(&self, object: &FakeObject, world: &World) -> UpstreamState {
        let status = StatusView::of(&project_object(object, &world.config));
        let (Some(token), Some(audited)) = (status.token, &self.last_audit) else { return UpstreamState::Unknown };
        let started = audited.evidence.started_at();
        let superseded = status.upstream_revocation.is_some_and(|(time, _)| time >= started);
        if superseded
            || self.objects.get(&object.uid).and_then(|state| state.modified).is_some_and(|time| at(time) >= started)
        {
            return UpstreamState::Unknown;
        }
        audited.evidence.upstream_state(&TokenRef { id: token.id, username: token.username }, audited.plausible)
    }

    /// Applies the result of a pass's step.
    pub fn finish_step(
        &mut self,
        slot: usize,
        mut running: RunningPass,
        (pass, next): (Pass, Step),
        world: &World,
        mutant: Option<Mutant>,
    ) -> Option<PassResult> {
        running.pass = pass;
        match next {
            Step::Perform(request) => {
                running.request = request;
                self.passes[slot] = Some(running);
                None
            }
            Step::Done(result) => {
                self.record_pass(running.pass.observed(), world, mutant);
                self.passes[slot] = None;
                Some(result)
            }
        }
    }
}

/// A monotonic clock.
const fn monotonic_time(world: &World) -> Duration {
    Duration::from_secs(world.clock.unsigned_abs())
}
