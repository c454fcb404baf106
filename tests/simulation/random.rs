//! Random schedules. A seed repeats a schedule.

use super::action::UserAction;
use super::config::{KeyConfig, SimulationConfig};
use super::mutant::Mutant;
use super::outcome::RequestOutcome;
use super::portal_traits::PortalTraits;
use super::schedule::{Event, State};
use registry_token_operator::api::LoginCheck;

/// A small pseudorandom number generator. The same seed results in the same numbers on every machine.
pub struct Rng(u64);

impl Rng {
    pub const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD1B5_4A32_D192_ED03)
    }

    /// The next number below a bound.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % (bound.max(1) as u64)).unwrap_or_default()
    }
}

/// A random configuration.
pub fn draw_config(rng: &mut Rng) -> SimulationConfig {
    let logins = [LoginCheck::Disabled, LoginCheck::Required, LoginCheck::BestEffort];
    let list_denied = rng.below(6) == 0;
    SimulationConfig {
        operators: 1 + rng.below(2),
        objects: 1 + rng.below(3),
        portal: PortalTraits::DEFAULT,
        list_denied,
        // If neither the response nor the list contains the id, only the username identifies the token.
        id_in_response: rng.below(2) == 0 || list_denied,
        keep_marker: rng.below(4) == 0,
        login: logins[rng.below(3)],
        finalizer_at_creation: false,
        rotation: rng.below(3) == 0,
        keys: KeyConfig::FIRST,
        faults: u8::try_from(rng.below(4)).unwrap_or_default(),
        user_actions: u8::try_from(rng.below(6)).unwrap_or_default(),
        crashes: u8::try_from(rng.below(3)).unwrap_or_default(),
        ticks: u8::try_from(rng.below(4)).unwrap_or_default(),
        start_at_rest: rng.below(3) == 0,
        actions: &UserAction::ALL,
    }
}

/// A violation.
#[derive(Debug)]
pub struct Failure {
    pub seed: u64,
    pub what: String,
    pub trace: Vec<String>,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "seed {}: {}", self.seed, self.what)?;
        self.trace.iter().enumerate().try_for_each(|(index, line)| writeln!(f, "{index:4} {line}"))
    }
}

/// What is special about a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schedule {
    Plain,
    /// Namespaces are denied and allowed.
    DeniedNamespaces,
    /// A random portal: without edits, with one username for all tokens, with unique names, or with tokens that expire.
    OtherPortal,
}

impl Schedule {
    /// The schedules of a seed: every seed has a plain one, every tenth and every fifth one of the others too.
    pub fn of(seed: u64) -> impl Iterator<Item = Self> {
        let every = [(Self::Plain, 1), (Self::DeniedNamespaces, 10), (Self::OtherPortal, 5)];
        every.into_iter().filter(move |(_, every)| seed.is_multiple_of(*every)).map(|(schedule, _)| schedule)
    }

    fn change(self, seed: u64, config: &mut SimulationConfig) {
        match self {
            Self::Plain => {}
            Self::DeniedNamespaces => Mutant::IgnoresGracePeriod.focus(config),
            Self::OtherPortal => config.use_portal(PortalTraits::draw(&mut Rng::new(seed ^ OTHER_PORTALS))),
        }
    }
}

/// Runs a schedule of a seed: a random number of events, then until idle. Returns the number of events.
pub fn run_schedule(seed: u64, schedule: Schedule) -> Result<usize, Failure> {
    run_with(seed, None, |config| schedule.change(seed, config))
}

/// The same, with the trace, which includes the final run until idle.
pub fn run_traced(seed: u64, schedule: Schedule) -> (Result<usize, String>, Vec<String>) {
    let ((events, outcome), trace) = simulate(seed, None, true, |config| schedule.change(seed, config));
    (outcome.map(|()| events), trace)
}

/// Runs the plain schedule of a seed with this mutant, in the configuration that is focused on it.
pub fn run_mutant(seed: u64, mutant: Mutant) -> Result<usize, Failure> {
    run_with(seed, Some(mutant), |config| mutant.focus(config))
}

/// The same with the unmodified operator.
pub fn run_without_mutant(seed: u64, instead_of: Mutant) -> Result<usize, Failure> {
    run_with(seed, None, |config| instead_of.focus(config))
}

/// Only a run that fails is repeated with its trace.
fn run_with(seed: u64, mutant: Option<Mutant>, change: impl Fn(&mut SimulationConfig)) -> Result<usize, Failure> {
    let ((events, outcome), _) = simulate(seed, mutant, false, &change);
    outcome.map(|()| events).map_err(|_| {
        let ((_, outcome), trace) = simulate(seed, mutant, true, &change);
        Failure { seed, what: outcome.err().unwrap_or_default(), trace }
    })
}

type RunResult = (usize, Result<(), String>);

/// Lets the portals be drawn from other numbers than the schedules.
const OTHER_PORTALS: u64 = 0x5EED_0F0C_0A11;

/// New objects have the finalizer already in one schedule of so many.
const FINALIZER_AT_CREATION: u64 = 5;

fn simulate(
    seed: u64,
    mutant: Option<Mutant>,
    traced: bool,
    change: impl FnOnce(&mut SimulationConfig),
) -> (RunResult, Vec<String>) {
    let mut rng = Rng::new(seed);
    let mut config = draw_config(&mut rng);
    config.finalizer_at_creation = seed.is_multiple_of(FINALIZER_AT_CREATION);
    change(&mut config);
    let mut state = State::new(config, mutant);
    state.trace = traced.then(|| vec![format!("{config:?}")]);
    if config.start_at_rest
        && let Err(what) = state.create_objects()
    {
        return ((0, Err(what)), state.trace.unwrap_or_default());
    }
    let steps = 20 + rng.below(160);
    let (mut count, mut events) = (0, vec![]);
    for _ in 0..steps {
        events.clear();
        state.possible_events(&mut events);
        let Some(event) = choose(&mut rng, &events) else { break };
        count += 1;
        state.apply(event);
    }
    let outcome = state.quiesce();
    ((count, outcome), state.trace.unwrap_or_default())
}

/// Regular steps are more frequent than disturbances.
fn choose(rng: &mut Rng, events: &[Event]) -> Option<Event> {
    let weight = |event: &Event| match event {
        Event::StepPass { outcome: RequestOutcome::Success, .. } => 24,
        Event::StepAudit { outcome: RequestOutcome::Success, .. } => 12,
        Event::BeginPass { object: 0, secret: 0, .. } => 8,
        Event::StepPass { .. } | Event::StepAudit { .. } | Event::BeginPass { .. } => 2,
        Event::BeginAudit { .. } | Event::ReconcileIssuer { .. } | Event::CollectGarbage => 2,
        Event::UserAction { action: UserAction::Create, .. } => 12,
        Event::UserAction { .. } | Event::Crash { .. } | Event::ApplyPendingEffect | Event::Tick(_) => 1,
    };
    let total: usize = events.iter().map(weight).sum();
    let mut left = rng.below(total);
    events
        .iter()
        .find(|event| {
            let own = weight(event);
            let found = left < own;
            left = left.saturating_sub(own);
            found
        })
        .copied()
}
