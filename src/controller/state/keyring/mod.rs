//! The MAC keys that were last read. `mac_key` reads them, and maintains their Secret.

pub(in crate::controller) mod record;

use self::record::KeyRecord;
use crate::domain::model::token_mac::MacKeys;
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{PoisonError, RwLock};
use tokio::time::Instant;
use zeroize::Zeroizing;

pub(in crate::controller) type KeyData = BTreeMap<String, Zeroizing<Vec<u8>>>;

/// The keys that were last read.
pub struct Keyring {
    pub(in crate::controller) name: String,
    pub(in crate::controller) keys: RwLock<MacKeys>,
    pub(in crate::controller) state: tokio::sync::Mutex<KeyringState>,
    /// Whether the Secret has our finalizer, or cannot have it.
    pub(in crate::controller) has_finalizer: AtomicBool,
    /// Whether the keys are only in memory.
    pub(in crate::controller) in_memory_only: AtomicBool,
}

#[derive(Default)]
pub(in crate::controller) struct KeyringState {
    /// Kept to create the Secret with the same keys if it is deleted while the operator runs.
    pub(in crate::controller) last: Option<LastRead>,
    /// When our finalizer was rejected.
    pub(in crate::controller) last_rejected: Option<Instant>,
}

pub(in crate::controller) struct LastRead {
    pub(in crate::controller) data: KeyData,
    pub(in crate::controller) record: KeyRecord,
    /// Whether the annotations of the Secret contain the record.
    pub(in crate::controller) is_recorded: bool,
    pub(in crate::controller) read: Instant,
}

impl Keyring {
    /// A keyring without keys.
    pub fn new(name: String) -> Self {
        Self {
            name,
            keys: RwLock::default(),
            state: tokio::sync::Mutex::default(),
            has_finalizer: AtomicBool::default(),
            in_memory_only: AtomicBool::default(),
        }
    }

    /// The keys; empty before the Secret was read for the first time.
    pub fn keys(&self) -> MacKeys {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
