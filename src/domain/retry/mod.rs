//! How long to wait: backoff of failures, of token requests, and the cooldown after a permanent refusal.

pub mod backoff;
pub mod cooldown;
pub mod request_backoff;
pub mod reservation_age;
