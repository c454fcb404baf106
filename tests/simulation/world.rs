//! The world that the operators act on: an API server, a portal and the people who use both.

use super::config::SimulationConfig;
use super::oracle::Oracle;
use jiff::Timestamp;
use registry_token_operator::api::RegistryTokenStatus;
use registry_token_operator::domain::model::marker::{IssuerTag, Marker, Nonce};
use registry_token_operator::domain::model::pull_secret::{Reservation, StoredToken};
use registry_token_operator::domain::protocol::Named;
use std::collections::BTreeMap;

/// Longest time that an answer may take, in seconds.
pub const MAX_RESPONSE_SECONDS: i64 = 100;
/// Versions begin here, so that none is taken for a time or a count.
pub const FIRST_VERSION: u64 = 5_000_000_000;
/// How many former versions of a thing a cache may still hold.
pub const HISTORY: usize = 2;

/// A `RegistryToken` in the API server.
#[derive(Clone, Debug, PartialEq)]
pub struct FakeObject {
    pub uid: String,
    pub version: u64,
    pub created: i64,
    pub generation: i64,
    pub deleting: bool,
    pub finalizer: bool,
    /// Somebody took the finalizer off, and no operator has looked at the object since.
    pub unprotected: bool,
    pub description: String,
    pub requested: BTreeMap<String, String>,
    /// The last token that there was when this was asked for: what serves it is younger.
    pub requested_after: BTreeMap<String, u32>,
    pub revoke: bool,
    pub reissue: bool,
    pub suspended: bool,
    /// How often it was asked to be looked at as a whole.
    pub resync_requests: u32,
    /// Tokens of which its user says that they are gone.
    pub confirmed_revoked: Vec<String>,
    pub status: Option<RegistryTokenStatus>,
}

/// A Secret in the API server.
#[derive(Clone, Debug, PartialEq)]
pub struct FakeSecret {
    pub uid: String,
    pub version: u64,
    pub controller: Option<String>,
    pub label: Option<String>,
    pub reservation: Option<Reservation>,
    pub stored: Option<StoredToken>,
    /// UID of the object that it is closed for.
    pub closed: Option<String>,
    /// Whose login its content holds; the portal's id of that token.
    pub content: Option<u32>,
    /// Whose UID the checksum is salted with.
    pub checksum_uid: Option<String>,
    /// Somebody changed the content, or what is noted of it: the checksum fits no more.
    pub tampered: bool,
    /// Somebody else made it: not ours to touch.
    pub foreign: bool,
    /// Somebody made it immutable.
    pub immutable: bool,
    /// Its type is another.
    pub wrong_type: bool,
    /// Its user gives it to the object of its name.
    pub adoptable: bool,
    /// Marks that what was left to its user may still bear.
    pub orphaned: Vec<Nonce>,
}

impl FakeSecret {
    /// Whether content and note are what an operator wrote for this object, as far as the checksum says.
    pub fn is_intact(&self, uid: &str) -> bool {
        !self.tampered && self.checksum_uid.as_deref() == Some(uid)
    }
}

/// A name in a namespace: what stands there, and what caches may still show.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Slot {
    pub object: Option<FakeObject>,
    pub secret: Option<FakeSecret>,
    pub old_objects: Vec<Option<FakeObject>>,
    pub old_secrets: Vec<Option<FakeSecret>>,
}

/// A token in the portal.
#[derive(Clone, Debug, PartialEq)]
pub struct PortalToken {
    pub token: Named,
    pub description: String,
    pub created: i64,
    pub revoked: Option<i64>,
    /// Left to its user.
    pub orphaned: bool,
    /// A colleague's own: none of ours.
    pub foreign: bool,
}

/// The issuer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FakeIssuer {
    pub deleting: bool,
    pub finalized: bool,
    /// The portal turns its credentials away.
    pub broken: bool,
    /// It names another portal, which does not know us.
    pub moved: bool,
    /// What is asked of all its tokens.
    pub requested: BTreeMap<String, String>,
    /// The last token that there was when this was asked for.
    pub requested_after: BTreeMap<String, u32>,
}

/// What the registry says of logins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RegistryState {
    #[default]
    Up,
    /// It lets nobody in.
    Rejects,
    Down,
}

