//! One thing at a time: whatever a person does, each token that follows has its reason, and each
//! reason its token. Nothing goes wrong here, and everything comes to rest before the next deed.

use super::deed::Deed;
use super::mutant::Mutant;
use super::random::{Dice, setting};
use super::schedule::{DAY, Event, State};

/// What is done, and how many tokens that asks for.
const DEEDS: [(Deed, bool); 22] = [
    (Deed::Create, true),
    (Deed::Rotate, true),
    (Deed::Replace, true),
    (Deed::DeleteSecret, true),
    (Deed::EditSecret, true),
    (Deed::StripStored, true),
    (Deed::ForgeStored, true),
    (Deed::RevokeUpstream, true),
    (Deed::RestoreCopy, true),
    (Deed::EditDescription, false),
    (Deed::EditUpstream, false),
    (Deed::StripLabel, false),
    (Deed::StripOwner, false),
    (Deed::Suspend, false),
    (Deed::Resume, false),
    (Deed::ForgeCurrent, false),
    (Deed::ForgeRetiring, false),
    (Deed::RetireCurrent, false),
    (Deed::CopyStored, true),
    (Deed::RotateKey, false),
    (Deed::RewriteObject, false),
    (Deed::RewriteSecret, false),
];

/// Deeds of one run.
const LENGTH: usize = 12;

/// Runs the calm schedule of a seed. Gives how many tokens were asked for.
///
/// # Errors
/// What was asked for without reason, or not asked for.
pub fn run(seed: u64, mutant: Option<Mutant>) -> Result<usize, String> {
    let mut dice = Dice::new(seed);
    let mut setting = setting(&mut dice);
    (setting.faults, setting.crashes, setting.ticks, setting.rotation) = (0, 0, 0, false);
    // A colleague's decision shows in a list, or not at all where no registry is asked.
    setting.unlisted = false;
    setting.people = u8::MAX;
    let mut state = State::new(setting, mutant);
    // A suspended object asks later for what it lacks.
    let mut owed = vec![false; setting.objects];
    let mut done = vec![];
    for _ in 0..LENGTH {
        let (slot, (deed, asks)) = (dice.below(setting.objects), DEEDS[dice.below(DEEDS.len())]);
        // It would take away what was asked for by annotation, and is not done yet.
        let forgets = deed == Deed::RewriteObject && owed[slot];
        if forgets || !deed.possible(&state.world, slot) {
            continue;
        }
        done.push((deed, slot));
        // So that nobody overrides a colleague twice within a day.
        state.world.clock += DAY;
        owed[slot] |= asks;
        let before = state.world.ghost.minted;
        state.happen(Event::Person { deed, slot });
        state.quiet().map_err(|what| format!("seed {seed}: {done:?}: {what}"))?;
        let mut due = 0;
        for (owed, slot) in owed.iter_mut().zip(&state.world.slots) {
            if *owed && slot.object.as_ref().is_some_and(|object| !object.suspended) {
                (*owed, due) = (false, due + 1);
            }
        }
        let minted = state.world.ghost.minted - before;
        if minted != due {
            return Err(format!("seed {seed}: {done:?}: {minted} tokens were asked for, with {due} reasons"));
        }
    }
    state.judge()?;
    Ok(state.world.ghost.minted)
}
