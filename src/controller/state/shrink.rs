//! A burst leaves a map large.

use std::collections::HashMap;
use std::hash::Hash;

/// A smaller map is not shrunk.
pub const MIN_CAPACITY: usize = 1024;

/// Gives back the memory of a map that is mostly empty.
pub fn shrink<K: Eq + Hash, V>(map: &mut HashMap<K, V>) {
    if map.capacity() > MIN_CAPACITY && map.len() * 4 < map.capacity() {
        map.shrink_to(map.len() * 2);
    }
}
