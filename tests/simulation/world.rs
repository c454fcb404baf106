//! The simulated world: an API server, a portal, a registry, and their users.

use super::config::SimulationConfig;
use super::fakes::{FakeIssuer, FakeObject, FakeSecret, PendingEffect, PortalEffect, PortalToken, RegistryState, Slot};
use super::oracle::Oracle;
use jiff::Timestamp;
use registry_token_operator::domain::model::marker::{IssuerTag, Marker};
use registry_token_operator::domain::model::token::TokenRef;
use std::collections::BTreeMap;

/// Longest time that a response may take, in seconds.
pub const MAX_RESPONSE_SECONDS: i64 = 100;
/// The first resource version, so large that no version is mistaken for a time or a count.
pub const FIRST_VERSION: u64 = 5_000_000_000;
/// How many old versions of an object or a Secret a cache may still return.
pub const HISTORY: usize = 2;

/// The whole state outside of the operators.
#[derive(Clone, Debug, PartialEq)]
pub struct World {
    pub config: SimulationConfig,
    pub clock: i64,
    pub versions: u64,
    pub slots: Vec<Slot>,
    pub issuer: FakeIssuer,
    pub rows: BTreeMap<u32, PortalToken>,
    pub registry: RegistryState,
    /// The portal's list is empty for the operator's user, without an error.
    pub hidden: bool,
    /// What the portal still has to do.
    pub pending_effects: Vec<PendingEffect>,
    pub next_row: u32,
    pub next_uid: u32,
    pub oracle: Oracle,
}

/// The issuer's part of every marker.
pub fn tag() -> IssuerTag {
    IssuerTag::of("issuer")
}

pub fn at(clock: i64) -> Timestamp {
    Timestamp::from_second(1_900_000_000 + clock).expect("a time")
}

impl World {
    pub fn new(config: SimulationConfig) -> Self {
        Self {
            config,
            clock: 0,
            versions: FIRST_VERSION,
            slots: vec![Slot::default(); config.objects],
            issuer: FakeIssuer::default(),
            rows: BTreeMap::new(),
            registry: RegistryState::Up,
            hidden: false,
            pending_effects: vec![],
            next_row: 0,
            next_uid: 0,
            oracle: Oracle::default(),
        }
    }

    /// Whether nothing has happened yet.
    pub const fn is_initial(&self) -> bool {
        self.versions == FIRST_VERSION
    }

    pub fn version(&mut self) -> u64 {
        self.versions += 1;
        self.versions
    }

    pub fn uid(&mut self, kind: &str) -> String {
        self.next_uid += 1;
        format!("{kind}{}", self.next_uid)
    }

    /// Keeps the current versions for stale caches. Called before a change.
    pub fn keep_history(&mut self, slot: usize) {
        let slot = &mut self.slots[slot];
        if slot.old_objects.last() != Some(&slot.object) {
            slot.old_objects.push(slot.object.clone());
        }
        if slot.old_secrets.last() != Some(&slot.secret) {
            slot.old_secrets.push(slot.secret.clone());
        }
        for _ in HISTORY..slot.old_objects.len() {
            slot.old_objects.remove(0);
        }
        for _ in HISTORY..slot.old_secrets.len() {
            slot.old_secrets.remove(0);
        }
    }

    /// The world as the most stale cache returns it.
    pub fn stale_view(&self) -> Self {
        let mut cached = self.clone();
        for slot in &mut cached.slots {
            slot.object = slot.old_objects.first().cloned().unwrap_or_else(|| slot.object.clone());
            slot.secret = slot.old_secrets.first().cloned().unwrap_or_else(|| slot.secret.clone());
        }
        cached
    }

    /// Changes the object and increments its version. A deleted object without a finalizer is removed.
    pub fn change_object(&mut self, slot: usize, change: impl FnOnce(&mut FakeObject)) {
        self.keep_history(slot);
        let version = self.version();
        if let Some(object) = self.slots[slot].object.as_mut() {
            change(object);
            object.version = version;
            if object.deleting && !object.finalizer {
                self.slots[slot].object = None;
            }
        }
    }

    /// Changes the Secret and increments its version.
    pub fn change_secret(&mut self, slot: usize, change: impl FnOnce(&mut FakeSecret)) {
        self.keep_history(slot);
        let version = self.version();
        if let Some(secret) = self.slots[slot].secret.as_mut() {
            change(secret);
            secret.version = version;
        }
        self.record_content(slot);
    }

