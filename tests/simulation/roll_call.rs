//! Performs a roll call: where the portal lists nothing, the registry is asked about each token.

use super::perform::Outcome;
use super::portal::tried;
use super::sight::see;
use super::world::{LONGEST, Registry, World, at};
use registry_token_operator::domain::effect::{Named, Verdict};
use registry_token_operator::domain::recorded::recorded;
use registry_token_operator::domain::roll_call::RollCall;
use std::time::Duration;

/// A roll call under way.
#[derive(Clone, Debug, PartialEq)]
pub struct Calling {
    pub heard: RollCall,
    /// Who is still to be asked about.
    pub left: Vec<(usize, Named)>,
}

impl Calling {
    /// Nobody has been asked yet.
    pub fn begin(world: &World, former: Option<&RollCall>) -> Self {
        let heard = RollCall::new(at(world.clock), former);
        let lag = Duration::from_secs(LONGEST.unsigned_abs());
        let known = world.slots.iter().map(|slot| slot.object.as_ref().map(|one| recorded(&see(one, &world.setting))));
        let left = known.enumerate().filter_map(|(slot, known)| Some((slot, heard.concerns(&known?, lag)?))).collect();
        Self { heard, left }
    }

    /// Asks about the next; says whether there was one.
    pub fn ask(&mut self, world: &mut World, outcome: Outcome) -> bool {
        let Some((slot, token)) = self.left.pop().filter(|_| self.heard.goes_on()) else {
            if self.left.is_empty() {
                self.heard.complete();
            }
            return false;
        };
        let here = &world.slots[slot];
        let uid = here.object.as_ref().map(|object| object.uid.as_str());
        let secret = here.secret.as_ref().filter(|secret| uid.is_some_and(|uid| secret.is_intact(uid)));
        let held = secret.and_then(|secret| secret.content).filter(|id| id.to_string() == token.id);
        let verdict = match held {
            None => Verdict::NotAsked,
            Some(_) if outcome != Outcome::Fine || world.registry == Registry::Down => Verdict::Unknown("down".into()),
            Some(id) => tried(world, id),
        };
        self.heard.hear(&token, &verdict);
        true
    }
}
