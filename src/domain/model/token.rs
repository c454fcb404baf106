//! Equality of token ids and usernames.
//!
//! The portal's client returns ids in one format, according to their type in `$metadata`. An earlier version may have
//! recorded them differently: a GUID in the letter case of the response. So GUIDs are compared case-insensitively, and
//! trailing blanks of a username are ignored, as in SQL Server.

use crate::domain::protocol::Named;
use std::borrow::Cow;
use std::hash::{Hash, Hasher};

/// Returns an id in the form in which ids are compared.
#[must_use]
pub fn id_key(id: &str) -> Cow<'_, str> {
    if is_guid(id) { Cow::Owned(id.to_ascii_lowercase()) } else { Cow::Borrowed(id) }
}

/// Whether two ids are equal.
#[must_use]
pub fn same_id(one: &str, other: &str) -> bool {
    one == other || id_key(one) == id_key(other)
}

/// Returns a username in the form in which usernames are compared.
#[must_use]
pub fn username_key(username: &str) -> &str {
    username.trim_end_matches(' ')
}

fn is_guid(text: &str) -> bool {
    text.split('-').map(str::len).eq([8, 4, 4, 4, 12])
        && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

impl PartialEq for Named {
    fn eq(&self, other: &Self) -> bool {
        same_id(&self.id, &other.id) && username_key(&self.username) == username_key(&other.username)
    }
}

impl Eq for Named {}

impl Hash for Named {
    fn hash<H: Hasher>(&self, state: &mut H) {
        id_key(&self.id).hash(state);
        username_key(&self.username).hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn named(id: &str, username: &str) -> Named {
        Named { id: id.to_owned(), username: username.to_owned() }
    }

    #[test]
    fn guids_are_the_same_in_either_letter_case_and_usernames_with_blanks_at_the_end() {
        let guid = "0f8fad5b-d9cb-469f-a165-70867728950e";
        let (one, other) = (named(guid, "tw-1"), named(&guid.to_uppercase(), "tw-1  "));
        assert_eq!(one, other);
        assert!(HashSet::from([one]).contains(&other));
        for (one, other) in [("A1", "a1"), ("7", "07"), ("1.0", "1"), ("a-b-c-d-e", "A-b-c-d-e")] {
            assert_ne!(named(one, "u"), named(other, "u"), "other texts are compared exactly");
        }
        assert_ne!(named("1", "u"), named("1", "U"));
        assert_ne!(named("1", "u"), named("1", " u"));
    }
}