    /// Records what this version of the Secret contains.
    pub fn record_content(&mut self, slot: usize) {
        if let Some(secret) = &self.slots[slot].secret {
            self.oracle.contents.insert(secret.version, (secret.content, secret.tampered));
        }
        while self.oracle.contents.len() > 64 * self.slots.len() {
            self.oracle.contents.pop_first();
        }
    }

    /// The garbage collector: deletes each Secret whose controller no longer exists.
    pub fn collect_garbage(&mut self) {
        for index in 0..self.slots.len() {
            let alive = self.slots[index].object.as_ref().map(|object| object.uid.clone());
            let secret = self.slots[index].secret.as_ref();
            let controller = secret.and_then(|secret| secret.controller.clone());
            if controller.is_some() && controller != alive {
                self.keep_history(index);
                self.slots[index].secret = None;
            }
        }
    }

    /// The portal creates a token.
    pub fn mint(&mut self, description: String) -> TokenRef {
        self.next_row += 1;
        let id = self.next_row;
        let token = TokenRef { id: id.to_string(), username: self.config.portal.username(id) };
        let created = self.clock;
        let expires = self.config.portal.lifetime.map(|lifetime| created + lifetime);
        let row = PortalToken {
            token: token.clone(),
            description,
            created,
            revoked: None,
            expires,
            orphaned: false,
            foreign: false,
        };
        if let Some(marker) = Marker::find(&tag(), &row.description) {
            self.oracle.markers.insert(id, marker.nonce().clone());
        }
        self.rows.insert(id, row);
        self.oracle.minted += 1;
        token
    }

    /// The portal's list. A stale list lacks the tokens of the last `MAX_RESPONSE_SECONDS`, and still contains those
    /// that were revoked in that time.
    pub fn list_rows(&self, stale: bool) -> Vec<&PortalToken> {
        let since = self.clock - MAX_RESPONSE_SECONDS;
        let is_listed = |row: &&PortalToken| {
            let is_revoked = row.revoked.is_some_and(|revoked| !stale || revoked <= since);
            let is_expired =
                !self.config.portal.lists_expired && row.is_expired(if stale { since } else { self.clock });
            !is_revoked && !is_expired && (!stale || row.created <= since)
        };
        self.rows.values().filter(|_| !self.hidden && !self.config.list_denied).filter(is_listed).collect()
    }

    /// The portal sets a description. A late edit may put the marker of a released token back. If the Secret of that token is
    /// gone or was changed by a user, nothing records the release any more.
    pub fn set_description(&mut self, id: u32, description: String) {
        let is_released = self.rows.get(&id).is_some_and(|row| row.orphaned);
        if is_released && Marker::find(&tag(), &description).is_some() {
            let mut secrets = self.slots.iter().filter_map(|slot| slot.secret.as_ref());
            if !secrets.any(|secret| secret.content == Some(id) && !secret.tampered) {
                self.oracle.undecidable.insert(id);
            }
        }
        if let Some(row) = self.rows.get_mut(&id).filter(|row| row.revoked.is_none() && !row.foreign) {
            row.description = description;
        }
    }

    /// The portal performs a delayed effect.
    pub fn apply_pending_effect(&mut self, index: usize) {
        match self.pending_effects.remove(index).effect {
            PortalEffect::Mint(description) => drop(self.mint(description)),
            PortalEffect::Edit(id, description) => self.set_description(id, description),
        }
    }

    pub fn report_violation(&mut self, what: impl Into<String>) {
        self.oracle.violation.get_or_insert_with(|| what.into());
    }

    /// Whether the registry accepts the token's login.
    pub fn accepts_login(&self, id: u32) -> bool {
        self.rows.get(&id).is_some_and(|row| row.revoked.is_none() && !row.is_expired(self.clock))
    }

    /// Whether the portal still has the token. One that expired counts as deleted where it is not listed any more.
    pub fn exists(&self, row: &PortalToken) -> bool {
        row.revoked.is_none() && (self.config.portal.lists_expired || !row.is_expired(self.clock))
    }

    /// Whether the token is expired, and nobody revoked it.
    pub fn is_expired(&self, id: u32) -> bool {
        self.rows.get(&id).is_some_and(|row| row.revoked.is_none() && row.is_expired(self.clock))
    }
}
