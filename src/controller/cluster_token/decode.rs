//! Decodes `ClusterRegistryToken`s.

use crate::api::{ClusterRegistryToken, ClusterRegistryTokenStatus};
use crate::controller::decode::{self, Decoded, InvalidObject, prune};

/// Longest status, in bytes: ten failures have less.
const MAX_STATUS_BYTES: usize = 64 * 1024;

/// A `ClusterRegistryToken`, unless it is larger than any that the CRD accepts. A status that cannot be parsed is
/// written again: it contains nothing that is needed.
pub fn decode_cluster_token(object: &[u8]) -> Decoded<ClusterRegistryToken> {
    prune::check_size(object, prune::MAX_TOKEN_BYTES)?;
    parse(object)
}

/// The same from a live read, whatever its size.
pub fn live_cluster_token(object: &[u8]) -> Option<ClusterRegistryToken> {
    decode::partial_status::ok_or_partial(parse(object))
}

fn parse(object: &[u8]) -> Decoded<ClusterRegistryToken> {
    let empty = |_: &[u8]| Some(ClusterRegistryTokenStatus::default());
    decode::object_with_status(object, MAX_STATUS_BYTES, empty).map_err(|mut invalid: Box<InvalidObject<_>>| {
        if let Some(partial) = &mut invalid.partial {
            let partial: &mut ClusterRegistryToken = partial;
            partial.status = Some(ClusterRegistryTokenStatus::default());
        }
        invalid
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_status_is_ignored() {
        let object = br#"{"metadata":{"name":"pull"},"spec":{"namespaceSelector":{},"template":{"spec":{"description":"d"}}},"status":{"failures":5}}"#;
        let read = live_cluster_token(object).expect("read");
        assert_eq!((read.token_name().as_str(), read.status), ("pull", Some(ClusterRegistryTokenStatus::default())));
        assert!(decode_cluster_token(b"{}").is_err());
    }
}
