//! What is counted to judge a run, and seen by nobody in it.

use registry_token_operator::domain::model::marker::Nonce;
use std::collections::{BTreeMap, BTreeSet};

/// The time for which a former token must live on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlap {
    pub uid: String,
    pub until: i64,
}

/// A request for a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastRequest {
    pub time: i64,
    /// What the user wanted then.
    pub wish: String,
    /// There was no other one shortly before.
    pub first: bool,
    /// Its token was stored.
    pub stored: bool,
}

/// What is counted to judge a run, and seen by nobody in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Oracle {
    pub minted: usize,
    pub expected_requests: usize,
    pub excused_requests: usize,
    /// What was reserved, and for which object.
    pub reserved: BTreeMap<Nonce, String>,
    pub requested_nonces: BTreeSet<Nonce>,
    pub writes: Count,
    /// The mark that each token was asked for with.
    pub markers: BTreeMap<u32, Nonce>,
    /// Tokens that the registry let in.
    pub logged_in: BTreeSet<u32>,
    /// What the last versions of each Secret held, and whether that was changed by somebody.
    pub contents: BTreeMap<u64, (Option<u32>, bool)>,
    /// Former tokens since the commit that replaced them.
    pub overlaps: BTreeMap<u32, Overlap>,
    /// Tokens that people revoked, or took out of their Secret.
    pub revoked_by_users: BTreeSet<u32>,
    /// Tokens of which nobody can know whether they are to be revoked: nothing in the cluster speaks of them
    /// any more, or they were looked for in a list that was hidden.
    pub undecidable: BTreeSet<u32>,
    /// Tokens that the status of the object that requested them named.
    pub named_in_status: BTreeSet<u32>,
    /// Tokens that the portal would not revoke once, where it lists nothing.
    pub revocation_rejected: BTreeSet<u32>,
    /// An edit may have come late.
    pub edited_late: bool,
    /// The list was hidden, unnoticed, and the registry refused everybody.
    pub misled: (bool, bool),
    /// The portal refused a description, which stands until somebody writes another one.
    pub edit_rejected: bool,
    /// When each process last requested a token for an object, and what its user wanted then.
    pub last_requests: BTreeMap<(String, String), LastRequest>,
    pub violation: Option<String>,
}

/// What only grows, and is no part of what a state is: two that differ in it alone are one.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Count(pub usize);

impl std::fmt::Debug for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("_")
    }
}
