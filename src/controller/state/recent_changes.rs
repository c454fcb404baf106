//! What is remembered of an object after a burst, and of most objects nothing else.

use super::shrink::shrink;
use crate::domain::model::object::Object;
use crate::domain::model::request_history::RequestHistory;
use crate::domain::observed::Observed;
use crate::domain::retry::request_backoff::KeptHistory;
use jiff::Timestamp;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The recent changes of one object.
#[derive(Default, PartialEq)]
struct Changes {
    /// When its token was requested or edited at the portal, until an audit started after that.
    modified_at: Option<Timestamp>,
    requests: KeptHistory,
}

/// The recent changes of the objects, by UID; an object without one is not contained. Locked for a moment only.
#[derive(Default)]
pub struct RecentChanges(Mutex<HashMap<String, Changes>>);

impl RecentChanges {
    fn locked(&self) -> MutexGuard<'_, HashMap<String, Changes>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of objects with recent changes.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.locked().len()
    }

    /// Changes what is remembered of an object, and forgets the object if nothing is left.
    fn change(&self, uid: &str, change: impl FnOnce(&mut Changes)) {
        let mut objects = self.locked();
        let Some(changes) = objects.get_mut(uid) else {
            let mut changes = Changes::default();
            change(&mut changes);
            if changes != Changes::default() {
                objects.insert(uid.to_owned(), changes);
            }
            return;
        };
        change(changes);
        if *changes == Changes::default() {
            objects.remove(uid);
            shrink(&mut objects);
        }
    }

    /// Records that this object's token was requested or edited at the portal now.
    pub fn mark_modified(&self, uid: &str, now: Timestamp) {
        self.change(uid, |changes| changes.modified_at = Some(now));
    }

    /// Whether the token was modified since this time. A time in the future, from before the clock was corrected,
    /// counts as now.
    pub fn modified_since(&self, uid: &str, time: Timestamp, now: Timestamp) -> bool {
        let mut objects = self.locked();
        let modified_at = objects.get_mut(uid).and_then(|changes| changes.modified_at.as_mut());
        modified_at.is_some_and(|modified_at| {
            *modified_at = now.min(*modified_at);
            *modified_at >= time
        })
    }

    /// Records the token requests of a completed pass.
    pub fn record_requests(&self, observed: &Observed) {
        self.change(&observed.object.uid, |changes| changes.requests.record(observed));
    }

    /// The history of an object's token requests.
    pub fn requests(&self, object: &Object, now: Timestamp) -> RequestHistory {
        let objects = self.locked();
        let known = objects.get(&object.uid).map(|changes| changes.requests.of(object, now));
        known.unwrap_or_else(|| KeptHistory::default().of(object, now))
    }

    /// Forgets what no longer matters after an audit that started at this time.
    pub fn settle(&self, uid: &str, audited: Timestamp, now: Timestamp) {
        self.change(uid, |changes| {
            changes.modified_at.take_if(|modified_at| *modified_at < audited);
            changes.requests.settle(now);
        });
    }

    /// Forgets a deleted object.
    pub fn forget(&self, uid: &str) {
        self.locked().remove(uid);
    }
}