/// What the portal does after its answer was given up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PendingEffect {
    pub effect: PortalEffect,
    /// When it does so at the latest.
    pub until: i64,
}

/// See there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PortalEffect {
    Mint(String),
    Edit(u32, String),
}

/// Everything.
#[derive(Clone, Debug, PartialEq)]
pub struct World {
    pub config: SimulationConfig,
    pub clock: i64,
    pub versions: u64,
    pub slots: Vec<Slot>,
    pub issuer: FakeIssuer,
    pub rows: BTreeMap<u32, PortalToken>,
    pub registry: RegistryState,
    /// The portal's list shows our user nothing.
    pub hidden: bool,
    /// What the portal does late.
    pub pending_effects: Vec<PendingEffect>,
    pub next_row: u32,
    pub next_uid: u32,
    pub oracle: Oracle,
}

/// The issuer's part of every mark.
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

    /// Notes what the caches may still show, before it changes.
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

    /// The world as the most belated cache shows it.
    pub fn stale_view(&self) -> Self {
        let mut cached = self.clone();
        for slot in &mut cached.slots {
            slot.object = slot.old_objects.first().cloned().unwrap_or_else(|| slot.object.clone());
            slot.secret = slot.old_secrets.first().cloned().unwrap_or_else(|| slot.secret.clone());
        }
        cached
    }

    /// A change of the object: a new version, and what follows from it.
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

    /// A change of the Secret.
    pub fn change_secret(&mut self, slot: usize, change: impl FnOnce(&mut FakeSecret)) {
        self.keep_history(slot);
        let version = self.version();
        if let Some(secret) = self.slots[slot].secret.as_mut() {
            change(secret);
            secret.version = version;
        }
        self.record_content(slot);
    }

    /// Notes what this version of the Secret holds.
    pub fn record_content(&mut self, slot: usize) {
        if let Some(secret) = &self.slots[slot].secret {
            self.oracle.contents.insert(secret.version, (secret.content, secret.tampered));
        }
        while self.oracle.contents.len() > 64 * self.slots.len() {
            self.oracle.contents.pop_first();
        }
    }

    /// The garbage collector: a Secret whose controller is gone goes too.
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

    /// The portal makes a token.
    pub fn mint(&mut self, description: String) -> Named {
        self.next_row += 1;
        let id = self.next_row;
        let token = Named { id: id.to_string(), username: format!("tw-{id}") };
        let created = self.clock;
        let row =
            PortalToken { token: token.clone(), description, created, revoked: None, orphaned: false, foreign: false };
        if let Some(marker) = Marker::find(&tag(), &row.description) {
            self.oracle.markers.insert(id, marker.nonce().clone());
        }
        self.rows.insert(id, row);
        self.oracle.minted += 1;
        token
    }

    /// What the portal lists. One that lags may not show what is younger, and may still show what was
    /// revoked since.
    pub fn list_rows(&self, lags: bool) -> Vec<&PortalToken> {
        let since = self.clock - MAX_RESPONSE_SECONDS;
        let shown = |row: &&PortalToken| {
            let gone = row.revoked.is_some_and(|revoked| !lags || revoked <= since);
            !gone && (!lags || row.created <= since)
        };
        self.rows.values().filter(|_| !self.hidden && !self.config.list_denied).filter(shown).collect()
    }

    /// The portal sets a description.
    pub fn set_description(&mut self, id: u32, description: String) {
        if let Some(row) = self.rows.get_mut(&id).filter(|row| row.revoked.is_none() && !row.foreign) {
            row.description = description;
        }
    }

    /// The portal acts on what nobody waits for any more.
    pub fn apply_pending_effect(&mut self, index: usize) {
        match self.pending_effects.remove(index).effect {
            PortalEffect::Mint(description) => drop(self.mint(description)),
            PortalEffect::Edit(id, description) => self.set_description(id, description),
        }
    }

    pub fn report_violation(&mut self, what: impl Into<String>) {
        self.oracle.violation.get_or_insert_with(|| what.into());
    }

    /// Whether the registry lets a login in.
    pub fn accepts_login(&self, id: u32) -> bool {
        self.rows.get(&id).is_some_and(|row| row.revoked.is_none())
    }
}
