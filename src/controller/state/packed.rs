//! Compressed objects: at ten thousand objects, the caches are most of the operator's memory. Objects in the API's own
//! types take several KiB each, mostly for the nodes of small maps and for short strings. As compressed JSON they take a
//! fraction of that, and are unpacked once per pass, which takes a few microseconds.

use lz4_flex::block::{compress_prepend_size_with_dict, decompress_size_prepended_with_dict};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What most objects have in common. The compressed form refers to it instead of repeating it; any content is correct.
const DICTIONARY: &[u8] = include_bytes!("dictionary.txt");

/// A compressed value.
#[derive(Clone, Debug, Default)]
pub struct Packed(Box<[u8]>);

impl Packed {
    /// Packs a value. `None` if its JSON has more than `max_bytes`.
    pub fn of<T: Serialize>(value: &T, max_bytes: usize) -> Option<Self> {
        let json = serde_json::to_vec(value).ok().filter(|json| json.len() <= max_bytes)?;
        Some(Self(compress_prepend_size_with_dict(&json, DICTIONARY).into_boxed_slice()))
    }

    /// Unpacks the value. `None` if nothing is packed.
    pub fn unpack<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&decompress_size_prepended_with_dict(&self.0, DICTIONARY).ok()?).ok()
    }

    /// Size in bytes.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}
