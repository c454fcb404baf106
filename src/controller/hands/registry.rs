//! The registry: may the token log in?

use super::Hands;
use crate::domain::effect::{Answer, Verdict};

impl Hands<'_> {
    /// Logs in with the token in hand, or else with what the Secret holds.
    pub(super) async fn log_in(&self) -> Answer {
        Answer::Login(Verdict::NotAsked)
    }
}
