//! Bearer tokens that were given out.

use super::random;
use super::sync::lock;
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Bearer tokens, each with whom it stands for.
pub(super) struct Bearers<T>(Mutex<HashMap<String, (T, Instant)>>);

impl<T> Default for Bearers<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Bearers<T> {
    /// A new one.
    pub(super) fn issue(&self, bearer_of: T, valid: Duration) -> String {
        let bearer = random::bearer();
        lock(&self.0).insert(bearer.clone(), (bearer_of, Instant::now() + valid));
        bearer
    }

    /// Whom it stands for, if it is valid.
    pub(super) fn owner(&self, bearer: &str) -> Option<T> {
        let bearers = lock(&self.0);
        let (owner, end) = bearers.get(bearer)?;
        (Instant::now() < *end).then(|| owner.clone())
    }

    /// All that were given out and not taken back.
    pub(super) fn all(&self) -> Vec<String> {
        lock(&self.0).keys().cloned().collect()
    }

    /// None is valid any more.
    pub(super) fn revoke_all(&self) {
        lock(&self.0).clear();
    }
}
