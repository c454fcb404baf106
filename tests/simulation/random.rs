//! Random schedules, each from a seed that it can be run from again.

use super::deed::Deed;
use super::mutant::Mutant;
use super::schedule::{Event, State};
use super::setting::{Keys, Setting};
use registry_token_operator::domain::observed::LoginMode;

/// A small generator of numbers; the same numbers for the same seed, on every machine.
pub struct Dice(u64);

impl Dice {
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

/// A setting from a seed.
pub fn setting(dice: &mut Dice) -> Setting {
    let logins = [LoginMode::Disabled, LoginMode::Required, LoginMode::BestEffort];
    let unlisted = dice.below(6) == 0;
    Setting {
        operators: 1 + dice.below(2),
        objects: 1 + dice.below(3),
        unlisted,
        // Where neither says it, a token is known by its username alone.
        id_in_answer: dice.below(2) == 0 || unlisted,
        permanent: dice.below(4) == 0,
        login: logins[dice.below(3)],
        rotation: dice.below(3) == 0,
        keys: Keys::FIRST,
        faults: u8::try_from(dice.below(4)).unwrap_or_default(),
        people: u8::try_from(dice.below(6)).unwrap_or_default(),
        crashes: u8::try_from(dice.below(3)).unwrap_or_default(),
        ticks: u8::try_from(dice.below(4)).unwrap_or_default(),
        settled: dice.below(3) == 0,
        deeds: &Deed::ALL,
    }
}

/// Something went wrong.
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

/// Runs the schedule of a seed: so many events, and then to rest. Gives the number of events.
pub fn run(seed: u64, mutant: Option<Mutant>) -> Result<usize, Failure> {
    let (events, outcome) = play(seed, mutant, mutant, false).0;
    outcome.map(|()| events).map_err(|_| {
        let ((_, outcome), trace) = play(seed, mutant, mutant, true);
        Failure { seed, what: outcome.err().unwrap_or_default(), trace }
    })
}

/// The same, with all that happens in words, the coming to rest included.
pub fn run_in_words(seed: u64) -> (Result<usize, String>, Vec<String>) {
    let ((events, outcome), trace) = play(seed, None, None, true);
    (outcome.map(|()| events), trace)
}

type Played = (usize, Result<(), String>);

/// The same with an operator that is whole, in the setting that shows what this one does wrong.
pub fn run_whole(seed: u64, instead_of: Mutant) -> Result<(), Failure> {
    let ((_, outcome), trace) = play(seed, Some(instead_of), None, true);
    outcome.map_err(|what| Failure { seed, what, trace })
}

fn play(seed: u64, focus: Option<Mutant>, mutant: Option<Mutant>, in_words: bool) -> (Played, Vec<String>) {
    let mut dice = Dice::new(seed);
    let mut setting = setting(&mut dice);
    if let Some(mutant) = focus {
        mutant.focus(&mut setting);
    }
    let mut state = State::new(setting, mutant);
    state.journal = in_words.then(|| vec![format!("{setting:?}")]);
    if setting.settled
        && let Err(what) = state.settle()
    {
        return ((0, Err(what)), state.journal.unwrap_or_default());
    }
    let steps = 20 + dice.below(160);
    let (mut count, mut events) = (0, vec![]);
    for _ in 0..steps {
        events.clear();
        state.events(&mut events);
        let Some(event) = choose(&mut dice, &events) else { break };
        count += 1;
        state.happen(event);
    }
    let outcome = state.come_to_rest();
    ((count, outcome), state.journal.unwrap_or_default())
}

/// Work goes on more often than it is disturbed.
fn choose(dice: &mut Dice, events: &[Event]) -> Option<Event> {
    let weight = |event: &Event| match event {
        Event::Step { outcome: super::perform::Outcome::Fine, .. } => 24,
        Event::StepAudit { outcome: super::perform::Outcome::Fine, .. } => 12,
        Event::Begin { object: 0, secret: 0, .. } => 8,
        Event::Step { .. } | Event::StepAudit { .. } | Event::Begin { .. } => 2,
        Event::BeginAudit { .. } | Event::LookAtIssuer { .. } | Event::CollectGarbage => 2,
        Event::Person { deed: Deed::Create, .. } => 12,
        Event::Person { .. } | Event::Crash { .. } | Event::ActLate | Event::Tick(_) => 1,
    };
    let total: usize = events.iter().map(weight).sum();
    let mut left = dice.below(total);
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
