//! Delays: backoff of failures, backoff of token requests, and the cooldown after a permanent rejection.

pub mod backoff;
pub mod cooldown;
pub mod request_backoff;
pub mod reservation_age;
