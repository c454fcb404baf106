//! Which `ServiceAccount`s get the pull secret, and from which it is removed. Pure: the controller reads and writes the
//! accounts.
//!
//! A name is recorded in status before its account is changed, so that a removal is never forgotten. `imagePullSecrets`
//! is one field for the API server: a client that applies it from a manifest removes the entries of others. If that
//! happens, the entry is added again after a delay that doubles, and the condition names that client.

mod report;

pub use self::report::{Report, prepared, report};

use crate::api::{ObjectName, OverwrittenServiceAccount, RecordedServiceAccount, ServiceAccountRef};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::time::Duration;

/// The first delay after another client removed the Secret. It doubles each time.
const INITIAL_DELAY: Duration = Duration::from_secs(10);
/// The maximum delay.
const MAX_DELAY: Duration = Duration::from_hours(1);
/// If the entry was kept for this long, an earlier removal no longer counts. Longer than the maximum delay, so that a
/// client that writes once an hour does not start over.
const FORGET_AFTER: Duration = Duration::from_hours(2);
/// Maximum number of records: those of the spec, and as many from which the Secret could not be removed.
const MAX_RECORDS: usize = 128;

/// An account as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub uid: String,
    pub resource_version: String,
    /// The names in `imagePullSecrets`, in order.
    pub pull_secrets: Vec<String>,
}

/// The result of a read or a write of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading {
    Found(Account),
    NotFound,
    /// The API server rejects it with this message.
    Rejected(String),
    /// The API server gave no valid response.
    Unavailable(String),
}

/// What the spec says about a recorded account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    Named,
    /// It is no longer named, or the object is being deleted.
    NotNamed,
}

/// What to do with an account that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Write this list of names to this account, if it was not changed since.
    Write(Account, Vec<String>),
    Done(AccountState),
}

/// The state of a recorded account after a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountState {
    /// It names the Secret.
    Synced,
    /// It does not name the Secret, or does not exist, as wanted: nothing is left to record.
    Removed,
    /// It does not exist. The Secret is added when it is created.
    NotFound,
    /// Another client removed the Secret. It is added again after this time.
    Overwritten(Duration),
    Rejected(String),
    Unavailable(String),
    /// Others change it at this moment.
    Contended,
}

/// What the spec says about a recorded name.
#[must_use]
pub fn wish(named: &[ServiceAccountRef], name: &ObjectName) -> Wish {
    if named.iter().any(|account| account.name == *name) { Wish::Named } else { Wish::NotNamed }
}

/// The records before any account is changed: what was recorded, and each name in the spec.
#[must_use]
pub fn prepare(named: &[ServiceAccountRef], recorded: &[RecordedServiceAccount]) -> Vec<RecordedServiceAccount> {
    let mut records = recorded.to_vec();
    for account in named {
        if records.len() < MAX_RECORDS && records.iter().all(|record| record.name != account.name) {
            records.push(new_record(account.name.clone()));
        }
    }
    records
}

const fn new_record(name: ObjectName) -> RecordedServiceAccount {
    RecordedServiceAccount { name, uid: None, resource_version: None, overwritten: None }
}

/// Whether an account has to be read. `changed` if an event showed another version than the recorded one.
#[must_use]
pub fn must_read(record: &RecordedServiceAccount, wish: Wish, changed: bool, now: Timestamp) -> bool {
    match wish {
        Wish::NotNamed => true,
        Wish::Named if changed => true,
        Wish::Named => record.resource_version.is_none() && remaining_delay(record, now).is_zero(),
    }
}

/// The state of an account that does not have to be read.
#[must_use]
pub fn known_state(record: &RecordedServiceAccount, now: Timestamp) -> AccountState {
    match record.resource_version {
        Some(_) => AccountState::Synced,
        None => AccountState::Overwritten(remaining_delay(record, now)),
    }
}

