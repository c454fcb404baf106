//! Markers, which identify the operator's tokens in the portal's list.
//!
//! The description of a request ends with ` [<issuer>/<nonce>]`. The issuer's part is a hash of the issuer's UID. The
//! nonce is a hash of the object's UID and the attempt id, so that an attempt id that was copied to another object
//! matches no token.

use super::hash::{ALPHABET, base32, hash};
use std::fmt;

const ISSUER_LENGTH: usize = 8;
const NONCE_LENGTH: usize = 12;
const ATTEMPT_LENGTH: usize = 20;

/// Number of characters that a marker adds to a description.
pub const MARKER_LENGTH: usize = 2 + ISSUER_LENGTH + 1 + NONCE_LENGTH + 1;

/// Random id of one attempt to get a token. It is never reused.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AttemptId(String);

impl AttemptId {
    /// Creates an attempt id from random bytes of the caller.
    #[must_use]
    pub fn from_random(bytes: &[u8; 16]) -> Self {
        Self(base32(bytes, ATTEMPT_LENGTH))
    }

    /// Parses an attempt id from an annotation.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let valid = text.len() == ATTEMPT_LENGTH && text.bytes().all(|byte| ALPHABET.contains(&byte));
        valid.then(|| Self(text.to_owned()))
    }
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The issuer's part of a marker.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IssuerTag(String);

impl IssuerTag {
    /// Whether a text can be the tag of an issuer.
    fn is_valid(text: &str) -> bool {
        text.len() == ISSUER_LENGTH && text.bytes().all(|byte| ALPHABET.contains(&byte))
    }

    /// Returns the tag of the issuer with this UID.
    #[must_use]
    pub fn of(issuer_uid: &str) -> Self {
        Self(hash(&["issuer", issuer_uid], ISSUER_LENGTH))
    }
}

/// The attempt's part of a marker.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Nonce(String);

impl Nonce {
    /// Parses a nonce from a status.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let valid = text.len() == NONCE_LENGTH && text.bytes().all(|byte| ALPHABET.contains(&byte));
        valid.then(|| Self(text.to_owned()))
    }

    /// Returns the nonce of an attempt for the object with this UID.
    #[must_use]
    pub fn of(object_uid: &str, attempt: &AttemptId) -> Self {
        Self(hash(&["attempt", object_uid, &attempt.0], NONCE_LENGTH))
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The end of a description, which identifies the issuer and the attempt of a token.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Marker {
    issuer: IssuerTag,
    nonce: Nonce,
}

impl Marker {
    /// Creates the marker of an attempt at an issuer's portal.
    #[must_use]
    pub const fn new(issuer: IssuerTag, nonce: Nonce) -> Self {
        Self { issuer, nonce }
    }

    /// Returns the attempt's part.
    #[must_use]
    pub const fn nonce(&self) -> &Nonce {
        &self.nonce
    }

    /// Returns the description with this marker appended.
    #[must_use]
    pub fn append_to(&self, description: &str) -> String {
        format!("{description} {self}")
    }

    /// Whether a description from the portal ends with this marker; trailing white space is ignored. A marker elsewhere
    /// in the text was written by another user, who may have copied it from another token.
    #[must_use]
    pub fn is_in(&self, description: &str) -> bool {
        description.trim_end().ends_with(&self.to_string())
    }

    /// Finds a marker of this issuer at the end of a description from the portal.
    #[must_use]
    pub fn find(issuer: &IssuerTag, description: &str) -> Option<Self> {
        let opening = format!("[{}/", issuer.0);
        let (_, rest) = description.trim_end().rsplit_once(&opening)?;
        let nonce = rest.strip_suffix(']')?;
        Some(Self { issuer: issuer.clone(), nonce: Nonce::parse(nonce)? })
    }

    /// The marker of any issuer, of this operator or of another one, at the end of a description.
    #[must_use]
    pub fn at_end_of(description: &str) -> Option<Self> {
        let (_, text) = description.trim_end().strip_suffix(']')?.rsplit_once('[')?;
        let (issuer, nonce) = text.split_once('/')?;
        let issuer = IssuerTag::is_valid(issuer).then(|| IssuerTag(issuer.to_owned()))?;
        Some(Self { issuer, nonce: Nonce::parse(nonce)? })
    }

    /// A name for the token of this attempt, where names have lower-case letters, digits and `-` only.
    #[must_use]
    pub fn token_name(&self) -> String {
        format!("rtok-{}-{}", self.issuer.0, self.nonce)
    }
}

/// Whether a description ends with the marker of any issuer, of this operator or of another one.
#[must_use]
pub fn ends_with_any_marker(description: &str) -> bool {
    Marker::at_end_of(description).is_some()
}

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}/{}]", self.issuer.0, self.nonce.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt() -> AttemptId {
        AttemptId::from_random(&[7; 16])
    }

    #[test]
    fn only_an_attempt_id_is_parsed() {
        assert_eq!(AttemptId::parse(&attempt().to_string()), Some(attempt()));
        for forged in ["", "short", "UPPERCASEUPPERCASE22", "aaaaaaaaaaaaaaaaaaa'", "aaaaaaaaaaaaaaaaaaaaa"] {
            assert_eq!(AttemptId::parse(forged), None, "{forged}");
        }
    }

    #[test]
    fn an_attempt_copied_to_another_object_has_another_nonce() {
        assert_ne!(Nonce::of("uid-1", &attempt()), Nonce::of("uid-2", &attempt()));
        assert_ne!(hash(&["ab", "c"], 10), hash(&["a", "bc"], 10));
    }

    #[test]
    fn a_marker_has_the_expected_length_and_is_found_after_a_trim() {
        let marker = Marker::new(IssuerTag::of("i"), Nonce::of("o", &attempt()));
        let sent = marker.append_to("prod");
        assert_eq!(sent.len(), "prod".len() + MARKER_LENGTH);
        assert!(marker.is_in(&format!("  {sent} \n")));
        assert!(!marker.is_in("prod"));
        assert_eq!(Marker::find(&IssuerTag::of("i"), &format!("  {sent} \n")), Some(marker));
        assert_eq!(Marker::find(&IssuerTag::of("another"), &sent), None);
        assert_eq!(Marker::find(&IssuerTag::of("i"), "prod [x/y]"), None);
        assert!(ends_with_any_marker(&format!("{sent} \n")));
        let marker = Marker::at_end_of(&sent).expect("a marker");
        assert_eq!((format!("prod {marker}"), marker.token_name().len()), (sent.clone(), 26));
        assert!(
            marker.token_name().bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        );
        assert!(!["prod", "prod [x/y]", "[", "]", &format!("{sent}.")].iter().any(|text| ends_with_any_marker(text)));
    }

    #[test]
    fn a_marker_that_was_copied_into_a_description_does_not_count() {
        let tag = IssuerTag::of("i");
        let [own, copied] = ["own", "other"].map(|uid| Marker::new(tag.clone(), Nonce::of(uid, &attempt())));
        for text in
            [format!("{copied} prod"), format!("prod {copied}."), format!("prod {copied}]"), format!("{copied}x")]
        {
            assert!(!copied.is_in(&text), "{text}");
            assert_eq!(Marker::find(&tag, &text), None, "{text}");
            let sent = own.append_to(&text);
            assert!(own.is_in(&sent) && !copied.is_in(&sent), "{sent}");
            assert_eq!(Marker::find(&tag, &sent), Some(own.clone()), "{sent}");
        }
    }
}
