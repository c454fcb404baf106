//! Which objects import which tokens at the moment. Two objects may import the same token at once, before the cache shows
//! that one of them has it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a claim lasts: longer than the cache lags behind the write that it protects.
const CLAIM_TIME: Duration = Duration::from_mins(5);

/// A hash of the portal, and the username of the token.
type Token = (String, String);

/// The objects that claim a token, by UID. Locked for a moment only.
#[derive(Default)]
pub struct ImportClaims(Mutex<HashMap<Token, (String, Instant)>>);

impl ImportClaims {
    /// Claims a token for an object; `false` if another object has claimed it.
    pub fn claim(&self, token: Token, uid: &str) -> bool {
        self.claim_at(token, uid, Instant::now())
    }

    fn claim_at(&self, token: Token, uid: &str, now: Instant) -> bool {
        let mut claims = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        claims.retain(|_, (_, since)| now.saturating_duration_since(*since) < CLAIM_TIME);
        let (owner, since) = claims.entry(token).or_insert_with(|| (uid.to_owned(), now));
        let is_own = owner == uid;
        if is_own {
            *since = now;
        }
        is_own
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_claimed_by_one_object_at_a_time() {
        let (claims, start) = (ImportClaims::default(), Instant::now());
        let token = |id: &str| ("portal".to_owned(), id.to_owned());
        assert!(claims.claim_at(token("7"), "one", start));
        assert!(!claims.claim_at(token("7"), "two", start));
        assert!(claims.claim_at(token("8"), "two", start));
        assert!(claims.claim_at(token("7"), "one", start + CLAIM_TIME / 2), "it is renewed");
        assert!(!claims.claim_at(token("7"), "two", start + CLAIM_TIME));
        assert!(claims.claim_at(token("7"), "two", start + CLAIM_TIME * 2));
    }
}
