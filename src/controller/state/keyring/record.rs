//! Records on the Secret since when its keys sign. A Secret that is overwritten in place keeps its creation time, which
//! therefore does not reveal a lost key.

use jiff::Timestamp;
use std::collections::BTreeMap;

/// The ids of the keys, which reveal nothing about the keys.
const KEY_IDS_ANNOTATION: &str = "registry-token.dev/mac-key-ids";
/// Since when these keys sign, or previous ones that were replaced by rotation.
const SINCE_ANNOTATION: &str = "registry-token.dev/mac-keys-since";

/// The ids of the keys, and since when they sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::controller) struct KeyRecord {
    ids: Vec<String>,
    pub(in crate::controller) since: Timestamp,
}

impl KeyRecord {
    /// Reads the record from the Secret's annotations. A Secret that a user wrote has none.
    pub(in crate::controller) fn read(annotations: Option<&BTreeMap<String, String>>) -> Option<Self> {
        let annotations = annotations?;
        let ids = annotations.get(KEY_IDS_ANNOTATION)?.split(',').map(str::to_owned).collect();
        Some(Self { ids, since: annotations.get(SINCE_ANNOTATION)?.parse().ok()? })
    }

    pub(in crate::controller) fn annotations(&self) -> BTreeMap<String, String> {
        let since = (SINCE_ANNOTATION.to_owned(), self.since.to_string());
        BTreeMap::from([(KEY_IDS_ANNOTATION.to_owned(), self.ids.join(",")), since])
    }

    /// The record for the keys that the Secret contains now. If a previously known set has no key among them, a key is
    /// lost: then everything older than `now` may have been signed with it.
    ///
    /// `created` is the creation time of the Secret: one that was deleted and restored may contain an old record.
    pub(in crate::controller) fn of(
        ids: Vec<String>,
        remembered: Option<&Self>,
        recorded: Option<&Self>,
        created: Timestamp,
        now: Timestamp,
    ) -> Self {
        let recorded_since =
            recorded.map(|recorded| if remembered.is_none() { recorded.since.max(created) } else { recorded.since });
        let is_kept = |previous: &Self| previous.ids.iter().any(|id| ids.contains(id));
        let lost = remembered.into_iter().chain(recorded).any(|previous| !is_kept(previous));
        let since = remembered.map(|remembered| remembered.since).max(recorded_since).filter(|_| !lost);
        Self { since: since.unwrap_or(now), ids }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::model::token_mac::{MacKeys, key_id};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn record(ids: &[&str], since: i64) -> KeyRecord {
        KeyRecord { ids: ids.iter().map(|id| (*id).to_owned()).collect(), since: at(since) }
    }

    /// For a Secret that was created at 10 and is read at 100.
    fn since(ids: &[&str], remembered: Option<&KeyRecord>, recorded: Option<&KeyRecord>) -> i64 {
        KeyRecord::of(record(ids, 0).ids, remembered, recorded, at(10), at(100)).since.as_second()
    }

    #[test]
    fn a_key_overwritten_in_place_is_lost_by_memory_and_by_record() {
        let previous = record(&["a"], 20);
        assert_eq!(since(&["a"], Some(&previous), Some(&previous)), 20);
        assert_eq!(since(&["b"], Some(&previous), Some(&previous)), 100, "while the operator runs");
        assert_eq!(since(&["b"], None, Some(&previous)), 100, "while it is stopped");
        assert_eq!(since(&["b"], Some(&previous), None), 100, "together with its record");
        assert_eq!(since(&["b"], Some(&previous), Some(&record(&["b"], 5))), 100, "from a backup with its record");
        assert_eq!(
            since(&["a"], Some(&previous), Some(&record(&["b"], 50))),
            100,
            "another replica signed with another key"
        );
        assert_eq!(since(&["a"], Some(&previous), Some(&record(&["a"], 50))), 50, "another replica saw a loss");
    }

    #[test]
    fn a_key_next_to_a_previous_one_keeps_its_time() {
        let (first, during) = (record(&["a"], 20), record(&["b", "a"], 20));
        for remembered in [Some(&first), None] {
            assert_eq!(since(&["b", "a"], remembered, Some(&first)), 20);
        }
        for remembered in [Some(&during), None] {
            assert_eq!(since(&["b"], remembered, Some(&during)), 20);
        }
    }

    #[test]
    fn a_users_secret_counts_from_its_first_read_and_a_restored_one_from_its_creation() {
        assert_eq!(since(&["a"], None, None), 100);
        assert_eq!(since(&["a"], Some(&record(&["a"], 30)), None), 30, "its record was removed");
        assert_eq!(since(&["a"], None, Some(&record(&["a"], 5))), 10);
    }

    #[test]
    fn a_record_round_trips_and_reveals_nothing_of_a_key() {
        let (key, now) = ([7; 32], Timestamp::now());
        let note = KeyRecord { ids: vec![key_id(&key).expect("a key")], since: now };
        let annotations = note.annotations();
        assert_eq!(KeyRecord::read(Some(&annotations)), Some(note));
        assert!(annotations.values().all(|value| value.len() < 40), "{annotations:?}");
        assert!(KeyRecord::read(Some(&BTreeMap::from([(KEY_IDS_ANNOTATION.to_owned(), "a".to_owned())]))).is_none());
        assert!(key_id(&[7; 31]).is_none());
        let sealed = MacKeys::new(&key, [], now).expect("keys");
        assert!(!sealed.is_signed_by_unknown_key(&format!("v1.{}.x", key_id(&key).expect("a key"))), "as MACs name it");
    }
}
