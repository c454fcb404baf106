//! What an operator remembers of one object between passes. A restart loses it.

use registry_token_operator::domain::model::token::TokenRef;
use registry_token_operator::domain::observed::Recheck;
use registry_token_operator::domain::retry::cooldown::Cooldowns;
use registry_token_operator::domain::retry::request_backoff::KeptHistory;
use registry_token_operator::domain::retry::reservation_age::ReservationAge;

/// What an operator remembers of one object between passes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ObjectState {
    /// For how long it has observed the reservation.
    pub reservation: ReservationAge,
    /// When the token was last modified at the portal.
    pub modified: Option<i64>,
    /// Operations that must not be retried yet.
    pub cooldowns: Cooldowns,
    /// The tokens whose revocation the portal confirmed.
    pub revoked: Vec<TokenRef>,
    /// Whether portal and registry have to be checked.
    pub recheck: Recheck,
    /// The token requests.
    pub requests: KeptHistory,
    /// How many full resyncs it has performed on request.
    pub acked_resyncs: Option<u32>,
}
