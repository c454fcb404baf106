//! Which `ServiceAccount`s have to be read, because an event showed another version than the one in status. Only accounts
//! that an object names are kept here, and only until a pass of that object has read them.

use super::token_cache::TokenKey;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::SetOnce;

/// The names of changed accounts with the version that an event showed; `None` if the account was deleted.
pub type Changes = BTreeMap<String, Option<String>>;

/// The changed accounts of all objects.
#[derive(Default)]
pub struct AccountChanges {
    /// Set once an object names an account.
    wanted: SetOnce<()>,
    changes: Mutex<HashMap<TokenKey, Changes>>,
}

impl AccountChanges {
    fn all(&self) -> MutexGuard<'_, HashMap<TokenKey, Changes>> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An object names an account: from now on they are watched.
    pub fn want(&self) {
        let _ = self.wanted.set(());
    }

    /// Completes when an object names an account.
    pub async fn wait_until_wanted(&self) {
        self.wanted.wait().await;
    }

    /// Records an event about an account that this object names.
    pub fn record(&self, object: TokenKey, account: &str, version: Option<String>) {
        self.all().entry(object).or_default().insert(account.to_owned(), version);
    }

    /// The changed accounts of an object.
    pub fn of(&self, object: &TokenKey) -> Changes {
        self.all().get(object).cloned().unwrap_or_default()
    }

    /// Forgets changes that are handled, unless there was another event since.
    pub fn settle(&self, object: &TokenKey, handled: &Changes) {
        let mut all = self.all();
        if let Some(changes) = all.get_mut(object) {
            changes.retain(|account, version| handled.get(account) != Some(version));
            if changes.is_empty() {
                all.remove(object);
            }
        }
    }

    /// Forgets a deleted object.
    pub fn forget(&self, object: &TokenKey) {
        self.all().remove(object);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_during_a_pass_is_not_forgotten_with_those_before() {
        let (changes, key) = (AccountChanges::default(), TokenKey::new("pull").within("team"));
        changes.record(key.clone(), "ci", Some("1".to_owned()));
        changes.record(key.clone(), "default", None);
        let handled = changes.of(&key);
        changes.record(key.clone(), "ci", Some("2".to_owned()));
        changes.settle(&key, &handled);
        assert_eq!(changes.of(&key), Changes::from([("ci".to_owned(), Some("2".to_owned()))]));
        let handled = changes.of(&key);
        changes.settle(&key, &handled);
        assert!(changes.all().is_empty(), "nothing is kept at rest");
    }
}
