//! Since when the keys sign, noted on their Secret. A Secret that is overwritten in place keeps its creation time, so that
//! tells nothing of a key that is lost.

use jiff::Timestamp;
use std::collections::BTreeMap;

/// The ids of the keys. They say nothing of the keys.
const KEY_IDS_ANNOTATION: &str = "registry-token.dev/mac-key-ids";
/// Since when these keys, or former ones that were replaced by rotation, sign.
const SINCE_ANNOTATION: &str = "registry-token.dev/mac-keys-since";

/// Which keys there are, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeyRecord {
    ids: Vec<String>,
    pub(super) since: Timestamp,
}

impl KeyRecord {
    /// What is noted on the Secret. One that a user wrote has no note.
    pub(super) fn read(annotations: Option<&BTreeMap<String, String>>) -> Option<Self> {
        let annotations = annotations?;
        let ids = annotations.get(KEY_IDS_ANNOTATION)?.split(',').map(str::to_owned).collect();
        Some(Self { ids, since: annotations.get(SINCE_ANNOTATION)?.parse().ok()? })
    }

    pub(super) fn annotations(&self) -> BTreeMap<String, String> {
        let since = (SINCE_ANNOTATION.to_owned(), self.since.to_string());
        BTreeMap::from([(KEY_IDS_ANNOTATION.to_owned(), self.ids.join(",")), since])
    }

    /// The note of the keys that the Secret holds now. Unless each set that was known before has a key among them, some
    /// key is lost: then what is older than `now` may have been signed with it.
    ///
    /// `created` is when the Secret was: one that was deleted and restored may bring an old note.
    pub(super) fn of(
        ids: Vec<String>,
        remembered: Option<&Self>,
        recorded: Option<&Self>,
        created: Timestamp,
        now: Timestamp,
    ) -> Self {
        let noted_since =
            recorded.map(|noted| if remembered.is_none() { noted.since.max(created) } else { noted.since });
        let is_kept = |former: &Self| former.ids.iter().any(|id| ids.contains(id));
        let lost = remembered.into_iter().chain(recorded).any(|former| !is_kept(former));
        let since = remembered.map(|remembered| remembered.since).max(noted_since).filter(|_| !lost);
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

    /// Of a Secret that was created at 10, read at 100.
    fn since(ids: &[&str], remembered: Option<&KeyRecord>, noted: Option<&KeyRecord>) -> i64 {
        KeyRecord::of(record(ids, 0).ids, remembered, noted, at(10), at(100)).since.as_second()
    }

    #[test]
    fn a_key_overwritten_in_place_is_lost_by_memory_and_by_record() {
        let former = record(&["a"], 20);
        assert_eq!(since(&["a"], Some(&former), Some(&former)), 20);
        assert_eq!(since(&["b"], Some(&former), Some(&former)), 100, "while the operator runs");
        assert_eq!(since(&["b"], None, Some(&former)), 100, "while it is stopped");
        assert_eq!(since(&["b"], Some(&former), None), 100, "note and all");
        assert_eq!(since(&["b"], Some(&former), Some(&record(&["b"], 5))), 100, "from a backup with its note");
        assert_eq!(
            since(&["a"], Some(&former), Some(&record(&["b"], 50))),
            100,
            "another replica signed with another key"
        );
        assert_eq!(since(&["a"], Some(&former), Some(&record(&["a"], 50))), 50, "another replica saw a loss");
    }

    #[test]
    fn a_key_beside_a_former_one_keeps_its_time() {
        let (first, during) = (record(&["a"], 20), record(&["b", "a"], 20));
        for remembered in [Some(&first), None] {
            assert_eq!(since(&["b", "a"], remembered, Some(&first)), 20);
        }
        for remembered in [Some(&during), None] {
            assert_eq!(since(&["b"], remembered, Some(&during)), 20);
        }
    }

    #[test]
    fn a_secret_of_a_user_counts_from_when_it_was_seen_and_a_restored_one_from_its_creation() {
        assert_eq!(since(&["a"], None, None), 100);
        assert_eq!(since(&["a"], Some(&record(&["a"], 30)), None), 30, "its note was removed");
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
