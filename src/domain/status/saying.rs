//! What a status is computed from, beside the fact and the former status.

use crate::api::RecordedPortal;
use crate::domain::object::Rotation;
use crate::domain::observed::{LoginMode, Observed};
use crate::domain::token_mac::MacKeys;
use jiff::Timestamp;

/// What is to be said of an object.
#[derive(Clone, Debug)]
pub struct Saying<'a> {
    /// UID of the object.
    pub uid: &'a str,
    /// `metadata.generation`.
    pub generation: i64,
    /// Name of its Secret.
    pub secret_name: &'a str,
    /// The API server's time.
    pub now: Timestamp,
    /// How much the registry's word counts.
    pub login: LoginMode,
    /// When the token is replaced.
    pub rotation: Option<Rotation>,
    /// Nothing new is begun.
    pub suspended: bool,
    /// The operator's keys.
    pub keys: &'a MacKeys,
    /// Where the issuer is, if it can be worked with.
    pub portal: Option<&'a RecordedPortal>,
}

impl<'a> Saying<'a> {
    /// Of the object that was observed.
    #[must_use]
    pub fn of(seen: &'a Observed) -> Self {
        Self {
            uid: &seen.object.uid,
            generation: seen.object.generation,
            secret_name: &seen.object.secret_name,
            now: seen.now,
            login: seen.facts().map_or(LoginMode::default(), |facts| facts.login),
            rotation: seen.object.rotation,
            suspended: seen.object.suspended,
            keys: &seen.object.keys,
            portal: seen.facts().map(|facts| &facts.portal),
        }
    }
}
