//! What is known when a decision is made.

use super::pull_secret::SecretMeta;
use crate::api::{Reason, RecordedPortal, RecordedToken, RetiringToken};
use jiff::Timestamp;
use std::time::Duration;

/// Everything that a decision stands on.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The API server's time, as near as we know it.
    pub now: Timestamp,
    /// The object.
    pub object: ObjectFacts,
    /// What its status records, if that is this object's own status.
    pub recorded: Recorded,
    /// Its Secret's metadata, if there is one with our label.
    pub secret: Option<SecretMeta>,
    /// Its issuer.
    pub issuer: IssuerView,
    /// This operator process.
    pub holder: String,
    /// For how long we have seen the reservation that is in the Secret.
    pub reservation_seen: Duration,
}

/// The object's own facts.
#[derive(Clone, Debug)]
pub struct ObjectFacts {
    /// Its UID.
    pub uid: String,
    /// `metadata.generation`.
    pub generation: i64,
    /// It is being deleted.
    pub deleting: bool,
    /// Our finalizer is on it.
    pub finalizer: bool,
    /// `spec.description`, in characters.
    pub description_length: usize,
}

/// What the object's status says; nothing if it is another object's.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    /// Where the token lives.
    pub portal: Option<RecordedPortal>,
    /// The current token.
    pub token: Option<RecordedToken>,
    /// Former ones.
    pub retiring: Vec<RetiringToken>,
    /// The version of the Secret that was found in order.
    pub secret_version: Option<String>,
    /// The generation that the status speaks of.
    pub observed_generation: Option<i64>,
    /// The generation whose description the portal is known to show.
    pub description_synced: Option<i64>,
    /// The generation whose description the portal refused.
    pub description_refused: Option<i64>,
    /// `Ready` is true.
    pub ready: bool,
    /// `Reconciling` or `Stalled` is true.
    pub hindered: bool,
}

/// The issuer, as far as it is known.
#[derive(Clone, Debug)]
pub enum IssuerView {
    /// Nothing is known yet: the operator has just begun.
    Unknown,
    /// It is certain that there is none.
    Missing,
    /// It is there, and cannot be worked with now.
    NotReady {
        /// Its own reason.
        reason: Reason,
        /// Its own message.
        message: String,
    },
    /// It can be worked with.
    Ready(IssuerFacts),
}

/// What an issuer asks of its objects.
#[derive(Clone, Debug)]
pub struct IssuerFacts {
    /// Where it is, and as whom we speak to it.
    pub portal: RecordedPortal,
    /// Hash of its registries.
    pub registries: String,
    /// Longest description, marker included.
    pub description_max: Option<usize>,
    /// Longest time that an answer may take.
    pub longest_answer: Duration,
    /// It is being deleted.
    pub deleting: bool,
}
