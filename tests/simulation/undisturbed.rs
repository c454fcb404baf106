//! One user action at a time, without faults, and the simulation becomes idle before the next action. Each token that
//! is requested has a reason, and each reason results in a token.

use super::action::UserAction;
use super::config::SimulationConfig;
use super::mutant::Mutant;
use super::portal_traits::PortalTraits;
use super::random::{Rng, draw_config};
use super::schedule::{DAY_SECONDS, Event, State};

/// The actions, and whether each is a reason to request a token.
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

/// Number of actions of one run.
const ACTIONS_PER_RUN: usize = 12;

/// Runs the undisturbed schedule of a seed. Returns the number of tokens that were requested.
///
/// # Errors
/// A token was requested without a reason, or was not requested.
pub fn run(seed: u64, mutant: Option<Mutant>) -> Result<usize, String> {
    run_with(seed, mutant, |_| {})
}

/// The same at another portal. Its tokens do not expire: each day would be a reason for a token.
///
/// # Errors
/// As [`run`].
pub fn run_on(portal: PortalTraits, seed: u64) -> Result<usize, String> {
    run_with(seed, None, |config| config.use_portal(PortalTraits { lifetime: None, ..portal }))
}

fn run_with(seed: u64, mutant: Option<Mutant>, change: impl FnOnce(&mut SimulationConfig)) -> Result<usize, String> {
    let mut rng = Rng::new(seed);
    let mut config = draw_config(&mut rng);
    change(&mut config);
    (config.faults, config.crashes, config.ticks, config.rotation) = (0, 0, 0, false);
    // A revocation by another portal user is visible in a list. Without a list and a login check it is not visible.
    config.list_denied = false;
    config.user_actions = u8::MAX;
    let mut state = State::new(config, mutant);
    // A suspended object requests its token later.
    let mut owed = vec![false; config.objects];
    let mut done = vec![];
    for _ in 0..ACTIONS_PER_RUN {
        let (slot, (action, requests_token)) = (rng.below(config.objects), ACTIONS[rng.below(ACTIONS.len())]);
        // It would remove an annotation that is not handled yet.
        let discards_request = action == UserAction::RewriteObject && owed[slot];
        if discards_request || !action.is_possible(&state.world, slot) {
            continue;
        }
        done.push((action, slot));
        // The next day: a token that another portal user revokes twice within a day is not replaced.
        state.world.clock += DAY_SECONDS;
        owed[slot] |= requests_token;
        let before = state.world.oracle.minted;
        state.apply(Event::UserAction { action, slot });
        state.run_until_idle().map_err(|what| format!("seed {seed}: {done:?}: {what}"))?;
        let mut due = 0;
        for (owed, slot) in owed.iter_mut().zip(&state.world.slots) {
            if *owed && slot.object.as_ref().is_some_and(|object| !object.suspended) {
                (*owed, due) = (false, due + 1);
            }
        }
        let minted = state.world.oracle.minted - before;
        if minted != due {
            return Err(format!("seed {seed}: {done:?}: {minted} tokens were requested, with {due} reasons"));
        }
    }
    state.check_at_rest()?;
    Ok(state.world.oracle.minted)
}