/// Decides about an account that was read, and updates its record.
#[must_use]
pub fn decide(
    record: &mut RecordedServiceAccount,
    wish: Wish,
    reading: Reading,
    secret: &str,
    now: Timestamp,
) -> Decision {
    let account = match reading {
        Reading::Found(account) => account,
        Reading::NotFound if wish == Wish::NotNamed => return Decision::Done(AccountState::Removed),
        Reading::NotFound => {
            *record = new_record(record.name.clone());
            return Decision::Done(AccountState::NotFound);
        }
        Reading::Rejected(message) => {
            record.resource_version = None;
            return Decision::Done(AccountState::Rejected(message));
        }
        Reading::Unavailable(message) => {
            record.resource_version = None;
            return Decision::Done(AccountState::Unavailable(message));
        }
    };
    let others = || account.pull_secrets.iter().filter(|name| *name != secret).cloned();
    let is_named = account.pull_secrets.iter().any(|name| name == secret);
    match (wish, is_named) {
        (Wish::NotNamed, false) => Decision::Done(AccountState::Removed),
        (Wish::NotNamed, true) => {
            let left = others().collect();
            Decision::Write(account, left)
        }
        (Wish::Named, true) => {
            record_synced(record, account);
            Decision::Done(AccountState::Synced)
        }
        (Wish::Named, false) => {
            let delay = delay_of_addition(record, &account, now);
            if !delay.is_zero() {
                return Decision::Done(AccountState::Overwritten(delay));
            }
            let extended = others().chain([secret.to_owned()]).collect();
            Decision::Write(account, extended)
        }
    }
}

/// The state after a write, as shown by its response. An admission webhook may have changed what was written.
#[must_use]
pub fn after_write(
    record: &mut RecordedServiceAccount,
    wish: Wish,
    account: Account,
    secret: &str,
    now: Timestamp,
) -> AccountState {
    let is_named = account.pull_secrets.iter().any(|name| name == secret);
    match (wish, is_named) {
        (Wish::Named, true) => {
            record_synced(record, account);
            AccountState::Synced
        }
        (Wish::Named, false) => {
            record_synced(record, account.clone());
            AccountState::Overwritten(delay_of_addition(record, &account, now))
        }
        (Wish::NotNamed, false) => AccountState::Removed,
        (Wish::NotNamed, true) => AccountState::Rejected("something adds it again, such as a webhook".to_owned()),
    }
}

/// Records an account that names the Secret.
fn record_synced(record: &mut RecordedServiceAccount, account: Account) {
    if record.uid.as_ref() != Some(&account.uid) {
        record.overwritten = None;
    }
    record.uid = Some(account.uid);
    record.resource_version = Some(account.resource_version);
}

/// How long the addition to an account that does not name the Secret is delayed. Counts a removal by another client.
fn delay_of_addition(record: &mut RecordedServiceAccount, account: &Account, now: Timestamp) -> Duration {
    if record.uid.as_ref() != Some(&account.uid) {
        // It is another account of this name, or the Secret was never added.
        *record = new_record(record.name.clone());
        return Duration::ZERO;
    }
    if record.resource_version.take().is_some() {
        let count = match record.overwritten.take() {
            Some(former) if elapsed(former.time.0, now) < delay(former.count) + FORGET_AFTER => {
                former.count.saturating_add(1)
            }
            _ => 1,
        };
        record.overwritten = Some(OverwrittenServiceAccount { count, time: Time(now), manager: None });
    }
    remaining_delay(record, now)
}

/// The delay after this many removals.
fn delay(count: i32) -> Duration {
    let doublings = u32::try_from(count.saturating_sub(1)).unwrap_or_default().min(10);
    INITIAL_DELAY.saturating_mul(1_u32 << doublings).min(MAX_DELAY)
}

/// A time in the future, from a clock that was ahead, counts as now.
fn elapsed(since: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(since.min(now))).unwrap_or_default()
}

fn remaining_delay(record: &RecordedServiceAccount, now: Timestamp) -> Duration {
    let overwritten = record.overwritten.as_ref();
    overwritten.map_or(Duration::ZERO, |one| delay(one.count).saturating_sub(elapsed(one.time.0, now)))
}

#[cfg(test)]
mod tests;
