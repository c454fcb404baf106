//! Performs a login audit: if the portal does not list tokens, each token's login is verified at the registry.

use super::fakes::RegistryState;
use super::outcome::RequestOutcome;
use super::portal::login_result;
use super::projection::project_object;
use super::world::{MAX_RESPONSE_SECONDS, World, at};
use registry_token_operator::domain::audit::login_audit::LoginAudit;
use registry_token_operator::domain::model::login_result::LoginResult;
use registry_token_operator::domain::model::status_view::StatusView;
use registry_token_operator::domain::model::token::TokenRef;
use std::time::Duration;

/// A login audit in progress.
#[derive(Clone, Debug, PartialEq)]
pub struct RunningLoginAudit {
    pub audit: LoginAudit,
    /// The tokens that are still to be verified.
    pub remaining: Vec<(usize, TokenRef)>,
}

impl RunningLoginAudit {
    /// Starts an audit. No token has been verified yet.
    pub fn begin(world: &World, former: Option<&LoginAudit>) -> Self {
        let audit = LoginAudit::new(at(world.clock), former);
        let lag = Duration::from_secs(MAX_RESPONSE_SECONDS.unsigned_abs());
        let statuses = world
            .slots
            .iter()
            .map(|slot| slot.object.as_ref().map(|one| StatusView::of(&project_object(one, &world.config))));
        let remaining =
            statuses.enumerate().filter_map(|(slot, status)| Some((slot, audit.target(&status?, lag)?))).collect();
        Self { audit, remaining }
    }

    /// Verifies the next token. Returns whether there was one.
    pub fn probe_next(&mut self, world: &mut World, outcome: RequestOutcome) -> bool {
        let Some((slot, token)) = self.remaining.pop().filter(|_| self.audit.should_continue()) else {
            if self.remaining.is_empty() {
                self.audit.mark_complete();
            }
            return false;
        };
        let here = &world.slots[slot];
        let uid = here.object.as_ref().map(|object| object.uid.as_str());
        let secret = here.secret.as_ref().filter(|secret| uid.is_some_and(|uid| secret.is_intact(uid)));
        let stored = secret.and_then(|secret| secret.content).filter(|id| id.to_string() == token.id);
        let result = match stored {
            None => LoginResult::NotChecked,
            Some(_) if outcome != RequestOutcome::Success || world.registry == RegistryState::Down => {
                LoginResult::Unknown("down".into())
            }
            Some(id) => login_result(world, id),
        };
        self.audit.record(&token, &result);
        true
    }
}
