//! One thing at a time: whatever a person does, each token that follows has its reason, and each
//! reason its token. Nothing goes wrong here, and everything comes to rest before the next deed.

use super::action::UserAction;
use super::mutant::Mutant;
use super::random::{Rng, draw_config};
use super::schedule::{DAY_SECONDS, Event, State};

/// What is done, and how many tokens that asks for.
const ACTIONS: [(UserAction, bool); 22] = [
    (UserAction::Create, true),
    (UserAction::Rotate, true),
    (UserAction::Replace, true),
    (UserAction::DeleteSecret, true),
    (UserAction::EditSecret, true),
    (UserAction::StripStored, true),
    (UserAction::ForgeStored, true),
    (UserAction::RevokeUpstream, true),
    (UserAction::RestoreCopy, true),
    (UserAction::EditDescription, false),
    (UserAction::EditUpstream, false),
    (UserAction::StripLabel, false),
    (UserAction::StripOwner, false),
    (UserAction::Suspend, false),
    (UserAction::Resume, false),
    (UserAction::ForgeCurrent, false),
    (UserAction::ForgeRetiring, false),
    (UserAction::RetireCurrent, false),
    (UserAction::CopyStored, true),
    (UserAction::RotateKey, false),
    (UserAction::RewriteObject, false),
    (UserAction::RewriteSecret, false),
];

/// Deeds of one run.
const ACTIONS_PER_RUN: usize = 12;

/// Runs the calm schedule of a seed. Gives how many tokens were asked for.
///
/// # Errors
/// What was asked for without reason, or not asked for.
pub fn run(seed: u64, mutant: Option<Mutant>) -> Result<usize, String> {
    let mut rng = Rng::new(seed);
    let mut config = draw_config(&mut rng);
    (config.faults, config.crashes, config.ticks, config.rotation) = (0, 0, 0, false);
    // A colleague's decision shows in a list, or not at all where no registry is asked.
    config.list_denied = false;
    config.user_actions = u8::MAX;
    let mut state = State::new(config, mutant);
    // A suspended object asks later for what it lacks.
    let mut owed = vec![false; config.objects];
    let mut done = vec![];
    for _ in 0..ACTIONS_PER_RUN {
        let (slot, (deed, asks)) = (rng.below(config.objects), ACTIONS[rng.below(ACTIONS.len())]);
        // It would take away what was asked for by annotation, and is not done yet.
        let forgets = deed == UserAction::RewriteObject && owed[slot];
        if forgets || !deed.is_possible(&state.world, slot) {
            continue;
        }
        done.push((deed, slot));
        // So that nobody overrides a colleague twice within a day.
        state.world.clock += DAY_SECONDS;
        owed[slot] |= asks;
        let before = state.world.oracle.minted;
        state.apply(Event::UserAction { action: deed, slot });
        state.run_until_idle().map_err(|what| format!("seed {seed}: {done:?}: {what}"))?;
        let mut due = 0;
        for (owed, slot) in owed.iter_mut().zip(&state.world.slots) {
            if *owed && slot.object.as_ref().is_some_and(|object| !object.suspended) {
                (*owed, due) = (false, due + 1);
            }
        }
        let minted = state.world.oracle.minted - before;
        if minted != due {
            return Err(format!("seed {seed}: {done:?}: {minted} tokens were asked for, with {due} reasons"));
        }
    }
    state.check_at_rest()?;
    Ok(state.world.oracle.minted)
}
