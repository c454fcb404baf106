//! The state by which a run is checked. Operators cannot read it.

use registry_token_operator::domain::model::marker::Nonce;
use std::collections::{BTreeMap, BTreeSet};

/// The time until which a previous token must stay valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlap {
    pub uid: String,
    pub until: i64,
}

/// A request for a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastRequest {
    pub time: i64,
    /// Generation and annotations at that time.
    pub wanted: String,
    /// There was no earlier request shortly before.
    pub first: bool,
    /// Its token was stored.
    pub stored: bool,
}

/// The state by which a run is checked. Operators cannot read it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Oracle {
    pub minted: usize,
    pub expected_requests: usize,
    pub excused_requests: usize,
    /// The object of each reserved nonce.
    pub reserved: BTreeMap<Nonce, String>,
    pub requested_nonces: BTreeSet<Nonce>,
    pub writes: Count,
    /// The nonce of the marker with which each token was requested.
    pub markers: BTreeMap<u32, Nonce>,
    /// Tokens whose login the registry accepted.
    pub logged_in: BTreeSet<u32>,
    /// The content of the last versions of the Secrets, and whether a user changed it.
    pub contents: BTreeMap<u64, (Option<u32>, bool)>,
    /// Previous tokens, since the commit that replaced them.
    pub overlaps: BTreeMap<u32, Overlap>,
    /// Tokens that users revoked or removed from their Secret.
    pub revoked_by_users: BTreeSet<u32>,
    /// Tokens for which it cannot be decided whether they have to be revoked: nothing in the cluster names them any
    /// more, or they were looked for in a list that was hidden.
    pub undecidable: BTreeSet<u32>,
    /// The tokens whose description another user changed in the portal.
    pub hidden_markers: BTreeSet<u32>,
    /// Tokens that the status of the object that requested them named.
    pub named_in_status: BTreeSet<u32>,
    /// Tokens whose revocation the portal rejected once, while it did not list tokens.
    pub revocation_rejected: BTreeSet<u32>,
    /// An edit may have had a delayed effect.
    pub edited_late: bool,
    /// Whether the list was hidden without an error, and whether the registry rejected every login.
    pub misled: (bool, bool),
    /// The portal rejected a description, and keeps the old one until the user sets another one.
    pub edit_rejected: bool,
    /// The last token request of each process for each object.
    pub last_requests: BTreeMap<(String, String), LastRequest>,
    pub violation: Option<String>,
}

/// A counter that is not part of the state's identity: states that differ only in it are equal.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Count(pub usize);

impl std::fmt::Debug for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("_")
    }
}
