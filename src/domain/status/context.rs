//! What a status is computed from, beside the fact and the former status.

use crate::api::RecordedPortal;
use crate::domain::model::object::Rotation;
use crate::domain::model::token_mac::MacKeys;
use crate::domain::observed::{LoginMode, Observed};
use jiff::Timestamp;

/// What is to be said of an object.
#[derive(Clone, Debug)]
pub struct StatusContext<'a> {
    /// UID of the object.
    pub uid: &'a str,
    /// `metadata.generation`.
    pub generation: i64,
    /// Name of its Secret.
    pub secret_name: &'a str,
    /// The API server's time.
    pub now: Timestamp,
    /// How much the registry's word counts.
    pub login_check: LoginMode,
    /// When the token is replaced.
    pub rotation: Option<Rotation>,
    /// Nothing new is begun.
    pub suspended: bool,
    /// The operator's keys.
    pub keys: &'a MacKeys,
    /// Where the issuer is, if it can be worked with.
    pub portal: Option<&'a RecordedPortal>,
}

impl<'a> StatusContext<'a> {
    /// Of the object that was observed.
    #[must_use]
    pub fn of(observed: &'a Observed) -> Self {
        Self {
            uid: &observed.object.uid,
            generation: observed.object.generation,
            secret_name: &observed.object.secret_name,
            now: observed.now,
            login_check: observed.issuer_info().map_or(LoginMode::default(), |facts| facts.login_check),
            rotation: observed.object.rotation,
            suspended: observed.object.suspended,
            keys: &observed.object.keys,
            portal: observed.issuer_info().map(|facts| &facts.portal),
        }
    }
}
