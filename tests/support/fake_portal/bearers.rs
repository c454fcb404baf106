//! Issued bearer tokens.

use super::random;
use super::sync::lock;
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Bearer tokens, each with its owner.
pub(super) struct Bearers<T>(Mutex<HashMap<String, (T, Instant)>>);

impl<T> Default for Bearers<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Bearers<T> {
    /// Issues a new one.
    pub(super) fn issue(&self, bearer_of: T, valid: Duration) -> String {
        let bearer = random::bearer();
        lock(&self.0).insert(bearer.clone(), (bearer_of, Instant::now() + valid));
        bearer
    }

    /// The owner, if the bearer token is valid.
    pub(super) fn owner(&self, bearer: &str) -> Option<T> {
        let bearers = lock(&self.0);
        let (owner, end) = bearers.get(bearer)?;
        (Instant::now() < *end).then(|| owner.clone())
    }

    /// All that were issued and not revoked.
    pub(super) fn all(&self) -> Vec<String> {
        lock(&self.0).keys().cloned().collect()
    }

    /// Revokes all of them.
    pub(super) fn revoke_all(&self) {
        lock(&self.0).clear();
    }
}
