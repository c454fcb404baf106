//! Hashes for comparison: short texts that are stored, and 64-bit numbers that stay in the process.

use ring::digest::{Context, SHA256};
use std::hash::{Hash, Hasher};

/// The letters of base32, in lower case.
pub(super) const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Short hash of texts, for comparison only. The length of each part is included, so that the parts cannot run
/// together.
#[must_use]
pub(crate) fn hash(parts: &[&str], length: usize) -> String {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    base32(context.finish().as_ref(), length)
}

/// Encodes five bits per letter, up to `length` letters or the end of the bytes.
pub(super) fn base32(bytes: &[u8], length: usize) -> String {
    let bit = |index: usize| {
        let byte = bytes.get(index / 8).copied().unwrap_or_default();
        usize::from(byte >> (7 - index % 8) & 1)
    };
    let letter = |position: usize| (0..5).fold(0, |value, offset| value << 1 | bit(position * 5 + offset));
    (0..length.min(bytes.len() * 8 / 5)).map(|position| char::from(ALPHABET[letter(position)])).collect()
}

/// Hashes a text for comparison only. The hash is not stored beyond the process.
#[must_use]
pub fn hash64(text: &str) -> u64 {
    hash64_of(&text)
}

/// Hashes any value.
#[must_use]
pub fn hash64_of(value: &impl Hash) -> u64 {
    // Fixed keys: two readers must get the same hash.
    let mut hasher = std::hash::DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
